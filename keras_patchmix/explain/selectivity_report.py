"""The outcome of a selectivity benchmark, with an interval, and its file."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from keras_patchmix import _atomic
from keras_patchmix._hashing import hash_integers, stream
from keras_patchmix._types import FilePath

_RESAMPLES = 10_000


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
        low, high = self.interval
        return (
            f"patch selectivity of {self.settings['model']}: {self.mean:.3f} (95 % interval "
            f"{low:.3f} to {high:.3f}), {len(self.rows)} images"
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
        text = json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n"
        return text if path is None else _atomic.write_text(path, text)

    @classmethod
    def load(cls, path: FilePath) -> "SelectivityReport":
        """Reads what `to_json` wrote.

        Raises:
            ValueError: The file holds something else.
        """
        try:
            found = json.loads(Path(path).read_text("utf-8"))
            return cls(found["rows"], found["settings"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"`path` must be a file written by `to_json`. Received: {os.fspath(path)!r}, "
                f"{type(error).__name__}: {error}"
            ) from error


def _interval(values):
    if len(values) < 2:
        return float(values[0]), float(values[0])
    key = stream(0, "selectivity", "bootstrap")
    draws = hash_integers(key, np.arange(_RESAMPLES)[:, None], np.arange(len(values)))
    means = values[(draws % np.uint64(len(values))).astype(np.int64)].mean(1)
    return tuple(float(bound) for bound in np.quantile(means, (0.025, 0.975)))
