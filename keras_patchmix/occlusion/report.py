"""The outcome of a benchmark: rows, summary, settings, and their files."""

import csv
import dataclasses
import importlib.metadata
import io
import itertools
import json
import math
import sys

import keras
import numpy as np

from keras_patchmix import _atomic
from keras_patchmix._version import __version__

SCHEMA_VERSION = 1


@dataclasses.dataclass(frozen=True)
class Row:
    """The score under one condition.

    Attributes:
        name: Such as `"patch_drop_14x14_50"`, or `"clean"`.
        corruption: Such as `"patch_drop"`.
        grid: (rows, columns) or None.
        level: Share asked for, or None.
        share: Share of all pixels that were affected, in [0, 1].
        n: Number of images.
        top1: Share of images whose class has the highest score.
        top5: Share of images whose class is among the five highest; None below 6 classes.
        standard_error: That of `top1`, sqrt(p (1 - p) / n).
        n_nonfinite: Images with an output that is not finite; they count as wrong.
    """

    name: str
    corruption: str
    grid: tuple | None
    level: float | None
    share: float
    n: int
    top1: float
    top5: float | None
    standard_error: float
    n_nonfinite: int


class Report:
    """Rows and summary of a benchmark, with all settings.

    Attributes:
        rows: List of `Row`, the clean one first.
        summary: List of dicts, one per corruption and grid (per corruption where it has no levels):
            `mean`, over the levels, without clean; `area`, under the curve of top-1 against the
            true share, by trapezoids, clean included, divided by the range of shares (None where
            there are no levels); `drop`, clean minus the hardest condition.
        settings: Dict of JSON values: what the rows depend on.
        correct: Dict from a row's name to a boolean array of shape (n,): which examples were
            right, in the order of the data set, for paired comparisons. Not written to files.
    """

    def __init__(self, rows, settings, correct=None):
        self.rows = list(rows)
        self.settings = settings
        self.correct = correct or {}
        self.summary = _summarise(self.rows)

    def row(self, name):
        """Returns the row of a name.

        Raises:
            KeyError: There is none; the message lists those there are.
        """
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(f"No row {name!r}. Rows: {', '.join(row.name for row in self.rows)}")

    def to_dict(self):
        """Returns the report as a dict of JSON values."""
        return {
            "schema_version": SCHEMA_VERSION,
            "settings": self.settings,
            "rows": [dataclasses.asdict(row) for row in self.rows],
            "summary": self.summary,
        }

    def to_json(self, path=None):
        """Returns the report as JSON text, and writes it atomically to `path` if there is one."""
        text = json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n"
        if path is not None:
            _atomic.write_text(path, text)
        return text

    def to_csv(self, path=None):
        """Returns the rows as CSV text, and writes it atomically to `path` if there is one.

        Each line holds the settings too, after the row's own columns, so that the files of several
        models can be put together. Lists and dicts among them are JSON.
        """
        file = io.StringIO()
        columns = [field.name for field in dataclasses.fields(Row)]
        settings = {key: value for key, value in self.settings.items() if key not in columns}
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*columns, "schema_version", *settings])
        cells = [_cell(value) for value in settings.values()]
        for row in self.rows:
            values = dataclasses.asdict(row)
            values["grid"] = _grid_text(row.grid)
            writer.writerow([*(_cell(values[c]) for c in columns), SCHEMA_VERSION, *cells])
        if path is not None:
            _atomic.write_text(path, file.getvalue())
        return file.getvalue()

    def plot(self, path=None):
        """Draws accuracy against information loss, see `plot_reports`.

        Args:
            path: PNG, PDF or SVG file to write, atomically.

        Returns:
            A `matplotlib.figure.Figure`.
        """
        from keras_patchmix.occlusion.plot import plot_reports

        return plot_reports(self, path)

    def table(self):
        """Returns rows and summary as text for people."""
        head = ("corruption", "grid", "level", "share", "top-1 %", "+-", "top-5 %")
        lines = [
            (
                row.corruption,
                _grid_text(row.grid),
                "" if row.level is None else f"{100 * row.level:g} %",
                f"{100 * row.share:.1f} %",
                f"{100 * row.top1:.2f}",
                f"{100 * row.standard_error:.2f}",
                "" if row.top5 is None else f"{100 * row.top5:.2f}",
            )
            for row in self.rows
        ]
        summary_head = ("corruption", "grid", "mean", "area", "drop")
        summary = [
            (
                entry["corruption"],
                _grid_text(entry["grid"]),
                *(
                    "" if entry[key] is None else f"{100 * entry[key]:.2f}"
                    for key in ("mean", "area", "drop")
                ),
            )
            for entry in self.summary
        ]
        size = "x".join(map(str, self.settings["image_size"]))
        title = f"{self.settings['model'] or 'model'}: {self.rows[0].n} images of {size}"
        parts = [title, "", _aligned(head, lines)]
        if summary:
            parts += ["", "top-1 %, summed up", _aligned(summary_head, summary)]
        bad = sum(row.n_nonfinite for row in self.rows)
        if bad:
            parts += ["", f"{bad} outputs were not finite and count as wrong."]
        return "\n".join(parts)

    def __str__(self):
        return self.table()


def make_row(condition, tally, input_shape):
    """Makes a `Row` from the counts of one condition.

    Args:
        condition: A `Condition`.
        tally: Object with `correct` (boolean array), and the counts `top5`, `classes`, `pixels`
            and `nonfinite`.
        input_shape: (height, width, channels) of the images.
    """
    correct = tally.correct
    n, p = len(correct), float(np.mean(correct))
    return Row(
        name=condition.name,
        corruption=condition.corruption,
        grid=condition.grid,
        level=condition.level,
        share=tally.pixels / (n * input_shape[0] * input_shape[1]),
        n=n,
        top1=p,
        top5=tally.top5 / n if tally.classes >= 6 else None,
        standard_error=math.sqrt(p * (1 - p) / n),
        n_nonfinite=tally.nonfinite,
    )


def sweeps(rows):
    """Groups rows, without the clean one, into curves.

    Returns:
        Dict from (corruption, grid) to rows with rising levels; the grid is None, and the rows have
        rising numbers of tiles, where a corruption has no levels.
    """
    groups = {}
    for row in rows:
        if row.corruption != "clean":
            key = (row.corruption, None if row.level is None else row.grid)
            groups.setdefault(key, []).append(row)
    return groups


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


def _summarise(rows):
    clean = rows[0]
    summary = []
    for (corruption, grid), members in sweeps(rows).items():
        area = None
        if members[0].level is not None:
            points = [(0.0, clean.top1), *((row.share, row.top1) for row in members)]
            span = points[-1][0]
            area = sum(
                (x1 - x0) * (y0 + y1) / 2 for (x0, y0), (x1, y1) in itertools.pairwise(points)
            )
            area = area / span if span > 0 else None
        summary.append(
            {
                "corruption": corruption,
                "grid": None if grid is None else list(grid),
                "levels": [row.level for row in members if row.level is not None],
                "mean": math.fsum(row.top1 for row in members) / len(members),
                "area": area,
                "drop": clean.top1 - members[-1].top1,
            }
        )
    return summary


def _grid_text(grid):
    return "" if grid is None else "x".join(map(str, grid))


def _cell(value):
    if value is None:
        return ""
    return json.dumps(value) if isinstance(value, dict | list) else value


def _aligned(head, lines):
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    text = []
    for line in (head, *lines):
        cells = [
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        text.append("  ".join(cells).rstrip())
    text.insert(1, "-" * max(map(len, text)))
    return "\n".join(text)
