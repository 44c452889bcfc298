"""The part "steps" of accelerator.py: training steps, mixing nowhere, on the device, on the host.

Models train with `model.fit` under mixed_bfloat16 on random images, in turns of some steps. "same
batch": one batch that lies on the device, so that nothing but the step is timed. "host": a
`PyDataset` gathers and flips uint8 images in as many threads as there are cores, at most 8, and
mixes there or not; it is transferred while the step before runs. There are two models of each name,
with and without `mix_on_device`; each is compiled once.
"""

import os

import jax.numpy as jnp
import keras
import numpy as np
from host_batches import HostBatches, Stopwatch
from turns import take_turns

import keras_patchmix as kpm

CLASSES = 10


class SameBatch(keras.utils.PyDataset):
    """The same arrays for each step."""

    def __init__(self, batch, steps):
        super().__init__()
        self._batch, self._steps = batch, steps

    def __len__(self):
        return self._steps

    def __getitem__(self, step):
        """Returns the batch."""
        return self._batch


def make_model(name, image_size, mixing=None):
    """Returns a compiled model that mixes on the device, or not."""
    model = kpm.models.create(name, CLASSES, (image_size, image_size, 3), seed=1)
    model.compile(
        keras.optimizers.AdamW(1e-4), keras.losses.CategoricalCrossentropy(from_logits=True)
    )
    return model if mixing is None else kpm.training.mix_on_device(model, mixing)


def make_turn(model, batches):
    """Returns a function that trains for an epoch: seconds of a step."""
    stopwatch = Stopwatch()

    def turn():
        model.fit(batches, verbose=0, callbacks=[stopwatch])
        return stopwatch.seconds_per_step()

    return turn


def contestants(name, sizes):
    """Dict from a name to a function that returns the seconds of a step."""
    count, size, steps = 2 * sizes.batch_size, sizes.image_size, sizes.steps
    images = np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype="uint8")
    ids = np.arange(count) % CLASSES
    layer = kpm.PatchMixing(num_classes=CLASSES, seed=1, probability=1.0)
    plain, mixing = make_model(name, size), make_model(name, size, layer)
    workers = min(os.cpu_count(), 8)

    def from_host(**arguments):
        return HostBatches(
            images, ids, sizes.batch_size, CLASSES, steps=steps, workers=workers, **arguments
        )

    batch = jnp.asarray(images[: sizes.batch_size])
    own_ids = jnp.asarray(ids[: sizes.batch_size])
    rows = jnp.eye(CLASSES)[own_ids]
    return {
        "same batch, no mixing": make_turn(plain, SameBatch((batch, rows), steps)),
        "same batch, mixing on the device": make_turn(mixing, SameBatch((batch, own_ids), steps)),
        "host, no mixing": make_turn(plain, from_host()),
        "host, mixing on the host": make_turn(plain, from_host(mixing=layer)),
        "host, mixing on the device": make_turn(mixing, from_host(give_class_ids=True)),
    }


def measure(sizes, rows, clock, options):
    """Measures all models."""
    del options
    keras.config.set_dtype_policy("mixed_bfloat16")
    for number, name in enumerate(sizes.models):
        share = clock.left() / (len(sizes.models) - number)
        times = take_turns(contestants(name, sizes), clock.rounds(sizes.rounds, share))
        for place, values in times.items():
            low, median, high = np.quantile(1e3 * values, [0.25, 0.5, 0.75])
            without = times[f"{place.partition(',')[0]}, no mixing"]
            rows.add(
                model=name,
                name=place,
                batch_size=sizes.batch_size,
                milliseconds=round(float(median), 3),
                quartiles=[round(float(low), 3), round(float(high), 3)],
                more_than_no_mixing=round(float(np.median(1e3 * (values - without))), 3),
                rounds=len(values),
            )
