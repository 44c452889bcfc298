"""What is found out about one model, and its files."""

import dataclasses
from typing import Any, TypedDict

from keras_patchmix.base import state_files
from keras_patchmix.base.schema import check, conform
from keras_patchmix.explain import SelectivityReport, map_archive

_FILE, _ARRAYS, _KIND = "explanation.json", "maps.npz", "an explanation"


class MapRow(TypedDict):
    """A map of an image."""

    image: str
    class_id: int
    class_name: str
    contrast_id: int | None
    contrast_name: str | None
    num_masks: int
    noise: float
    selectivity: float | None


class ExplainedRow(MapRow):
    """A map of an image, and how well it tells what the model needs."""

    deletion_area: float
    insertion_area: float


class Curves(TypedDict):
    """Deletion and insertion of every image at some shares."""

    shares: list[float]
    deletion: list[list[float]]
    insertion: list[list[float]]


@dataclasses.dataclass(frozen=True)
class Content:
    """What explanation.json holds."""

    schema_version: int
    settings: dict[str, Any]
    skipped: dict[str, str]
    rows: list[ExplainedRow]
    curves: Curves
    maps_sha256: str | None = None


@dataclasses.dataclass(frozen=True)
class Explanation:
    """The maps of one model, and what was measured on them.

    Attributes:
        rows: List of dicts of JSON values, one for each image that has a map here: "image" (its
            name), "class_id", "class_name", "contrast_id", "contrast_name" (None for RISE),
            "num_masks", "noise", "selectivity" (None without a mask), "deletion_area" and
            "insertion_area".
        curves: Dict with "shares" (S,), "deletion" and "insertion" (N, S): lists of numbers.
        arrays: Dict with "images" uint8 (N, H, W, 3), "maps" float32 (N, H, W) and, where it is
            known what is out of context, "masks" booleans (N, H, W).
        settings: Dict of JSON values: what the model is and what was done.
        skipped: Dict from the names of files that could not be read to reasons.
        report: The `SelectivityReport` of a data set, or None.
    """

    rows: list
    curves: dict
    arrays: dict
    settings: dict
    skipped: dict
    report: SelectivityReport | None = None

    def save(self, folder):
        """Writes the files into a folder, the one that says that all is there at the end.

        Args:
            folder: A `pathlib.Path`.
        """
        digest = map_archive.write(folder / _ARRAYS, self.arrays)
        if self.report is not None:
            self.report.to_json(folder / "selectivity.json")
        fields = ("settings", "skipped", "rows", "curves")
        found = {"schema_version": 1, **{name: getattr(self, name) for name in fields}}
        found["maps_sha256"] = digest
        state_files.write_json(folder / _FILE, found, indent=1)

    @classmethod
    def load(cls, folder):
        """Reads what `save` wrote.

        Raises:
            ValueError: A file is missing, damaged, or holds something else; the message names it.
        """
        try:
            return _load(folder)
        except (state_files.DamagedFile, OSError) as error:
            raise ValueError(
                f"--output: {error}. Delete {str(folder / _FILE)!r} to make the results anew"
            ) from error


def _load(folder):
    path = folder / _FILE
    found = state_files.read_json(path, _KIND)
    with state_files.named(path, _KIND):
        content = conform(state_files.unsealed(found), Content)
        check(content.schema_version == 1, "schema_version", "must be 1")
        rows, curves = content.rows, content.curves
        check(len(rows) > 0, "rows", "must not be empty")
        for kind in ("deletion", "insertion"):
            lengths = [len(values) for values in curves[kind]]
            wanted = [len(curves["shares"])] * len(rows)
            check(lengths == wanted, f"curves.{kind}", "must be a value a share, for each row")
    counts = range(len(rows), len(rows) + 1)
    arrays = map_archive.read(folder / _ARRAYS, counts, content.maps_sha256)
    report = folder / "selectivity.json"
    return Explanation(
        rows,
        curves,
        arrays,
        content.settings,
        content.skipped,
        SelectivityReport.load(report) if report.exists() else None,
    )
