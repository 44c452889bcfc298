"""The state of a fine-tuning, kept after each epoch."""

import contextlib

from keras_patchmix.occlusion.backup import digest_of
from keras_patchmix.training import state
from keras_patchmix.training.checkpoints import Checkpoint, CheckpointFolder


class TrainingKeeper:
    """The state of a training, kept after each epoch.

    Args:
        path: A directory, or None.
        settings: `FineTuneSettings`.
        model: The original, which a state belongs to.
    """

    def __init__(self, path, settings, model):
        self._folder = None if path is None else CheckpointFolder(path)
        self._settings = {
            **settings.to_dict(),
            "weights": None if path is None else digest_of(model),
        }

    def load(self, model):
        """Takes up a state that is there, and returns the number of epochs that it has had."""
        found = None if self._folder is None else self._folder.load()
        if found is None:
            return 0
        if found.settings != self._settings:
            raise ValueError(
                "`backup` must be of the same model and arguments, or a new directory. "
                f"Received: backup={str(self._folder.path)!r}, which is of others"
            )
        state.restore(model, found.arrays)
        return found.epoch

    def save(self, model, epochs):
        """Saves the state after some epochs."""
        if self._folder is not None:
            self._folder.save(Checkpoint(epochs, state.arrays_of(model), self._settings))

    def remove(self):
        """Deletes what was kept."""
        if self._folder is not None:
            for file in self._folder.files():
                file.unlink()
            with contextlib.suppress(OSError):  # it is not there, or holds something else
                self._folder.path.rmdir()
