"""Augmentation by Keras' own layers, repeatable in pipelines of every backend."""

import keras

from keras_patchmix.training.step_seeds import seeded


class KerasAugmentation:
    """RandAugment and random erasing, as far as options ask for them.

    Args:
        options: A `TrainOptions`.
        seed: Integer, from which everything is drawn.
    """

    def __init__(self, options, seed):
        self._layers = []
        if options.rand_augment:
            layer = keras.layers.RandAugment(
                (0, 255),
                num_ops=options.rand_augment_ops,
                factor=options.rand_augment,
                data_format="channels_last",
                dtype="float32",
            )
            self._layers.append(seeded(layer, seed, "rand_augment"))
        if options.random_erasing:
            share = options.random_erasing
            layer = keras.layers.RandomErasing(
                (share, share), data_format="channels_last", dtype="float32"
            )
            self._layers.append(seeded(layer, seed, "erasing"))

    def __bool__(self):
        return bool(self._layers)

    def __call__(self, images, step):
        """Augments a batch.

        Args:
            images: `(batch, height, width, channels)` of values 0..255, a tensor of the graph under
                TensorFlow, else an array.
            step: Integer tensor, or an integer.

        Returns:
            float32, of the same shape and kind.
        """
        if keras.backend.backend() == "tensorflow":
            return self._apply(images, step)
        # A pipeline prepares batches beside an accelerator, not on it.
        with keras.device("cpu"):
            return keras.ops.convert_to_numpy(self._apply(images, int(step)))

    def _apply(self, images, step):
        for layer, generator in self._layers:
            generator.at(step)
            images = layer(images, training=True)
        # On PyTorch operations of RandAugment leave the range (Keras 3.15).
        return keras.ops.clip(images, 0, 255)
