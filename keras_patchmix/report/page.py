"""The page: plain data in, one HTML file that loads nothing and reads well on a phone and on paper.

Templates lie in the folder `templates`, one for each kind of section.
"""

import base64
import dataclasses
import functools
import hashlib
from collections.abc import Mapping, Sequence

from keras_patchmix._version import __version__
from keras_patchmix.base import atomic
from keras_patchmix.base.optional import require
from keras_patchmix.base.printable import printable
from keras_patchmix.report.curves import Curves
from keras_patchmix.report.pictures import data_uri, inline_svg
from keras_patchmix.report.selectivity import Strip, draw_strips
from keras_patchmix.report.text import Table, plural, typeset
from keras_patchmix.report.weight_line import WeightLine

_HEADINGS = {
    "summary": "Summary",
    "curves": "Curves",
    "differences": "Differences",
    "line": "The line of weights",
    "examples": "Examples",
    "selectivity": "Patch selectivity",
    "rows": "All conditions",
    "classes": "Classes",
    "settings": "Settings",
}


@dataclasses.dataclass(frozen=True)
class Headline:
    """A model's result in a sentence. Shares are in [0, 1].

    Attributes:
        name: Name of the model.
        n: Number of clean images scored.
        clean: Top-1 on them; None if none could be scored.
        low: Low end of the 95 % interval of `clean`.
        high: High end.
        worst: The condition with the lowest accuracy, in words.
        left: Top-1 under it.
        sets: List of tuples (name, n, top-1) of sets of occluded images.
    """

    name: str
    n: int
    clean: float | None = None
    low: float | None = None
    high: float | None = None
    worst: str | None = None
    left: float | None = None
    sets: Sequence[tuple] = ()


@dataclasses.dataclass(frozen=True)
class Warnings:
    """What a reader must know before quoting a number.

    Attributes:
        differing: Names of the settings in which the models differ.
        other_images: Names of sets of which the models were scored on different images.
        at_chance: List of tuples (model, top-1, n, chance, order, images): models that are not
            above chance, and the options for the order of classes and for preprocessing.
        doubts: List of sentences on models that probably get images of another range.
        skipped: List of tuples (name, reason) of files that could not be read.
        nonfinite: List of tuples (model, conditions in words) of outputs that were not finite.
    """

    differing: Sequence[str]
    other_images: Sequence[str]
    at_chance: Sequence[tuple]
    doubts: Sequence[str]
    skipped: Sequence[tuple]
    nonfinite: Sequence[tuple]


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture with a caption.

    Attributes:
        title: Title in the caption.
        file: A PNG file, bytes.
        coarse: Whether to enlarge it without smoothing, as it has few pixels.
        verdicts: List of tuples (text, kind) for the caption, the kind "good", "bad", "none" or "".
        alt: Text alternative if the title is not enough.
    """

    title: str
    file: bytes
    coarse: bool = False
    verdicts: Sequence[tuple] = ()
    alt: str | None = None


@dataclasses.dataclass(frozen=True)
class Example:
    """Pictures of one image, with its class, its index, and the class of foreign parts or None."""

    label: str
    index: int
    pictures: Sequence[Picture]
    contrast: str | None = None


@dataclasses.dataclass(frozen=True)
class Selectivity:
    """Patch selectivity of the models.

    Attributes:
        table: The numbers.
        strips: List of `Strip`.
        difference: Tuple (first, second, difference, low, high) of two models, or None.
        not_compared: Why two models are not compared, or None.
        methods: List of tuples (model or None, how it was measured).
        examples: List of `Example`.
    """

    table: Table
    strips: Sequence[Strip]
    difference: tuple | None
    not_compared: str | None
    methods: Sequence[tuple]
    examples: Sequence[Example]

    @property
    def words(self):
        """Text alternative of the figure."""
        return " ".join(strip.words for strip in self.strips)

    def draw(self):
        """Draws the strips as a `matplotlib.figure.Figure`."""
        return draw_strips(self.strips)


@dataclasses.dataclass(frozen=True)
class Settings:
    """How to reproduce the numbers.

    Attributes:
        commands: List of command lines.
        calls: List of tuples (names of models, Python code).
        digest: Digest of the labels, None if the models differ.
        table: `Table` of all short settings.
        long: List of tuples (title, values, printed), the values tuples (model or None, text).
    """

    commands: Sequence[str]
    calls: Sequence[tuple]
    digest: str | None
    table: Table
    long: Sequence[tuple]


@dataclasses.dataclass(frozen=True)
class Page:
    """The content of a page; empty sections are left out.

    Attributes:
        title: Title of the page.
        facts: Dict of facts about the images.
        several: Whether there are several models.
        judged: Whether the outcomes of single examples are known.
        headlines: List of `Headline`, of a few models.
        warnings: `Warnings`.
        grids: List of tuples (names of models, how grids lie on their patches).
        summary: `Table`.
        curves: `Curves`.
        differences: List of tuples (model, model, `Table`, how, notes) of two models compared.
        line: `WeightLine` of a model that was hardened, or None.
        examples: List of `Example`.
        selectivity: `Selectivity`, or None.
        rows: List of `Table`.
        classes: List of tuples (model or None, list of `Table`).
        settings: `Settings`.
    """

    title: str
    facts: Mapping[str, str]
    several: bool
    judged: bool
    headlines: Sequence[Headline]
    warnings: Warnings
    grids: Sequence[tuple]
    summary: Table
    curves: Curves
    differences: Sequence[tuple]
    line: WeightLine | None
    examples: Sequence[Example]
    selectivity: Selectivity | None
    rows: Sequence[Table]
    classes: Sequence[tuple]
    settings: Settings


def write(page, path=None):
    """Returns a page as HTML, the same text for the same data.

    Args:
        page: A `Page`. All its text is escaped.
        path: File to write atomically, or None.

    Returns:
        The text, to be written as UTF-8.

    Raises:
        ImportError: Jinja2, matplotlib or Pillow is not installed.
    """
    environment = _environment()
    style = "\n" + environment.loader.get_source(environment, "page.css")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    text = environment.get_template("page.html").render(
        page=page,
        headings={key: text for key, text in _HEADINGS.items() if getattr(page, key)},
        style=style,
        # Only this style sheet and pictures within the page: even a name that got through
        # unescaped could load nothing, run nothing, and style nothing.
        policy=f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; "
        "form-action 'none'",
        version=__version__,
    )
    if path is not None:
        atomic.write_text(path, text)
    return text


@functools.cache
def _environment():
    jinja2 = require("jinja2", "the page of a report")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("keras_patchmix.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )
    environment.filters |= {"percent": typeset, "plural": plural, "data_uri": data_uri}
    environment.filters["inline_svg"] = inline_svg
    return environment


def _printable(value):
    """Makes control characters visible, which browsers drop."""
    return value if hasattr(value, "__html__") else printable(value, lines=True)
