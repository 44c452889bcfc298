"""Patch drop: patches are lost, in random order or by saliency."""

import numbers
from collections.abc import Sequence

import numpy as np

from keras_patchmix.base import hashing
from keras_patchmix.base.pixels import to_dtype
from keras_patchmix.base.types import Size
from keras_patchmix.corruptions import grid
from keras_patchmix.corruptions.base import GridCorruption

_FILLS = ("black", "mean", "image_mean", "noise", "zero")
_ORDERS = ("random", "salient", "non-salient")


class PatchDrop(GridCorruption):
    """Drops patches: their pixels are filled with a color or noise.

    The same patches are dropped for every fill, so that fills can be compared.

    References:
        Naseer et al., "Intriguing Properties of Vision Transformers", NeurIPS 2021: random, salient
        and non-salient patch drop, black, on a 14x14 grid. Lee et al., arXiv 2306.17848 (2023) use
        the random one, 0 to 80 %. Where Naseer et al. speak of salient patches, they mean those
        that DINO's attention finds in the foreground, and drop patches until a share of this
        foreground is gone. Here the map is yours, whatever it comes from, and a level is a share
        of the patches, so that the three orders compare at equal loss.

    Args:
        grid_size: Integer or (rows, columns): number of patches. Defaults to `14`.
        levels: Shares of the patches that are dropped, in (0, 1]. Defaults to 20 to 80 % by 20.
        fill: What takes their place. `"black"`: the low end of `value_range`. `"mean"`: the middle
            of `value_range`. `"image_mean"`: the mean color of the image, channel by channel.
            `"noise"`: uniform over `value_range`, each value on its own. Or a number in the units
            of the images; `"zero"` is 0, which is black where `value_range` begins at 0. Defaults
            to `"black"`.
        order: Which patches go first: `"random"`; `"salient"`, those with the highest mean in the
            saliency map; or `"non-salient"`, those with the lowest. Patches of equal mean go in
            random order. The latter two need `saliency`, see `evaluate`. Defaults to `"random"`.
    """

    kind = "patch_drop"

    def __init__(
        self,
        grid_size: Size = 14,
        levels: float | Sequence[float] = (0.2, 0.4, 0.6, 0.8),
        fill: str | float = "black",
        order: str = "random",
    ):
        super().__init__(grid_size, levels)
        is_number = isinstance(fill, numbers.Real) and not isinstance(fill, bool)
        if not (is_number and np.isfinite(fill)) and fill not in _FILLS:
            raise ValueError(
                f"`fill` must be one of {', '.join(map(repr, _FILLS))} or a finite number. "
                f"Received: fill={fill!r}"
            )
        if order not in _ORDERS:
            raise ValueError(
                f"`order` must be one of {', '.join(map(repr, _ORDERS))}. Received: order={order!r}"
            )
        self.fill = float(fill) if is_number else 0.0 if fill == "zero" else fill
        self.order = order

    @property
    def needs_saliency(self):
        """Whether `plan` takes a saliency map."""
        return self.order != "random"

    @property
    def name(self):
        """`"patch_drop"`, then order and fill where they are not the defaults.

        Such as `"patch_drop_noise"`, `"patch_drop_fill0_5"`, `"patch_drop_nonsalient_mean"`.
        """
        parts = [self.kind]
        if self.needs_saliency:
            parts.append(self.order.replace("-", ""))
        if not isinstance(self.fill, str):
            parts.append(f"fill{self.fill:g}".replace(".", "_"))
        elif self.fill != "black":
            parts.append(self.fill)
        return "_".join(parts)

    @property
    def title(self):
        """Such as `"Patch drop (non-salient first, image mean)"`; defaults are left out."""
        parts = [f"{self.order} first"] if self.needs_saliency else []
        if not isinstance(self.fill, str):
            parts.append(f"fill {self.fill:g}")
        elif self.fill != "black":
            parts.append(self.fill.replace("_", " "))
        return f"Patch drop ({', '.join(parts)})" if parts else "Patch drop"

    def get_config(self):
        """Returns the constructor's arguments as a dict of JSON values."""
        return {**super().get_config(), "fill": self.fill, "order": self.order}

    def plan(
        self, images, labels, index, *, seed=0, bank=None, value_range=(0, 255), saliency=None
    ):
        """Draws the patches, and the noise if any; see `Corruption.plan`.

        Args:
            images: Array of shape (B, H, W, C).
            labels: Not used.
            index: int array of shape (B,).
            seed: Integer.
            bank: Not used.
            value_range: (black, white) of the images.
            saliency: Array of shape (B, H, W) of finite numbers, read as float32; only their order
                counts, the highest is the most salient. None for a random order.

        Raises:
            ValueError: The grid is finer than the images, or the maps are missing, of another
                shape, or not finite.
        """
        plan = super().plan(images, labels, index, seed=seed)
        if self.needs_saliency:
            means = grid.cell_means(_check_maps(saliency, images), self.grid_size)
            plan["ranks"] = _rank_cells(
                means if self.order == "non-salient" else -means, plan["ranks"]
            )
        low, high = value_range
        if self.fill == "noise":
            key = hashing.stream(seed, self.kind, "noise")
            plan["noise"] = _noise(images, index, key, low, high)
        elif self.fill == "image_mean":
            plan["values"] = to_dtype(_image_means(images), images.dtype)
        else:
            value = {"black": low, "mean": (low + high) / 2}.get(self.fill, self.fill)
            plan["values"] = to_dtype(np.float64(value), images.dtype)
        return plan

    def _corrupt(self, images, plan, cells):
        if self.fill == "noise":
            return grid.paste(images, cells, plan["noise"], np.arange(len(images)))
        return grid.fill(images, cells, plan["values"])


def _check_maps(saliency, images):
    """Returns saliency maps as float32, of which equal means are exactly equal."""
    if saliency is None:
        received = "saliency=None"
    else:
        with np.errstate(over="ignore"):  # beyond float32 is infinite, and refused
            maps = np.asarray(saliency).astype(np.float32)
        bad = np.sum(~np.isfinite(maps))
        if maps.shape == images.shape[:3] and not bad:
            return maps
        received = f"an array of shape {maps.shape} with {bad} values that are not finite"
    raise ValueError(
        "`saliency` must hold a map of finite numbers for each image, of shape (batch, height, "
        f"width) = {images.shape[:3]}. Received: {received}"
    )


def _rank_cells(means, ties):
    """Ranks cells by rising means, equal ones by `ties`: int64 of shape (B, rows, columns)."""
    batch, rows, columns = means.shape
    flat = (batch, rows * columns)
    order = np.lexsort((ties.reshape(flat), means.reshape(flat)), axis=1)
    return np.argsort(order, axis=1).reshape(means.shape)


def _image_means(images):
    """Returns the mean colors, float64 of shape (B, C).

    They are computed image by image, as the order of summation may depend on the batch size.
    """
    channels = images.shape[-1]
    means = [np.mean(i.reshape(-1, channels), axis=0, dtype=np.float64) for i in images]
    return np.array(means).reshape(-1, channels)


def _noise(images, index, key, low, high):
    """Draws noise in the images' shape and dtype: `hashing.uniform(key, index, number of value)`.

    The hash of the values' numbers is shared by all images.
    """
    noise = np.empty(images.shape, images.dtype)
    states = hashing.hash_integers(key, index)
    numbering = hashing.mix(np.arange(noise[:1].size, dtype=np.uint64))
    for values, state in zip(noise, states, strict=True):
        bits = hashing.mix(numbering ^ state)
        bits >>= np.uint64(11)
        uniform = bits.astype(np.float64)
        uniform *= 2.0**-53
        uniform *= high - low
        uniform += low
        values[:] = to_dtype(uniform, images.dtype).reshape(values.shape)
    return noise
