"""The images that a model is scored on: clean, and under every corruption of a suite."""

import numpy as np

from keras_patchmix.base.host import to_numpy
from keras_patchmix.corruptions.member import Condition

CLEAN = Condition("clean")


def corrupted_images(batch, corruptions, bank, settings, names=None):
    """Corrupts a batch under one condition after another.

    Args:
        batch: A `Batch`.
        corruptions: Sequence of `Corruption`s.
        bank: `Bank`, or None.
        settings: `BenchmarkSettings`.
        names: Set of the names of conditions that are wanted; None for all.

    Yields:
        Tuples of a `Condition`, images, the number of pixels affected, and the index of donors or
        None.
    """
    # Read-only, since these may be the user's arrays, and corruptions the user's too.
    images = batch.images.view()
    images.flags.writeable = False
    if names is None or CLEAN.name in names:
        yield CLEAN, images, np.zeros(len(images), np.int64), None
    wanted = [
        (member, [c for c in member.conditions if names is None or c.name in names])
        for member in corruptions
    ]
    saliency = batch.saliency
    needs_saliency = any(member.needs_saliency and own for member, own in wanted)
    if needs_saliency and settings.saliency is not None:
        saliency = to_numpy(settings.saliency(np.array(images)))
    given = bank, settings.value_range, saliency
    for member, conditions in wanted:
        if not conditions:
            continue
        plan = member.draw(images, batch.labels, batch.index, settings.seed, *given)
        for condition in conditions:
            corrupted, pixels = member.apply(images, plan, condition)
            yield condition, corrupted, pixels, plan.get("donor_index")


def example_images(batch, count, corrupted):
    """Returns examples of a batch under every condition, see `Benchmark.examples`.

    Args:
        batch: A `Batch`.
        count: Number of examples, the first ones of different classes.
        corrupted: Function from a `Batch` to what `corrupted_images` yields.
    """
    _, first = np.unique(batch.labels, return_index=True)
    others = np.setdiff1d(np.arange(len(batch)), first)
    batch = batch.rows(np.concatenate([np.sort(first), others])[:count])
    rows = [(c.name, images) for c, images, _, _ in corrupted(batch)]
    return [
        {
            "label": int(label),
            "index": int(index),
            "images": {name: images[i] for name, images in rows},
        }
        for i, (label, index) in enumerate(zip(batch.labels, batch.index, strict=True))
    ]
