"""Command-line flags: types for `argparse`, and messages that name flags."""

import argparse
import re
from typing import NoReturn

from keras_patchmix.base.printable import printable


class Parser(argparse.ArgumentParser):
    """A parser whose messages hold no control characters, whatever names flags were given."""

    def error(self, message: str) -> NoReturn:
        """Prints how the command is used and what is wrong, and exits with status 2."""
        super().error(printable(message))


def number(convert, valid, allowed):
    """Returns a type for `argparse` that accepts some numbers only.

    Args:
        convert: `int` or `float`.
        valid: Function of the number that returns whether it is accepted.
        allowed: String that completes "must be ...".
    """

    def parse(text):
        try:
            value = convert(text)
        except ValueError:
            value = None
        if value is None or not valid(value):
            raise argparse.ArgumentTypeError(f"must be {allowed}, got {text!r}")
        return value

    return parse


def whole(minimum, maximum=None):
    """Returns a type for `argparse`: whole numbers of at least `minimum`, or up to `maximum`."""
    if maximum is None:
        return number(int, lambda n: n >= minimum, f"a whole number of at least {minimum}")
    allowed = f"a whole number from {minimum} to {maximum}"
    return number(int, lambda n: minimum <= n <= maximum, allowed)


def named(message, flags):
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
