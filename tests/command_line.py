"""The command of the package, called in this process."""

import functools
import json

from keras_patchmix.cli.main import main


def subcommand(name):
    """Returns a function of a list of flags: the exit status of a subcommand."""
    return lambda flags: main([name, *map(str, flags)])


def runner(name):
    """Returns a function of flags and `capsys`: exit status, output and errors of a subcommand."""
    return functools.partial(run_command, subcommand(name))


def run_command(main, flags, capsys):
    """Returns exit status, standard output and standard error of a command."""
    status = main(flags)
    said = capsys.readouterr()
    return status, said.out, said.err


def result(output):
    """Returns what the last line printed says."""
    last = output.strip().splitlines()[-1]
    assert last.startswith("RESULT {")
    return json.loads(last.removeprefix("RESULT "))
