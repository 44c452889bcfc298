"""What the commands of the recipes share: how to go on, and where results go by default."""

import datetime
import json
import re
import shlex
import sys

from keras_patchmix.base.printable import printable_values


def again(arguments, output):
    """Returns the command that goes on where this process was interrupted.

    Args:
        arguments: List of strings that the options were read from.
        output: The directory of the results, which is named where they do not do so.
    """
    if not any(part == "--output" or part.startswith("--output=") for part in arguments):
        arguments = [*arguments, "--output", output]
    return shlex.join([sys.executable or "python", sys.argv[0], *arguments])


def result_line(values):
    """Returns the last line that a command prints: RESULT and a JSON object of one line.

    Args:
        values: Dict of JSON values.
    """
    return "RESULT " + json.dumps(printable_values(values))


def new_directory(source, purpose):
    """Returns a name under `runs/` for the results of a command that was not told where.

    Args:
        source: What the results are of: the name of a data set, or of an image.
        purpose: The last word of the name.
    """
    from keras_patchmix.datasets.loading import parse_source  # imports TensorFlow

    location = parse_source(source).location if source else ""
    name = re.sub(r"[^\w.-]+", "-", location).strip("-.")
    now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    return f"runs/{now}-{name[-40:]}-{purpose}"
