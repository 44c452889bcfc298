"""The explanation by one model: its maps, the measurements on them, and their files."""

import dataclasses
from typing import Any, NamedTuple, TypedDict

import numpy as np

from keras_patchmix.base import state_files
from keras_patchmix.base.progress import Progress
from keras_patchmix.base.schema import check, conform
from keras_patchmix.cli.data_directory import DataDirectory, files_of
from keras_patchmix.cli.score_kind import ScoreKind
from keras_patchmix.explain import SelectivityReport, deletion_insertion, map_archive
from keras_patchmix.scoring.scorer import Classifier

_EXPLANATION, _ARRAYS, _REPORT = "explanation.json", "maps.npz", "selectivity.json"
_BACKUP = "backup.json"
_KIND = "an explanation"
_STEPS = 50  # of the curves


class PreparedModel(NamedTuple):
    """A model that fits the images.

    Attributes:
        loaded: The `LoadedModel`.
        classifier: The same as a `Classifier`.
        kind: The `ScoreKind` of its scores.
        classes: Of a data set, the list of outputs of each class, or None where output i is class
            i. Of image files, a `ModelClasses`.
        class_ids: List with the class of each image file, or None for the model's own choice.
        contrast_ids: The same for the class that it is contrasted with.
    """

    loaded: Any
    classifier: Classifier
    kind: ScoreKind
    classes: Any
    class_ids: list | None = None
    contrast_ids: list | None = None

    @property
    def name(self):
        """The name of the model in the results."""
        return self.loaded.spec.name

    @property
    def scores(self):
        """What the model returns, and how that is known."""
        return f"{self.kind.word} ({self.kind.reason})"


class ExplanationDirectory(DataDirectory):
    """The directory of the results: a new one, or that of an interrupted command.

    Args:
        options: An `ExplainOptions`, whose `output` is the directory.
        specs: List of `ModelSpec`.
        files: Paths of images and masks.

    Raises:
        FileExistsError: It holds something else.
        ValueError: It holds the results of another command; the message names the flags.
        OSError: It cannot be written to.
    """

    def __init__(self, options, specs, files=()):
        paths = files_of(specs, *options.imports, *map(str, files))
        results = (_EXPLANATION, _BACKUP)
        super().__init__(options.output, "explain", options, paths, results)
        self._several = len(specs) > 1

    def folder(self, spec):
        """Returns the folder of the results of one model."""
        return self.path / spec.folder if self._several else self.path

    def has(self, spec):
        """Returns whether there is the explanation by a model."""
        return (self.folder(spec) / _EXPLANATION).exists()

    def backup(self, spec):
        """Returns the path of the state of a model that is being explained."""
        return self.folder(spec) / _BACKUP


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
    """A map of an image, and the areas under its curves."""

    deletion_area: float
    insertion_area: float


class Curves(TypedDict):
    """Deletion and insertion of every image at shares of its pixels."""

    shares: list[float]
    deletion: list[list[float]]
    insertion: list[list[float]]


@dataclasses.dataclass(frozen=True)
class Content:
    """The content of explanation.json."""

    schema_version: int
    settings: dict[str, Any]
    skipped: dict[str, str]
    rows: list[ExplainedRow]
    curves: Curves
    maps_sha256: str | None = None


@dataclasses.dataclass(frozen=True)
class Explanation:
    """The maps of one model, and the measurements on them.

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

    @classmethod
    def with_curves(cls, model, rows, arrays, batch_size, progress, **fields):
        """Measures deletion and insertion in the order of the maps.

        Args:
            model: A `PreparedModel`.
            rows: List of `MapRow`.
            arrays: As in `Explanation`.
            batch_size: Images in one call of the model.
            progress: Whether to show a bar: "auto", `True` or `False`.
            **fields: The other attributes of `Explanation`.
        """
        with Progress(progress, f"{model.name}: deletion and insertion") as bar:
            curves = deletion_insertion(
                model.classifier.model,
                arrays["images"],
                arrays["maps"],
                np.array([row["class_id"] for row in rows]),
                steps=_STEPS,
                batch_size=batch_size,
                from_logits=model.classifier.from_logits,
                preprocess=model.classifier.preprocess,
                data_format="channels_last",
                verbose=bar,
            )
        areas = zip(curves.deletion_area.tolist(), curves.insertion_area.tolist(), strict=True)
        rows = [
            {**row, "deletion_area": deletion, "insertion_area": insertion}
            for row, (deletion, insertion) in zip(rows, areas, strict=True)
        ]
        values = {
            "shares": curves.shares.tolist(),
            "deletion": np.round(curves.deletion.astype(np.float64), 6).tolist(),
            "insertion": np.round(curves.insertion.astype(np.float64), 6).tolist(),
        }
        return cls(rows, values, arrays, **fields)

    def save(self, folder):
        """Writes the files into a folder, explanation.json last.

        Args:
            folder: A `pathlib.Path`.
        """
        digest = map_archive.write(folder / _ARRAYS, self.arrays)
        if self.report is not None:
            self.report.to_json(folder / _REPORT)
        content = {
            "schema_version": 1,
            "settings": self.settings,
            "skipped": self.skipped,
            "rows": self.rows,
            "curves": self.curves,
            "maps_sha256": digest,
        }
        state_files.write_json(folder / _EXPLANATION, content, indent=1)

    @classmethod
    def load(cls, folder):
        """Reads what `save` wrote.

        Raises:
            ValueError: A file is missing, damaged, or holds something else; the message names it.
        """
        try:
            return cls._load(folder)
        except (state_files.DamagedFile, OSError) as error:
            raise ValueError(
                f"--output: {error}. Delete {str(folder / _EXPLANATION)!r} to start over"
            ) from error

    @classmethod
    def _load(cls, folder):
        path, report = folder / _EXPLANATION, folder / _REPORT
        content = state_files.read_json(path, _KIND)
        with state_files.named(path, _KIND):
            content = conform(state_files.unsealed(content), Content)
            check(content.schema_version == 1, "schema_version", "must be 1")
            rows, curves = content.rows, content.curves
            check(len(rows) > 0, "rows", "must not be empty")
            for kind in ("deletion", "insertion"):
                lengths = [len(values) for values in curves[kind]]
                wanted = [len(curves["shares"])] * len(rows)
                check(lengths == wanted, f"curves.{kind}", "must be a value a share, for each row")
        counts = range(len(rows), len(rows) + 1)
        arrays = map_archive.read(folder / _ARRAYS, counts, content.maps_sha256)
        report = SelectivityReport.load(report) if report.exists() else None
        return cls(rows, curves, arrays, content.settings, content.skipped, report)
