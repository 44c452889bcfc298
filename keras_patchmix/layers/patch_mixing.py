"""The Patch Mixing layer."""

import numbers
import random
import warnings

import keras

from keras_patchmix import _ops, mixing
from keras_patchmix._ratio import count_table
from keras_patchmix.layers import structures
from keras_patchmix.layers.labels import encode_labels, encode_weights


@keras.saving.register_keras_serializable(package="keras_patchmix")
class PatchMixing(keras.layers.Layer):
    """Replaces random grid patches of every image by those of another image of the batch.

    The labels are blended by the share of pixels replaced, then smoothed. A convolutional network
    trained so learns to ignore patches that do not belong to the image.

    The layer belongs after `.batch(...)`, and serves tuple and dict data sets alike. Shares and
    labels are float32 under every dtype policy, images keep their dtype, and every output value
    is a bit-exact copy of an input value.

    References:
        - Lee et al. 2023, "Hardwiring ViT Patch Selectivity into CNNs using Patch Mixing",
          [arXiv 2306.17848](https://arxiv.org/abs/2306.17848), section 3. How the ratio is drawn,
          the smoothing and the probability are not published: the defaults here are ours.
        - Szegedy et al. 2016, [arXiv 1512.00567](https://arxiv.org/abs/1512.00567), section 7
          (label smoothing).

    Args:
        grid_size: Integer or `(rows, columns)`: exactly that many patches, with boundaries at
            `floor(i * height / rows)`. Defaults to `7`.
        patch_size: Integer or `(height, width)` in pixels, in place of `grid_size`: the last
            patch of a side is smaller where the size does not divide the image. Defaults to
            `None`.
        alpha: Positive float: the ratio follows Beta(alpha, alpha). Defaults to `1.0`.
        ratio: The share of patches to replace, in place of `alpha`: a number in [0, 1], or
            `(low, high)` for a uniform draw. `round-half-even(ratio * N)` of the N patches are
            replaced. Defaults to `None`.
        probability: Float in [0, 1], how often a sample (in mode `"batch"` a batch) is mixed.
            Samples left unmixed are smoothed all the same. Defaults to `1.0`.
        mode: `"sample"` draws coin, ratio and patches for every sample, `"batch"` once for all of
            a batch. Defaults to `"sample"`.
        num_classes: Integer: labels may then be integer class ids. Defaults to `None`.
        label_smoothing: Float e in [0, 1]: `(1 - e) y + e mean(y)`, after the blend. Defaults to
            `0.1`. Do not let the loss smooth a second time.
        seed: Integer or `None`. With a seed a sequential `map` gives the same batches on every
            run; for a parallel map use `keras_patchmix.layers.map_seeded`. Defaults to `None`,
            which follows `keras.utils.set_random_seed`.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for Keras' setting.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        data: Images, a batch of rank 4 and any number type; `(images, labels)`;
            `(images, labels, sample_weight)`; or a dict with `"images"` and `"labels"` and/or
            `"segmentation_masks"` (`(batch, height, width)`, or of rank 4), and
            `"sample_weight"` if there are weights. Other keys pass through.
        labels: One-hot, soft or multi-hot rows `(batch, classes)`, or integers `(batch,)` or
            `(batch, 1)` with `num_classes`.
        sample_weight: `(batch,)` or `(batch, 1)`, non-negative.
        training: `False` leaves images untouched and labels unmixed and unsmoothed, in the form
            that they have in training. Defaults to `True`.

    Returns:
        What came in, in the same structure: labels and weights as float32, all else in its own
        dtype.

    Raises:
        ValueError: An argument is out of range, or the data cannot be mixed.

    Example:
    >>> mix = keras_patchmix.PatchMixing(num_classes=10, seed=1)
    >>> train = train.batch(128).map(mix, num_parallel_calls=tf.data.AUTOTUNE)
    >>> validation = validation.batch(128).map(lambda x, y: mix(x, y, training=False))
    """

    def __init__(
        self,
        grid_size=7,
        patch_size=None,
        alpha=1.0,
        ratio=None,
        probability=1.0,
        mode="sample",
        num_classes=None,
        label_smoothing=0.1,
        seed=None,
        data_format=None,
        **kwargs,
    ):
        super().__init__(**{"autocast": False, **kwargs})
        if patch_size is not None and grid_size == 7:
            grid_size = None  # the default gives way
        self.grid = mixing.Grid(grid_size, patch_size)
        self.settings = mixing.Settings(alpha, ratio, probability, mode)
        if num_classes is not None and not (_is_integer(num_classes) and num_classes >= 2):
            raise ValueError(
                "`num_classes` must be an integer of at least 2, or None. "
                f"Received: num_classes={num_classes!r}"
            )
        if not (mixing.is_number(label_smoothing) and 0 <= label_smoothing <= 1):
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
        # Python's generator, because keras.utils.set_random_seed seeds it.
        self._start = random.randrange(2**31) if seed is None else self.seed
        # Keras carries the state of its own generators through jax.jit once it knows them.
        self.seed_generator = getattr(self._stream(_ops.of_backend()), "generator", None)
        if self.grid.grid_size is not None:
            self._warn_if_idle(self.grid.grid_size[0] * self.grid.grid_size[1])
        self.built = True

    def __call__(self, data, labels=None, sample_weight=None, training=None, **kwargs):
        """Mixes a batch; see the class for the arguments."""
        data, put_back = structures.take_out(data)
        others = {
            "labels": structures.as_array("labels", labels),
            "sample_weight": structures.as_array("sample_weight", sample_weight),
            "training": training,
        }
        kwargs.update({name: value for name, value in others.items() if value is not None})
        # Keras would convert tensors of tf.data into its backend's, which a graph cannot do.
        foreign = _ops.is_foreign(*structures.leaves(data), *kwargs.values())
        return put_back((self.call if foreign else super().__call__)(data, **kwargs))

    def call(self, data, labels=None, sample_weight=None, training=True):
        """Mixes a batch; see the class for the arguments."""
        batch = structures.unpack(data, labels, sample_weight)
        size = self._check_images(batch)
        if training and batch.labels is None and batch.masks is None:
            raise ValueError(
                "Mixing images changes what they show, so it needs `labels` (or, in a dict, "
                "'segmentation_masks'). Call with training=False to pass images through. "
                "Received: images alone and training=True"
            )
        if not training:
            return self._apply(batch, None, size)
        return self._apply(batch, self._draw(batch, None, size), size)

    def sample_plan(self, data, seed=None):
        """Draws the plan for a batch, without applying it.

        Args:
            data: Images, or any structure that the layer takes; only shapes are read.
            seed: Two integers, or an integer tensor `(2,)`: the plan is then a pure function of
                it. Defaults to `None`, the layer's own stream of seeds.

        Returns:
            A `keras_patchmix.mixing.MixingPlan`.
        """
        batch = structures.unpack(data)
        return self._draw(batch, seed, self._check_images(batch))

    def apply_plan(self, plan, data, labels=None, sample_weight=None):
        """Mixes a batch as `plan` says; draws nothing.

        Args:
            plan: What `sample_plan` returned for images of this shape.
            data: As in a call of the layer.
            labels: As in a call of the layer.
            sample_weight: As in a call of the layer.

        Returns:
            What a call of the layer returns.
        """
        batch = structures.unpack(data, labels, sample_weight)
        return self._apply(batch, plan, self._check_images(batch))

    def _stream(self, ops):
        """The layer's stream of seeds for tensors of the kind that `ops` is for."""
        name = "_seeds_of_" + ops.__name__.rpartition(".")[-1]
        if not hasattr(self, name):
            setattr(self, name, ops.SeedSource(self._start))
        return getattr(self, name)

    def _draw(self, batch, seed, size):
        batch_size, height, width = size
        rows, columns = self.grid.shape(height, width)
        if isinstance(rows, int) and isinstance(columns, int) and self.patch_size is not None:
            self._warn_if_idle(rows * columns)
        if seed is None:
            seed = self._stream(batch.ops).next()
        return mixing.sample_plan(
            seed, batch_size, (height, width), self.grid, self.settings, like=batch.images
        )

    def _apply(self, batch, plan, size):
        parts = {}
        if batch.masks is not None:
            self._check_masks(batch.masks, size)
        if batch.labels is not None:
            parts[structures.LABELS] = encode_labels(batch.labels, self.num_classes, size[0])
        if batch.sample_weight is not None:
            parts[structures.WEIGHTS] = encode_weights(batch.sample_weight, size[0])
        if plan is not None:
            self._mix(parts, batch, plan)
        if batch.sample_weight is not None:
            parts[structures.WEIGHTS] = batch.ops.reshape(
                parts[structures.WEIGHTS], batch.ops.shape(batch.sample_weight)
            )
        return batch.pack(**parts)

    def _mix(self, parts, batch, plan):
        parts[structures.IMAGES] = mixing.apply_to_images(
            batch.images, plan, self.grid, self.data_format
        )
        if batch.masks is not None:
            parts[structures.MASKS] = mixing.apply_to_masks(
                batch.masks, plan, self.grid, self.data_format
            )
        if batch.labels is None:
            return
        # Both steps are linear: smoothing first is smoothing after the blend, and leaves compilers
        # one rounding less to differ in.
        labels = mixing.smooth_labels(parts[structures.LABELS], self.label_smoothing)
        weights = parts.get(structures.WEIGHTS)
        if weights is None:
            parts[structures.LABELS] = mixing.apply_to_labels(labels, plan)
        else:
            parts[structures.LABELS], parts[structures.WEIGHTS] = mixing.apply_to_labels(
                labels, plan, weights
            )

    def _check_images(self, batch):
        """Returns (batch, height, width) of valid images, each an integer or a tensor."""
        images = batch.images
        rank = batch.ops.rank(images)
        if rank != 4:
            found = f"images.shape={tuple(images.shape)}"
            if rank is None:
                found = "images of unknown rank: call `set_shape` on them first"
            elif rank == 3:
                found += ": put `.batch(...)` before the map"
            raise ValueError(f"`images` must be a batch of rank 4. Received: {found}")
        shape = batch.ops.shape(images)
        batch_size, height, width = (
            shape[:3] if self.data_format == "channels_last" else (shape[0], *shape[2:])
        )
        self.grid.shape(height, width)
        return batch_size, height, width

    def _check_masks(self, masks, size):
        rank = len(masks.shape)
        spatial = slice(1, 3) if rank == 3 or self.data_format == "channels_last" else slice(2, 4)
        found = (masks.shape[0], *masks.shape[spatial])
        expected = [side if isinstance(side, int) else None for side in size]
        if rank not in (3, 4) or any(
            a is not None and b is not None and a != b for a, b in zip(found, expected, strict=True)
        ):
            raise ValueError(
                "'segmentation_masks' must have the batch, height and width of the images and "
                f"rank 3 or 4. Received: segmentation_masks.shape={tuple(masks.shape)} and images "
                f"with (batch, height, width)={tuple(expected)}"
            )

    def _warn_if_idle(self, num_patches):
        settings = self.settings
        if count_table(num_patches, settings.alpha, settings.ratio)[0] >= 1:
            warnings.warn(
                f"PatchMixing will never replace a patch: ratio={settings.ratio} of "
                f"{num_patches} patches rounds to none.",
                stacklevel=3,
            )

    def compute_output_spec(self, data, labels=None, sample_weight=None, training=True):
        """Shapes and dtypes of the outputs, for symbolic inputs."""
        del training

        def rows(labels):
            return keras.KerasTensor(self._labels_shape(labels.shape), "float32")

        def weights(sample_weight):
            return keras.KerasTensor(sample_weight.shape, "float32")

        if isinstance(data, dict):
            forms = {structures.LABELS: rows, structures.WEIGHTS: weights}
            return {key: forms.get(key, _same)(value) for key, value in data.items()}
        parts = data if isinstance(data, (tuple, list)) else (data, labels, sample_weight)
        parts = [part for part in parts if part is not None]
        outputs = [form(part) for form, part in zip((_same, rows, weights), parts, strict=False)]
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def compute_output_shape(self, data_shape, labels_shape=None, sample_weight_shape=None):
        """Shapes of the outputs: only labels change, from class ids to rows."""
        if isinstance(data_shape, dict):
            shapes = dict(data_shape)
            if structures.LABELS in shapes:
                shapes[structures.LABELS] = self._labels_shape(shapes[structures.LABELS])
            return shapes
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
            "grid_size": self.grid_size,
            "patch_size": self.patch_size,
            "alpha": self.settings.alpha,
            "ratio": self.settings.ratio,
            "probability": self.settings.probability,
            "mode": self.settings.mode,
            "num_classes": self.num_classes,
            "label_smoothing": self.label_smoothing,
            "seed": self.seed,
            "data_format": self.data_format,
        }

    @property
    def grid_size(self):
        """`(rows, columns)`, or `None` where `patch_size` is given."""
        return self.grid.grid_size

    @property
    def patch_size(self):
        """`(height, width)` in pixels, or `None` where `grid_size` is given."""
        return self.grid.patch_size


def _same(tensor):
    return keras.KerasTensor(tensor.shape, tensor.dtype)


def _is_integer(value):
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)
