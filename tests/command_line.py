"""Commands of the package, called in this process."""

import json


def run_command(main, flags, capsys):
    """Returns exit status, standard output and standard error of a command."""
    status = main([str(part) for part in flags])
    said = capsys.readouterr()
    return status, said.out, said.err


def result(output):
    """Returns what the last line printed says."""
    last = output.strip().splitlines()[-1]
    assert last.startswith("RESULT {")
    return json.loads(last.removeprefix("RESULT "))
