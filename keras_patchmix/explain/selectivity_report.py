"""The outcome of a selectivity benchmark, with an interval, and its file."""

import dataclasses
from typing import Any, TypedDict

import numpy as np

from keras_patchmix.base import atomic, state_files
from keras_patchmix.base.hashing import hash_integers, stream
from keras_patchmix.base.printable import printable, printable_values
from keras_patchmix.base.schema import check, conform
from keras_patchmix.base.types import FilePath

_RESAMPLES = 10_000
_KIND = "a report of patch selectivity"


class _Named(TypedDict, total=False):
    predicted: int


class SelectivityRow(_Named):
    """What was measured on an image."""

    index: int
    label: int
    contrast: int
    share: float
    num_masks: int
    noise: float
    selectivity: float


class Corruption(TypedDict):
    """How foreign parts came into the images."""

    class_name: str
    config: dict[str, Any]


class _Settings(TypedDict, total=False):
    n: int | None
    preprocess: str | None
    dataset: str | None
    split: str | None
    class_names: list[str] | None
    class_map: list[list[int]] | None
    choice: str | None


class SelectivitySettings(_Settings):
    """What settings hold; there may be others beside them."""

    model: str
    corruption: Corruption
    num_masks: int
    grid_size: int | list[int]
    keep_probability: float
    from_logits: bool
    seed: int
    value_range: list[float]


@dataclasses.dataclass(frozen=True)
class Content:
    """What the file holds. What follows from the rows is not read."""

    schema_version: int
    rows: list[SelectivityRow]
    settings: SelectivitySettings
    mean: Any = None
    low: Any = None
    high: Any = None


@dataclasses.dataclass(frozen=True, repr=False)
class SelectivityReport:
    """Patch selectivity of each image, and what it was measured with.

    Attributes:
        rows: List of dicts, one for each image: "index", "label", "contrast" (the class contrasted
            with), "predicted" (the model's class for the mixed image), "share" (of the pixels out
            of context), "num_masks", "selectivity", and "noise": the greatest standard error of the
            map over its range.
        settings: Dict of JSON values.
        examples: Dict with the first images, "images" (N, H, W, C), "masks" and "maps" (N, H, W);
            not written to JSON.
    """

    rows: list
    settings: dict
    examples: dict = dataclasses.field(default_factory=dict, compare=False)

    @property
    def values(self):
        """float64 array of shape (n,): the selectivity of each image."""
        return np.array([row["selectivity"] for row in self.rows])

    @property
    def mean(self):
        """Mean over the images."""
        return float(self.values.mean())

    @property
    def noise(self):
        """Median over the images of the noise of their maps."""
        return float(np.median([row["noise"] for row in self.rows]))

    @property
    def interval(self):
        """(low, high): 95 % interval of the mean over further images, by the bootstrap."""
        return _interval(self.values)

    @property
    def accuracy(self):
        """Share of the mixed images that the model gives their own class; None where unknown."""
        if any("predicted" not in row for row in self.rows):
            return None
        return float(np.mean([row["predicted"] == row["label"] for row in self.rows]))

    def compare(self, other: "SelectivityReport") -> tuple[float, float, float]:
        """Compares with the report of another model on the same images, image by image.

        Args:
            other: A `SelectivityReport`.

        Returns:
            (difference, low, high): the mean of this one's values less those of the other, and its
            95 % interval by the bootstrap over images.

        Raises:
            ValueError: They are of other images, foreign parts or masks.
        """
        for name in ("corruption", "num_masks", "grid_size", "keep_probability", "seed"):
            ours, theirs = self.settings[name], other.settings[name]
            if ours != theirs:
                raise ValueError(
                    f"`other` must be measured in the same way: its {name} is {theirs}, here it is "
                    f"{ours}"
                )
        pairs = [(row["index"], row["label"]) for row in self.rows]
        if pairs != [(row["index"], row["label"]) for row in other.rows]:
            raise ValueError("`other` must be of the same images in the same order")
        differences = self.values - other.values
        return float(differences.mean()), *_interval(differences)

    def __str__(self):
        (low, high), model = self.interval, printable(self.settings["model"])
        return (
            f"patch selectivity of {model}: {self.mean:.3f} (95 % interval {low:.3f} to "
            f"{high:.3f}), {len(self.rows)} images"
        )

    def __repr__(self):
        return f"<SelectivityReport: {self}>"

    def to_dict(self) -> dict[str, Any]:
        """Returns the report as a dict of JSON values."""
        low, high = self.interval
        return {
            "schema_version": 1,
            "mean": self.mean,
            "low": low,
            "high": high,
            "settings": self.settings,
            "rows": self.rows,
        }

    def to_json(self, path: FilePath | None = None) -> str:
        """Returns the report as JSON text, or writes it atomically to `path`."""
        text = state_files.sealed_text(self.to_dict(), indent=2)
        return text if path is None else atomic.write_text(path, text)

    @classmethod
    def load(cls, path: FilePath) -> "SelectivityReport":
        """Reads what `to_json` wrote.

        Raises:
            ValueError: The file is damaged, or holds something else; the message names it.
        """
        found = state_files.read_json(path, _KIND)
        with state_files.named(path, _KIND):
            content = conform(printable_values(state_files.unsealed(found)), Content)
            check(content.schema_version == 1, "schema_version", "must be 1")
            check(len(content.rows) > 0, "rows", "must not be empty")
            for place, row in enumerate(content.rows):
                shares = 0 <= row["share"] <= 1 and 0 <= row["selectivity"] <= 1
                check(shares and row["noise"] >= 0, f"rows[{place}]", "a value out of range")
            return cls(content.rows, content.settings)


def _interval(values):
    if len(values) < 2:
        return float(values[0]), float(values[0])
    key = stream(0, "selectivity", "bootstrap")
    draws = hash_integers(key, np.arange(_RESAMPLES)[:, None], np.arange(len(values)))
    means = values[(draws % np.uint64(len(values))).astype(np.int64)].mean(1)
    return tuple(float(bound) for bound in np.quantile(means, (0.025, 0.975)))
