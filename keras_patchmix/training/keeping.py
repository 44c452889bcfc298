"""The callback that keeps what a training needs to go on after its last whole epoch."""

import math
from pathlib import Path

import keras
import numpy as np

from keras_patchmix.base import atomic, csv_text
from keras_patchmix.training import state
from keras_patchmix.training.checkpoints import Checkpoint


class Diverged(RuntimeError):
    """The loss, or the state of the training, is no longer finite."""


class EpochCheckpoint(keras.callbacks.Callback):
    """Writes `metrics.csv` and a checkpoint after each epoch, and takes one up again.

    The last epoch has no checkpoint: its state is the trained model. A loss or a state that is not
    finite stops the training with `Diverged`, so no checkpoint holds a nan.

    It stands last in the list of callbacks, so that an epoch counts as done once all others are
    done with it. To go on from `begun`, give `fit` its epoch as `initial_epoch`, and batches that
    begin at the next step.

    Args:
        folder: A `keras_patchmix.training.checkpoints.CheckpointFolder`.
        metrics: Path of the CSV file, a row for each epoch.
        begun: The `Checkpoint` that the training goes on from, or None.
        settings: Dict of JSON values to keep beside the state.
        seed: Integer. On PyTorch, dropout without a seed draws from a generator that no checkpoint
            holds; there it is seeded anew for each epoch.
        writes: Whether this process writes the files. Defaults to `True`.

    Attributes:
        epoch: The epoch that is trained, counted from 0.
    """

    def __init__(self, folder, metrics, begun=None, settings=(), seed=0, writes=True):
        super().__init__()
        self._folder, self._metrics = folder, Path(metrics)
        self._settings, self._writes = dict(settings), writes
        self._begun, self._seed = begun, seed
        self.epoch, self._history = (0, {}) if begun is None else (begun.epoch, begun.history)

    def on_epoch_begin(self, epoch, logs=None):
        """Takes up the state in the first epoch."""
        self.epoch = epoch
        if self._begun is not None:
            state.restore(self.model, self._begun.arrays)
            self._begun = None

    def on_train_batch_begin(self, batch, logs=None):
        """Seeds PyTorch, once batches are there: reading them draws from its generator too."""
        if batch == 0 and keras.backend.backend() == "torch":
            import torch

            seed = np.random.SeedSequence((self._seed, self.epoch)).generate_state(1)
            torch.manual_seed(int(seed[0]))

    def on_train_batch_end(self, batch, logs=None):
        """Checks the loss."""
        loss = float(logs["loss"])
        if not math.isfinite(loss):
            self._stop(f"The loss is {loss} after step {batch + 1}")

    def on_epoch_end(self, epoch, logs=None):
        """Writes the files."""
        arrays = state.arrays_of(self.model)  # on all workers: they sum up variables together
        if not all(np.isfinite(value).all() for value in arrays.values()):
            self._stop("The state is not finite after the last step")
        if not self._writes:
            return
        for name in sorted({*self._history, *logs}):
            column = self._history.setdefault(name, [math.nan] * epoch)
            column.append(float(logs.get(name, math.nan)))
        columns = {"epoch": range(epoch + 1), **self._history}
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        atomic.write_text(self._metrics, csv_text.write(columns, rows))
        if epoch + 1 < self.params["epochs"]:
            self._folder.save(Checkpoint(epoch + 1, arrays, self._settings, self._history))

    def _stop(self, reason):
        good = next(iter(self._folder.files()), "none")
        raise Diverged(
            f"{reason} of epoch {self.epoch + 1}. Last good checkpoint: {good}. A lower "
            "--learning-rate or a --gradient-clip may help, in another --output."
        )
