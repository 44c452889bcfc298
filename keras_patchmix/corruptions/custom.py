"""A corruption of one's own, from a function or a Keras layer."""

import copy
import inspect
import numbers
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_patchmix.base import hashing
from keras_patchmix.base.host import to_numpy
from keras_patchmix.base.pixels import to_dtype
from keras_patchmix.corruptions.base import Corruption


class Custom(Corruption):
    """Applies a function, or a Keras layer, to one image after another, at rising severities.

    So noise, blur, a change of contrast, or the corruptions of another package are rows of the same
    report as occlusions. Rows hold the share of pixels that differ from the image.

    Args:
        fn: What is applied to an image, one of these:

            - A function `fn(image, level)`, or `fn(image)` without `levels`. `image` is an array of
              shape (H, W, C) in the dtype and range of the data set, which may be changed in place;
              the function returns the image. Integers wrap around, as NumPy's do.
              An argument called `rng` gets a `numpy.random.Generator` that starts from the seed of
              the benchmark, `name` and the example's index, at every level alike.
            - A `keras.layers.Layer`, which is called with float32 images and `training=True`. Its
              `keras.random.SeedGenerator`s start anew for each image.
            - A dict from levels to such layers, `levels` being None.
        levels: Number or sequence of numbers that `fn` is called with: severities, no shares.
            They are above 0, the severity of the clean image, and rise. Defaults to `None`, one row
            without a level.
        name: Name in reports, of letters, digits and "_". Defaults to `None`: that of the function.

    Raises:
        ValueError: An argument is not as described; or, while images are corrupted, an image comes
            back with another shape or with values that are not finite. Values are rounded where
            images are integers, and clipped to `value_range`.

    Example:
        >>> def gaussian_noise(image, level, rng):
        ...     return image + rng.normal(0, 10 * level, image.shape)
        >>> noise = Custom(gaussian_noise, levels=(1, 2, 3))
        >>> gray = Custom(keras.layers.RandomGrayscale(1.0), name="gray")
        >>> report = evaluate(model, x, y, [*default_suite(224), noise, gray])
    """

    kind = "custom"

    def __init__(
        self,
        fn: Callable[..., Any] | Mapping[float, Any],
        levels: float | Sequence[float] | None = None,
        name: str | None = None,
    ):
        is_layer = isinstance(fn, keras.Layer)
        if isinstance(fn, Mapping) or is_layer:
            layers: dict[Any, Any] = dict(fn) if isinstance(fn, Mapping) else {None: fn}
            if levels is not None or not all(isinstance(x, keras.Layer) for x in layers.values()):
                raise ValueError(
                    "`fn` must be a function where `levels` is given: a layer takes no level. For "
                    "several levels `fn` may be a dict from levels to layers. "
                    f"Received: fn={fn!r}, levels={levels!r}"
                )
            levels = None if is_layer else tuple(layers)
            if not is_layer:
                _check_levels(levels, "The keys of `fn`")
            self._call = _LayerCall(layers)
        elif callable(fn) and not isinstance(fn, type):
            _check_signature(fn, levels)
            self._call = _FunctionCall(fn, levels is not None)
        else:
            raise ValueError(
                "`fn` must be a function of an image, a Keras layer, or a dict from levels to "
                f"Keras layers. Received: fn={fn!r}"
            )
        self.fn = fn
        self.levels = None if levels is None else _check_levels(levels)
        self._name = _check_name(getattr(fn, "__name__", None) if name is None else name)

    @property
    def name(self):
        """Name in reports."""
        return self._name

    @property
    def conditions(self):
        """Tuple of `Condition`, one per level, mildest first."""
        levels = (None,) if self.levels is None else self.levels
        return tuple(self.condition(severity=level) for level in levels)

    @property
    def family(self):
        """Its own name: other functions have no severities in common with it."""
        return self.title

    def get_config(self):
        """Returns JSON values that say what this is; `from_config` cannot make it anew.

        The dict has the name of the function, or the configuration of each layer.
        """
        levels = None if self.levels is None else list(self.levels)
        return {"fn": self._call.config(), "levels": levels, "name": self._name}

    @classmethod
    def from_config(cls, config):
        """Raises a ValueError: a file holds no function."""
        raise ValueError(
            "A `Custom` corruption cannot be made from JSON values, which hold no function: make "
            "it again, or write a subclass of `Corruption` and name it in `custom_objects`. "
            f"Received: {config!r}"
        )

    def __deepcopy__(self, memo):
        # Members never change, and a copied layer would be another one.
        return copy.copy(self)

    def __eq__(self, other):
        return super().__eq__(other) and self.fn == other.fn

    __hash__ = Corruption.__hash__

    def plan(self, images, labels, index, *, seed=0, bank=None, value_range=(0, 255)):
        """Draws a random number for each example; see `Corruption.plan`. Labels are not used."""
        del images, labels, bank
        key = hashing.stream(seed, self.kind, self._name)
        return {"seeds": hashing.hash_integers(key, index), "value_range": value_range}

    def apply(self, images, plan, condition):
        """Corrupts a batch at one level; see `Corruption.apply`."""
        level = None
        if self.levels is not None:
            level = self.levels[self.conditions.index(condition)]
        out = np.empty_like(images)
        for number, (image, seed) in enumerate(zip(images, plan["seeds"], strict=True)):
            returned = self._call(np.array(image), level, int(seed))
            values = None if returned is None else to_numpy(returned)
            out[number] = self._checked(values, image, plan["value_range"])
        return out, np.sum(np.any(out != images, axis=-1), axis=(1, 2))

    def _checked(self, values, image, value_range):
        if values is None or (values.dtype.kind not in "iuf" and values.dtype.name != "bfloat16"):
            raise ValueError(
                "`fn` must return an image of integers or floats. Received from "
                f"{self._name!r}: {None if values is None else values.dtype}"
            )
        bad = values.shape == image.shape and not np.all(np.isfinite(values))
        if values.shape != image.shape or bad:
            raise ValueError(
                f"`fn` must return an image of the same shape, of finite numbers. Received from "
                f"{self._name!r}: shape {values.shape} for an image of {image.shape}"
                f"{', with values that are not finite' if bad else ''}"
            )
        return to_dtype(np.clip(values, *value_range), image.dtype)


class _FunctionCall:
    def __init__(self, function, with_level):
        self._function, self._with_level = function, with_level
        self._with_rng = _takes_rng(function)

    def __call__(self, image, level, seed):
        levels = (level,) if self._with_level else ()
        extra = {"rng": np.random.default_rng(seed)} if self._with_rng else {}
        return self._function(image, *levels, **extra)

    def config(self):
        module = getattr(self._function, "__module__", None) or ""
        name = getattr(self._function, "__qualname__", None) or type(self._function).__name__
        return f"{module}.{name}".lstrip(".")


class _LayerCall:
    """Calls the layer of a level.

    Args:
        layers: Dict from levels to layers; the level None is that of a single one.
    """

    def __init__(self, layers):
        self._layers = layers

    def __call__(self, image, level, seed):
        layer = self._layers[level]
        weights = set(map(id, layer.weights))
        for state in layer.variables:
            if id(state) not in weights:  # of a `SeedGenerator`: a seed and a count
                state.assign(
                    np.array([seed % 2**31, 0], keras.backend.standardize_dtype(state.dtype))
                )
        images = layer(np.float32(image)[np.newaxis], training=True)
        return to_numpy(images).astype(np.float32)[0]

    def config(self):
        return [keras.layers.serialize(layer) for layer in self._layers.values()]


def _takes_rng(function):
    try:
        return "rng" in inspect.signature(function).parameters
    except ValueError:  # of some functions written in C
        return False


def _check_signature(function, levels):
    arguments = (None,) if levels is None else (None, None)
    try:
        signature = inspect.signature(function)
        signature.bind(*arguments, **({"rng": None} if "rng" in signature.parameters else {}))
    except TypeError as error:
        raise ValueError(
            "`fn` must take an image, and a level where `levels` is given. Received: "
            f"fn={function!r}, levels={levels!r}: {error}"
        ) from None
    except ValueError:  # of some functions written in C
        pass


def _check_levels(levels, argument="`levels`"):
    values = (levels,) if isinstance(levels, numbers.Real) else tuple(levels)
    rising = all(
        isinstance(level, numbers.Real) and not isinstance(level, bool) and np.isfinite(level)
        for level in values
    ) and all(a < b for a, b in zip((0, *values), values, strict=False))
    if not (values and rising):
        raise ValueError(
            f"{argument} must be severities: numbers above 0, which is the clean image, that rise. "
            f"Received: levels={levels!r}"
        )
    return tuple(int(x) if isinstance(x, numbers.Integral) else float(x) for x in values)


def _check_name(name):
    if not isinstance(name, str) or not re.fullmatch(r"\w+", name, re.ASCII) or name == "clean":
        raise ValueError(
            '`name` must be of letters, digits and "_", and not "clean"; functions without a name '
            f"(a lambda) and layers need one. Received: name={name!r}"
        )
    return name
