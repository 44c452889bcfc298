"""Images that end a command, in one line."""

import contextlib
import shlex
from collections.abc import Iterator

from keras_patchmix.base import optional
from keras_patchmix.cli.exit_status import CommandError
from keras_patchmix.datasets.errors import BrokenImageFile, ImageError, image_errors


@contextlib.contextmanager
def named_images(dataset: str) -> Iterator[None]:
    """Turns what a pipeline makes of the error of an image back into that error.

    Args:
        dataset: Name of the data set, for what to do about broken files.

    Raises:
        CommandError: An image cannot be used; the message names the file.
    """
    with image_errors() as found:
        try:
            yield
        except Exception as error:
            if not found or not _is_of_pipeline(error):
                raise
            advice = ""
            if isinstance(found[0], BrokenImageFile):
                advice = (
                    ". Take the file away, or write records of the folder, which leave out what is "
                    f"broken: keras-patchmix records --dataset {shlex.quote(dataset)} --output DIR"
                )
            raise CommandError(f"{found[0]}{advice}") from error


def _is_of_pipeline(error):
    """Whether an error is, or comes from, the one that a pipeline raises for an image."""
    kinds: tuple = (ImageError,)
    if optional.is_installed("tensorflow"):
        tf = optional.require("tensorflow", "Training")
        kinds += (tf.errors.InvalidArgumentError,)
    while error is not None and not isinstance(error, kinds):
        error = error.__cause__ or error.__context__
    return error is not None
