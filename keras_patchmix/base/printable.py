"""Names of files, classes and models as text that a file, a terminal or a picture can hold."""

import sys
import unicodedata

# Marks of direction, with which a name reads as another one.
_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_HIDDEN = frozenset(("Cc", "Cs", "Zl", "Zp"))  # controls, halves of characters, separators of lines


def printable(name, lines=False):
    r"""Returns a name as one line of valid Unicode, with escapes for unprintable characters.

    A byte that is not UTF-8 becomes `\xe9`, a control character `\x1b`, a mark of direction
    `\u202e`. Printable text stays as it is, so that a second call changes nothing.

    Args:
        name: String as the file system gives it, a path, bytes, or a value that `str` takes.
        lines: Whether line feeds stay. Defaults to `False`.
    """
    text = name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else str(name)
    if text.isprintable():
        return text
    return "".join(sign if lines and sign == "\n" else _shown(sign) for sign in text)


def quoted(name):
    """Returns a name between apostrophes as `printable` has it: `repr` doubles backslashes."""
    return f"'{printable(name)}'"


def printable_values(value):
    """Returns JSON values with `printable` strings and `distinct` keys; tuples become lists."""
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
    """Returns the printable forms of different names; a number is appended to equal ones.

    Args:
        names: Iterable of strings as the file system gives them.
    """
    unique, numbers = {}, {}
    for name in names:
        text = shown = printable(name)
        while shown in unique:
            numbers[text] = numbers.get(text, 1) + 1
            shown = f"{text} ({numbers[text]})"
        unique[shown] = None
    return list(unique)


def say(text="", file=None):
    """Prints text, made printable, to a file or `sys.stdout`."""
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
