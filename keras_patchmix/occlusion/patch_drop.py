"""Random patch drop: patches set to black, to grey, to a number, or to noise."""

import numbers

import numpy as np

from keras_patchmix.occlusion import grid, hashing
from keras_patchmix.occlusion.base import GridCorruption

_FILLS = ("black", "mean", "noise")


class PatchDrop(GridCorruption):
    """Drops patches: what they held is lost.

    The same patches are dropped whatever the fill, so that fills can be compared.

    References:
        Naseer et al., "Intriguing Properties of Vision Transformers", NeurIPS 2021 (random patch
        drop). Used with a 14x14 grid, 0 to 80 %, in Lee et al., arXiv 2306.17848 (2023).

    Args:
        grid_size: Integer or (rows, columns): number of patches. Defaults to `14`.
        levels: Shares of the patches that are dropped, in (0, 1]. Defaults to 20 to 80 % by 20.
        fill: What takes their place: `"black"`, the low end of `value_range`; `"mean"`, the middle
            of `value_range`; `"noise"`, uniform over `value_range`, each value on its own; or a
            number in the units of the images. Defaults to `"black"`.
    """

    kind = "patch_drop"

    def __init__(self, grid_size=14, levels=(0.2, 0.4, 0.6, 0.8), fill="black"):
        super().__init__(grid_size, levels)
        is_number = isinstance(fill, numbers.Real) and not isinstance(fill, bool)
        if not (is_number and np.isfinite(fill)) and fill not in _FILLS:
            raise ValueError(
                f"`fill` must be one of {', '.join(map(repr, _FILLS))} or a finite number. "
                f"Received: fill={fill!r}"
            )
        self.fill = fill

    @property
    def name(self):
        """`"patch_drop"` for black, else with the fill, such as `"patch_drop_noise"`."""
        if self.fill == "black":
            return self.kind
        if isinstance(self.fill, str):
            return f"{self.kind}_{self.fill}"
        return f"{self.kind}_fill{self.fill:g}".replace(".", "_")

    def get_config(self):
        """Returns the constructor's arguments as a dict of JSON values."""
        return {**super().get_config(), "fill": self.fill}

    def plan(self, images, labels, index, *, seed=0, bank=None, value_range=(0, 255)):
        """Draws the patches, and the noise if any; see `Corruption.plan`.

        Raises:
            ValueError: The grid is finer than the images.
        """
        del labels, bank
        grid.check_fits(self.grid_size, *images.shape[1:3], type(self).__name__)
        low, high = value_range
        plan = {"ranks": self.ranks(index, seed)}
        if self.fill == "noise":
            key = hashing.stream(seed, self.kind, "noise")
            pixels = np.arange(int(np.prod(images.shape[1:])))
            plan["noise"] = np.empty(images.shape, images.dtype)
            for noise, position in zip(plan["noise"], index, strict=True):
                values = low + (high - low) * hashing.uniform(key, position, pixels)
                noise[:] = _like(images, values).reshape(noise.shape)
        else:
            values = {"black": low, "mean": (low + high) / 2}
            plan["value"] = _like(images, np.float64(values.get(self.fill, self.fill)))
        return plan

    def apply(self, images, plan, condition):
        """Drops the patches of one level; see `Corruption.apply`."""
        cells = self.cells(plan, condition)
        areas = grid.cell_areas(self.grid_size, *images.shape[1:3])
        if self.fill == "noise":
            out = grid.paste(images, cells, plan["noise"], np.arange(len(images)))
        else:
            out = grid.fill(images, cells, plan["value"])
        return out, np.sum(cells * areas, axis=(1, 2))


def _like(images, values):
    """Casts values to the images' dtype: rounded, half to even, where that is an integer type."""
    if np.issubdtype(images.dtype, np.integer):
        limits = np.iinfo(images.dtype)
        values = np.clip(np.rint(values), limits.min, limits.max)
    return values.astype(images.dtype)
