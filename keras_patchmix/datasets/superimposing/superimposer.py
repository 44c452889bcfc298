"""Occluders in front of one image, at every coverage that is asked for."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from keras_patchmix.base.types import FilePath
from keras_patchmix.corruptions.superimpose import Superimpose
from keras_patchmix.datasets.superimposing.coverage import check_coverage
from keras_patchmix.occluders import assemble, blend, covered
from keras_patchmix.occluders.placing import COVERED

if TYPE_CHECKING:
    from keras_patchmix.datasets.superimposing.coverage import Coverage


class Superimposed(NamedTuple):
    """An image with occluders in front.

    Attributes:
        image: uint8 array of shape (H, W, 3).
        mask: uint8 array of shape (H, W, 1): 1 where an occluder has an alpha of at least a half.
        pixels: How many ones the mask has.
    """

    image: np.ndarray
    mask: np.ndarray
    pixels: int


class Superimposer:
    """Puts occluders in front of images: a pure function of (seed, index of the image).

    Images are those that `keras_patchmix.occlusion.Superimpose` makes of the same image with the
    same occluders, seed and index, to the last bit; a level does not depend on the others.

    Args:
        occluders: `"drawn"`, a folder of PNG files with transparency, or a sequence of
            `keras_patchmix.occluders.Occluder`s. Defaults to `"drawn"`.
        coverage: Sequence of `Coverage`s, or of texts such as `"20"`, per cent of the pixels to
            hide, or `"10-30"`: drawn for each image. Defaults to 10 to 50 by 10.
        seed: Integer. Defaults to `0`.
        sha256: Digest that the occluders must have, see `Superimpose`. Defaults to `None`.

    Attributes:
        coverage: Tuple of `Coverage`s.
        sha256: Digest of the occluders.

    Raises:
        ValueError: An argument is not as described, or a file of the folder is no occluder.

    Example:
        >>> image = np.zeros((224, 224, 3), np.uint8)
        >>> for shown in Superimposer(coverage=("20", "40"))(image, index=0):
        ...     print(shown.pixels / (224 * 224))
    """

    def __init__(
        self,
        occluders: FilePath | Sequence[Any] = "drawn",
        coverage: "Sequence[str | Coverage]" = ("10", "20", "30", "40", "50"),
        seed: int = 0,
        sha256: str | None = None,
    ):
        self.coverage = check_coverage(coverage)
        self.seed = seed
        loaded = Superimpose(occluders, sha256=sha256)
        self.occluders, self.sha256 = loaded.occluders, loaded.sha256

    def __call__(self, image, index):
        """Superimposes occluders at every coverage.

        Args:
            image: uint8 array of shape (H, W, 3), at least 16 pixels a side.
            index: Non-negative integer, the position of the image in its data set.

        Returns:
            List of `Superimposed`, in the order of `coverage`.

        Raises:
            ValueError: The image is too small, or the occluders too thin to hide so much.
        """
        asked = [one.share(self.seed, index) for one in self.coverage]
        levels = tuple(sorted({share for share in asked if share}))
        layers = {}
        if levels:
            plan = Superimpose(self.occluders, levels).plan(
                image[None], None, [index], seed=self.seed
            )
            layers = dict(zip(levels, plan["layers"][0], strict=True))
        found = []
        for share in asked:
            cover = assemble(layers.get(share, ()), image.shape[:2])
            mask = (cover[..., 3:] >= COVERED).astype(np.uint8)
            found.append(Superimposed(blend(image, cover), mask, covered(cover)))
        return found
