"""What commands print at the end, and where results go by default."""

import datetime
import json
import re
import shlex
import sys

from keras_patchmix.base.printable import printable_values


def again(arguments, output):
    """Returns the command that resumes this process after an interruption.

    Args:
        arguments: List of the command-line arguments.
        output: The directory of the results, added where `arguments` do not name one.
    """
    if not any(part == "--output" or part.startswith("--output=") for part in arguments):
        arguments = [*arguments, "--output", output]
    return shlex.join([sys.executable or "python", sys.argv[0], *arguments])


def result_line(values):
    """Returns the last line that a command prints: RESULT and a JSON object.

    Args:
        values: Dict of JSON values.
    """
    return "RESULT " + json.dumps(printable_values(values))


def new_directory(source, purpose):
    """Returns the default directory of results, under `runs/`.

    Args:
        source: Name of the data set, or of an image.
        purpose: The last word of the directory's name.
    """
    from keras_patchmix.datasets.loading import parse_source  # imports TensorFlow

    location = parse_source(source).location if source else ""
    name = re.sub(r"[^\w.-]+", "-", location).strip("-.")
    now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    return f"runs/{now}-{name[-40:]}-{purpose}"
