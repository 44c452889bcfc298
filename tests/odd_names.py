"""Names that nobody should have to print, and what is printed of them."""

import os
import unicodedata

# As the file system gives them: no UTF-8, a formula of spreadsheets, an escape of terminals.
CLASSES = (os.fsdecode(b"caf\xe9"), "=cmd|' &calc'!A1", "red\x1b[31m\u202e")
SHOWN = ("caf\\xe9", "=cmd|' &calc'!A1", "red\\x1b[31m\\u202e")
# Two files of one printable name.
FILES = (os.fsdecode(b"a\xe9.png"), r"a\xe9.png")


def assert_printable(text):
    """Raises where a text holds what turns a terminal, or is no Unicode."""
    text.encode("utf-8")
    odd = {sign for sign in text if unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp")}
    assert odd <= {"\n"}, odd
    assert not set("\u200f\u202a\u202e\u2066") & set(text)


def assert_files_are_printable(folder, suffixes=(".csv", ".html", ".json")):
    """Raises where a file of results holds such text; backslash escapes of JSON count too."""
    files = [path for path in folder.rglob("*") if path.suffix in suffixes]
    assert files
    for path in files:
        text = path.read_bytes().decode("utf-8")
        assert_printable(text)
        if path.suffix == ".json" and path.name != "config.json":  # which keeps flags as they are
            assert "\\udc" not in text
            assert "\\u001b" not in text
