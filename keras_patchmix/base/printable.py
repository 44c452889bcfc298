"""Names of files, classes and models as text that a file, a terminal or a picture can hold."""

import sys
import unicodedata

# They turn the direction of what follows, so that a name reads as another one.
_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_HIDDEN = frozenset(("Cc", "Cs", "Zl", "Zp"))  # controls, halves of characters, separators of lines


def printable(name, lines=False):
    r"""Returns a name as one line of valid Unicode, with escapes for what must not be printed.

    A byte of a file name that is not UTF-8 becomes `\xe9`, a control character `\x1b`, a mark that
    turns the direction of writing `\u202e`. What is printable already stays as it is, so that a
    second call changes nothing.

    Args:
        name: String as the file system gives it, a path, bytes, or a value that `str` takes.
        lines: Whether line feeds stay, for text of several lines. Defaults to `False`.
    """
    text = name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else str(name)
    if text.isprintable():
        return text
    return "".join(sign if lines and sign == "\n" else _shown(sign) for sign in text)


def quoted(name):
    """Returns a name between apostrophes as `printable` has it: `repr` doubles backslashes."""
    return f"'{printable(name)}'"


def printable_values(value):
    """Returns JSON values with all strings as `printable` has them; tuples as lists.

    The keys of a dict are as `distinct` has them, so that none replaces another one.
    """
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        texts = [key for key in value if isinstance(key, str)]
        shown = dict(zip(texts, distinct(texts), strict=True))
        return {shown.get(key, key): printable_values(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [printable_values(one) for one in value]
    return value


def distinct(names):
    """Returns a list of the printable forms of names that differ; a number tells equal ones apart.

    Names that are printable and differ stay as they are, so that a second call changes nothing.

    Args:
        names: Iterable of strings as the file system gives them.
    """
    found, numbers = {}, {}
    for name in names:
        text = shown = printable(name)
        while shown in found:
            numbers[text] = numbers.get(text, 1) + 1
            shown = f"{text} ({numbers[text]})"
        found[shown] = None
    return list(found)


def say(text="", file=None):
    """Prints text of one or several lines at once, whatever names it holds.

    Args:
        text: String.
        file: Where to, `sys.stdout` when None.
    """
    file = sys.stdout if file is None else file
    encoding = getattr(file, "encoding", None) or "utf-8"
    shown = printable(text, lines=True).encode(encoding, "backslashreplace").decode(encoding)
    print(shown, file=file, flush=True)


def _shown(sign):
    code = ord(sign)
    if sign not in _DIRECTIONS and unicodedata.category(sign) not in _HIDDEN:
        return sign
    if 0xDC80 <= code <= 0xDCFF:  # what Python makes of a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return repr(sign)[1:-1] if code < 0x80 else f"\\u{code:04x}"
