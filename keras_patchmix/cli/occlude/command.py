"""The command that writes a set of occluded images."""

from pathlib import Path

from keras_patchmix.base.printable import say
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
    name = running.name_of(options)
    # A killed process leaves a directory that ends so, which the next one takes over.
    if any(path.suffix != ".incomplete" for path in (Path(options.output) / name).glob("*")):
        raise FileExistsError(
            f"--output {options.output!r} holds the data set {name!r} already: choose another "
            "--name"
        )
    say(result_line(running.run(options)))
