"""Patch replacement: patches of an image of another class, the label unchanged."""

from collections.abc import Sequence

from keras_patchmix.base.types import Size
from keras_patchmix.corruptions import grid
from keras_patchmix.corruptions.base import GridCorruption


class PatchReplacement(GridCorruption):
    """Replaces patches by those of an image of another class, at the same place.

    The image they come from is drawn, by a hash of the seed and the example's index, among the
    images of a bank whose class is not the example's; it is the same at every level and for every
    grid, and does not depend on the batch.

    References:
        Lee et al., "Hardwiring ViT Patch Selectivity into CNNs using Patch Mixing",
        arXiv 2306.17848 (2023): the "patch mixing attack", grids 7x7 and 14x14, 0 to 50 %.

    Args:
        grid_size: Integer or (rows, columns): number of patches. Defaults to `7`.
        levels: Shares of the patches that are replaced, in (0, 1]. Defaults to 10 to 50 % by 10.

    Example:
        >>> bank = build_bank([(images, labels)])
        >>> for condition, corrupted, pixels in PatchReplacement(7)(images, labels, bank=bank):
        ...     print(condition.name, pixels / (224 * 224))
    """

    kind = "patch_replacement"
    needs_bank = True

    def __init__(
        self, grid_size: Size = 7, levels: float | Sequence[float] = (0.1, 0.2, 0.3, 0.4, 0.5)
    ):
        super().__init__(grid_size, levels)

    def plan(self, images, labels, index, *, seed=0, bank=None, value_range=(0, 255)):
        """Draws the patches and the foreign image of each example; see `Corruption.plan`.

        Returns:
            A dict for `apply`. Its "donor_index", an int64 array of shape (B,), holds the index of
            each foreign image in the data set.

        Raises:
            ValueError: No bank or labels, a bank of other images, a bank of one class only, or a
                grid finer than the images.
        """
        plan = super().plan(images, labels, index, seed=seed)
        if bank is None or labels is None:
            missing = "bank" if bank is None else "labels"
            raise ValueError(
                "PatchReplacement takes patches from images of another class and so needs both "
                f"`labels` and `bank` (see `build_bank`). Received: {missing}=None"
            )
        if bank.images.shape[1:] != images.shape[1:] or bank.images.dtype != images.dtype:
            raise ValueError(
                "`bank` must hold images of the same size and dtype as `images`, "
                f"{images.shape[1:]} {images.dtype}. Received: a bank of images of "
                f"{bank.images.shape[1:]} {bank.images.dtype}"
            )
        donors = bank.pair(labels, index, seed)
        return {**plan, "bank": bank, "donors": donors, "donor_index": bank.index[donors]}

    def _corrupt(self, images, plan, cells):
        return grid.paste(images, cells, plan["bank"].images, plan["donors"])
