"""Checkpoints: the whole state of a training after an epoch, in files that are complete or absent.

Keras' own files leave out the counters of `SeedGenerator`s, so that dropout would repeat itself.
"""

import contextlib
import json
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_patchmix.base import array_files, atomic, state_files
from keras_patchmix.base.printable import quoted
from keras_patchmix.base.schema import check, conform

_ABOUT, _METRIC = "about", "metric "  # name of the JSON text; prefix of metrics' names
_KEPT = 2
_MOST_LISTED = 2**22  # bytes: some 60,000 arrays


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training after an epoch.

    Attributes:
        epoch: Number of epochs that are done, at least 1.
        arrays: Dict from names to NumPy arrays, see `arrays_of`.
        settings: Dict of JSON values, such as versions of packages.
        history: Dict from names of metrics to lists of floats, one for each epoch.
    """

    epoch: int
    arrays: dict
    settings: dict
    history: dict = field(default_factory=dict)


@dataclass(frozen=True)
class _About:
    epoch: int
    settings: dict[str, Any]


class CheckpointFolder:
    """The checkpoints of one training, of which the last two are kept.

    Args:
        path: The folder, made when the first one is written.
    """

    def __init__(self, path):
        self.path = Path(path)

    def files(self):
        """Returns the paths of the checkpoints, newest first."""
        return sorted(self.path.glob("epoch-*.npz"), reverse=True)

    def save(self, checkpoint):
        """Writes a `Checkpoint` atomically, then deletes those before the last two."""
        path = self.path / f"epoch-{checkpoint.epoch:06d}.npz"
        about = {"epoch": checkpoint.epoch, "settings": checkpoint.settings}
        arrays = {
            _ABOUT: np.frombuffer(json.dumps(about).encode(), np.uint8),
            **{_METRIC + name: np.array(values) for name, values in checkpoint.history.items()},
            **checkpoint.arrays,
        }
        atomic.write_bytes(path, array_files.to_bytes(arrays))
        for old in self.files()[_KEPT:]:
            old.unlink(missing_ok=True)

    def load(self):
        """Returns the newest `Checkpoint` that is whole, or None.

        Raises:
            ValueError: There is one of a version that saved within epochs.

        Warns:
            UserWarning: A newer one is damaged.
        """
        for path in self.path.glob("step-*.ckpt"):
            raise ValueError(
                f"{quoted(path)} is a checkpoint of keras-patchmix 0.1, which this version does "
                "not read: finish the run with that version, or start over in another directory"
            )
        for path in self.files():
            try:
                return read(path)
            except state_files.DamagedFile as error:
                advice = "Training resumes from the checkpoint before, or from the start."
                warnings.warn(str(error.advised(advice)), stacklevel=2)
        return None


def read(path):
    """Reads the file of a `Checkpoint`.

    Raises:
        keras_patchmix.base.state_files.DamagedFile: It is something else, or not whole.
    """
    data = Path(path).read_bytes()
    with state_files.named(path, "a checkpoint"):
        arrays = array_files.from_bytes(data, len(data), _MOST_LISTED)
        check(_ABOUT in arrays, _ABOUT, "is missing")
        text = arrays.pop(_ABOUT).tobytes().decode("utf-8", "replace")
        about = conform(state_files.parse_json(text), _About)
        check(about.epoch > 0, "epoch", "must be at least 1")
        history = {name: arrays.pop(name) for name in list(arrays) if name.startswith(_METRIC)}
        for name, values in history.items():
            check(values.dtype == float, name, "must be float64")
            check(values.shape == (about.epoch,), name, "must be a value for each epoch")
    return Checkpoint(
        about.epoch,
        arrays,
        about.settings,
        {name.removeprefix(_METRIC): values.tolist() for name, values in history.items()},
    )


def arrays_of(model):
    """Returns the values of all variables of a compiled model and its built optimizer.

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
    expected = {(name, tuple(variable.shape)) for name, variable in variables.items()}
    different = sorted(expected ^ {(name, value.shape) for name, value in arrays.items()})
    if different:
        raise ValueError(
            "The checkpoint is of another model or optimizer. Different: "
            + ", ".join(f"{name} {list(shape)}" for name, shape in different[:4])
        )
    strategy = getattr(model, "distribute_strategy", None)
    with contextlib.nullcontext() if strategy is None else strategy.scope():
        for name, variable in variables.items():
            variable.assign(arrays[name])


def _variables(model):
    """Returns all variables by position: their names depend on what else the process has made."""
    parts = {"model": model.variables, "optimizer": model.optimizer.variables}
    return {
        f"{part} {place}": variable
        for part, variables in parts.items()
        for place, variable in enumerate(variables)
    }
