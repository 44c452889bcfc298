"""The part "scoring" of accelerator.py: `evaluate` and `c_rise` against bare forward passes.

Everything is divided by the number of images that pass through the model: `evaluate` scores each
image once for each row of the default suite, `c_rise` once for each mask. "bare" is one compiled
function, called again and again, and waited for at the end: on a batch that lies on the device; on
uint8 images from the host, as `evaluate` gives them; on float32 ones, as `c_rise` does.
"""

import functools

import jax
import jax.numpy as jnp
import keras
import numpy as np
from turns import seconds, take_turns

import keras_patchmix as kpm

CLASSES = 10
BARE_BATCHES = 20


def measure(sizes, rows, clock, options):
    """Measures the first of the models, with weights that nobody has trained."""
    del options
    keras.config.set_dtype_policy("mixed_bfloat16")
    size, batch = sizes.image_size, sizes.batch_size
    model = kpm.models.create(sizes.models[0], CLASSES, (size, size, 3), seed=1)
    shape = (max(sizes.scored, batch), size, size, 3)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype="uint8")
    ids = np.arange(len(images)) % CLASSES
    weights = [
        [variable.value for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    ]

    @jax.jit
    def forward(weights, images):
        return model.stateless_call(*weights, images, training=False)[0]

    def bare(images):
        def passes():
            jax.block_until_ready([forward(weights, images) for _ in range(BARE_BATCHES)])

        return seconds(passes) / (BARE_BATCHES * batch)

    score = functools.partial(
        kpm.occlusion.evaluate,
        model,
        images[: sizes.scored],
        ids[: sizes.scored],
        batch_size=batch,
        verbose=False,
    )
    explain = functools.partial(
        kpm.explain.c_rise,
        model,
        images[: sizes.explained],
        num_masks=sizes.masks,
        batch_size=batch,
        from_logits=True,
        verbose=False,
    )
    conditions = len(score().rows)
    on_host = images[:batch]
    turns = {
        "bare, batch on the device": functools.partial(bare, jnp.asarray(on_host)),
        "bare, uint8 from the host": functools.partial(bare, on_host),
        "bare, float32 from the host": functools.partial(bare, on_host.astype(np.float32)),
        "evaluate": lambda: seconds(score) / (sizes.scored * conditions),
        "c_rise": lambda: seconds(explain) / (sizes.explained * sizes.masks),
    }
    compared = {"evaluate": "bare, uint8 from the host", "c_rise": "bare, float32 from the host"}
    times = take_turns(turns, clock.rounds(sizes.rounds, clock.left() / 2))
    for name, values in times.items():
        ratio = values / times[compared.get(name, "bare, batch on the device")]
        low, median, high = np.quantile(ratio, [0.25, 0.5, 0.75])
        rows.add(
            model=sizes.models[0],
            name=name,
            images_per_second=round(1 / float(np.median(values)), 1),
            divided_by=compared.get(name, "bare, batch on the device"),
            ratio=round(float(median), 3),
            quartiles=[round(float(low), 3), round(float(high), 3)],
            rounds=len(values),
        )
