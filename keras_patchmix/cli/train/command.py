"""The command that trains: a run, and what is said where it cannot go on."""

import shlex

from keras_patchmix.base import optional
from keras_patchmix.cli.exit_status import CommandError, Status
from keras_patchmix.cli.train import experiment
from keras_patchmix.cli.train.options import TrainOptions
from keras_patchmix.datasets.errors import BrokenImageFile, broken_image_files
from keras_patchmix.occlusion import Report
from keras_patchmix.training.fit_callbacks import Diverged


def run(options: TrainOptions) -> dict[str, Report]:
    """Trains, scores under occlusion, and writes the run directory; see `experiment.run`.

    Args:
        options: A `TrainOptions`, with `output`.

    Raises:
        CommandError: The loss is no longer finite, or an image cannot be read.
    """
    try:
        with broken_image_files() as broken:
            return experiment.run(options)
    except Diverged as error:
        raise CommandError(str(error), Status.DIVERGED) from error
    except Exception as error:
        if not broken or not _is_of_pipeline(error):
            raise
        raise CommandError(
            f"{broken[0]}. Take the file away, or write records of the folder, which leave out "
            f"what is broken: keras-patchmix records --dataset {shlex.quote(options.dataset)} "
            "--output DIR"
        ) from error


def _is_of_pipeline(error):
    """Whether an error is, or comes from, the one that a pipeline raises for a broken image."""
    kinds: tuple = (BrokenImageFile,)
    if optional.is_installed("tensorflow"):
        tf = optional.require("tensorflow", "Training")
        kinds += (tf.errors.InvalidArgumentError,)
    while error is not None and not isinstance(error, kinds):
        error = error.__cause__ or error.__context__
    return error is not None
