"""The directory of an explanation: a new one, or the one that an interrupted command left."""

from keras_patchmix.cli.data_directory import DataDirectory, files_of

_DONE, _BACKUP = "explanation.json", "backup.json"


class ExplanationDirectory(DataDirectory):
    """Where the results go, and where an interrupted run is taken up.

    Args:
        path: The directory. It is made, and tried to be written to.
        options: An `ExplanationOptions`.
        specs: List of `ModelSpec`.
        files: Paths of images and masks.

    Raises:
        FileExistsError: It holds something else.
        ValueError: It holds the results of another command; the message names the flags.
        OSError: It cannot be written to.
    """

    def __init__(self, path, options, specs, files=()):
        named = files_of(specs, *options.imports, *map(str, files))
        super().__init__(path, "explain", options.deciding(), named, (_DONE, _BACKUP))
        self._several = len(specs) > 1

    def folder(self, spec):
        """Returns where what is known of one model goes."""
        return self.path / spec.folder if self._several else self.path

    def done(self, spec):
        """Whether one model is explained."""
        return (self.folder(spec) / _DONE).exists()

    def backup(self, spec):
        """Returns the path of the state of one model that is being explained."""
        return self.folder(spec) / _BACKUP
