"""The blocks of code in Markdown pages, for the tests that run them.

A comment straight before a block says where it can run:

    <!-- needs: grain -->               a package that is installed
    <!-- needs: jax backend -->         a backend of Keras
    <!-- not run: asks for 8 GPUs -->   nowhere in the tests, and why
"""

import dataclasses
import importlib.util
import re
from pathlib import Path

import keras

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
_MARK = r"(?:^<!-- (?P<mark>needs|not run): (?P<what>.+?) -->\n)?"
_FENCE = re.compile(_MARK + r"^```(?P<language>\w*)[^`\n]*\n(?P<code>.*?)^```$", re.S | re.M)
_STRAY = re.compile(r"^ *(?:```|<!-- (?:needs|not run)).*", re.M)
_INDENTED = re.compile(r"^ {4}(.*\n)", re.M)


@dataclasses.dataclass(frozen=True)
class Block:
    """A block of code in a page.

    Attributes:
        language: What stands behind the opening fence, such as "python"; "" if nothing does.
        code: Its text.
        needs: What stands in its mark `needs`, or None.
        not_run: The reason in its mark `not run`, or None.
        line: Line of the page in which its code begins, from 1.
    """

    language: str
    code: str
    needs: str | None
    not_run: str | None
    line: int

    def runs_here(self):
        """Whether its code is to be run, with the packages and the backend that are here."""
        return self.not_run is None and (self.needs is None or is_here(self.needs))


def pages():
    """Returns README.md and all pages of docs/, as `Path`, in order."""
    return [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


def name_of(page):
    """Returns a page's name below docs/; that of README.md is the file's."""
    return page.relative_to(DOCS if DOCS in page.parents else ROOT).as_posix()


def blocks_of(text):
    """Returns all fenced blocks of a page's text, in order.

    Raises:
        ValueError: A fence or a mark stands where it is not read.
    """
    found = [_block(text, match) for match in _FENCE.finditer(text)]
    rest = _FENCE.sub("", text)
    if stray := _STRAY.search(rest):
        raise ValueError(f"belongs to no block that is read: {stray[0]!r}")
    return found


def shell_lines(text):
    """Returns the lines of a page's shell blocks and of its indented blocks.

    Lines that end in a backslash are joined with the next.
    """
    fenced = [block.code for block in blocks_of(text) if block.language in ("", "sh", "bash")]
    indented = _INDENTED.findall(_FENCE.sub("", text))
    lines = "".join(fenced + indented).replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip()]


def is_here(needs):
    """Whether a package is installed or, for "x backend", x is the Keras backend."""
    name, _, backend = needs.partition(" ")
    if backend:
        return keras.backend.backend() == name
    return importlib.util.find_spec(name) is not None


def _block(text, match):
    mark, what = match["mark"], match["what"]
    return Block(
        match["language"],
        match["code"],
        what if mark == "needs" else None,
        what if mark == "not run" else None,
        text.count("\n", 0, match.start("code")) + 1,
    )
