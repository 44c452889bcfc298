r"""A Markdown extension: formulas become MathML when the site is built.

`pymdownx.arithmatex` finds `$...$` and `$$...$$` and marks them; here their LaTeX is translated. So
pages hold formulas that every browser draws by itself, with no script and no outside host.
"""

import html
import xml.etree.ElementTree as etree

from latex2mathml.converter import convert
from markdown.extensions import Extension
from markdown.treeprocessors import Treeprocessor
from markdown.util import AtomicString

_MATHML = "{http://www.w3.org/1998/Math/MathML}"


def to_mathml(latex, display):
    """Translates one formula.

    Args:
        latex: The formula in LaTeX, without delimiters.
        display: Whether it stands on a line of its own (`"block"`) or in the text (`"inline"`).

    Returns:
        An element `math`, which keeps the source in its attribute `alttext` for screen readers.

    Raises:
        ValueError: `latex` holds a command that the translator does not know. It would otherwise
            stand in the page as it is.
    """
    root = etree.fromstring(convert(latex, display=display))
    for element in root.iter():
        element.tag = element.tag.removeprefix(_MATHML)
        text = element.text or ""
        if text.startswith("\\") and len(text) > 1:
            raise ValueError(f"`latex` must hold known commands alone. Received: {text} in {latex}")
        element.text = AtomicString(text) if text else None
    root.set("alttext", latex.strip())
    return root


class _Translate(Treeprocessor):
    r"""Replaces what arithmatex has marked, `\(...\)` and `\[...\]`, by MathML."""

    def run(self, root):
        for element in root.iter():
            if "arithmatex" not in (element.get("class") or "").split():
                continue
            # From version 13 on, arithmatex leaves "<" and "&" escaped.
            marked = html.unescape(element.text or "").strip()
            if marked[:2] in ("\\(", "\\["):
                display = "inline" if marked[:2] == "\\(" else "block"
                element.text = None
                element.append(to_mathml(marked[2:-2], display))


class MathML(Extension):
    """Adds the translation after inline patterns, where arithmatex has done its part."""

    def extendMarkdown(self, md):
        """Registers the translation with `md`."""
        md.treeprocessors.register(_Translate(md), "mathml", 5)


def makeExtension(**kwargs):
    """Returns the extension, as `markdown_extensions: [tools.mathml]` asks for it."""
    return MathML(**kwargs)
