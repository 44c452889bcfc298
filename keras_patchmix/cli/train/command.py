"""The command of the recipes: options in, exit status out."""

import dataclasses
import os
import shlex
import sys
from collections.abc import Sequence
from typing import Any

from keras_patchmix.base.optional import require
from keras_patchmix.base.printable import say
from keras_patchmix.cli.command_line import again
from keras_patchmix.cli.exit_status import FAILED, exit_status
from keras_patchmix.cli.train.experiment import run
from keras_patchmix.cli.train.options import parse_options
from keras_patchmix.datasets.errors import broken_image_files
from keras_patchmix.devices.workers import task_of_this_process
from keras_patchmix.training.fit_callbacks import Diverged

DIVERGED = 3


def main(argv: Sequence[str] | None = None, description: str | None = None, **defaults: Any) -> int:
    """Runs the command line of `recipes/train_convnext.py` and `recipes/train_vit.py`.

    Args:
        argv: List of strings. Defaults to `None`, the arguments of the process.
        description: The help's first paragraph.
        **defaults: Defaults that replace those of `TrainOptions`.

    Returns:
        The exit status: 0; 1 after an error, which is printed in a line; 3 where the loss was no
        longer finite; 130 after Ctrl-C and 143 after a signal to terminate, after lines that say
        from which epoch the run goes on, and how.

    Raises:
        SystemExit: With status 2, where the flags are wrong.
    """
    options = parse_options(argv, description, **defaults)
    output = options.output
    options = dataclasses.replace(options, output=options.directory())
    arguments = sys.argv[1:] if argv is None else list(argv)
    program = os.path.basename(sys.argv[0])

    def work():
        if output is None and os.environ.get("TF_CONFIG") and task_of_this_process()[0] > 1:
            raise ValueError("--output must be given, the same on all workers that TF_CONFIG names")
        run(options)

    try:
        with broken_image_files() as broken:
            return exit_status(work, f". To go on: {again(arguments, options.output)}")
    except Diverged as error:
        say(f"{program}: {error}", file=sys.stderr)
        return DIVERGED
    except Exception as error:
        if not broken or not _is_of_pipeline(error):
            raise
        say(
            f"{program}: {broken[0]}. Take the file away, or write records of the folder, which "
            "leave out what is broken: python recipes/make_records.py --dataset "
            f"{shlex.quote(options.dataset)} --output DIR",
            file=sys.stderr,
        )
        return FAILED


def _is_of_pipeline(error):
    """Whether an error is, or comes from, the one that TensorFlow makes of any in a pipeline."""
    tf = require("tensorflow", "Training")
    while error is not None and not isinstance(error, tf.errors.InvalidArgumentError):
        error = error.__cause__ or error.__context__
    return error is not None
