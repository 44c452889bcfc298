"""The part "mixing" of accelerator.py: mixing inside `jax.jit`, against one pass over the batch.

A batch is mixed several times in one compiled program, each result being the input of the next, so
that the time that a call takes on the host counts once. A barrier between them keeps the compiler
from joining two of them; that for CPUs ignores it, so that there a call mixes once. The buffer of
the batch is given away to the program. The plan is drawn on the device too, unless the name says
that it is ready. "copy" adds a number to each value: it reads and writes each once, as a copy does,
and no compiler can leave it out. Contestants take turns. Bytes per second count the batch twice,
read once and written once, whatever a method reads.
"""

import functools
import time

import jax
import jax.numpy as jnp
import numpy as np
from turns import beside_copy, take_turns

import keras_patchmix as kpm

CLASSES = 10


def contestants(images):
    """Dict from a name to a function (images, class ids, seed) -> (images, rows of labels)."""
    layers = {
        name: getattr(kpm.layers, name)(num_classes=CLASSES, seed=1, probability=1.0)
        for name in ("PatchMixing", "CutMix", "MixUp")
    }

    def mix(images, ids, seed, layer):
        return layer.apply_plan(layer.sample_plan(images, seed=seed), images, ids)

    patches = layers["PatchMixing"]
    plan = jax.jit(patches.sample_plan)(images, seed=jnp.array([1, 2]))
    return {
        "copy": lambda images, ids, seed: (
            images + seed[1].astype(images.dtype),
            jax.nn.one_hot(ids, CLASSES),
        ),
        **{name: functools.partial(mix, layer=layer) for name, layer in layers.items()},
        "PatchMixing, plan ready": lambda images, ids, seed: patches.apply_plan(plan, images, ids),
    }


def chain(step, times):
    """Returns a compiled function that applies a step several times, one after the other."""

    def run(images, ids, seed):
        total = 0.0
        for number in range(times):
            images, rows = step(images, ids, seed + jnp.array([0, number]))
            images, total = jax.lax.optimization_barrier((images, total + rows))
        return images, total

    return jax.jit(run, donate_argnums=0)


def make_turn(step, images, times):
    """Returns a function that measures a step: seconds of one application."""
    ids, run = jnp.arange(len(images)) % CLASSES, chain(step, times)
    state, calls = jnp.array(images), 0  # a buffer of its own, which the first call takes

    def turn():
        nonlocal state, calls
        calls += 1
        seed = jax.block_until_ready(jnp.array([1, times * calls], jnp.int32))
        start = time.perf_counter()
        state, _ = jax.block_until_ready(run(state, ids, seed))
        return (time.perf_counter() - start) / times

    return turn


def measure(sizes, rows, clock, options):
    """Measures all methods for three dtypes."""
    del options
    dtypes = ("float32", "bfloat16", "uint8")
    times_a_call = 1 if jax.default_backend() == "cpu" else sizes.chained
    pixels = np.random.default_rng(0).integers(0, 256, sizes.mixing_shape, dtype="uint8")
    for number, dtype in enumerate(dtypes):
        images = jnp.asarray(pixels).astype(dtype)
        turns = {
            name: make_turn(step, images, times_a_call)
            for name, step in contestants(images).items()
        }
        share = clock.left() / (len(dtypes) - number)
        times = take_turns(turns, clock.rounds(sizes.rounds, share))
        for name, found in beside_copy(times, 2 * images.nbytes):
            rows.add(name=name, dtype=dtype, shape=list(images.shape), **found)
