"""Input pipelines of a training run without TensorFlow: Grain reads a function of the step."""

import functools

import numpy as np

from keras_patchmix.datasets.examples import grain_dataset, read_ahead
from keras_patchmix.devices.batches import LocalBatches
from keras_patchmix.layers.labels import encode_labels
from keras_patchmix.training import host_augmentation
from keras_patchmix.training.keras_augmentation import KerasAugmentation
from keras_patchmix.training.mixing_steps import MixingSteps
from keras_patchmix.training.step_numbers import shuffled

_AHEAD = 2  # batches that wait to be taken, beside those that threads are making


class TrainingSteps:
    """Training batches by the number of their step, a function of the seed and the step.

    Images come in the order, and are flipped and shifted, as by `pipeline.training_batches` with
    TensorFlow; what is mixed is drawn from other numbers.

    Args:
        data: A `keras_patchmix.training.training_data.Data`.
        options: A `TrainOptions`.
        total_steps: Integer, steps of the whole training.
        local: `keras_patchmix.devices.batches.LocalBatches`.
    """

    def __init__(self, data, options, total_steps, local):
        self._data, self._options, self._local = data, options, local
        self._total_steps = total_steps
        seed = local.seed(options.seed)
        self._by_keras = KerasAugmentation(options, seed)
        self._mix = MixingSteps(options, data.info, total_steps, seed)
        # As `tf.data` shuffles: names of files, which are small, all together.
        buffer = None if data.cache == "none" else options.shuffle_buffer
        self._order = functools.lru_cache(2)(
            functools.partial(shuffled, options.seed, count=data.num_train, buffer=buffer)
        )

    def __len__(self):
        return self._total_steps

    def __getitem__(self, step):
        size, step = self._options.batch_size, int(step)
        number, place = divmod(step, self._data.num_train // size)
        rows = self._local.rows(self._order(number)[place * size : (place + 1) * size])
        images = self._augmented(rows, step)
        if self._by_keras:
            images = self._by_keras(images, step)
        return self._mix(images, self._data.train.labels[rows], step)

    def _augmented(self, rows, step):
        train, way = self._data.train, self._options.augmentation
        draws = host_augmentation.flip_and_crop_draws(self._options.seed, step, self._local)
        if way == "flip-crop":
            size = self._data.info.image_shape[:2]
            crops = zip(map(train.picture, rows), draws, strict=True)
            return np.stack([host_augmentation.crop(*one, size) for one in crops])
        images = np.stack([train.image(row) for row in rows])
        if way == "none":
            return images
        images = host_augmentation.flip(images, draws[:, 0])
        return images if way == "flip" else host_augmentation.shift(images, draws.T[1:3])


def training_batches(data, options, total_steps, first_step=0, local=None):
    """Returns a `grain.IterDataset`; see `pipeline.training_batches`. It ends with the training."""
    local = local or LocalBatches(options.batch_size, options.batch_size, 0, 1)
    steps = grain_dataset(TrainingSteps(data, options, total_steps, local))
    return read_ahead(steps.slice(slice(first_step, None)), _AHEAD)


def one_hot(data):
    """Returns a function from a batch `(images, class ids)` to the same with one-hot labels."""

    def encode(batch):
        images, labels = batch
        return images, encode_labels(labels, data.info.num_classes, None)

    return encode
