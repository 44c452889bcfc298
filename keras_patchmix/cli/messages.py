"""What commands print: errors that name flags, a comparison in words, and the last line."""

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from keras_patchmix.base.printable import printable_values


def result_line(values: Mapping[str, Any]) -> str:
    """Returns the last line that a command prints: RESULT and a JSON object.

    Args:
        values: Dict of JSON values.
    """
    return "RESULT " + json.dumps(printable_values(values))


def in_words(compared: Any, first: str, second: str) -> str:
    """Says what a comparison shows.

    Args:
        compared: A `keras_patchmix.occlusion.Comparison`.
        first: Name of its first model.
        second: Name of its second model.

    Returns:
        A sentence or two.
    """
    rows = {row.name: row for row in compared.rows}
    clean = rows.pop("clean", None)
    better = sum(row.low > 0 for row in rows.values())
    worse = sum(row.high < 0 for row in rows.values())
    words = (
        f"{first} beats {second} in {better} of {len(rows)} rows under occlusion and loses in "
        f"{worse}: 95 % intervals without 0."
    )
    if clean is None:
        return words
    change, interval = clean.cells(1)
    return f"{words} Clean accuracy changes by {change} points ({interval})."


def named(message: str, flags: Mapping[str, str]) -> str:
    """Replaces arguments by flags in a message of the library.

    Args:
        message: String with arguments in backticks, and optionally "Received: argument=value".
        flags: Dict from arguments to their flags.

    Returns:
        The message, such as "--split must be ... Received: --split 'half'".
    """
    head, received, values = message.partition("Received: ")

    def argument(match):
        return flags.get(match[1], match[0])

    def value(match):
        flag = flags.get(match[1])
        if flag is None:
            return match[0]
        return f"{flag} not given" if match[2] else f"{flag} "

    values = re.sub(r"\b(\w+)=(None\b)?", value, values)
    return re.sub(r"`(\w+)`", argument, head + received + values)


@contextlib.contextmanager
def naming(prefix: str = "", **flags: str) -> Iterator[None]:
    """Puts words in front of the errors raised inside, and flags in place of their arguments.

    Args:
        prefix: String in front of the message. Defaults to `""`.
        **flags: Flags of arguments that are not those of the option of the same name.

    Raises:
        ValueError: In place of one raised inside.
    """
    try:
        yield
    except ValueError as error:
        raise ValueError(prefix + named(str(error), flags)) from error
