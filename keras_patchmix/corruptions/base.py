"""Base classes of corruptions: plans, levels, ranked patches."""

import numbers
from fractions import Fraction

import numpy as np

from keras_patchmix.base import hashing
from keras_patchmix.base.sizes import size_pair
from keras_patchmix.corruptions import grid
from keras_patchmix.corruptions.member import Condition, Member, in_words


class Corruption(Member):
    """Base of all corruptions: plans for a batch are drawn once, then applied level by level.

    A corruption is a pure function of (images, labels, example index, seed, bank): the same for an
    example whatever batch it comes in. Subclasses set `kind`, implement `plan`, `apply` and
    `get_config`, and return in `conditions` what `condition` makes. They work on NumPy arrays and
    know nothing of models.
    """

    kind = "corruption"

    @property
    def name(self):
        """Name in reports: the kind, and what tells variants of that kind apart."""
        return self.kind

    @property
    def title(self):
        """Name in figures and tables."""
        return in_words(self.name)

    @property
    def family(self):
        """What variants of the kind have in common; a figure of many curves has a panel of each."""
        return in_words(self.kind)

    def condition(self, grid=None, level=None, severity=None):
        """Returns the `Condition` of a grid and a level, each None where there is none."""
        names = {"title": self.title, "family": self.family}
        return Condition(self.name, grid, level, **names, severity=severity)

    def plan(self, images, labels, index, *, seed=0, bank=None, value_range=(0, 255)):
        """Draws all random numbers for a batch, for all conditions at once.

        Args:
            images: Array of shape (B, H, W, C).
            labels: int array of shape (B,): class ids. None where the corruption needs none.
            index: int array of shape (B,): position of each example in the data set.
            seed: Integer.
            bank: A `Bank`, where `needs_bank` is True.
            value_range: (black, white) of the images.

        Corruptions with `needs_saliency` take `saliency` too, a float array of shape (B, H, W).

        Returns:
            A dict for `apply`. Reports record its entry "donor_index", if there is one: an int
            array of shape (B,), the index of the example that each image is mixed with.
        """
        raise NotImplementedError

    def apply(self, images, plan, condition):
        """Applies a plan at one condition, without drawing random numbers.

        Args:
            images: The images of the plan.
            plan: What `plan` returned.
            condition: One of `conditions`.

        Returns:
            The corrupted images, a new array of the same shape and dtype, and an int64 array of
            shape (B,): the number of pixels affected in each.
        """
        raise NotImplementedError

    def __call__(
        self,
        images,
        labels=None,
        index=None,
        *,
        seed=0,
        bank=None,
        value_range=(0, 255),
        saliency=None,
    ):
        """Corrupts a batch at every condition in turn.

        Args:
            images: Array of shape (B, H, W, C).
            labels: int array of shape (B,), class ids; needed by some corruptions.
            index: int array of shape (B,); `range(B)` when None.
            seed: Integer.
            bank: A `Bank`, where `needs_bank` is True.
            value_range: (black, white) of the images.
            saliency: Float array of shape (B, H, W), where `needs_saliency` is True.

        Yields:
            Tuples of a `Condition`, the corrupted images, and the pixels affected, see `apply`.
        """
        images = np.asarray(images)
        if images.ndim != 4:
            raise ValueError(
                "`images` must be a batch of shape (batch, height, width, channels). "
                f"Received: images.shape={images.shape}"
            )
        index = np.arange(len(images)) if index is None else np.asarray(index)
        labels = None if labels is None else np.asarray(labels)
        plan = self.draw(images, labels, index, seed, bank, value_range, saliency)
        for condition in self.conditions:
            yield condition, *self.apply(images, plan, condition)

    def draw(self, images, labels, index, seed, bank, value_range, saliency):
        """Returns `plan(...)`, with `saliency` if this corruption needs it."""
        extra = {}
        if self.needs_saliency:
            if saliency is None:
                raise ValueError(
                    f"{type(self).__name__} needs a map of what is salient: pass `saliency`, or a "
                    'data set of dicts with the key "saliency". Received: saliency=None'
                )
            extra["saliency"] = saliency
        return self.plan(
            images, labels, index, seed=seed, bank=bank, value_range=value_range, **extra
        )


class GridCorruption(Corruption):
    """A corruption that affects a share of the cells of one grid, at several nested levels.

    Subclasses implement `_corrupt`, and extend `plan` with what it needs.

    Args:
        grid_size: Integer or (rows, columns): number of patches.
        levels: Shares of the patches, in (0, 1]. A level affects round-half-even(level x patches)
            patches, and its patches contain those of every lower level.
    """

    def __init__(self, grid_size, levels):
        self.grid_size = rows, columns = size_pair(grid_size, "grid_size")
        self.levels = rising_levels(levels, 1, "the patches")
        if patches_at(self.levels[0], self.grid_size) == 0:
            raise ValueError(
                f"The level {self.levels[0]:g} affects none of the {rows} x {columns} patches of "
                f"`grid_size`: use higher levels or a finer grid. Received: levels={levels!r}"
            )

    @property
    def conditions(self):
        """Tuple of `Condition`, one per level, mildest first."""
        return tuple(self.condition(self.grid_size, level) for level in self.levels)

    def get_config(self):
        """Returns the constructor's arguments as a dict of JSON values."""
        return {"grid_size": list(self.grid_size), "levels": list(self.levels)}

    def ranks(self, index, seed):
        """Ranks the patches of each example; a level takes the patches of the lowest ranks.

        Args:
            index: int array of shape (B,).
            seed: Integer.

        Returns:
            int64 array of shape (B, rows, columns): each example holds 0 .. patches - 1 once.
        """
        count = self.grid_size[0] * self.grid_size[1]
        key = hashing.stream(seed, self.kind, "patches", *self.grid_size)
        order = hashing.permutations(key, index, count)
        return np.argsort(order, axis=1).reshape(-1, *self.grid_size)

    def cells(self, plan, condition):
        """Returns the mask of affected patches, boolean of shape (B, rows, columns)."""
        return plan["ranks"] < patches_at(condition.level, self.grid_size)

    def plan(self, images, labels, index, *, seed=0, bank=None, value_range=(0, 255)):
        """Draws the patches of all levels; see `Corruption.plan`.

        Raises:
            ValueError: The grid is finer than the images.
        """
        (rows, columns), (height, width) = self.grid_size, images.shape[1:3]
        if rows > height or columns > width:
            raise ValueError(
                f"{type(self).__name__} has a grid finer than the image: `grid_size` must be at "
                f"most ({height}, {width}). Received: grid_size={self.grid_size}"
            )
        return {"ranks": self.ranks(index, seed)}

    def apply(self, images, plan, condition):
        """Corrupts the patches of one level; see `Corruption.apply`."""
        cells = self.cells(plan, condition)
        areas = grid.cell_areas(self.grid_size, *images.shape[1:3])
        return self._corrupt(images, plan, cells), np.sum(cells * areas, axis=(1, 2))

    def _corrupt(self, images, plan, cells):
        """Returns new images, corrupted where `cells`, of shape (B, rows, columns), is True."""
        raise NotImplementedError


def patches_at(level, grid):
    """Returns round-half-even(level x patches), computed with the level's decimal digits.

    In binary, 0.7 x 45 is slightly less than 31.5 and would round the wrong way.
    """
    return round(Fraction(repr(float(level))) * grid[0] * grid[1])


def rising_levels(levels, highest, whole):
    """Returns levels as an increasing tuple of floats.

    Args:
        levels: A number or a sequence of numbers.
        highest: Largest level allowed.
        whole: What levels are shares of, for the message.

    Raises:
        ValueError: A level is outside (0, highest], or given twice.
    """
    values = (levels,) if isinstance(levels, numbers.Real) else tuple(levels)
    if not values or not all(
        isinstance(level, numbers.Real) and not isinstance(level, bool) and 0 < level <= highest
        for level in values
    ):
        raise ValueError(
            f"`levels` must be one or more numbers above 0 and at most {highest}: shares of "
            f"{whole}. Received: levels={levels!r}"
        )
    values = tuple(sorted(float(level) for level in values))
    if len(set(values)) != len(values):
        raise ValueError(f"`levels` must differ from each other. Received: levels={levels!r}")
    return values
