"""A layer that mixes every batch in one of several ways."""

import functools
import inspect
import math
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_patchmix import mixing
from keras_patchmix.layers import structures
from keras_patchmix.layers.base import MixingLayer
from keras_patchmix.layers.plan_mixing import PlanMixing
from keras_patchmix.mixing import arrays
from keras_patchmix.mixing.blends import to_dtype
from keras_patchmix.mixing.settings import is_number

_DEFAULT_SMOOTHING = 0.1


class ChoicePlan(NamedTuple):
    """What a batch becomes: which of the layers mixes it, and with which seed.

    Attributes:
        index: Int32 scalar, the position of the layer in the list.
        seed: Int32 `(2,)`, the seed that the layer draws its plan with.
    """

    index: Any
    seed: Any


@keras.saving.register_keras_serializable(package="keras_patchmix")
class RandomChoice(MixingLayer):
    """Mixes every batch by one layer, drawn anew from a list, and smooths labels once.

    It alternates Patch Mixing, MaskMix, CutMix, MixUp, and no mixing. Only the layer drawn is
    computed, and all of them give one form: labels as float32 rows, encoded before and smoothed
    after, and images in the dtype that they came in.

    The list may hold any other callable that takes a dict with the parts of the batch (images,
    labels as rows, and masks and weights if there are any) and returns such a dict of the same
    shapes. Its random numbers do not follow the seed of this layer. What it returns in another
    dtype is converted back, to integers by rounding and clipping.

    Args:
        layers: List of layers, and `None` for no mixing. The `num_classes` of a mixing layer must
            be `None` or that of this layer; its `seed` is not used and its `label_smoothing`
            gives way to that of this layer, so another than that, the default or 0 raises.
        weights: List of non-negative numbers, how often each layer is drawn, in proportion.
            Defaults to `None`, all alike.
        num_classes: Integer: labels may then be integer class ids. Defaults to `None`.
        label_smoothing: Float e in [0, 1]: `(1 - e) y + e mean(y)`, after mixing, also where
            nothing was mixed. Defaults to `0.1`.
        seed: Integer or `None`. With a seed a sequential `map` gives the same choices on every
            run; for a parallel map use `keras_patchmix.layers.map_seeded`. Defaults to `None`,
            which follows `keras.utils.set_random_seed`.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for Keras' setting. Layers
            that have one must have the same.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        data: As in a call of `PatchMixing`.
        labels: As in a call of `PatchMixing`.
        sample_weight: As in a call of `PatchMixing`.
        training: `False` calls no layer: images stay, labels become rows and are not smoothed.
            Defaults to `None`, as in `PatchMixing`.

    Returns:
        What came in, in the same structure: labels and weights as float32, all else in its own
        dtype.

    Raises:
        ValueError: An argument is out of range, or the data cannot be mixed. The image must suit
            every layer, whichever is drawn.

    Example:
    >>> mix = keras_patchmix.layers.RandomChoice(
    ...     [keras_patchmix.PatchMixing(), keras_patchmix.layers.CutMix(), None],
    ...     weights=[2, 1, 1],
    ...     num_classes=10,
    ... )
    >>> train = train.batch(128).map(mix, num_parallel_calls=tf.data.AUTOTUNE)
    """

    def __init__(
        self,
        layers: Sequence[Any],
        weights: Sequence[float] | None = None,
        num_classes: int | None = None,
        label_smoothing: float = 0.1,
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(num_classes, label_smoothing, seed, data_format, **kwargs)
        self._check_layers(layers)
        self.layers = list(layers)
        self._given_weights = _check_weights(weights, len(self.layers))

    def _check(self, batch, size):
        for layer in self.layers:
            if isinstance(layer, PlanMixing):
                layer._check(batch, size)

    def _draw(self, batch, seed, size):
        images = batch.images
        if seed is None:
            seed = self._next_seed(batch.ops)
        seed = tuple(seed) if isinstance(seed, list) else seed
        ops = arrays.of(images, *(seed if isinstance(seed, tuple) else (seed,)))
        uniform = ops.match(ops.random_uniform((3,), seed), images)
        bounds = ops.match(_bounds(self._given_weights, len(self.layers)), uniform)
        index = ops.cast(ops.searchsorted(bounds, uniform[:1])[0], "int32")
        # Uniforms are multiples of 2^-23 or finer: so many seeds are equally likely.
        return ChoicePlan(index, ops.cast(uniform[1:] * 2.0**23, "int32"))

    def _apply(self, plan, batch, size):
        mixers = [functools.partial(_mix, layer, batch, size, plan.seed) for layer in self.layers]
        parts = _run_one(plan.index, mixers)
        if batch.labels is not None:
            parts[structures.LABELS] = mixing.smooth_labels(
                parts[structures.LABELS], self.label_smoothing
            )
        return batch.pack(**parts)

    def _check_layers(self, layers):
        if not isinstance(layers, (list, tuple)) or not layers:
            raise ValueError(
                "`layers` must be a list of at least one layer, or None for no mixing. "
                f"Received: layers={layers!r}"
            )
        for layer in layers:
            if layer is not None and (isinstance(layer, type) or not callable(layer)):
                raise TypeError(
                    "Each of `layers` must be a layer, made and callable, or None. "
                    f"Received: {layer!r}"
                )
            if isinstance(layer, RandomChoice):
                raise ValueError(
                    "`layers` must hold no RandomChoice, which would smooth a second time: put its "
                    f"layers into the list. Received: {layer!r}"
                )
            self._check_settings(layer)

    def _check_settings(self, layer):
        """Finds settings of a layer that contradict those of this one."""
        allowed = {"data_format": {None, self.data_format}}
        if isinstance(layer, PlanMixing):
            allowed["num_classes"] = {None, self.num_classes}
            allowed["label_smoothing"] = {0.0, _DEFAULT_SMOOTHING, self.label_smoothing}
        for name, values in allowed.items():
            if getattr(layer, name, self.data_format) not in values:
                raise ValueError(
                    f"`{name}` belongs to RandomChoice, so that all layers share one: leave it out "
                    f"in the layers. Received: {name}={getattr(self, name)!r} and, in "
                    f"{_describe(layer)}, {name}={getattr(layer, name)!r}"
                )

    def get_config(self):
        """Returns all arguments of the constructor, layers serialized."""
        return {
            **super().get_config(),
            "layers": [keras.saving.serialize_keras_object(layer) for layer in self.layers],
            "weights": self._given_weights and list(self._given_weights),
        }

    def _arguments(self):
        return {**self.get_config(), "layers": list(self.layers)}

    @classmethod
    def from_config(cls, config):
        """Makes the layer, and those in its list, from what `get_config` returned."""
        deserialize = keras.saving.deserialize_keras_object
        layers = [
            deserialize(layer) if isinstance(layer, dict) else layer for layer in config["layers"]
        ]
        return cls(**{**config, "layers": layers})


def _check_weights(weights, count):
    if weights is None:
        return None
    values = list(weights) if isinstance(weights, (list, tuple, np.ndarray)) else []
    valid = all(is_number(x) and 0 <= x < math.inf for x in values)
    if not (len(values) == count and valid and 0 < sum(values) < math.inf):
        raise ValueError(
            "`weights` must be non-negative numbers, one for each layer and not all zero. "
            f"Received: weights={weights!r} for {count} layers"
        )
    return tuple(map(float, values))


def _bounds(weights, count):
    """Float32 `(count,)`: layer i is drawn by uniforms from entry i - 1 on, below entry i."""
    shares = np.cumsum(np.ones(count) if weights is None else weights)
    return np.append(shares[:-1] / shares[-1], 2.0).astype("float32")  # no uniform reaches 2


def _mix(layer, batch, size, seed):
    """The parts of a batch that are there, a dict, mixed by one layer."""
    keys = (structures.IMAGES, structures.LABELS, structures.MASKS, structures.WEIGHTS)
    parts = (batch.images, batch.labels, batch.masks, batch.sample_weight)
    parts = {key: part for key, part in zip(keys, parts, strict=True) if part is not None}
    if layer is None:
        return parts
    if isinstance(layer, PlanMixing):
        plan = layer._draw(batch, seed, size)
        return {**parts, **layer._mixed_parts(plan, batch, size, batch.labels)}
    return _mix_by_foreign(layer, parts)


def _mix_by_foreign(layer, parts):
    call = getattr(layer, "call", layer)
    training = {"training": True} if "training" in inspect.signature(call).parameters else {}
    result = layer(dict(parts), **training)
    if not isinstance(result, dict) or not parts.keys() <= result.keys():
        raise ValueError(
            f"A layer of RandomChoice must return a dict with {', '.join(map(repr, parts))}. "
            f"Received: {type(result).__name__} from {_describe(layer)}"
        )
    return {key: _restored(layer, key, result[key], like) for key, like in parts.items()}


def _restored(layer, key, value, like):
    """What a foreign layer returned, in the shape and the dtype of what it was given."""
    ops = arrays.of(like)
    value = ops.match(value, like)
    sizes = zip(value.shape, like.shape, strict=False)
    if len(value.shape) != len(like.shape) or any(
        a is not None and b is not None and a != b for a, b in sizes
    ):
        raise ValueError(
            f"A layer of RandomChoice must keep the shape of {key!r}, {tuple(like.shape)}. "
            f"Received: {tuple(value.shape)} from {_describe(layer)}"
        )
    return ops.reshape(to_dtype(ops, value, ops.dtype(like)), ops.shape(like))


def _describe(layer):
    return f"{type(layer).__name__} {getattr(layer, 'name', '')!r}"


def _run_one(index, branches):
    """Runs the branch of that number, and no other, in compiled code too; all return one form."""
    if _is_of(arrays.of(index), "tensorflow"):
        return sys.modules["tensorflow"].switch_case(index, branches)
    if _is_traced_by_jax(index):
        return sys.modules["jax"].lax.switch(index, branches)
    return branches[int(index)]()


def _is_of(ops, package):
    return ops.__name__.endswith(f"{package}_ops")


def _is_traced_by_jax(index):
    # If `index` is a tensor of JAX, jax is already imported.
    return "jax" in sys.modules and isinstance(index, sys.modules["jax"].core.Tracer)
