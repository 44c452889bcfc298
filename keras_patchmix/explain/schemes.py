"""How maps are estimated from the scores of masked images."""

import numpy as np

_AREAS = 8  # of the surrogate, along an axis
_FOLDS = 5
_GROWTH = 1.25  # masks between two looks at a map that may have settled


class IndependentMap:
    """The map of an image and its standard error, as running sums in constant memory.

    With Z_i(p) = f_i M_i(p) / E[M], the map is the mean of Z over the masks i (Petsiuk et al. 2018,
    equation 6), and its standard error at p is the sample deviation of Z(p) over the root of their
    number.

    Args:
        masks: The `RandomMasks`, for their size and E[M].
    """

    def __init__(self, masks):
        self._shape, self._keep = masks.image_size, masks.keep_probability
        self._first = np.zeros(self._shape[0] * self._shape[1])
        self._second = np.zeros_like(self._first)
        self._total, self.count = 0.0, 0

    def add(self, masks, scores):
        """Adds masks and the scores of the image behind them.

        Args:
            masks: float32 array of shape (N, height, width).
            scores: Array of shape (N,).
        """
        scores = np.asarray(scores, np.float32)
        flat = masks.reshape(len(masks), -1)
        self._first += scores @ flat
        self._second += np.einsum("np,np,n->p", flat, flat, scores**2, optimize=False)
        self._total += float(scores.sum(dtype=np.float64))
        self.count += len(masks)

    def map(self):
        """Returns the map so far, float64 of shape (height, width)."""
        return (self._first / (self.count * self._keep)).reshape(self._shape)

    def mean_score(self):
        """Returns the mean of the scores over all masks: a pixel that does not matter has it."""
        return self._total / self.count

    def standard_error(self):
        """Returns float64 of shape (height, width): each pixel's, infinite after one mask."""
        if self.count < 2:
            return np.full(self._shape, np.inf)
        mean = self._first / self.count
        variance = np.maximum(self._second / self.count - mean**2, 0) / (self.count - 1)
        return (np.sqrt(variance) / self._keep).reshape(self._shape)

    def converged(self, tolerance):
        """Returns whether the greatest standard error is within `tolerance` of the map's range."""
        return self.standard_error().max() <= tolerance * np.ptp(self.map())


class ControlVariateMap:
    """A map whose masks estimate only what a linear surrogate of the scores leaves over.

    For any function g of a mask, S = E[g M] / E[M] + E[(f - g) M] / E[M]. Here g is linear in what
    a mask shows of each of 8x8 areas of the image, so that the first term is known and the second
    one is a mean over the masks, of smaller scores. g is fitted by ridge regression to the masks of
    the other folds (mask i is in fold i mod 5): it does not depend on the masks that it is used
    for, and the map is unbiased. Masks are made once more for the residuals, since they follow from
    their numbers; what grows with them is a number for each.

    Args:
        masks: The `RandomMasks`.
    """

    def __init__(self, masks):
        self._masks, self._areas = masks, MaskedAreas(masks)
        columns = self._areas.count + 1
        self._moments = np.zeros((_FOLDS, columns, columns))
        self._products = np.zeros((_FOLDS, columns))
        self._scores, self._estimated = [], None
        self._next_look = 0

    @property
    def count(self):
        """The number of masks so far."""
        return sum(map(len, self._scores))

    def add(self, masks, scores):
        """Adds the next masks; arguments as of `IndependentMap.add`."""
        features, scores = self._areas(masks), np.asarray(scores, np.float32)
        folds = np.arange(self.count, self.count + len(scores)) % _FOLDS
        for fold in range(_FOLDS):
            mine = features[folds == fold]
            self._moments[fold] += mine.T @ mine
            self._products[fold] += scores[folds == fold] @ mine
        self._scores.append(scores)
        self._estimated = None

    def map(self):
        """Returns the map so far, float64 of shape (height, width)."""
        return self._estimate()[0]

    def standard_error(self):
        """Returns float64 of shape (height, width): each pixel's, infinite after one mask."""
        return self._estimate()[1]

    def mean_score(self):
        """As `IndependentMap.mean_score`."""
        return self._estimate()[2]

    def converged(self, tolerance):
        """As `IndependentMap.converged`; looks now and then, since a look goes over all masks."""
        if self.count < self._next_look:
            return False
        self._next_look = _GROWTH * self.count
        error = self.standard_error().max()
        return error <= tolerance * np.ptp(self.map())

    def _estimate(self):
        if self._estimated is None:
            surrogates = self._surrogates()
            rest, start = IndependentMap(self._masks), 0
            for scores in self._scores:
                numbers = np.arange(start, start + len(scores))
                masks = self._masks(numbers)
                told = (self._areas(masks) * surrogates[numbers % _FOLDS]).sum(1)
                rest.add(masks, scores - told)
                start += len(scores)
            weights = np.bincount(np.arange(start) % _FOLDS, minlength=_FOLDS) / start
            coefficients = weights @ surrogates
            self._estimated = (
                self._areas.map_of(coefficients) + rest.map(),
                rest.standard_error(),
                coefficients[0] + rest.mean_score(),  # areas count less their expectations
            )
        return self._estimated

    def _surrogates(self):
        """Returns the coefficients for each fold, fitted to the others, (folds, columns)."""
        ridge = np.full(self._areas.count + 1, self._areas.variance)
        ridge[0] = np.finfo(np.float32).eps  # the constant is free, and 0 without any masks
        moments = self._moments.sum(0) - self._moments + np.diag(ridge)
        products = self._products.sum(0) - self._products
        return np.linalg.solve(moments, products[..., None])[..., 0]


class MaskedAreas:
    """What masks show of each area of an image: the columns of a linear surrogate.

    A function linear in them has a known map, since the covariance of two pixels of a mask is
    k (1 - k) times the mean over the offsets of the product of their weights, for rows and columns.

    Args:
        masks: The `RandomMasks`.

    Attributes:
        count: The number of areas.
        variance: The sum of their variances.
    """

    def __init__(self, masks):
        self._keep = masks.keep_probability
        spread = self._keep * (1 - self._keep)
        self._means = [_means(side) for side in masks.image_size]
        # (areas, pixels) of each axis.
        self._shared = [
            means @ shared
            for means, shared in zip(self._means, masks.shared_weights(), strict=True)
        ]
        self.count = len(self._means[0]) * len(self._means[1])
        traces = [
            np.trace(shared @ means.T)
            for shared, means in zip(self._shared, self._means, strict=True)
        ]
        self.variance = spread * traces[0] * traces[1]

    def __call__(self, masks):
        """Returns float64 of shape (N, 1 + count): 1, and each area's mean less its expectation."""
        rows, columns = self._means
        shown = (rows @ masks @ columns.T - self._keep).reshape(len(masks), -1)
        return np.concatenate([np.ones((len(masks), 1)), shown], axis=1)

    def map_of(self, coefficients):
        """Returns the map of a linear function of the columns, float64 of the images' size."""
        rows, columns = self._shared
        grid = coefficients[1:].reshape(len(rows), len(columns))
        return coefficients[0] + (1 - self._keep) * (rows.T @ grid @ columns)


def _means(side):
    """Returns the matrix (areas, side) that takes means over the areas of an axis."""
    areas = min(_AREAS, side)
    area = np.arange(side) * areas // side
    member = np.arange(areas)[:, None] == area
    return member / member.sum(1, keepdims=True)


SCHEMES = {"control_variate": ControlVariateMap, "independent": IndependentMap}
