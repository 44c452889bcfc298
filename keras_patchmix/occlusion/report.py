"""The outcome of a benchmark: rows, summary, settings, and their files."""

import csv
import dataclasses
import html
import importlib.metadata
import io
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from keras_patchmix import _atomic
from keras_patchmix._types import FilePath
from keras_patchmix._version import __version__
from keras_patchmix.occlusion import comparison, text
from keras_patchmix.occlusion.occluded_set import OccludedSet
from keras_patchmix.occlusion.outcomes import RIGHT, Outcomes
from keras_patchmix.occlusion.per_class import ClassRow, class_rows
from keras_patchmix.occlusion.rows import Row, row_named, summarise

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from keras_patchmix.occlusion.comparison import Comparison

SCHEMA_VERSION = 3


class Report:
    """Rows and summary of a benchmark, with all settings.

    Attributes:
        rows: List of `Row`, the clean one first, those of sets of occluded images last.
        summary: List of dicts, one per corruption and grid (per corruption where it has no levels):
            `mean`, over the levels, without clean; `area`, under the curve of top-1 against the
            true share, by trapezoids, clean included, divided by the range of shares (None where
            there are no levels); `drop`, clean minus the hardest condition. None where a row that
            they need has no scored image. Sets of occluded images have the mean over their splits.
        settings: Dict of JSON values: what the rows depend on.
        outcomes: `Outcomes` of the single examples, for paired comparisons and classes; None in
            reports that do not hold them.
        skipped: List of dicts with the "name" and the "reason" of what the data set could not read.
        datasets: Dict from the name of a row to the `OccludedSet` that it is about: the settings,
            outcomes and skipped images of the rows that are of a data set of their own.
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
        self.settings = settings
        self.outcomes = outcomes
        self.skipped = list(skipped)
        self.datasets = dict(datasets or {})
        self.summary = summarise(self.rows)

    @classmethod
    def load(cls, path: FilePath) -> "Report":
        """Reads a report from a file that `to_json` wrote.

        Args:
            path: The file, or a directory that holds a report.json.

        Raises:
            ValueError: The file is no report, or one of a later version than this package knows.
        """
        path = Path(path)
        if path.is_dir():
            path = path / "report.json"
        try:
            data = json.loads(path.read_text("utf-8"))
            version = data["schema_version"]
        except (ValueError, TypeError, KeyError):
            raise ValueError(
                f"`path` must be a report in JSON. Received: {str(path)!r}, which is something else"
            ) from None
        if version not in range(1, SCHEMA_VERSION + 1):
            raise ValueError(
                f"`path` must be a report of schema version 1 to {SCHEMA_VERSION}; a later one "
                f"needs a later keras-patchmix. Received: version {version} in {str(path)!r}"
            )
        outcomes = data.get("outcomes")
        return cls(
            [Row(**{**row, "grid": row["grid"] and tuple(row["grid"])}) for row in data["rows"]],
            data["settings"],
            None if outcomes is None else Outcomes.from_dict(outcomes),
            data.get("skipped", ()),
            {name: OccludedSet.from_dict(each) for name, each in data.get("datasets", {}).items()},
        )

    @property
    def correct(self):
        """Dict from a row's name to a boolean array of shape (n,): which examples were right."""
        known = [self.outcomes, *(each.outcomes for each in self.datasets.values())]
        return {
            name: values == RIGHT
            for outcomes in known
            if outcomes is not None
            for name, values in outcomes.top1.items()
        }

    @property
    def all_skipped(self):
        """List of dicts as in `skipped`, those of the sets too, with the row's name in front."""
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
        """Returns the row of a name.

        Raises:
            KeyError: There is none; the message lists those there are.
        """
        return row_named(self.rows, name)

    def to_dict(self) -> dict[str, Any]:
        """Returns the report as a dict of JSON values."""
        return {
            "schema_version": SCHEMA_VERSION,
            "settings": self.settings,
            "rows": [dataclasses.asdict(row) for row in self.rows],
            "summary": self.summary,
            "skipped": self.skipped,
            "outcomes": None if self.outcomes is None else self.outcomes.to_dict(),
            "datasets": {name: each.to_dict() for name, each in self.datasets.items()},
        }

    def to_json(self, path: FilePath | None = None) -> str:
        """Returns the report as JSON text, or writes that atomically to `path` and returns None."""
        written = json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n"
        return _returned_or_written(written, path)

    def to_csv(self, path: FilePath | None = None) -> str:
        """Returns the rows as CSV text, or writes that atomically to `path` and returns None.

        Each line holds the settings too, after the row's own columns, so that the files of several
        models can be put together. Lists and dicts among them are JSON. In the line of a set of
        occluded images, settings of its own stand in place of those of the other data.
        """
        file = io.StringIO()
        columns = [field.name for field in dataclasses.fields(Row)]
        settings = {key: value for key, value in self.settings.items() if key not in columns}
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*columns, "schema_version", *settings])
        for row in self.rows:
            values = dataclasses.asdict(row)
            values["grid"] = text.grid_text(row.grid)
            own = self.datasets[row.name].settings if row.name in self.datasets else {}
            cells = [_cell(own.get(key, value)) for key, value in settings.items()]
            writer.writerow([*(_cell(values[c]) for c in columns), SCHEMA_VERSION, *cells])
        return _returned_or_written(file.getvalue(), path)

    def plot(self, path: FilePath | None = None) -> "Figure":
        """Draws accuracy against information loss, see `plot_reports`.

        Args:
            path: PNG, PDF or SVG file to write, atomically.

        Returns:
            A `matplotlib.figure.Figure`.
        """
        from keras_patchmix.occlusion.plot import plot_reports

        return plot_reports(self, path)

    def to_class_csv(self, path: FilePath | None = None) -> str:
        """Returns the rows of all classes as CSV text, or writes that to `path`, atomically.

        Its columns are the fields of `ClassRow`.
        """
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([field.name for field in dataclasses.fields(ClassRow)])
        for row in self.class_rows():
            writer.writerow([_cell(value) for value in dataclasses.astuple(row)])
        return _returned_or_written(file.getvalue(), path)

    def to_html(
        self,
        path: FilePath | None = None,
        examples: Sequence[Mapping[str, Any]] | None = None,
        selectivity: Any = None,
    ) -> str:
        """Returns the report as a page that stands alone, or writes it atomically to `path`.

        Args:
            path: File to write, or None.
            examples: What `Benchmark.examples` returned, for pictures; None leaves them out.
            selectivity: `keras_patchmix.explain.SelectivityReport` of the same model, or None.
        """
        from keras_patchmix.occlusion.page import write_page

        written = write_page(self, examples=examples, selectivity=selectivity)
        return _returned_or_written(written, path)

    def table(self) -> str:
        """Returns rows and summary as text for people."""
        head = ("corruption", "grid", "level", "share", "top-1 %", "+-", "top-5 %")
        lines = [
            (
                row.corruption if row.data is None else row.name,
                text.grid_text(row.grid),
                "" if row.level is None else f"{100 * row.level:g} %",
                "" if row.share is None else f"{100 * row.share:.1f} %",
                text.percent(row.top1),
                text.percent(row.standard_error),
                text.percent(row.top5),
            )
            for row in self.rows
        ]
        summary_head = ("corruption", "grid", "mean", "area", "drop")
        summary = [
            (
                entry["corruption"],
                text.grid_text(entry["grid"]),
                *(text.percent(entry[key]) for key in ("mean", "area", "drop")),
            )
            for entry in self.summary
        ]
        size = "x".join(map(str, self.settings["image_size"]))
        n = self.settings.get("n", self.rows[0].n)
        title = f"{self.settings['model'] or 'model'}: {n} images of {size}"
        if self.settings.get("preprocess"):
            title += f", through {self.settings['preprocess']}"
        if self.settings.get("one_output"):
            title += f", the one output read as a {self.settings['one_output']}"
        parts = [title, "", text.aligned(head, lines)]
        if summary:
            parts += ["", "top-1 %, summed up", text.aligned(summary_head, summary)]
        if self.datasets:
            parts += ["", *(_of_set(row) for row in self.rows if row.data is not None)]
        bad = sum(row.n_nonfinite for row in self.rows)
        if bad:
            parts += ["", f"{bad} outputs were not finite and are not scored."]
        skipped = self.all_skipped
        if skipped:
            names = ", ".join(entry["name"] for entry in skipped[:5])
            more = ", ..." if len(skipped) > 5 else ""
            parts += ["", f"{len(skipped)} images could not be read: {names}{more}"]
        if self.settings.get("left_out"):
            parts += ["", f"Left out of the folder: {self.settings['left_out']}"]
        return "\n".join(parts)

    def __str__(self):
        return self.table()

    def __repr__(self):
        model, clean = self.settings.get("model"), text.percent(self.rows[0].top1)
        return f"<Report of {model!r}: {len(self.rows)} rows, clean top-1 {clean or 'unknown'} %>"

    def _repr_html_(self):
        """Returns the table, for notebooks."""
        return f"<pre>{html.escape(self.table())}</pre>"


def versions():
    """Returns the versions of the packages a score depends on."""
    backend = keras.config.backend()
    module = sys.modules.get(backend)
    return {
        "keras_patchmix": __version__,
        "keras": keras.__version__,
        "numpy": importlib.metadata.version("numpy"),
        "backend": backend,
        backend: getattr(module, "__version__", None),
        "python": sys.version.split()[0],
    }


def _of_set(row):
    source = "" if row.data == row.name else f", {row.data}"
    return f"{row.name}: {row.n + row.n_nonfinite} images of its own{source}."


def _returned_or_written(written, path):
    if path is None:
        return written
    _atomic.write_text(path, written)
    return None


def _cell(value):
    if value is None:
        return ""
    return json.dumps(value) if isinstance(value, dict | list) else value
