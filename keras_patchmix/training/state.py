"""All that decides how a training goes on: weights, counters of seeds, the optimizer."""

import contextlib

import keras
import numpy as np


def arrays_of(model):
    """Returns the values of the variables of a model and its optimizer.

    Args:
        model: A compiled `keras.Model` whose optimizer is built.

    Returns:
        Dict from names to NumPy arrays. Types that NumPy lacks, such as bfloat16, are float32.
    """
    arrays = {}
    for name, variable in _variables(model).items():
        value = keras.ops.convert_to_numpy(variable)
        arrays[name] = value.astype(np.float32) if value.dtype.kind == "V" else value
    return arrays


def restore(model, arrays):
    """Gives all variables the values that `arrays_of` returned.

    Raises:
        ValueError: They are of another model or optimizer.
    """
    variables = _variables(model)
    shapes = {name: tuple(variable.shape) for name, variable in variables.items()}
    there = {name: value.shape for name, value in arrays.items()}
    if shapes != there:
        different = sorted(set(shapes.items()) ^ set(there.items()))
        raise ValueError(
            "The checkpoint is of another model or optimizer. Different: "
            + ", ".join(f"{name} {list(shape)}" for name, shape in different[:4])
        )
    strategy = getattr(model, "distribute_strategy", None)
    with contextlib.nullcontext() if strategy is None else strategy.scope():
        for name, variable in variables.items():
            variable.assign(arrays[name])


def _variables(model):
    """Returns a dict from names to variables.

    They are known by their positions: names in Keras depend on what else the process has made.
    """
    parts = {"model": model.variables, "optimizer": model.optimizer.variables}
    return {
        f"{part} {place}": variable
        for part, variables in parts.items()
        for place, variable in enumerate(variables)
    }
