"""Mixing of training batches by name, one way or several in turns, as a function of the step."""

import functools

import keras

from keras_patchmix import mixing
from keras_patchmix.base.optional import require
from keras_patchmix.layers.labels import encode_labels
from keras_patchmix.layers.patch_mixing import PatchMixing
from keras_patchmix.training.step_seeds import seed_of, seeded

MIXINGS = ("none", "patchmix", "cutmix", "mixup")
LABELS = {
    "none": "no mixing",
    "patchmix": "Patch Mixing",
    "cutmix": "CutMix",
    "mixup": "MixUp",
}


def parts_of(name):
    """Returns the ways of mixing that a name such as `"patchmix+cutmix"` joins.

    Raises:
        ValueError: One of them is unknown or stands twice, or "none" is not alone.
    """
    parts = name.split("+")
    unknown = [part for part in parts if part not in MIXINGS]
    if unknown or len(set(parts)) < len(parts) or ("none" in parts and len(parts) > 1):
        raise ValueError(
            f"must be one of {', '.join(MIXINGS)}, or several but none joined by +, got {name!r}"
        )
    return parts


def label_of(name):
    """Returns what people call it, such as "Patch Mixing + CutMix"."""
    return " + ".join(LABELS[part] for part in parts_of(name))


class MixingSteps:
    """Mixes every batch as the options say, from some step on.

    `RandomChoice` would mix in turns too, but lets Keras' layers draw from seeds of their own.

    Args:
        options: A `TrainOptions`.
        info: A `keras_patchmix.datasets.DatasetInfo`.
        plain_steps: Steps before mixing begins.
        seed: Integer, from which everything is drawn.
    """

    def __init__(self, options, info, plain_steps, seed):
        self._options, self._classes, self._seed = options, info.num_classes, seed
        self._plain_steps = plain_steps
        makers = {"patchmix": self._patch_mixing, "cutmix": self._cutmix, "mixup": self._mixup}
        parts = [part for part in parts_of(options.mixing) if part != "none"]
        self._mixers = [makers[part](info) for part in parts]
        self._floats = bool({"cutmix", "mixup"} & set(parts))
        weights = options.mixing_weights
        if weights is None or len(weights) != len(parts):  # those of the other model
            weights = [1] * len(parts)
        total = sum(weights)
        self._bounds = [sum(weights[: i + 1]) / total for i in range(len(weights) - 1)]

    def __call__(self, images, labels, step):
        """Mixes a batch.

        Args:
            images: Tensor `(batch, height, width, channels)`.
            labels: Class ids `(batch,)`.
            step: Int64 scalar tensor, the step of the training.

        Returns:
            The images, in one dtype at every step, and float32 rows of labels, smoothed.
        """
        tf = require("tensorflow", "Training")
        rows = encode_labels(labels, self._classes, tf.shape(images)[0])
        if self._floats:
            images = tf.cast(images, tf.float32)
        plain = functools.partial(self._smoothed, images, rows)
        if not self._mixers:
            return plain()
        mixed = functools.partial(self._mixed, tf, images, rows, step)
        return tf.cond(step < self._plain_steps, plain, mixed) if self._plain_steps else mixed()

    def _mixed(self, tf, images, rows, step):
        branches = [functools.partial(mixer, tf, images, rows, step) for mixer in self._mixers]
        if len(branches) == 1:
            return branches[0]()
        draw = tf.random.stateless_uniform((), seed_of(self._seed, "choice", step))
        index = tf.reduce_sum(tf.cast(draw >= tf.constant(self._bounds), tf.int32))
        return tf.switch_case(index, branches)

    def _smoothed(self, images, rows):
        return images, mixing.smooth_labels(rows, self._options.label_smoothing)

    def _patch_mixing(self, info):
        layer = patch_mixing(info, self._options)

        def mix(tf, images, rows, step):
            seed = tf.stack([tf.constant(self._seed, tf.int64), step])
            return layer.apply_plan(layer.sample_plan(images, seed=seed), (images, rows))

        return mix

    def _cutmix(self, info):
        # A pair fixes alpha; a single number would be drawn from, up to it.
        alpha = self._options.mixing_alpha
        layer = keras.layers.CutMix((alpha, alpha), data_format="channels_last", dtype="float32")
        return self._keras_mixing(layer, "cutmix")

    def _mixup(self, info):
        alpha = self._options.mixup_alpha or self._options.mixing_alpha
        layer = keras.layers.MixUp(alpha, data_format="channels_last", dtype="float32")
        return self._keras_mixing(layer, "mixup")

    def _keras_mixing(self, layer, stream):
        layer, generator = seeded(layer, self._seed, stream)

        def mix(tf, images, rows, step):
            clean = {"images": images, "labels": rows}

            def apply():
                generator.at(step)
                return layer(clean, training=True)

            coin = tf.random.stateless_uniform((), seed_of(self._seed, "coin", step))
            mixed = tf.cond(coin < self._options.mixing_probability, apply, lambda: clean)
            return self._smoothed(mixed["images"], mixed["labels"])

        return mix


def patch_mixing(info, options):
    """Returns the `PatchMixing` layer that the options describe.

    Args:
        info: A `keras_patchmix.datasets.DatasetInfo`.
        options: A `TrainOptions`.
    """
    height, width = info.image_shape[:2]
    grid = options.grid_size
    if grid is None:
        grid = next((g for g in (7, 8) if height % g == 0 and width % g == 0), 7)
    return PatchMixing(
        grid_size=grid,
        alpha=options.mixing_alpha,
        ratio=options.mixing_ratio,
        probability=options.mixing_probability,
        num_classes=info.num_classes,
        label_smoothing=options.label_smoothing,
        seed=options.seed,
    )
