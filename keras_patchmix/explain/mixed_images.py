"""Images with foreign parts, and which of their pixels those are."""

from typing import NamedTuple

import numpy as np

from keras_patchmix.corruptions.bank import build_bank
from keras_patchmix.corruptions.base import Corruption
from keras_patchmix.corruptions.patch_replacement import PatchReplacement
from keras_patchmix.explain.arguments import check_positive_integer
from keras_patchmix.explain.selectivity import patch_selectivity
from keras_patchmix.occlusion.choice import warn_of_missing_classes
from keras_patchmix.occlusion.data import ExampleSource


class MixedBatch(NamedTuple):
    """Images of a data set with foreign parts.

    Attributes:
        images: Array of shape (B, H, W, C), in the data set's dtype.
        masks: Booleans of shape (B, H, W): what is out of context.
        labels: int64 array of shape (B,).
        contrast: int64 array of shape (B,), the classes of the foreign images; None where a
            corruption has no such images.
        index: int64 array of shape (B,), the examples' numbers in the data set.
        columns: Integer, the number of classes that one-hot or soft labels have; None where the
            labels are class ids.
    """

    images: np.ndarray
    masks: np.ndarray
    labels: np.ndarray
    contrast: np.ndarray | None
    index: np.ndarray
    columns: int | None = None


class MixedImages:
    """Images of a data set with foreign parts in them, as `MixedBatch`es.

    They are spread over the data set where its length is known, and the bank is drawn from all of
    it. Otherwise both are taken from its first images. Each pass reads the data set anew and gives
    the same images. Arguments are as in `keras_patchmix.explain.selectivity_benchmark`.

    Attributes:
        corruption: The corruption.
        choice: How the images are chosen, "spread" or "first".
    """

    def __init__(
        self,
        dataset,
        corruption,
        max_examples,
        batch_size,
        bank_size=256,
        value_range=(0, 255),
        seed=0,
    ):
        check_positive_integer("max_examples", max_examples)
        check_positive_integer("bank_size", bank_size)
        self.corruption = PatchReplacement(7, 0.4) if corruption is None else corruption
        _check_corruption(self.corruption)
        self._value_range = value_range
        self._source = ExampleSource(dataset, batch_size, max_examples)
        self.choice = self._source.choice
        self._bank_size, self._seed = bank_size, seed
        self._bank = None

    def __iter__(self):
        if self._bank is None and self.corruption.needs_bank:
            batches = ((b.images, b.labels, b.index) for b in self._source.population())
            self._bank = build_bank(batches, self._bank_size, self._seed)
        labels, columns = [], None
        for batch in self._source:
            labels, columns = [*labels, *batch.labels], batch.columns
            yield self._mix(batch)
        if self.choice == "first" and len(labels) == self._source.max_examples:
            warn_of_missing_classes(np.array(labels), columns, stacklevel=2)

    def num_examples(self):
        """Returns the approximate number of images, or None; known once iteration has begun."""
        return self._source.num_examples()

    def _mix(self, batch):
        images = np.ascontiguousarray(batch.images)
        low, high = self._value_range
        plan = self.corruption.draw(
            images, batch.labels, batch.index, self._seed, self._bank, self._value_range, None
        )

        def mixed(images):
            return self.corruption.apply(images, plan, self.corruption.conditions[0])[0]

        # The same plan on black and on white images tells how much of a pixel is its own.
        black, white = (
            mixed(np.full_like(images, value)).astype(np.float64) for value in (low, high)
        )
        masks = (white - black).mean(-1) < (high - low) / 2
        patch_selectivity(np.zeros(masks.shape), masks)  # raises if a mask is all True or all False
        contrast = self._bank.labels[plan["donors"]] if "donors" in plan else None
        return MixedBatch(mixed(images), masks, batch.labels, contrast, batch.index, batch.columns)


def _check_corruption(corruption):
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
