"""Commands on the pages name scripts that exist and flags that their parsers know.

Each script is started as a program would be, up to the moment when its flags have been read.
"""

import argparse
import importlib.util
import re
import runpy
import shlex
import sys
import types

import pytest

from keras_patchmix.cli.main import COMMANDS as COMMANDS_OF_MAIN
from keras_patchmix.cli.main import options_class
from tests.page_blocks import ROOT, name_of, pages, shell_lines

pytest.importorskip("tensorflow")

PYTHON = re.compile(r"(?:\w+=\S+ )*(?:\.venv/bin/)?python3? (?P<arguments>.+)")
COMMAND = re.compile(r"(?:\w+=\S+ )*(?P<arguments>keras-patchmix .+)")
TEXTS = {name_of(page): page.read_text("utf-8") for page in pages()}
SCRIPTS = sorted(
    str(path.relative_to(ROOT))
    for room in ("benchmarks", "tools", "tests/compat")
    for path in (ROOT / room).glob("*.py")
    if "ArgumentParser" in path.read_text("utf-8")
)
# Flags of other programs, and of an example, that pages name in their text.
OF_OTHERS = {"--strict", "--upgrade-deps", "--top-k", "--image_size", "--unsafe_load"}
OF_OTHERS |= {"--xla_force_host_platform_device_count"}
MODULES = {"mkdocs", "pytest", "venv", "keras_patchmix"}
OPTIONS = {name: options_class(name) for name in COMMANDS_OF_MAIN}


class Parsed(BaseException):
    """Stops a script once its flags are read; a script may catch any `Exception`."""


def start(script, arguments, monkeypatch, help_only=False):
    """Starts a script up to its parser.

    Returns:
        The help of its parser with `help_only`, else the list of arguments that it left over.

    Raises:
        SystemExit: Its parser has refused the arguments.
    """
    parse = argparse.ArgumentParser.parse_known_args

    def parse_and_stop(parser, *args, **kwargs):
        if not parser.add_help:  # reads one flag beforehand, which the defaults depend on
            return parse(parser, *args, **kwargs)
        raise Parsed(parser.format_help() if help_only else parse(parser, *args, **kwargs)[1])

    with monkeypatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_known_args", parse_and_stop)
        patch.setattr(sys, "argv", [script, *arguments])
        if importlib.util.find_spec("websocket") is None:
            # tools.check_site imports it; to read its flags no browser is needed.
            patch.setitem(sys.modules, "websocket", types.ModuleType("websocket"))
        patch.syspath_prepend(str((ROOT / script).parent))
        try:
            runpy.run_path(str(ROOT / script), run_name="__main__")
        except Parsed as stopped:
            return stopped.args[0]
    raise AssertionError(f"{script} has not read its flags")


def left_over(arguments):
    """Returns the arguments of `keras-patchmix` that its parser leaves over.

    Raises:
        SystemExit: It has refused a value.
    """
    name, *flags = arguments
    if name.startswith("--"):
        return []
    return OPTIONS[name].parser().parse_known_args(flags)[1]


def commands_of(text):
    """Returns the arguments of every call of Python, and every `keras-patchmix`, in a page."""
    calls = [call for line in shell_lines(text) for call in line.split(" && ")]
    found = [form.fullmatch(call.strip()) for call in calls for form in (PYTHON, COMMAND)]
    return [shlex.split(match["arguments"], comments=True) for match in found if match]


COMMANDS = {name: commands for name, text in TEXTS.items() if (commands := commands_of(text))}


def test_the_commands_of_the_pages_are_found():
    assert sum(map(len, COMMANDS.values())) > 50
    assert ["keras-patchmix", "train", "--config", "deit_small_300"] in [
        command[:4] for command in COMMANDS["training.md"]
    ]
    # Of a block that is indented, over two lines.
    assert ["--occluded", "shapes/32px_occluded"] in [
        command[6:8] for command in COMMANDS["tutorials/score_a_saved_model.md"]
    ]


@pytest.mark.parametrize("page", COMMANDS)
def test_commands_name_what_exists_and_flags_that_it_takes(page, monkeypatch):
    for command in COMMANDS[page]:
        script, arguments = command[0], command[1:]
        if script == "-m" and arguments[0].startswith("tools."):
            script, arguments = f"{arguments[0].replace('.', '/')}.py", arguments[1:]
        if script == "keras-patchmix":
            assert not left_over(arguments), command
        elif script == "-m":
            assert arguments[0] in MODULES, command
            files = [name for name in arguments if name.startswith("tests")]
            assert all((ROOT / name).exists() for name in files), command
        elif script in SCRIPTS:
            left = start(script, arguments, monkeypatch)
            if script == "benchmarks/kill_test.py":  # passes the others on
                left = left_over(["train", *left])
            assert not left, command
        else:
            assert (ROOT / script).exists(), command
            assert not arguments, command


def test_a_flag_or_a_value_that_a_script_does_not_take_is_found(monkeypatch, capsys):
    assert left_over(["train", "--epoch", "3"]) == ["--epoch", "3"]
    with pytest.raises(SystemExit):
        left_over(["train", "--strategy", "auto|cpu"])
    assert "invalid choice: 'auto|cpu'" in capsys.readouterr().err


def test_flags_in_the_text_are_flags_of_some_script(monkeypatch):
    known = set(OF_OTHERS)
    for script in SCRIPTS:
        known |= set(re.findall(r"--[a-z][\w-]*", start(script, [], monkeypatch, help_only=True)))
    for options in OPTIONS.values():
        known |= {"--help", "--version", "--config", *options.flags().values()}
    for page, text in TEXTS.items():
        for code in re.findall(r"`([^`\n]+)`", text):
            flags = re.findall(r"(?<![\w-])--[a-z][\w-]*", code)
            assert set(flags) <= known, f"{page}: {code}"
