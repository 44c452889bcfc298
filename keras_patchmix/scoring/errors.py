"""What an error of Keras says, in one line."""

import re

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
# Below this Keras lists all arguments of a layer, with their values.
_ARGUMENTS = re.compile(r"^(?:Call )?[Aa]rguments received by ")
_MOST = 500


def cause(error):
    """Returns the message of an error as one line of at most about 500 characters.

    Keras names the layer in the first line of a message, and the cause further down.

    Args:
        error: An exception.
    """
    lines = []
    for line in _COLOURS.sub("", str(error)).splitlines():
        if _ARGUMENTS.match(line.strip()):
            break
        lines.append(line)
    text = " ".join(" ".join(lines).split()) or type(error).__name__
    return text if len(text) <= _MOST else text[:_MOST] + " ..."
