"""Patch selectivity of a model on a data set, with an interval."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from keras_patchmix import _atomic
from keras_patchmix._hashing import hash_integers, stream
from keras_patchmix.explain.arguments import checked_whole
from keras_patchmix.explain.saliency import c_rise
from keras_patchmix.explain.selectivity import patch_selectivity
from keras_patchmix.occlusion.bank import build_bank
from keras_patchmix.occlusion.base import Corruption
from keras_patchmix.occlusion.data import ExampleSource
from keras_patchmix.occlusion.patch_replacement import PatchReplacement

_RESAMPLES = 10_000


@dataclasses.dataclass(frozen=True)
class SelectivityReport:
    """Patch selectivity of each image, and what it was measured with.

    Attributes:
        rows: List of dicts, one for each image: "index", "label", "contrast" (the class contrasted
            with), "share" (of the pixels out of context), "num_masks", "selectivity", and
            "noise": the greatest standard error of the map over its range.
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
    def interval(self):
        """(low, high): 95 % interval of the mean over further images, by the bootstrap."""
        return _interval(self.values)

    def compare(self, other):
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

    def to_dict(self):
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

    def to_json(self, path=None):
        """Returns the report as JSON text, or writes it atomically to `path`."""
        text = json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n"
        return text if path is None else _atomic.write_text(path, text)

    @classmethod
    def load(cls, path):
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


def selectivity_benchmark(
    model,
    dataset,
    *,
    corruption=None,
    max_examples=50,
    num_masks=2000,
    grid_size=7,
    keep_probability=0.5,
    tolerance=None,
    batch_size=64,
    from_logits=False,
    preprocess=None,
    value_range=(0, 255),
    bank_size=256,
    num_kept=4,
    seed=0,
    verbose="auto",
):
    """Measures how much more a model looks at what belongs to an image than at what does not.

    A corruption of `keras_patchmix.occlusion` puts foreign parts into the images of a data set, so
    that it is known which pixels they are. Contrastive RISE between the image's class and that of
    the foreign image (the model's second choice, where a corruption has no such image) gives a map,
    and `patch_selectivity` a number for it. A pixel is out of context if the corruption leaves less
    than half of the image's own value in it.

    Args:
        model: As in `keras_patchmix.explain.rise`, of channels-last images.
        dataset: As in `keras_patchmix.occlusion.evaluate`.
        corruption: A corruption of one level. Defaults to `PatchReplacement(7, 0.4)`.
        max_examples: Integer: the first so many images. Defaults to `50`.
        num_masks: As in `rise`. Defaults to `2000`.
        grid_size: As in `rise`. Maps are as coarse as their cells: cells larger than the foreign
            patches draw the number towards 0.5. Defaults to `7`.
        keep_probability: As in `rise`.
        tolerance: As in `rise`.
        batch_size: As in `rise`.
        from_logits: As in `rise`.
        preprocess: As in `rise`.
        value_range: As in `rise`.
        bank_size: Images kept to take foreign parts from. Defaults to `256`.
        num_kept: Images and maps kept in the report, to look at. Defaults to `4`.
        seed: Integer, of the foreign parts and of the masks. Defaults to `0`.
        verbose: As in `rise`.

    Returns:
        A `SelectivityReport`.

    Raises:
        ValueError: An argument out of range, a corruption that leaves nothing or everything in
            context, labels that the model has no output for.

    Example:
    ```python
    report = kpm.explain.selectivity_benchmark(model, test, from_logits=True)
    print(report.mean, report.interval)
    ```
    """
    for name, value in (("max_examples", max_examples), ("bank_size", bank_size)):
        checked_whole(name, value)
    corruption = _checked_corruption(corruption)
    source = ExampleSource(dataset, batch_size, max_examples)
    bank = None
    if corruption.needs_bank:
        everything = ExampleSource(dataset, batch_size)
        bank = build_bank(((b.images, b.labels, b.index) for b in everything), bank_size, seed)
    rows, kept = [], {"images": [], "masks": [], "maps": []}
    for batch in source:
        mixed, masks, contrast = _mixed(batch, corruption, bank, seed, value_range)
        found = c_rise(
            model,
            mixed,
            batch.labels,
            contrast,
            num_masks=num_masks,
            grid_size=grid_size,
            keep_probability=keep_probability,
            batch_size=batch_size,
            from_logits=from_logits,
            preprocess=preprocess,
            value_range=value_range,
            data_format="channels_last",
            tolerance=tolerance,
            seed=seed,
            verbose=verbose,
            return_details=True,
        )
        values = patch_selectivity(found.maps, masks)
        height = np.maximum(np.ptp(found.maps, axis=(1, 2)), np.finfo(np.float32).tiny)
        noise = found.standard_errors.max((1, 2)) / height
        for number in range(len(mixed)):
            rows.append(
                {
                    "index": int(batch.index[number]),
                    "label": int(batch.labels[number]),
                    "contrast": int(found.contrast_ids[number]),
                    "share": float(masks[number].mean()),
                    "num_masks": int(found.num_masks[number]),
                    "noise": float(min(noise[number], 1e9)),
                    "selectivity": float(values[number]),
                }
            )
        room = max(0, num_kept - len(kept["maps"]))
        for name, part in (("images", mixed), ("masks", masks), ("maps", found.maps)):
            kept[name].extend(part[:room])
    if not rows:
        raise ValueError("`dataset` must hold examples. Received: none")
    settings = {
        "model": getattr(model, "name", None) or type(model).__name__,
        "corruption": {"class_name": type(corruption).__name__, "config": corruption.get_config()},
        "n": len(rows),
        "num_masks": num_masks,
        "grid_size": grid_size if isinstance(grid_size, int) else list(grid_size),
        "keep_probability": keep_probability,
        "tolerance": tolerance,
        "from_logits": from_logits,
        "value_range": list(value_range),
        "seed": seed,
    }
    return SelectivityReport(rows, settings, {name: np.stack(v) for name, v in kept.items() if v})


def _checked_corruption(corruption: Any):
    if corruption is None:
        return PatchReplacement(7, 0.4)
    if not isinstance(corruption, Corruption) or len(corruption.conditions) != 1:
        raise ValueError(
            "`corruption` must be a corruption of keras_patchmix.occlusion with one level, such as "
            f"PatchReplacement(7, 0.4). Received: {corruption!r}"
        )
    if corruption.needs_saliency:
        raise ValueError(
            "`corruption` must not need a map of what is salient. "
            f"Received: {type(corruption).__name__}"
        )
    return corruption


def _mixed(batch, corruption, bank, seed, value_range):
    """Returns the corrupted images, which pixels are out of context, and the foreign classes."""
    images = np.ascontiguousarray(batch.images)
    plan = corruption.draw(images, batch.labels, batch.index, seed, bank, value_range, None)
    condition = corruption.conditions[0]
    mixed, _ = corruption.apply(images, plan, condition)
    # What is left of the image's own value: white less black, after the same corruption.
    low, high = value_range
    black, white = (
        corruption.apply(np.full_like(images, value), plan, condition)[0].astype(np.float64)
        for value in (low, high)
    )
    masks = (white - black).mean(-1) < (high - low) / 2
    if "donors" not in plan:
        return mixed, masks, None
    return mixed, masks, bank.labels[plan["donors"]]


def _interval(values):
    if len(values) < 2:
        return float(values[0]), float(values[0])
    key = stream(0, "selectivity", "bootstrap")
    draws = hash_integers(key, np.arange(_RESAMPLES)[:, None], np.arange(len(values)))
    means = values[(draws % np.uint64(len(values))).astype(np.int64)].mean(1)
    return tuple(float(bound) for bound in np.quantile(means, (0.025, 0.975)))
