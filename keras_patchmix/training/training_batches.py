"""Whole batches of a data set, pass by pass, for training on any backend."""

import itertools
import warnings

import numpy as np

from keras_patchmix.base.host import to_numpy
from keras_patchmix.occlusion.batches import fields_of, make_batch
from keras_patchmix.occlusion.data import ExampleSource


class TrainingBatches:
    """Batches of one size; each pass drops the remainder.

    Args:
        dataset: As in `keras_patchmix.occlusion.evaluate`. Arrays are shuffled in each pass; a data
            set is read in its own order.
        batch_size: Integer. None is that of the data set, or 64 if it has no batches.
        seed: Integer, of the order of arrays.

    Attributes:
        batch_size: Integer.
        steps: Batches of a pass.
        shape: (height, width, channels) of the images.

    Raises:
        ValueError: `dataset` is none, or holds fewer than two examples.

    Warns:
        UserWarning: Labels of the first batch are soft.
    """

    def __init__(self, dataset, batch_size, seed):
        self._source = ExampleSource(dataset, batch_size)
        self._seed = seed
        first = next(iter(self._source))
        if first.is_soft:
            warnings.warn(
                "`train` has labels that are neither class ids nor one-hot, as if its pipeline "
                "mixed images or smoothed labels. `harden` mixes images itself: leave PatchMixing, "
                "CutMix and MixUp out of the pipeline. Of soft labels the greatest entry counts.",
                UserWarning,
                stacklevel=3,
            )
        self.shape = first.images.shape[1:]
        count = self._source.num_examples()
        if count is None:
            count = sum(len(batch) for batch in self._source)
        if count < 2:
            raise ValueError(f"`train` must hold two examples or more. Received: {count}")
        self.batch_size = min(self._source.batch_size, count)
        self.steps = count // self.batch_size
        self._arrays = None
        if self._source.has_arrays():
            fields = fields_of(dataset)
            self._arrays = to_numpy(fields.images), to_numpy(fields.labels)

    def one_pass(self, number):
        """Yields the `Batch`es of a pass, counted from 0."""
        if self._arrays is None:
            yield from (batch for batch in self._source if len(batch) == self.batch_size)
            return
        images, labels = self._arrays
        order = np.random.default_rng((self._seed, number)).permutation(len(images))
        for step in range(self.steps):
            chosen = order[step * self.batch_size : (step + 1) * self.batch_size]
            fields = fields_of((images[chosen], labels[chosen]))
            yield make_batch(fields, chosen)


class StepBatches:
    """Batches of a pipeline that is a function of the step, like `TrainingBatches`.

    Args:
        pipeline: Function of the total steps and the first step that returns the batches, as
            `keras_patchmix.training.pipeline.training_batches` does.
        data: A `keras_patchmix.training.training_data.Data`.
        options: A `TrainOptions`.
    """

    def __init__(self, pipeline, data, options):
        self._pipeline = pipeline
        self.batch_size = options.batch_size
        self.steps = data.num_train // options.batch_size
        self.shape = tuple(data.info.image_shape)

    def one_pass(self, number):
        """Yields the `Batch`es of a pass, counted from 0."""
        first = number * self.steps
        batches = map(_as_numpy, self._pipeline(first + self.steps, first))
        for step, (images, rows) in enumerate(itertools.islice(batches, self.steps)):
            place = (first + step) * self.batch_size + np.arange(self.batch_size)
            yield make_batch(fields_of((images, rows)), place)


def _as_numpy(batch):
    return tuple(map(to_numpy, batch))
