"""The callback that keeps the state of a training, so that it goes on where it was stopped."""

import math
import shutil
import warnings

import keras

from keras_patchmix.training import state
from keras_patchmix.training.checkpoints import Checkpoint


class Diverged(RuntimeError):
    """The loss, or the state of the training, is no longer finite."""


class KeepState(keras.callbacks.Callback):
    """Saves the whole state of a training, and takes it up again.

    It saves before the first step, after the last step of every epoch, after every so many steps,
    and before a signal stops the training. An epoch that was broken off goes on after its last
    step that was saved: `fit` counts the steps before as done without making them, and the metrics
    have the values that they had. So the input pipeline must begin at step
    `begun.epoch * steps + begun.step`, where `begun` is the checkpoint given.

    A loss that is not finite stops the training with `Diverged`; no checkpoint holds a nan.

    It stands last in the list of callbacks. Trainers of Keras' other backends than TensorFlow keep
    variables to themselves during an epoch, so there only whole epochs are saved.

    Args:
        folder: A `keras_patchmix.training.checkpoints.CheckpointFolder`.
        steps: Steps of an epoch.
        begun: `Checkpoint` to go on from, or None.
        every: Steps between two checkpoints, or None for one an epoch.
        settings: Dict of JSON values to keep beside the state.
        interruption: A `keras_patchmix.training.interruption.Interruption`, or None.
        writes: Whether this process writes the files. Defaults to `True`.
    """

    def __init__(
        self, folder, steps, begun=None, every=None, settings=(), interruption=None, writes=True
    ):
        super().__init__()
        self._folder, self._steps, self._begun = folder, steps, begun
        self._every, self._settings = every, dict(settings)
        self._interruption, self._writes = interruption, writes
        self._within_epochs = keras.backend.backend() == "tensorflow"
        self._epoch, self._done, self._saved = 0, 0, None
        self._own_function, self._left, self._logs = None, 0, None

    def on_epoch_begin(self, epoch, logs=None):
        """Takes up the state in the first epoch, and has signals wait for the end of a step."""
        self._epoch, self._done = epoch, 0
        if self._begun is not None:
            self._take_up(self._begun)
            self._begun = None
        elif self._saved is None:
            self._save()
        if self._interruption is not None and self._within_epochs and self._done < self._steps:
            self._interruption.defer()

    def on_train_batch_end(self, batch, logs=None):
        """Checks the loss, saves where it is time, and obeys a signal that waits."""
        if batch < self._done:
            return  # done before, and not made again
        self._done = batch + 1
        self._check(logs)
        if not self._within_epochs:
            return
        last = self._done == self._steps
        if last or (self._every and self._global_step() % self._every == 0):
            self._save()
        if self._interruption is not None:
            (self._interruption.release if last else self._interruption.check)(self._save)

    def on_epoch_end(self, epoch, logs=None):
        """Gives the model its own step function back, where every step was done before."""
        if self._own_function is not None:
            self.model.train_function, self._own_function = self._own_function, None
        self._done = self._steps
        if not self._within_epochs:
            self._save()

    def _global_step(self):
        return self._epoch * self._steps + self._done

    def _save(self):
        step = self._global_step()
        if self._saved == step:
            return
        arrays = state.arrays_of(self.model)
        if (name := state.first_not_finite(arrays)) is not None:
            raise Diverged(self._diverged(f"The state is not finite ({name})"))
        if self._writes:
            self._folder.save(Checkpoint(self._epoch, self._done, arrays, self._settings), step)
        self._saved = step

    def _take_up(self, begun):
        state.restore(self.model, begun.arrays)
        self._done, self._saved = begun.step, self._epoch * self._steps + begun.step
        for name, version in self._settings.items():
            if begun.settings.get(name, version) != version:
                warnings.warn(
                    f"The checkpoint was written with {name} {begun.settings[name]} and training "
                    f"goes on with {version}: the result may differ.",
                    stacklevel=2,
                )
        if begun.step == 0:
            self.model.reset_metrics()  # the state may be of the end of the epoch before
        else:
            self._logs = self.model.get_metrics_result()  # JAX takes the variables away later
            self._own_function, self._left = self.model.train_function, begun.step
            self.model.train_function = self._count_as_done

    def _count_as_done(self, *arguments):
        """Stands in for the step function of the model until the steps done are over."""
        if self._left == 0:
            self.model.train_function, self._own_function = self._own_function, None
            return self.model.train_function(*arguments)
        self._left -= 1
        # On JAX the step function passes its state on.
        return (self._logs, arguments[0]) if keras.backend.backend() == "jax" else self._logs

    def _check(self, logs):
        loss = (logs or {}).get("loss")
        if loss is not None and not math.isfinite(float(loss)):
            raise Diverged(self._diverged(f"The loss is {float(loss)}"))

    def _diverged(self, what):
        good = next(iter(self._folder.files()), None)
        return (
            f"{what} after step {self._global_step()}, which is step {self._done} of epoch "
            f"{self._epoch}, counted from 0. The last good checkpoint is {good}. A lower "
            "--learning-rate or a --gradient-clip may help, in another --output."
        )


def check_space(directory, model):
    """Raises `OSError` where the disk has no room for the checkpoints of a model.

    There are three at a time, one of them being written, and `model.keras` in the end.

    Args:
        directory: Where they will be.
        model: The `keras.Model`, built with its optimizer.
    """
    needed = 4 * state.size_of(model) + 2**20
    free = shutil.disk_usage(directory).free
    if free < needed:
        raise OSError(
            f"--output {str(directory)!r} has too little room: checkpoints and model take about "
            f"{needed / 2**20:.0f} MiB, {free / 2**20:.0f} MiB are free"
        )
