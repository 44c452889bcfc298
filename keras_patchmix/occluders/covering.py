"""Covers that hide a given share of an image, by occluders of the right size."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from keras_patchmix.occluders import placing

HIGHEST_LEVEL = 0.9
SMALLEST_IMAGE = 16
_RUNGS = 10  # a cover grows by a tenth of the image at a time
_LARGEST = 0.75  # longest side of an occluder, as a share of the image's shorter side
_NEAR, _NEAR_OF_LEVEL = 0.004, 0.05  # tolerance, as shares of the image and of the level
_TRIES = 6
_MOST_OBJECTS = 1000
_SAMPLES = 4096  # pixels on which a size is estimated before an occluder is drawn


def cover_to(
    levels: Sequence[float], image_size: Sequence[int], draw: Callable[[int], Any]
) -> list[Any]:
    """Builds covers that hide given shares of an image, nested in each other.

    Occluders are laid one behind another, centered on pixels not yet hidden. One or more of them
    lead from one rung of ten points to the next (0 to 10 %, 10 to 20 %, ...). Each has the size
    that meets the rung; if no size does, up to three quarters of the image's shorter side, it has
    the size that hides most, and another occluder follows. So a rung shows all of the rungs below,
    unchanged, and no level depends on the others. A level between two rungs is the lower one and
    the occluders that lead to the upper one, the last of them smaller.

    Args:
        levels: Shares of the pixels to hide, in (0, 0.9], rising. A pixel is hidden where alpha is
            at least a half. The tolerance is 0.4 points of the image and a twentieth of the
            level, or half a pixel.
        image_size: (height, width) in pixels, each at least 16.
        draw: Function from the number of an object, 0, 1, ..., to an `Occluder`, its rotation in
            turns, and three numbers in [0, 1) that decide its center.

    Returns:
        List with a tuple of `Layer`s for each level, for `assemble`. Levels share the layers that
        they have in common.

    Raises:
        ValueError: `levels` or `image_size` are not as described, or occluders are so thin that
            1,000 of them do not hide enough.
    """
    height, width = image_size
    if min(height, width) < SMALLEST_IMAGE:
        raise ValueError(
            f"`image_size` must be at least {SMALLEST_IMAGE} pixels a side. "
            f"Received: image_size={(height, width)}"
        )
    bounds = [0, *levels, HIGHEST_LEVEL + 1e-9]
    if not all(low < high for low, high in itertools.pairwise(bounds)):
        raise ValueError(
            f"`levels` must rise and be above 0 and at most {HIGHEST_LEVEL}. "
            f"Received: levels={levels!r}"
        )
    state = _State(placing.empty_cover(height, width))
    covers, waiting = [], list(levels)
    for rung in range(1, _RUNGS):
        if not waiting:
            break
        while waiting and round(waiting[0] * _RUNGS, 9) < rung:
            part = dataclasses.replace(state, cover=state.cover.copy())
            covers.append(_fill(part, waiting.pop(0), draw).layers)
        if waiting:
            _fill(state, rung / _RUNGS, draw)
        if waiting and round(waiting[0] * _RUNGS, 9) == rung:
            waiting.pop(0)
            covers.append(state.layers)
    return covers


@dataclasses.dataclass
class _State:
    """A cover under construction: pixels hidden, layers, and the number of objects drawn."""

    cover: np.ndarray
    hidden: int = 0
    layers: tuple = ()
    number: int = 0


def _fill(state, level, draw):
    """Adds objects to a state, in place, until a share of the image is hidden."""
    height, width = state.cover.shape[:2]
    target = level * height * width
    # Counts are integers, so half a pixel is the least tolerance.
    near = max(min(_NEAR * height * width, _NEAR_OF_LEVEL * target), 0.5)
    while target - state.hidden > near:
        if state.number == _MOST_OBJECTS:
            raise ValueError(
                f"`occluders` are too thin to hide {100 * level:g} % of an image of {height} x "
                f"{width} pixels: {_MOST_OBJECTS} of them hide "
                f"{100 * state.hidden / (height * width):.1f} %"
            )
        occluder, turns, *position = draw(state.number)
        state.number += 1
        center = _center(state.cover, *position)
        need = target - state.hidden
        layer, gained = _fit(state.cover, occluder, turns, center, need, near)
        if layer is not None:
            state.layers += (placing.lay_behind(state.cover, layer),)
            state.hidden += gained
    return state


def _center(cover, which, y, x):
    """Returns a point, (y, x) in pixels, uniform over the area not yet hidden."""
    free = np.flatnonzero(cover[..., 3].reshape(-1) < placing.COVERED)
    row, column = divmod(int(free[int(which * len(free))]), cover.shape[1])
    return row + y, column + x


def _fit(cover, occluder, turns, center, need, near):
    """Returns the layer of an occluder that hides `need` more pixels, and how many it hides.

    It hides fewer if no size hides so many. The layer is None if every size tried hides nothing, or
    too many pixels by more than `near`.
    """
    image_size = cover.shape[:2]
    largest = _LARGEST * min(image_size) / max(occluder.image.shape[:2])
    trial = _SizeTrial(cover, occluder, turns, center, largest)
    best, best_error, wanted = (None, 0), math.inf, need
    for _ in range(_TRIES):
        scale, found = trial.scale_for(wanted)
        layer = placing.place(occluder, image_size, center, turns, scale)
        gained = _gain(cover, layer)
        error = gained - need
        if gained and error <= near and abs(error) < best_error:
            best, best_error = (layer, gained), abs(error)
        if abs(error) <= near or (not found and error < 0):
            break
        # The estimate is of samples: the next try corrects its error.
        wanted = max(wanted - error, wanted / 4)
    return best


def _gain(cover, layer):
    """Returns the number of pixels that a layer behind a cover hides in addition."""
    before = cover.reshape(-1, 4)[:, 3].take(layer.index)
    own = layer.pixels[:, 3]
    if not before.any():
        return int(np.count_nonzero(own >= placing.COVERED))
    left = 255 - before.astype(np.uint16)
    after = before + (own * left + np.uint16(127)) // np.uint16(255)
    return int(np.count_nonzero((after >= placing.COVERED) & (before < placing.COVERED)))


class _SizeTrial:
    """Estimates, on a sample of the pixels, how many an occluder of any size hides.

    Args:
        cover: The cover in front of it.
        occluder: An `Occluder`.
        turns: Its rotation.
        center: (y, x) of its middle.
        largest: The largest scale.
    """

    def __init__(self, cover, occluder, turns, center, largest):
        height, width = cover.shape[:2]
        step = max(math.ceil(math.sqrt(height * width / _SAMPLES)), 1)
        start = step // 2
        free = cover[start::step, start::step, 3] < placing.COVERED
        row, column = np.nonzero(free)
        dy = row * float(step) + (start + 0.5 - center[0])
        dx = column * float(step) + (start + 0.5 - center[1])
        cos, sin = placing.direction(turns)
        self._points = np.stack([dx * cos + dy * sin, dy * cos - dx * sin])
        self._weight = height * width / free.size
        self._occluder = occluder
        self._limit = (largest, self._gain(largest))
        self._searched = False

    def _gain(self, scale):
        """Estimates the number of pixels that the occluder hides at a scale."""
        size, step = self._occluder.size_for(scale)
        half = np.array(self._occluder.image.shape[1::-1])[:, None] * (scale * step / 2) + 1
        at = self._points * step
        at += half
        np.maximum(at, 0, out=at)
        np.minimum(at, np.array(size.shape[::-1])[:, None] - 1, out=at)
        column, row = at.astype(np.int32)
        row *= size.shape[1]
        row += column
        return np.count_nonzero(size.solid.take(row)) * self._weight

    def _search(self):
        """Finds the scale that hides most: with holes, it may be a smaller one."""
        self._searched = True
        largest, _ = self._limit
        for k in range(1, 16):
            scale = largest * 0.85**k
            gain = self._gain(scale)
            if gain > self._limit[1]:
                self._limit = (scale, gain)

    def scale_for(self, gain):
        """Returns the scale that hides about `gain` pixels, and whether there is one.

        If no scale hides so many, it is the one that hides most.
        """
        if self._limit[1] < gain and not self._searched:
            self._search()
        largest, most = self._limit
        if most <= gain:
            return largest, False
        # Regula falsi (Illinois variant) on the area, in which the hidden pixels are nearly linear.
        low, high = (0.0, -float(gain)), (largest**2, most - gain)
        side = 0
        for _ in range(16):
            share = min(max(low[1] / (low[1] - high[1]), 0.02), 0.98)
            area = low[0] + (high[0] - low[0]) * share
            error = self._gain(math.sqrt(area)) - gain
            if abs(error) <= self._weight:
                break
            if error < 0:
                low = (area, error)
                high = (high[0], high[1] / 2) if side < 0 else high
                side = -1
            else:
                high = (area, error)
                low = (low[0], low[1] / 2) if side > 0 else low
                side = 1
        return math.sqrt(area), True
