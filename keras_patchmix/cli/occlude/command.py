"""The command that writes a set of occluded images."""

import contextlib
from pathlib import Path

from keras_patchmix.base.printable import say
from keras_patchmix.base.run_directory import locked
from keras_patchmix.cli.messages import result_line
from keras_patchmix.cli.occlude.options import OccludeOptions
from keras_patchmix.datasets.superimposing import running


def run(options: OccludeOptions) -> None:
    """Writes a set of occluded images, and prints the result.

    Args:
        options: An `OccludeOptions`.

    Raises:
        ValueError: An option does not fit the data, or no image can be read.
        FileExistsError: The data set is there already.
        OSError: The directory is not writable, in use, or the disk is full.
    """
    output = Path(options.output)
    output.mkdir(parents=True, exist_ok=True)
    try:
        with locked(output):
            say(result_line(running.run(options)))
    finally:
        with contextlib.suppress(OSError):
            output.rmdir()  # only one that is empty
