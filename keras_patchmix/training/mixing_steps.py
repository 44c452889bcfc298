"""Mixing of training batches by name, one way or several in turns, as a function of the step."""

from keras_patchmix.base.optional import require
from keras_patchmix.layers.cut_mix import CutMix
from keras_patchmix.layers.mix_up import MixUp
from keras_patchmix.layers.patch_mixing import PatchMixing
from keras_patchmix.layers.random_choice import RandomChoice

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
    """Mixes every batch as the options say, from `options.mixing_start` of the training on.

    Args:
        options: A `TrainOptions`.
        info: A `keras_patchmix.datasets.DatasetInfo`.
        total_steps: Steps of the whole training.
        seed: Integer, from which everything is drawn.
    """

    def __init__(self, options, info, total_steps, seed):
        self._seed = seed
        self._plain_steps = round(options.mixing_start * total_steps)
        self._plain = mixing_of("none", info, options)
        self._mixing = mixing_of(options.mixing, info, options)

    def __call__(self, images, labels, step):
        """Mixes a batch.

        Args:
            images: Tensor or array `(batch, height, width, channels)`.
            labels: Class ids `(batch,)`.
            step: Int64 scalar tensor, or an integer for arrays: the step of the training.

        Returns:
            The images, and float32 rows of labels, smoothed.
        """
        if isinstance(step, int):
            layer = self._plain if step < self._plain_steps else self._mixing
            plan = layer.sample_plan(images, seed=(self._seed, step))
            return layer.apply_plan(plan, (images, labels))
        tf = require("tensorflow", "Training")
        seed = tf.stack([tf.constant(self._seed, tf.int64), step])

        def mix(layer):
            return layer.apply_plan(layer.sample_plan(images, seed=seed), (images, labels))

        if not self._plain_steps:
            return mix(self._mixing)
        return tf.cond(
            step < self._plain_steps, lambda: mix(self._plain), lambda: mix(self._mixing)
        )


def mixing_of(name, info, options):
    """Returns the layer of one way of mixing, or a `RandomChoice` of several or none.

    Args:
        name: What `parts_of` takes.
        info: A `keras_patchmix.datasets.DatasetInfo`.
        options: A `TrainOptions`, which holds the arguments.
    """
    labels = {
        "num_classes": info.num_classes,
        "label_smoothing": options.label_smoothing,
        "seed": options.seed,
        "data_format": "channels_last",
    }
    common = {"alpha": options.mixing_alpha, "probability": options.mixing_probability, **labels}
    mixup_alpha = options.mixup_alpha or options.mixing_alpha
    grid_size = options.grid_size or _default_grid(*info.image_shape[:2])
    makers = {
        "none": lambda: None,
        "patchmix": lambda: PatchMixing(grid_size, ratio=options.mixing_ratio, **common),
        "cutmix": lambda: CutMix(**common),
        "mixup": lambda: MixUp(**{**common, "alpha": mixup_alpha}),
    }
    layers = [makers[part]() for part in parts_of(name)]
    if len(layers) == 1 and layers[0] is not None:
        return layers[0]
    weights = options.mixing_weights
    if weights is not None and len(weights) != len(layers):  # those of the other model
        weights = None
    return RandomChoice(layers, weights, **labels)


def _default_grid(height, width):
    return next((grid for grid in (7, 8) if height % grid == 0 and width % grid == 0), 7)
