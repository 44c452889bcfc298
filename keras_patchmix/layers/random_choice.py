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
from keras_patchmix.base.types import Tensor
from keras_patchmix.layers import structures
from keras_patchmix.layers.base import MixingLayer
from keras_patchmix.layers.patch_mixing import PatchMixing, mix_labels
from keras_patchmix.mixing import arrays
from keras_patchmix.mixing.patches import is_number

_DEFAULT_SMOOTHING = inspect.signature(PatchMixing).parameters["label_smoothing"].default
_PLAN = "follow a seed or a plan: others draw from seeds of their own"


class ChoicePlan(NamedTuple):
    """What a batch becomes: which of the layers mixes it, and with which seed.

    Attributes:
        index: Int32 scalar, the position of the layer in the list.
        seed: Int32 `(2,)`, the seed that a `PatchMixing` draws its plan with.
    """

    index: Any
    seed: Any


@keras.saving.register_keras_serializable(package="keras_patchmix")
class RandomChoice(MixingLayer):
    """Mixes every batch by one layer, drawn anew from a list, and smooths labels once.

    It alternates Patch Mixing with other mixing, such as `keras.layers.CutMix` and `MixUp`, and
    with none. Only the layer drawn is computed, and all of them give one form: labels as float32
    rows, encoded before and smoothed after, and images in the dtype that they came in. What a
    layer returns in another dtype (Keras' own return floats) is rounded to integers and clipped to
    their range where images are integers: batches of one data set then have one type, as a
    compiled choice needs, and uint8 images stay as small as they were.

    A foreign layer, which is any but `PatchMixing`, is called with
    `{"images": images, "labels": rows}` and must return such a dict of the same shapes. It draws
    from its own seeds, so that batches repeat in a sequential map where those are given, and
    `sample_plan`, `map_seeded` and `mix_on_device` take no such layers. Nor does it take sample
    weights or masks: in Keras 3.15 CutMix and MixUp leave weights unmixed, MixUp fails on masks
    in `tf.data`, and CutMix returns masks of one channel with as many as the images have; and its
    CutMix needs a known height and width. Under a policy of half precision give Keras' layers
    `dtype="float32"`: they compute labels and images in their own dtype.

    Args:
        layers: List of layers, and `None` for no mixing. The `num_classes` of a `PatchMixing` must
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
        sample_weight: As in a call of `PatchMixing`; no foreign layer may be in the list.
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
    ...     [keras_patchmix.PatchMixing(), keras.layers.CutMix(), None],
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

    def call(self, data, labels=None, sample_weight=None, training=None):
        """Mixes a batch; see the class for the arguments."""
        batch, size = self._read(data, labels, sample_weight)
        if not self._trains(batch, training):
            return batch.pack()
        self._check_batch(batch, size)
        return self._apply(self._draw(batch.images, None), batch)

    def sample_plan(self, data: Any, seed: Tensor | Sequence[int] | None = None) -> "ChoicePlan":
        """Draws the plan for a batch, without applying it.

        Args:
            data: Images, or any structure that the layer takes; only shapes are read.
            seed: Two integers, or an integer tensor `(2,)`: the plan is then a pure function of
                it. Defaults to `None`, the layer's own stream of seeds.

        Returns:
            A `ChoicePlan`.

        Raises:
            ValueError: There is a layer that draws from seeds of its own.
        """
        self._refuse_foreign(_PLAN)
        batch = structures.unpack(data)
        self._check_grids(batch, self._check_images(batch))
        return self._draw(batch.images, seed)

    def apply_plan(
        self,
        plan: "ChoicePlan",
        data: Any,
        labels: Tensor | None = None,
        sample_weight: Tensor | None = None,
    ) -> Any:
        """Mixes a batch as `plan` says; a pure function of the two.

        Args:
            plan: What `sample_plan` returned.
            data: As in a call of the layer.
            labels: As in a call of the layer.
            sample_weight: As in a call of the layer.

        Returns:
            What a call of the layer returns.
        """
        self._refuse_foreign(_PLAN)
        batch, size = self._read(data, labels, sample_weight)
        self._check_mixable(batch)
        self._check_batch(batch, size)
        return self._apply(plan, batch)

    def _check_batch(self, batch, size):
        self._check_grids(batch, size)
        for key, part in (("sample_weight", batch.sample_weight), (structures.MASKS, batch.masks)):
            if part is not None:
                self._refuse_foreign(f"take {key!r}, which others do not mix as they mix images")

    def _check_grids(self, batch, size):
        """Finds that every layer fits the images, whichever is drawn."""
        for layer in self.layers:
            if isinstance(layer, PatchMixing):
                layer._check_grid(batch, size)

    def _draw(self, images, seed):
        if seed is None:
            seed = self._next_seed(arrays.of(images))
        seed = tuple(seed) if isinstance(seed, list) else seed
        ops = arrays.of(images, *(seed if isinstance(seed, tuple) else (seed,)))
        uniform = ops.match(ops.random_uniform((3,), seed), images)
        bounds = ops.match(_bounds(self._given_weights, len(self.layers)), uniform)
        index = ops.cast(ops.searchsorted(bounds, uniform[:1])[0], "int32")
        # Uniforms are multiples of 2^-23 or finer: so many seeds are equally likely.
        return ChoicePlan(index, ops.cast(uniform[1:] * 2.0**23, "int32"))

    def _apply(self, plan, batch):
        if _is_traced_by_jax(plan.index):
            self._refuse_foreign("run inside jax.jit, where others lose the state of their seeds")
        mixers = [functools.partial(_mix, layer, batch, plan.seed) for layer in self.layers]
        parts = _run_one(plan.index, mixers)
        if batch.labels is not None:
            parts[structures.LABELS] = mixing.smooth_labels(
                parts[structures.LABELS], self.label_smoothing
            )
        return batch.pack(**parts)

    def _refuse_foreign(self, what):
        own = (PatchMixing, type(None))
        names = [_describe(layer) for layer in self.layers if not isinstance(layer, own)]
        if names:
            raise ValueError(
                f"In RandomChoice only PatchMixing and None can {what}. "
                f"Received: layers={', '.join(names)}"
            )

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
        if isinstance(layer, PatchMixing):
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
        """Returns all arguments of the constructor, layers serialised."""
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


def _mix(layer, batch, seed):
    """The parts of a batch that are there, a dict, mixed by one layer."""
    keys = (structures.IMAGES, structures.LABELS, structures.MASKS, structures.WEIGHTS)
    parts = (batch.images, batch.labels, batch.masks, batch.sample_weight)
    parts = {key: part for key, part in zip(keys, parts, strict=True) if part is not None}
    if layer is None:
        return parts
    if isinstance(layer, PatchMixing):
        return _mix_by_plan(layer, batch, seed, parts)
    return _mix_by_foreign(layer, batch)


def _mix_by_plan(layer, batch, seed, parts):
    """Patch Mixing without its smoothing: pixels by the layer, labels by the plan itself."""
    plan = layer.sample_plan(batch.images, seed=seed)
    pixels = {key: parts[key] for key in (structures.IMAGES, structures.MASKS) if key in parts}
    parts = {**parts, **layer.apply_plan(plan, pixels)}
    if batch.labels is not None:
        parts.update(mix_labels(batch, batch.labels, plan))
    return parts


def _mix_by_foreign(layer, batch):
    given = {structures.IMAGES: batch.images, structures.LABELS: batch.labels}
    call = getattr(layer, "call", layer)
    training = {"training": True} if "training" in inspect.signature(call).parameters else {}
    result = layer(dict(given), **training)
    if not isinstance(result, dict) or not given.keys() <= result.keys():
        raise ValueError(
            "A layer of RandomChoice must return a dict with 'images' and 'labels'. "
            f"Received: {type(result).__name__} from {_describe(layer)}"
        )
    return {key: _restored(layer, key, result[key], like) for key, like in given.items()}


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
    return ops.reshape(_as_dtype(ops, value, ops.dtype(like)), ops.shape(like))


def _as_dtype(ops, x, dtype):
    """Converts to another dtype, to integers by rounding and clipping."""
    if ops.dtype(x) == dtype or "float" in dtype:
        return ops.cast(x, dtype)
    x = ops.cast(x, "float32")
    if dtype == "bool":
        return x >= 0.5
    low, high = np.float32(np.iinfo(dtype).min), np.float32(np.iinfo(dtype).max)
    if int(high) > np.iinfo(dtype).max:  # the float next to it, of those that can be cast
        high = np.nextafter(high, np.float32(0))
    if not _is_of(ops, "tensorflow"):
        return ops.cast(x.round().clip(float(low), float(high)), dtype)
    tf = sys.modules["tensorflow"]
    return tf.cast(tf.clip_by_value(tf.round(x), low, high), dtype)


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
