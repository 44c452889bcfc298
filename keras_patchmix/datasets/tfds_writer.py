"""The TFDS builder that writes data sets, to a directory that appears as a whole."""

import contextlib
import io
import os

from keras_patchmix import __version__
from keras_patchmix.base.optional import require
from keras_patchmix.base.printable import printable, quoted
from keras_patchmix.base.run_directory import locked

tf = require("tensorflow", "Writing a data set")
tfds = require("tensorflow_datasets", "Writing a data set")

VERSION = "1.0.0"


class ExampleWriter(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg, name-defined]
    """A TFDS data set of examples from the caller's generators.

    Args:
        name: String, the name of the data set.
        features: A `tfds.features.FeaturesDict` with "image" and "label".
        splits: Dict from the name of a split to an iterable of (integer, example). TFDS shuffles
            by the integers, which must be unique.
        description: String.
        metadata: Dict of JSON values, written after all examples, so that a generator may add to
            it. The version of this package is added.
        data_dir: Directory of TFDS' data sets.
    """

    VERSION = tfds.core.Version(VERSION)

    def __init__(self, name, features, splits, description, metadata, data_dir):
        self.name = name
        self._features, self._splits = features, splits
        self._description = printable(description)
        self._metadata = tfds.core.MetadataDict(metadata, keras_patchmix=__version__)
        super().__init__(data_dir=data_dir)

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description=self._description,
            features=self._features,
            supervised_keys=("image", "label"),
            metadata=self._metadata,
        )

    def _split_generators(self, dl_manager):
        del dl_manager  # nothing to download
        return {split: self._generate_examples(split) for split in self._splits}

    def _generate_examples(self, split):
        return self._splits[split]


def write_examples(directory, num_shards=None, **arguments):
    """Writes a TFDS data set to a directory, which appears once it is complete.

    Until then it is DIRECTORY.incomplete, which is locked. A killed process leaves it, and the next
    call removes what it holds.

    Args:
        directory: String, a path or an address such as "gs://bucket/directory".
        num_shards: Integer, files of each split. Defaults to `None`, TFDS' choice.
        **arguments: Those of `ExampleWriter`, without `data_dir`.

    Returns:
        The `tfds.core.DatasetInfo`.

    Raises:
        FileExistsError: The directory is not empty.
        ValueError: Its path is not UTF-8.
        OSError: It is not writable, or another process writes there.
    """
    target = _empty_place(directory)
    scratch = target.with_name(f"{target.name}.incomplete")
    with _alone_in(scratch, directory):
        return _write(target, scratch, directory, num_shards, arguments)


@contextlib.contextmanager
def _alone_in(scratch, directory):
    """Makes and locks an empty scratch directory; removes it at the end, with its new parents."""
    if "://" in directory:  # no lock there
        scratch.rmtree(missing_ok=True)
        yield
        return
    new = [path for path in scratch.parents if not path.exists()]
    scratch.mkdir(parents=True, exist_ok=True)
    try:
        with locked(scratch, directory):
            for path in scratch.iterdir():
                path.rmtree() if path.is_dir() else path.unlink()
            try:
                yield
            finally:
                scratch.rmtree(missing_ok=True)
    finally:
        for path in new:
            with contextlib.suppress(OSError):
                os.rmdir(path)  # only one that is empty


def _write(target, scratch, directory, num_shards, arguments):
    config = tfds.download.DownloadConfig(try_download_gcs=False, num_shards=num_shards)
    try:
        builder = ExampleWriter(**arguments, data_dir=scratch)
        # TFDS prints the path of a directory that is about to be renamed.
        with _bars_off(), contextlib.redirect_stdout(io.StringIO()):
            builder.download_and_prepare(download_config=config)
        builder.data_path.rename(target)
    except (tf.errors.OpError, RuntimeError) as error:
        # TFDS turns errors of TensorFlow into RuntimeErrors in places.
        reason = error if isinstance(error, tf.errors.OpError) else error.__cause__
        if not isinstance(reason, tf.errors.OpError):
            raise
        raise OSError(f"{quoted(directory)} cannot be written to: {reason.message}") from error
    return builder.info


def _empty_place(directory):
    """Returns the path of a directory, after removing it if it is empty."""
    try:
        directory.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            "`directory` must be a path in UTF-8: TensorFlow reads no other. "
            f"Received: directory={quoted(directory)}"
        ) from error
    directory = os.path.expanduser(directory)
    target = tfds.core.Path(directory if "://" in directory else os.path.realpath(directory))
    if target.exists():
        if any(target.iterdir()):
            raise FileExistsError(
                "`directory` must be new or empty. "
                f"Received: directory={quoted(directory)}, which holds something"
            )
        target.rmdir()
    return target


@contextlib.contextmanager
def _bars_off():
    """Turns off the progress bars of TFDS, which count without a total."""
    shown = not isinstance(tfds.core.utils.tqdm(disable=True), tfds.core.utils.EmptyTqdm)
    tfds.disable_progress_bar()
    try:
        yield
    finally:
        tfds.display_progress_bar(shown)
