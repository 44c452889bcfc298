"""Batches from arrays in memory, and the time of the steps that train on them, on any backend."""

import time

import keras
import numpy as np


class HostBatches(keras.utils.PyDataset):
    """Shuffled, augmented batches of an epoch, made by NumPy; a function of seed, epoch and step.

    Args:
        images: uint8 of shape (N, height, width, channels).
        class_ids: Integers of shape (N,).
        batch_size: Images a batch.
        num_classes: Columns of the labels.
        mixing: A layer of this package that mixes here, or None.
        give_class_ids: Whether labels stay class ids, for mixing on the device.
        margin: Pixels that images are shifted by at most; borders are mirrored.
        seed: Integer.
        epoch: Integer.
        steps: Batches of the epoch; all when None.
        workers: Threads.
    """

    def __init__(
        self,
        images,
        class_ids,
        batch_size,
        num_classes,
        mixing=None,
        give_class_ids=False,
        margin=0,
        seed=0,
        epoch=0,
        steps=None,
        workers=2,
    ):
        # A long queue would hide in a short measurement that a host is too slow.
        super().__init__(workers=workers, max_queue_size=2)
        self._images, self._class_ids, self._batch_size = images, class_ids, batch_size
        self._num_classes, self._mixing, self._give_class_ids = num_classes, mixing, give_class_ids
        self._margin, self._seed = margin, (seed, epoch)
        order = np.random.default_rng(self._seed).permutation(len(images))
        self._order = order[: len(order) // batch_size * batch_size].reshape(-1, batch_size)
        self._steps = len(self._order) if steps is None else steps

    def __len__(self):
        return self._steps

    def __getitem__(self, step):
        """Returns images and labels: rows, or class ids."""
        chosen = self._order[step % len(self._order)]
        images, ids = self._images[chosen], self._class_ids[chosen]
        images = augmented(images, self._margin, np.random.default_rng((*self._seed, step)))
        if self._mixing is not None:
            seed = np.random.SeedSequence((*self._seed, step)).generate_state(2)
            return self._mixing.apply_plan(self._mixing.sample_plan(images, seed=seed), images, ids)
        if self._give_class_ids:
            return images, ids
        return images, np.eye(self._num_classes, dtype=np.float32)[ids]


def augmented(images, margin, rng):
    """Returns images of which half are flipped, shifted by up to `margin` pixels."""
    count, height, width = images.shape[:3]
    flipped = rng.random(count) < 0.5
    images[flipped] = images[flipped, :, ::-1]
    if not margin:
        return images
    sides = ((0, 0), (margin, margin), (margin, margin), (0, 0))
    padded = np.pad(images, sides, "reflect")
    corners = rng.integers(2 * margin + 1, size=(count, 2))
    for image, source, (top, left) in zip(images, padded, corners, strict=True):
        image[:] = source[top : top + height, left : left + width]
    return images


class Stopwatch(keras.callbacks.Callback):
    """Times the end of every step of a `fit`.

    Where Keras can, it calls this in a thread, which waits for the loss while the next steps are
    handed over, as they are in a training that nobody measures.
    """

    async_safe = True

    def on_train_begin(self, logs=None):
        """Forgets the steps of the last `fit`."""
        self.ends = {}

    def on_train_batch_end(self, batch, logs=None):
        """Takes the time; the logs are read, so that the step is over."""
        float(logs["loss"])
        self.ends[batch] = time.perf_counter()

    def seconds_per_step(self):
        """Returns the mean over all steps but the first, which waits for the first batch."""
        first, last = min(self.ends), max(self.ends)
        return (self.ends[last] - self.ends[first]) / (last - first)
