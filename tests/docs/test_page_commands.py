"""Commands on the pages name scripts that exist and flags that their parsers know.

Each script is started as a program would be, up to the moment when its flags have been read.
"""

import argparse
import re
import runpy
import shlex
import sys
import types

import pytest

from tests.page_blocks import ROOT, name_of, pages, shell_lines

pytest.importorskip("tensorflow")

PYTHON = re.compile(r"(?:\w+=\S+ )*(?:\.venv/bin/)?python3? (?P<arguments>.+)")
TEXTS = {name_of(page): page.read_text("utf-8") for page in pages()}
SCRIPTS = sorted(
    str(path.relative_to(ROOT))
    for room in ("recipes", "benchmarks", "tools", "tests/compat")
    for path in (ROOT / room).glob("*.py")
    if room == "recipes" or "ArgumentParser" in path.read_text("utf-8")
)
# Flags of other programs that pages name in their text.
OF_OTHERS = {"--strict", "--upgrade-deps"}
MODULES = {"mkdocs", "pytest", "venv"}


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
        # tools.check_site imports it; to read its flags no browser is needed.
        patch.setitem(sys.modules, "websocket", types.ModuleType("websocket"))
        patch.syspath_prepend(str((ROOT / script).parent))
        try:
            runpy.run_path(str(ROOT / script), run_name="__main__")
        except Parsed as stopped:
            return stopped.args[0]
    raise AssertionError(f"{script} has not read its flags")


def commands_of(text):
    """Returns the arguments of every call of Python in a page's shell blocks."""
    calls = [call for line in shell_lines(text) for call in line.split(" && ")]
    found = [PYTHON.fullmatch(call.strip()) for call in calls]
    return [shlex.split(match["arguments"], comments=True) for match in found if match]


COMMANDS = {name: commands for name, text in TEXTS.items() if (commands := commands_of(text))}


def test_the_commands_of_the_pages_are_found():
    assert sum(map(len, COMMANDS.values())) > 50
    assert ["recipes/train_vit.py", "--config", "deit_small_300"] in [
        command[:3] for command in COMMANDS["training.md"]
    ]
    # Of a block that is indented, over two lines.
    assert ["--occluded", "shapes/32px_occluded"] in [
        command[5:7] for command in COMMANDS["occlusion.md"]
    ]


@pytest.mark.parametrize("page", COMMANDS)
def test_commands_name_what_exists_and_flags_that_it_takes(page, monkeypatch):
    for command in COMMANDS[page]:
        script, arguments = command[0], command[1:]
        if script == "-m" and arguments[0].startswith("tools."):
            script, arguments = f"{arguments[0].replace('.', '/')}.py", arguments[1:]
        if script == "-m":
            assert arguments[0] in MODULES, command
            files = [name for name in arguments if name.startswith("tests")]
            assert all((ROOT / name).exists() for name in files), command
        elif script in SCRIPTS:
            left = start(script, arguments, monkeypatch)
            if script == "benchmarks/kill_test.py":  # passes the others on
                left = start("recipes/train_convnext.py", left, monkeypatch)
            assert not left, command
        else:
            assert (ROOT / script).exists(), command
            assert not arguments, command


def test_a_flag_or_a_value_that_a_script_does_not_take_is_found(monkeypatch, capsys):
    script = "recipes/train_convnext.py"
    assert start(script, ["--epoch", "3"], monkeypatch) == ["--epoch", "3"]
    with pytest.raises(SystemExit):
        start(script, ["--strategy", "auto|cpu"], monkeypatch)
    assert "invalid choice: 'auto|cpu'" in capsys.readouterr().err


def test_flags_in_the_text_are_flags_of_some_script(monkeypatch):
    known = set(OF_OTHERS)
    for script in SCRIPTS:
        known |= set(re.findall(r"--[a-z][\w-]*", start(script, [], monkeypatch, help_only=True)))
    for page, text in TEXTS.items():
        for code in re.findall(r"`([^`\n]+)`", text):
            flags = re.findall(r"(?<![\w-])--[a-z][\w-]*", code)
            assert set(flags) <= known, f"{page}: {code}"
