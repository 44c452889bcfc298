"""The command that trains: a run, and what is said where it cannot go on."""

from keras_patchmix.cli.exit_status import CommandError, Status
from keras_patchmix.cli.image_errors import named_images
from keras_patchmix.cli.train import experiment
from keras_patchmix.cli.train.options import TrainOptions
from keras_patchmix.occlusion import Report
from keras_patchmix.training.fit_callbacks import Diverged


def run(options: TrainOptions) -> dict[str, Report]:
    """Trains, scores under occlusion, and writes the run directory; see `experiment.run`.

    Args:
        options: A `TrainOptions`, with `output`.

    Raises:
        CommandError: The loss is no longer finite, or an image cannot be used.
    """
    try:
        with named_images(options.dataset):
            return experiment.run(options)
    except Diverged as error:
        raise CommandError(str(error), Status.DIVERGED) from error
