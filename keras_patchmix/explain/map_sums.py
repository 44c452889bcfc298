"""The sums that a saliency map and its standard error are made of, in constant memory."""

import numpy as np


class MapSums:
    """Adds up what masks are worth, for one image.

    With Z_i(p) = f_i M_i(p) / E[M], the map is the mean of Z over the masks i (Petsiuk et al. 2018,
    equation 6), and its standard error at p is the sample deviation of Z(p) over the root of their
    number.

    Args:
        masks: The `RandomMasks` that are to come: their size, and E[M].
    """

    def __init__(self, masks):
        self._shape, self._keep = masks.image_size, masks.keep_probability
        self._first = np.zeros(self._shape[0] * self._shape[1])
        self._second = np.zeros_like(self._first)
        self.count = 0

    def add(self, masks, scores):
        """Takes in masks and what the model said of the image behind them.

        Args:
            masks: float32 array of shape (N, height, width).
            scores: Array of shape (N,).
        """
        scores = np.asarray(scores, np.float32)
        flat = masks.reshape(len(masks), -1)
        self._first += scores @ flat
        self._second += np.einsum("np,np,n->p", flat, flat, scores**2, optimize=False)
        self.count += len(masks)

    def map(self):
        """Returns the map so far, float64 of shape (height, width)."""
        return (self._first / (self.count * self._keep)).reshape(self._shape)

    def standard_error(self):
        """Returns the standard error of each pixel, float64 of shape (height, width).

        It is infinite after one mask.
        """
        if self.count < 2:
            return np.full(self._shape, np.inf)
        mean = self._first / self.count
        variance = np.maximum(self._second / self.count - mean**2, 0) / (self.count - 1)
        return (np.sqrt(variance) / self._keep).reshape(self._shape)

    def settled(self, tolerance):
        """Whether the greatest standard error is below `tolerance` of the map's range."""
        current = self.map()
        return self.standard_error().max() <= tolerance * (current.max() - current.min())
