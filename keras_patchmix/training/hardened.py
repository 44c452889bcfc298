"""The result of `harden`: the model, the line, reports before and after."""

import dataclasses
import json
from typing import TYPE_CHECKING, Any, Literal

from keras_patchmix.base import atomic
from keras_patchmix.base.types import FilePath
from keras_patchmix.occlusion.evaluation import evaluate
from keras_patchmix.report import text
from keras_patchmix.report.weight_line import LinePoint, WeightLine

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from keras_patchmix.occlusion.report import Report


class Hardened:
    """A hardened model, with the line that it was chosen from.

    Attributes:
        model: The hardened `keras.Model`, of the class of the original; compiled as that was, or
            as new objects are where the class has its own `compile`.
        original: The model before, as it was given.
        line: List of `LinePoint`: scores on validation data at shares of the way from the weights
            before to those after the training. One of them is chosen.
        settings: Dict of JSON values that the result depends on.
        before: The `Report` of the original on test data; None before `report`.
        after: The `Report` of the hardened model on the same images.
    """

    def __init__(
        self,
        model: Any,
        original: Any,
        line: list[LinePoint],
        settings: dict[str, Any],
        scoring: dict[str, Any],
    ):
        self.model, self.original = model, original
        self.line, self.settings = line, settings
        self.before: Report | None = None
        self.after: Report | None = None
        self._scoring = scoring

    @property
    def chosen(self) -> LinePoint:
        """The chosen point of the line; the original has a share of 0."""
        return next(one for one in self.line if one.chosen)

    def report(
        self,
        test: Any,
        suite: Any = None,
        verbose: bool | Literal["auto", 2] = "auto",
        **settings: Any,
    ) -> "tuple[Report, Report]":
        """Scores the original and the hardened model on test data.

        Args:
            test: Data that neither model was trained or chosen on, as `evaluate` takes it.
            suite: As in `keras_patchmix.occlusion.evaluate`.
            verbose: As in `harden`.
            **settings: Further arguments of `evaluate`.

        Returns:
            The `Report`s before and after, of the same images. `after.compare(before)` gives the
            paired differences.
        """
        settings = {**self._scoring, **settings}
        self.before, self.after = (
            evaluate(model, test, suite=suite, verbose=verbose, name=name, **settings)
            for model, name in ((self.original, "before"), (self.model, "after"))
        )
        return self.before, self.after

    def table(self) -> str:
        """Returns the line as a text table."""
        head = (
            *("weights", "clean %", "change", "95 % interval", "occluded %"),
            *self.line[0].rows,
            "",
        )
        lines = [
            (
                one.title,
                text.percent(one.clean, 1),
                *(("", "") if one.share == 0 else _change(one)),
                text.percent(one.occluded, 1),
                *(text.percent(value, 1) for value in one.rows.values()),
                one.verdict,
            )
            for one in self.line
        ]
        return text.aligned(head, lines, left=1)

    def __str__(self):
        return self.table()

    def to_dict(self) -> dict[str, Any]:
        """Returns the line and the settings as a dict of JSON values."""
        return {"line": [dataclasses.asdict(one) for one in self.line], "settings": self.settings}

    def to_json(self, path: FilePath | None = None) -> str | None:
        """Returns `to_dict` as JSON text, or writes that atomically to `path` and returns None."""
        written = json.dumps(self.to_dict(), indent=2) + "\n"
        if path is None:
            return written
        atomic.write_text(path, written)
        return None

    def plot(self, path: FilePath | None = None) -> "Figure":
        """Draws the line: accuracy on occluded against clean images, a point for each share.

        Args:
            path: PNG, PDF or SVG file to write, atomically.

        Returns:
            A `matplotlib.figure.Figure`.
        """
        settings = self.settings
        return WeightLine(self.line, settings["max_clean_drop"], settings["titles"]).draw(path)


def _change(point):
    low, high = (f"{100 * value:+.1f}" for value in (point.low, point.high))
    return f"{100 * point.clean_change:+.1f}", f"{low} to {high}"
