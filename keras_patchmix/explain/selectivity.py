"""Patch selectivity: the share of a map that lies on what belongs to an image, and its report."""

import dataclasses
from typing import Any, TypedDict

import numpy as np

from keras_patchmix.base import atomic, state_files
from keras_patchmix.base.hashing import hash_integers, stream
from keras_patchmix.base.host import to_numpy
from keras_patchmix.base.printable import printable, printable_values
from keras_patchmix.base.schema import check, conform
from keras_patchmix.base.types import FilePath, Tensor
from keras_patchmix.explain.arguments import check_finite

_RESAMPLES = 10_000
_KIND = "a report of patch selectivity"


def patch_selectivity(saliency: Tensor, out_of_context_mask: Tensor) -> Any:
    """The share of a map's mean height that is in context (our definition).

    Lee et al. 2023 (arXiv 2306.17848) show maps and give no number. With S scaled to [0, 1] for
    each image, patch selectivity is mean(S | in) / (mean(S | in) + mean(S | out)), the means over
    the pixels in and out of context. 0.5 is blind to what belongs, 1 rests on it alone, below 0.5
    prefers what does not.

    Args:
        saliency: Array or tensor of shape (B, H, W), or (H, W): maps such as those of
            `keras_patchmix.explain.c_rise`, of any range.
        out_of_context_mask: Of the same shape, booleans or zeros and ones: where foreign patches or
            occluders stand.

    Returns:
        float64 array of shape (B,), or a float for a single map. A constant map gives 0.5.

    Raises:
        ValueError: Shapes differ, values of a map are not finite, or a mask has pixels of one kind
            only.

    Example:
    >>> patch_selectivity([[1.0, 0.0]], [[False, True]])
    1.0
    """
    maps, mask = to_numpy(saliency).astype(np.float64), to_numpy(out_of_context_mask)
    if maps.ndim not in (2, 3) or maps.shape != mask.shape:
        raise ValueError(
            "`saliency` and `out_of_context_mask` must be of the same shape, (batch, height, "
            f"width) or (height, width). Received: shapes {maps.shape} and {mask.shape}"
        )
    check_finite(maps)
    if not np.isin(mask, (0, 1)).all():
        raise ValueError(
            "`out_of_context_mask` must hold booleans, or zeros and ones. "
            f"Received: values from {mask.min()} to {mask.max()}"
        )
    is_single = maps.ndim == 2
    maps = maps.reshape(-1, *maps.shape[-2:])
    masks = mask.reshape(maps.shape).astype(bool)
    values = np.array([_selectivity(*pair) for pair in zip(maps, masks, strict=True)])
    return float(values[0]) if is_single else values


def _selectivity(values, mask):
    if mask.all() or not mask.any():
        raise ValueError(
            "`out_of_context_mask` must hold pixels of both kinds for every map. Received: all "
            + ("out of context" if mask.any() else "in context")
        )
    height = values.max() - values.min()
    if height == 0:
        return 0.5
    scaled = (values - values.min()) / height
    inside, outside = scaled[~mask].mean(), scaled[mask].mean()
    return inside / (inside + outside)


class _OptionalRow(TypedDict, total=False):
    predicted: int
    mean_score: float


class SelectivityRow(_OptionalRow):
    """The measurements of an image."""

    index: int
    label: int
    contrast: int
    share: float
    num_masks: int
    noise: float
    selectivity: float


class CorruptionSettings(TypedDict):
    """How foreign parts came into the images."""

    class_name: str
    config: dict[str, Any]


class _OptionalSettings(TypedDict, total=False):
    n: int | None
    preprocess: str | None
    dataset: str | None
    split: str | None
    class_names: list[str] | None
    class_map: list[list[int]] | None
    choice: str | None
    scheme: str


class SelectivitySettings(_OptionalSettings):
    """The settings of a report; there may be more."""

    model: str
    corruption: CorruptionSettings
    num_masks: int
    grid_size: int | list[int]
    keep_probability: float
    from_logits: bool
    seed: int
    value_range: list[float]


@dataclasses.dataclass(frozen=True)
class Content:
    """The content of a report's file. What follows from the rows is not read."""

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
            of context), "num_masks", "selectivity", "noise": the greatest standard error of the
            map over its range, and "mean_score": the value of a pixel that does not matter (0 of
            maps by another method).
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
            (difference, low, high): the mean of this report's values less those of the other, and
            its 95 % interval by the bootstrap over images.

        Raises:
            ValueError: The reports are of different images or foreign parts; or of different masks,
                where both are of contrastive RISE.
        """
        names = ("corruption", "seed")
        if not any("saliency" in report.settings for report in (self, other)):
            names += ("num_masks", "scheme", "grid_size", "keep_probability")
        for name in names:
            ours, theirs = (
                {"scheme": "independent", **report.settings}[name] for report in (self, other)
            )
            if ours != theirs:
                raise ValueError(
                    f"`other` must be measured in the same way: its {name} is {theirs}, here it is "
                    f"{ours}"
                )
        ours, theirs = (
            [(row["index"], row["label"]) for row in report.rows] for report in (self, other)
        )
        if ours != theirs:
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
        content = state_files.read_json(path, _KIND)
        with state_files.named(path, _KIND):
            content = conform(printable_values(state_files.unsealed(content)), Content)
            check(content.schema_version == 1, "schema_version", "must be 1")
            check(len(content.rows) > 0, "rows", "must not be empty")
            for number, row in enumerate(content.rows):
                valid = 0 <= row["share"] <= 1 and 0 <= row["selectivity"] <= 1
                check(valid and row["noise"] >= 0, f"rows[{number}]", "a value out of range")
            return cls(content.rows, content.settings)


def _interval(values):
    if len(values) < 2:
        return float(values[0]), float(values[0])
    key = stream(0, "selectivity", "bootstrap")
    draws = hash_integers(key, np.arange(_RESAMPLES)[:, None], np.arange(len(values)))
    means = values[(draws % np.uint64(len(values))).astype(np.int64)].mean(1)
    return tuple(float(bound) for bound in np.quantile(means, (0.025, 0.975)))
