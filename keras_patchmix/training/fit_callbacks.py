"""Callbacks of the training recipes: checkpoints after each epoch, scores of averaged weights."""

import contextlib
import math
from pathlib import Path

import keras
import numpy as np

from keras_patchmix.base import atomic, csv_text
from keras_patchmix.callbacks import OcclusionBenchmark
from keras_patchmix.training.checkpoints import Checkpoint, arrays_of, restore


class Diverged(RuntimeError):
    """The loss, or the state of the training, is no longer finite."""


class EpochCheckpoint(keras.callbacks.Callback):
    """Writes `metrics.csv` and a checkpoint after each epoch, and resumes from one.

    The last epoch has no checkpoint: its state is the trained model. A loss or a state that is not
    finite stops the training with `Diverged`, so that no checkpoint holds a nan.

    It comes last in the list of callbacks: an epoch counts as done once all others are done with
    it. To resume, give `fit` the epoch of `checkpoint` as `initial_epoch`, and batches that begin
    at the next step.

    Args:
        folder: A `keras_patchmix.training.checkpoints.CheckpointFolder`.
        metrics: Path of the CSV file, a row for each epoch.
        checkpoint: The `Checkpoint` to resume from, or None.
        settings: Dict of JSON values to keep beside the state.
        seed: Integer. On PyTorch, dropout without a seed draws from a generator that no checkpoint
            holds: it is seeded at the start of each epoch.
        writes: Whether this process writes the files. Defaults to `True`.

    Attributes:
        epoch: The current epoch, counted from 0.
    """

    def __init__(self, folder, metrics, checkpoint=None, settings=(), seed=0, writes=True):
        super().__init__()
        self._folder, self._metrics = folder, Path(metrics)
        self._settings, self._writes = dict(settings), writes
        self._checkpoint, self._seed = checkpoint, seed
        self.epoch, self._history = 0, {}
        if checkpoint is not None:
            self.epoch, self._history = checkpoint.epoch, checkpoint.history

    def on_epoch_begin(self, epoch, logs=None):
        """Restores the state in the first epoch."""
        self.epoch = epoch
        if self._checkpoint is not None:
            restore(self.model, self._checkpoint.arrays)
            self._checkpoint = None

    def on_train_batch_begin(self, batch, logs=None):
        """Seeds PyTorch once the first batch is there, as reading it draws numbers too."""
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
        arrays = arrays_of(self.model)  # on all workers: they sum up variables together
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


@contextlib.contextmanager
def averaged(model):
    """Swaps in the moving averages that the optimizer keeps of the weights.

    `keras.callbacks.SwapEMAWeights` swaps by sums and differences, which changes the last bits of
    the weights.

    Args:
        model: A `keras.Model` whose optimizer has `use_ema=True`.
    """
    own = [keras.ops.convert_to_numpy(variable) for variable in model.trainable_variables]
    model.optimizer.finalize_variable_values(model.trainable_variables)
    if keras.backend.backend() == "jax":
        # Variables then share their arrays with the averages, and `evaluate` donates what it takes.
        for variable in model.trainable_variables:
            variable.assign(keras.ops.copy(variable))
    try:
        yield
    finally:
        for variable, value in zip(model.trainable_variables, own, strict=True):
            variable.assign(value)


class AveragedValidation(keras.callbacks.Callback):
    """Validates the averages in `fit`."""

    def on_test_begin(self, logs=None):
        """Swaps the averages in."""
        self._swap = averaged(self.model)
        self._swap.__enter__()

    def on_test_end(self, logs=None):
        """Swaps the weights back."""
        self._swap.__exit__(None, None, None)


class AveragedOcclusionBenchmark(OcclusionBenchmark):
    """Scores the averages under occlusion."""

    def on_epoch_end(self, epoch, logs=None):
        """Scores, or repeats the last scores."""
        with averaged(self.model):
            super().on_epoch_end(epoch, logs)
