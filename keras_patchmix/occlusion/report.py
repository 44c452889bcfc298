"""The outcome of a benchmark: rows, summary, settings, and their files."""

import dataclasses
import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_patchmix.base import atomic, state_files
from keras_patchmix.base.optional import require
from keras_patchmix.base.printable import printable_values
from keras_patchmix.base.types import FilePath
from keras_patchmix.occlusion import report_file
from keras_patchmix.occlusion.outcomes import RIGHT
from keras_patchmix.occlusion.rows import Row, class_rows, overall_mean, row_named, summarize

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from keras_patchmix.occlusion.comparison import Comparison


class Report:
    """Rows and summary of a benchmark, with all settings.

    Attributes:
        rows: List of `Row`, the clean one first, those of sets of occluded images last.
        summary: List of `Summary`, one per corruption and grid (per corruption without levels), and
            one per set of occluded images.
        settings: Dict of JSON values that the rows depend on.
        outcomes: `Outcomes` of the single examples, for paired comparisons and classes; or None.
        skipped: List of dicts with the "name" and the "reason" of files that could not be read.
        datasets: Dict from the names of rows of sets of occluded images to their `OccludedSet`s:
            settings, outcomes and skipped images.
    """

    def __init__(
        self,
        rows: Iterable[Row],
        settings: dict[str, Any],
        outcomes: Any = None,
        skipped: Iterable[Any] = (),
        datasets: Mapping[str, Any] | None = None,
    ):
        self.rows = list(rows)
        self.settings = printable_values(settings)
        self.outcomes = outcomes
        self.skipped = printable_values(list(skipped))
        self.datasets = dict(datasets or {})
        self.summary = summarize(self.rows)

    @classmethod
    def load(cls, path: FilePath) -> "Report":
        """Reads a report from a file that `to_json` wrote.

        A checksum in the file must be that of its content. The parts of the report must agree with
        each other even without one, as after an edit by hand or in files of earlier versions.

        Args:
            path: The file, or a directory that holds a report.json.

        Raises:
            ValueError: The file is damaged, is not a report, or is one of a later version of this
                package. The message names the file.
        """
        path = Path(path)
        return cls(**report_file.load(path / "report.json" if path.is_dir() else path))

    @property
    def correct(self):
        """Dict from a row's name to a boolean array of shape (n,): which examples were right.

        Of a sequential evaluation, examples after a row had stopped are False.
        """
        parts = [self.outcomes, *(each.outcomes for each in self.datasets.values())]
        return {
            name: values == RIGHT
            for outcomes in parts
            if outcomes is not None
            for name, values in outcomes.top1.items()
        }

    @property
    def mean(self) -> float | None:
        """Mean of top-1 over the summary, each corruption and grid counting the same, in [0, 1].

        `OcclusionBenchmark` logs it as `val_occlusion_mean`. None if a row has no score.
        """
        return overall_mean(self.rows)

    @property
    def all_skipped(self):
        """List of dicts as in `skipped`, and those of the sets, prefixed with the row's name."""
        return [
            *self.skipped,
            *(
                {**entry, "name": f"{name}: {entry['name']}"}
                for name, each in self.datasets.items()
                for entry in each.skipped
            ),
        ]

    def compare(self, other: "Report") -> "Comparison":
        """Compares this report with another: `report.compare(other)` or `Report.compare(a, b)`.

        Args:
            other: A `Report`.

        Returns:
            A `Comparison`, see `keras_patchmix.occlusion.comparison.compare`.
        """
        from keras_patchmix.occlusion import comparison

        return comparison.compare(self, other)

    def class_rows(self) -> Any:
        """Returns a list of `ClassRow`: every row of the report for every class of its data set.

        Raises:
            ValueError: The report does not hold the outcomes of the single examples.
        """
        if self.outcomes is None:
            raise ValueError("This report does not hold the outcomes that rows of classes need")
        rows = class_rows(self.outcomes, self.settings.get("class_names"))
        for each in self.datasets.values():
            rows += class_rows(each.outcomes, each.settings["class_names"], clean_first=False)
        return rows

    def row(self, name: str) -> Row:
        """Returns the row of a name; raises KeyError if there is none."""
        return row_named(self.rows, name)

    def to_dict(self) -> dict[str, Any]:
        """Returns the report as a dict of JSON values."""
        return {
            "schema_version": report_file.SCHEMA_VERSION,
            "settings": self.settings,
            "rows": [dataclasses.asdict(row) for row in self.rows],
            "summary": [dataclasses.asdict(each) for each in self.summary],
            "skipped": self.skipped,
            "outcomes": None if self.outcomes is None else self.outcomes.to_dict(),
            "datasets": {name: each.to_dict() for name, each in self.datasets.items()},
        }

    def to_json(self, path: FilePath | None = None) -> str:
        """Returns the report as JSON text, or writes it atomically to `path` and returns None.

        The text is `to_dict`, with a checksum under "sha256".
        """
        return _returned_or_written(state_files.sealed_text(self.to_dict(), indent=2), path)

    def to_csv(self, path: FilePath | None = None) -> str:
        """Returns the rows as CSV text, or writes it atomically to `path` and returns None.

        Each line also holds the settings, so that the files of several models can be concatenated.
        Lists and dicts are JSON. Text that a spreadsheet would take for a formula is prefixed with
        an apostrophe. The line of a set of occluded images has the settings of that set. `low` and
        `high` are the 95 % interval of `top1`: that of the row if it stopped by `precision`, else
        Wilson's.
        """
        from keras_patchmix.occlusion import report_text

        return _returned_or_written(report_text.csv(self), path)

    def to_pandas(self) -> Any:
        """Returns the rows as a `pandas.DataFrame`, the columns those of `to_csv` up to `high`.

        Raises:
            ImportError: pandas is not installed.
        """
        from keras_patchmix.occlusion import report_text

        pandas = require("pandas", "Report.to_pandas")
        return pandas.DataFrame([report_text.flat(row) for row in self.rows])

    def to_markdown(self, path: FilePath | None = None) -> str:
        """Returns rows and summary as tables in Markdown, or writes them atomically to `path`."""
        from keras_patchmix.occlusion import report_text

        return _returned_or_written(report_text.markdown(self), path)

    @property
    def model_name(self) -> str:
        """The name of the model that was scored, or "model"."""
        return str(self.settings.get("model") or "model")

    def plot(self, path: FilePath | None = None) -> "Figure":
        """Draws accuracy against information loss, see `plot_reports`.

        Args:
            path: PNG, PDF or SVG file to write, atomically.

        Returns:
            A `matplotlib.figure.Figure`.
        """
        from keras_patchmix.occlusion.panels import draw

        return draw({self.model_name: self}, path)

    def to_class_csv(self, path: FilePath | None = None) -> str:
        """Returns the rows of all classes as CSV text, or writes it atomically to `path`.

        The columns are the fields of `ClassRow`.
        """
        from keras_patchmix.occlusion import report_text

        return _returned_or_written(report_text.class_csv(self), path)

    def to_html(
        self,
        path: FilePath | None = None,
        examples: Sequence[Mapping[str, Any]] | None = None,
        selectivity: Any = None,
    ) -> str:
        """Returns the report as a self-contained page, or writes it atomically to `path`.

        Args:
            path: File to write, or None.
            examples: What `Benchmark.examples` returned, for pictures; or None.
            selectivity: `keras_patchmix.explain.SelectivityReport` of the same model, or None.
        """
        from keras_patchmix.occlusion.page import write_page

        written = write_page(self, examples=examples, selectivity=selectivity)
        return _returned_or_written(written, path)

    def table(self) -> str:
        """Returns rows and summary as a text table."""
        from keras_patchmix.occlusion import report_text

        return report_text.table(self)

    def __str__(self):
        return self.table()

    def __repr__(self):
        top1 = self.rows[0].top1
        clean = "unknown" if top1 is None else f"{100 * top1:.2f}"
        model = self.settings.get("model")
        return f"<Report of {model!r}: {len(self.rows)} rows, clean top-1 {clean} %>"

    def _repr_html_(self):
        """Returns the table, for notebooks."""
        return f"<pre>{html.escape(self.table())}</pre>"


def as_dict(reports):
    """Returns a dict from names to reports. A single report is named after its model.

    Args:
        reports: A `Report`, or a dict from names to reports.

    Raises:
        ValueError: Neither, or an empty dict.
    """
    if isinstance(reports, Report):
        return {reports.model_name: reports}
    is_dict = isinstance(reports, dict) and len(reports) > 0
    if is_dict and all(isinstance(report, Report) for report in reports.values()):
        return {str(name): report for name, report in reports.items()}
    raise ValueError(
        f"`reports` must be a Report or a dict from names to reports. Received: reports={reports!r}"
    )


def _returned_or_written(written, path):
    if path is None:
        return written
    atomic.write_text(path, written)
    return None
