"""What a page holds: images as small PNG files, and figures as SVG in the page's own colors."""

import base64
import io
import re
from xml.etree import ElementTree

import numpy as np

from keras_patchmix.base.optional import require
from keras_patchmix.base.printable import printable
from keras_patchmix.report.style import BAD, COLORS, GOOD, PAPER, RULE, SOFT

_SIDE = 128  # pixels of the longest side, at most
_BUDGET = 900_000  # bytes of all pictures together
_SVG, _LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
# What the style sheet of a page calls the colors of figures, as they differ in the dark.
_NAMES = {PAPER: "paper", RULE: "rule", SOFT: "soft", GOOD: "good", BAD: "bad"}
_NAMES |= {color: f"s{number}" for number, color in enumerate(COLORS)}


def to_unit(image, value_range):
    """Scales an image to [0, 1] for display.

    Args:
        image: Array of shape (H, W, C), of any real dtype. The alpha of four channels is dropped;
            two, or more than four, channels are averaged.
        value_range: (black, white). Values are clipped to it; nan is black.

    Returns:
        float64 array of shape (H, W, 1) or (H, W, 3), in [0, 1].
    """
    low, high = value_range
    values = (np.asarray(image).astype(np.float64) - low) / (high - low)
    values = np.clip(np.nan_to_num(values, nan=0.0, posinf=1.0, neginf=0.0), 0, 1)
    channels = values.shape[2]
    if channels == 4:
        return values[..., :3]
    return values if channels in (1, 3) else values.mean(axis=2, keepdims=True)


def encode(images, value_range):
    """Encodes images as PNG, all reduced by one factor so that they fit into a page.

    Args:
        images: List of arrays as `to_unit` takes them.
        value_range: As of `to_unit`.

    Returns:
        List of PNG files as bytes.
    """
    from_array = require("PIL.Image", "the pictures of a page").fromarray
    units = [np.rint(255 * to_unit(image, value_range)).astype(np.uint8) for image in images]
    full = [from_array(unit[..., 0] if unit.shape[2] == 1 else unit) for unit in units]
    longest = max((max(one.size) for one in full), default=1)
    factor = -(-longest // _SIDE)
    while True:
        files = [_encoded(one.reduce(factor)) for one in full]
        if sum(map(len, files)) <= _BUDGET or factor >= longest:
            return files
        factor += 1


def data_uri(file):
    """Returns a PNG file as a data URI."""
    return f"data:image/png;base64,{base64.b64encode(file).decode('ascii')}"


def _encoded(image):
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def inline_svg(figure, words, name):
    """Returns a figure as an element of a page.

    It has no style sheet and no `style` attributes, which the page's security policy refuses.

    Args:
        figure: A `matplotlib.figure.Figure`.
        words: Text alternative.
        name: Name of the figure, unique on the page.
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
    """Turns inline styles into attributes, and the colors of figures into CSS variables."""
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
