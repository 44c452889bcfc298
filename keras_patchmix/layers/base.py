"""What layers that mix batches share: their calls, their plans, their labels, their seeds."""

import copy
import dataclasses
import inspect
import numbers
import random
from collections.abc import Sequence
from typing import Any

import keras

from keras_patchmix.base.suggestions import meant
from keras_patchmix.base.types import Tensor
from keras_patchmix.layers import structures
from keras_patchmix.layers.labels import check_mask_dtype, encode_labels, encode_weights
from keras_patchmix.layers.sizes import check_sizes
from keras_patchmix.mixing import arrays
from keras_patchmix.mixing.arrays.lineage import Lineage
from keras_patchmix.mixing.settings import is_number

_STREAM = "_seeds_of_"


class MixingLayer(keras.layers.Layer):
    """A layer that takes batches in every structure that `structures` knows.

    A subclass says how a plan is drawn (`_draw`), what it does to a batch (`_apply`), and which
    batches it does not suit (`_check`).

    Args:
        num_classes: Integer or `None`.
        label_smoothing: Float in [0, 1].
        seed: Integer or `None`.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for Keras' setting.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: An argument is out of range, or none that there is.
        RuntimeError: The layer is made inside a function of TensorFlow.
    """

    def __init__(self, num_classes, label_smoothing, seed, data_format, **kwargs):
        self._init_keras(kwargs)
        if num_classes is not None and not (_is_integer(num_classes) and num_classes >= 2):
            raise ValueError(
                "`num_classes` must be an integer of at least 2, or None. "
                f"Received: num_classes={num_classes!r}"
            )
        if not (is_number(label_smoothing) and 0 <= label_smoothing <= 1):
            raise ValueError(
                "`label_smoothing` must be a number in [0, 1]. "
                f"Received: label_smoothing={label_smoothing!r}"
            )
        if seed is not None and not _is_integer(seed):
            raise ValueError(f"`seed` must be an integer or None. Received: seed={seed!r}")
        if data_format not in (None, "channels_last", "channels_first"):
            raise ValueError(
                "`data_format` must be 'channels_last', 'channels_first' or None. "
                f"Received: data_format={data_format!r}"
            )
        self.num_classes = None if num_classes is None else int(num_classes)
        self.label_smoothing = float(label_smoothing)
        self.seed = None if seed is None else int(seed)
        self.data_format = data_format or keras.config.image_data_format()
        ops = arrays.of_backend()
        if ops.in_function():
            raise RuntimeError(
                f"{type(self).__name__} must be made once, outside the function that is mapped or "
                "compiled: made inside it would start at its first seed in every trace. "
                "Received: a call of the constructor inside a function of TensorFlow"
            )
        # Python's generator, because keras.utils.set_random_seed seeds it.
        self._lineage = Lineage((random.randrange(2**31) if seed is None else self.seed, 0))
        # Keras carries the state of its own generators through jax.jit once it knows them.
        self.seed_generator = getattr(self._stream(ops), "generator", None)
        self.built = True

    def _init_keras(self, kwargs):
        try:
            super().__init__(**{"autocast": False, **kwargs})
        except (TypeError, ValueError) as error:
            own = inspect.signature(type(self)).parameters
            questions = "".join(meant(name, own) for name in kwargs)
            if not questions:
                raise
            raise type(error)(f"{error}.{questions}") from error

    def __call__(self, data, labels=None, sample_weight=None, training=None, **kwargs):
        """Mixes a batch; see the class for the arguments."""
        data, put_back = structures.take_out(data)
        others = {
            "labels": structures.as_array("labels", labels),
            "sample_weight": structures.as_array("sample_weight", sample_weight),
            "training": training,
        }
        if labels is None and training is None and _is_input_of_model(structures.leaves(data)):
            # Kept by the model for calls that do not say, as Keras does for Dropout. Else a layer
            # in front whose own default is True, such as RandomFlip, would decide.
            others["training"] = False
        kwargs.update({name: value for name, value in others.items() if value is not None})
        # Keras would convert tensors of tf.data into its backend's, which a graph cannot do.
        foreign = arrays.is_foreign(*structures.leaves(data), *kwargs.values())
        return put_back((self.call if foreign else super().__call__)(data, **kwargs))

    def call(self, data, labels=None, sample_weight=None, training=None):
        """Mixes a batch; see the class for the arguments."""
        batch, size = self._read(data, labels, sample_weight)
        if not self._trains(batch, training):
            return batch.pack()
        self._check(batch, size)
        return self._apply(self._draw(batch, None, size), batch, size)

    def sample_plan(self, data: Any, seed: Tensor | Sequence[int] | None = None) -> Any:
        """Draws the plan for a batch, without applying it.

        Args:
            data: Images, or any structure that the layer takes; only shapes are read.
            seed: Two integers, or an integer tensor `(2,)`: the plan is then a pure function of
                it. Defaults to `None`, the layer's own stream of seeds.

        Returns:
            A named tuple of tensors: `keras_patchmix.mixing.MixingPlan`, `BoxPlan` or
            `BlendPlan`, or the choice of a `RandomChoice`.
        """
        batch = structures.unpack(data)
        size = self._check_images(batch)
        self._check(batch, size)
        return self._draw(batch, seed, size)

    def apply_plan(
        self,
        plan: Any,
        data: Any,
        labels: Tensor | None = None,
        sample_weight: Tensor | None = None,
    ) -> Any:
        """Mixes a batch as `plan` says; draws nothing.

        Args:
            plan: What `sample_plan` returned for images of this shape.
            data: As in a call of the layer.
            labels: As in a call of the layer.
            sample_weight: As in a call of the layer.

        Returns:
            What a call of the layer returns.
        """
        batch, size = self._read(data, labels, sample_weight)
        self._check(batch, size)
        return self._apply(plan, batch, size)

    def _check(self, batch, size):
        """Finds that a batch can be mixed.

        Args:
            batch: A `structures.Batch`.
            size: `(batch, height, width)` of its images, each an integer or a tensor.

        Raises:
            ValueError: It cannot; a graph that learns sizes when it runs raises then.
        """

    def _read(self, data, labels=None, sample_weight=None):
        """Takes a call's arguments apart and finds them valid.

        Returns:
            `(batch, size)`: a `structures.Batch` with labels as float32 rows and weights as
            float32, and `(batch, height, width)`, each an integer or a tensor.
        """
        batch = structures.unpack(data, labels, sample_weight)
        size = self._check_images(batch)
        if batch.masks is not None:
            batch = dataclasses.replace(batch, masks=self._checked_masks(batch, size))
        if batch.labels is not None:
            rows = encode_labels(batch.labels, self.num_classes, size[0])
            batch = dataclasses.replace(batch, labels=rows)
        if batch.sample_weight is not None:
            weights = encode_weights(batch.sample_weight, size[0])
            batch = dataclasses.replace(batch, sample_weight=weights)
        return batch, size

    def _trains(self, batch, training):
        """Whether a call mixes; images alone are passed through unless it says that it trains."""
        if training is None:
            return batch.labels is not None or batch.masks is not None
        if training and batch.labels is None and batch.masks is None:
            raise ValueError(
                "Mixing images changes what they show, so it needs `labels` (or, in a dict, "
                "'segmentation_masks'). Among the layers of a model it gets none: put the layer "
                "into the map of the data set, `dataset.map(layer)`, or into the training step, "
                "with `keras_patchmix.training.mix_on_device(model, layer)`. To pass images "
                "through, call the layer or the model with training=False, or export a function "
                "that calls the model so, with `keras.export.ExportArchive`. Where nobody has said "
                "training=True, one of Keras' random image layers (RandomFlip) has: in a model "
                "made by subclassing it turns training on for all layers called after it, unless "
                "`call` hands `training` on to each of them. "
                "Received: images alone and training=True"
            )
        return bool(training)

    def _next_seed(self, ops):
        """The next of the layer's own seeds, for tensors of the kind that `ops` is for."""
        return self._stream(arrays.of_seeds(ops)).next()

    def _stream(self, ops):
        name = _STREAM + ops.__name__.rpartition(".")[-1]
        if not hasattr(self, name):
            setattr(self, name, ops.SeedSource(self._lineage))
        return getattr(self, name)

    def _follow(self, lineage):
        """Has all streams start anew, where `lineage` says."""
        self._lineage = lineage
        for name, stream in vars(self).items():
            if name.startswith(_STREAM):
                stream.follow(lineage)

    def _arguments(self):
        """The arguments that make a copy: a config, in which objects may stand as they are."""
        return self.get_config()

    def __reduce__(self):
        # Keras' own way is a saved model, whose layers start at their first seeds again.
        return _remade, (type(self), self._arguments(), self._lineage)

    def __copy__(self):
        return _remade(type(self), self._arguments(), self._lineage.copy())

    def __deepcopy__(self, memo):
        arguments = copy.deepcopy(self._arguments(), memo)
        copied = memo[id(self)] = _remade(type(self), arguments, self._lineage.copy())
        return copied

    def _check_images(self, batch):
        """Returns (batch, height, width) of valid images, each an integer or a tensor."""
        images = batch.images
        rank = batch.ops.rank(images)
        if rank != 4:
            found = f"images.shape={tuple(images.shape)}"
            if rank is None:
                found = "images of unknown rank: call `set_shape` on them first"
            elif rank == 3:
                axis = "[..., None]" if self.data_format == "channels_last" else "[:, None]"
                found += (
                    ": put `.batch(...)` before the map or, if these are gray images in a batch, "
                    f"add the axis of channels, `images{axis}`"
                )
            raise ValueError(f"`images` must be a batch of rank 4. Received: {found}")
        shape = batch.ops.shape(images)
        batch_size, height, width = (
            shape[:3] if self.data_format == "channels_last" else (shape[0], *shape[2:])
        )
        return batch_size, height, width

    def _checked_masks(self, batch, size):
        masks, ops = batch.masks, batch.ops
        check_mask_dtype(ops.dtype(masks))
        rank = ops.rank(masks)
        message = "'segmentation_masks' must have the batch, height and width of the images"
        expected = tuple(side if isinstance(side, int) else None for side in size)
        received = (
            f"segmentation_masks.shape={masks.shape if rank is None else tuple(masks.shape)} and "
            f"images with (batch, height, width)={expected}"
        )
        if rank not in (3, 4):
            raise ValueError(f"{message} and rank 3 or 4. Received: {received}")
        shape = ops.shape(masks)
        last = rank == 3 or self.data_format == "channels_last"
        found = shape[:3] if last else (shape[0], *shape[2:])
        return check_sizes(ops, masks, message, received, found, size)

    def compute_output_spec(self, data, labels=None, sample_weight=None, training=None):
        """Shapes and dtypes of the outputs, for symbolic inputs."""
        del training

        def rows(labels):
            return keras.KerasTensor(self._labels_shape(labels.shape), "float32")

        def weights(sample_weight):
            return keras.KerasTensor(sample_weight.shape, "float32")

        if isinstance(data, dict):
            forms = {structures.key_of(data, structures.LABELS): rows, structures.WEIGHTS: weights}
            return {key: forms.get(key, _same)(value) for key, value in data.items()}
        parts = data if isinstance(data, (tuple, list)) else (data, labels, sample_weight)
        parts = [part for part in parts if part is not None]
        outputs = [form(part) for form, part in zip((_same, rows, weights), parts, strict=False)]
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def compute_output_shape(self, data_shape, labels_shape=None, sample_weight_shape=None):
        """Shapes of the outputs: only labels change, from class ids to rows."""
        if isinstance(data_shape, dict):
            labels = structures.key_of(data_shape, structures.LABELS)
            shapes = {labels: self._labels_shape(data_shape[labels])} if labels else {}
            return {**data_shape, **shapes}
        if data_shape and isinstance(data_shape[0], (tuple, list)):
            data_shape, labels_shape, sample_weight_shape = (*data_shape, None, None)[:3]
        outputs = [tuple(data_shape)]
        if labels_shape is not None:
            outputs.append(self._labels_shape(labels_shape))
        if sample_weight_shape is not None:
            outputs.append(tuple(sample_weight_shape))
        return tuple(outputs) if len(outputs) > 1 else outputs[0]

    def _labels_shape(self, shape):
        if self.num_classes is not None:
            return (shape[0], self.num_classes)
        return tuple(shape)

    def get_config(self):
        """Returns all arguments of the constructor."""
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "label_smoothing": self.label_smoothing,
            "seed": self.seed,
            "data_format": self.data_format,
        }


def _is_input_of_model(parts):
    """Whether a call adds the layer to a functional model, with images alone."""
    return len(parts) == 1 and isinstance(parts[0], keras.KerasTensor)


def _remade(cls, arguments, lineage):
    layer = cls.from_config(arguments)
    layer._follow(lineage)
    return layer


def _same(tensor):
    return keras.KerasTensor(tensor.shape, tensor.dtype)


def _is_integer(value):
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)
