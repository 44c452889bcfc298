"""The line between the weights before and after a fine-tuning, and the choice of a point on it.

Wortsman et al. 2022, "Robust fine-tuning of zero-shot models", arXiv 2109.01903.
"""

import dataclasses

import keras
import numpy as np

from keras_patchmix.occlusion.comparison import compare
from keras_patchmix.report.weight_line import LinePoint


def copy_of(model):
    """Returns a copy of a built model, not compiled, that shares no variable with it.

    Raises:
        ValueError: The model cannot be made from its config.
    """
    kind = type(model)
    try:
        config = keras.saving.serialize_keras_object(model)
        config.pop("compile_config", None)
        made = keras.saving.deserialize_keras_object(
            config, custom_objects={kind.__name__: kind}, safe_mode=False
        )
        made.set_weights(model.get_weights())
    except Exception as error:  # of Keras, or of the user's class
        raise ValueError(
            "`model` must be one that can be rebuilt: Sequential, functional, or of a class "
            "with `get_config` and, if it is built by being called, `build`. "
            f"Received: {model.name!r} of class {kind.__name__}, with which that fails: {error}"
        ) from error
    return made


def compiled_copy_of(model):
    """Returns a copy of a model, compiled as the model is, if its class allows that."""
    made = copy_of(model)
    compilation = model.get_compile_config() if model.compiled else None
    if compilation and _keeps_compilation(type(model)):
        made.compile_from_config(compilation)
    return made


def _keeps_compilation(kind):
    """Whether Keras compiles a model of a class as another one; not if it has its own `compile`."""
    base = keras.Model
    return kind.compile is base.compile or kind.compile_from_config is not base.compile_from_config


def weights_between(before, after, share):
    """Interpolates between two lists of weights.

    Arrays that are not floating point, such as states of generators and counts, are those before.
    """
    return [_between(*pair, share) for pair in zip(before, after, strict=True)]


def _between(first, last, share):
    if share == 0 or not (first.dtype.kind == "f" or first.dtype.name == "bfloat16"):
        return first
    # Exact at both ends.
    return last if share == 1 else (first + share * (last - first)).astype(first.dtype)


def point_of(share, report, original):
    """Returns the `LinePoint` at a share of the way, from the `Report`s there and at its start."""
    clean, *others = report.rows
    change = compare(report, original).rows[0]
    return LinePoint(
        share,
        clean.top1,
        float(np.mean([row.top1 for row in others])),
        {row.name: row.top1 for row in others},
        change.difference,
        change.low,
        change.high,
    )


def choose(points, max_clean_drop, confident):
    """Chooses the best point under occlusion among those that keep clean accuracy.

    Args:
        points: List of `LinePoint`, the original, of share 0, first.
        max_clean_drop: Allowed drop of clean accuracy, in percentage points.
        confident: Whether the lower bound of the change's interval has to be within the allowed
            drop, rather than the change itself.

    Returns:
        List of `LinePoint` with `allowed` and `chosen` set. The original is always allowed; ties go
        to the point nearest to it.
    """
    least = -max_clean_drop / 100
    allowed = [
        one.share == 0 or (one.low if confident else one.clean_change) >= least - 1e-9
        for one in points
    ]
    best = max(
        (number for number, fine in enumerate(allowed) if fine),
        key=lambda number: (points[number].occluded, -points[number].share),
    )
    return [
        dataclasses.replace(one, allowed=fine, chosen=number == best)
        for number, (one, fine) in enumerate(zip(points, allowed, strict=True))
    ]
