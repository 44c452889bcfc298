"""Figures as SVG within a page, in the page's own colours and letters."""

import io
import re
from xml.etree import ElementTree

from keras_patchmix.base.optional import require
from keras_patchmix.base.printable import printable
from keras_patchmix.report.style import BAD, COLOURS, GOOD, PAPER, RULE, SOFT

_SVG, _LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
# What the style sheet of a page calls the colours of figures, as they differ in the dark.
_NAMES = {PAPER: "paper", RULE: "rule", SOFT: "soft", GOOD: "good", BAD: "bad"}
_NAMES |= {colour: f"s{number}" for number, colour in enumerate(COLOURS)}


def inline_svg(figure, words, name):
    """Returns a figure as an element of a page.

    It has no style sheet and no `style` attributes, which the page's security policy refuses.

    Args:
        figure: A `matplotlib.figure.Figure`.
        words: What it shows, for those who do not see it.
        name: Tells the figures of a page apart.
    """
    file = io.StringIO()
    options = {"svg.fonttype": "none", "svg.hashsalt": name}
    with require("matplotlib", "the figures of a page").rc_context(options):
        metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(file, format="svg", transparent=True, metadata=metadata)
    root = ElementTree.fromstring(file.getvalue())
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
        for part in element.findall(f"{_SVG}style"):
            element.remove(part)
        element.attrib = _attributes(element)
    for key in ("width", "height", "version"):
        del root.attrib[key]
    root.attrib |= {"role": "img", "aria-label": printable(words)}
    return ElementTree.tostring(root, encoding="unicode")


def _attributes(element):
    """Attributes of a page: styles as attributes of their own, colours by their names."""
    found = dict(element.attrib)
    if element.tag == "g":
        found.pop("id", None)  # the same in all figures
    if _LINK in found:
        found["href"] = found.pop(_LINK)
    for declaration in filter(None, found.pop("style", "").split(";")):
        key, value = map(str.strip, declaration.split(":", 1))
        if key == "font":  # before matplotlib 3.9
            key, value = "font-size", re.search(r"[\d.]+px", value)[0]
        if key != "font-family":
            known = _NAMES.get(value.lower())
            found[key] = f"var(--{known})" if known else value
    return found
