"""An evaluation that is interrupted, or killed, and started again by the same command."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("tensorflow")

from keras_patchmix.cli.score import command
from keras_patchmix.cli.score.options import ScoreOptions
from keras_patchmix.occlusion import Report
from tests.cli.score.cases import run, small_model, write_folder, write_suite
from tests.command_line import result, subcommand

RECIPE = Path(__file__).parents[3] / "recipes" / "evaluate_occlusion.py"
BATCHES, ROWS = 8, 4  # 30 images of batches of 4, and the rows of the suite

# Preprocessing that the tests steer: what is called at the n-th batch of a row, counted from 1.
STEERED = """
import os, time
import keras_patchmix.occlusion.backup as backup

calls, at, action = 0, None, None
pause = float(os.environ.get("PAUSE", 0))
if pause:  # in a process of its own, which no other test shares
    backup.INTERVAL_SECONDS = 0

def steered(images):
    global calls
    calls += 1
    time.sleep(pause)
    if calls == at:
        action()
    return images
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("place")
    write_folder(root / "photos")
    write_suite(root / "suite.json")
    small_model(1).save(root / "a.keras")
    small_model(2).save(root / "b.keras")
    (root / "steering.py").write_text(STEERED)
    return root


@pytest.fixture
def steering(place, monkeypatch):
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "path", [*sys.path, str(place)])
    import steering

    from keras_patchmix.occlusion import backup

    monkeypatch.setattr(backup, "INTERVAL_SECONDS", 0)
    steering.calls = steering.at = 0
    return steering


FLAGS = """--dataset folder:photos --split all --suite suite.json --preprocess steering:steered
    --batch-size 4 --model a.keras --model b.keras""".split()


@pytest.fixture(scope="module")
def undisturbed(place):
    """The reports of a run that nothing interrupts."""

    before = os.getcwd()
    os.chdir(place)
    try:
        assert subcommand("score")([*FLAGS, "--output", "undisturbed"]) == 0
    finally:
        os.chdir(before)
    return place / "undisturbed"


def same(a, b):
    for name in ("a", "b"):
        first, second = (Report.load(path / name) for path in (a, b))
        assert first.to_dict() == second.to_dict()
    assert (a / "report.csv").read_text() == (b / "report.csv").read_text()
    assert (a / "report.html").read_bytes() == (b / "report.html").read_bytes()


def interrupt():
    raise KeyboardInterrupt


def terminate():
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(("action", "status"), [(interrupt, 130), (terminate, 143)])
def test_an_interrupted_run_says_how_to_go_on_and_does(
    action, status, place, steering, undisturbed, capsys
):
    output = f"stopped{status}"
    probes = 2
    # In the fifth batch of the second model.
    steering.at = probes + BATCHES * ROWS + 4 * ROWS + 1
    steering.action = action
    found, _, err = run([*FLAGS, "--output", output], capsys)
    assert found == status
    assert err.strip().count("\n") == 0
    program = (
        "keras-patchmix"
        if shutil.which("keras-patchmix")
        else f"{sys.executable} -m keras_patchmix"
    )
    assert f"interrupted. To resume: {program} score --dataset" in err
    assert err.strip().endswith(f"--output {output}")
    backup = json.loads((place / output / "b" / "backup.json").read_text())
    assert (place / output / "a" / "report.json").exists()
    assert not (place / output / "b" / "report.json").exists()
    assert backup["settings"]["batch_size"] == 4

    steering.calls = steering.at = 0
    found, out, _ = run([*FLAGS, "--output", output], capsys)
    assert found == 0
    assert "a: scored before" in out
    assert "b: scoring resumes" in out
    # The first batch is scored again, and compared.
    assert steering.calls == probes + (BATCHES - 4 + 1) * ROWS
    assert not (place / output / "b" / "backup.json").exists()
    same(place / output, undisturbed)


def test_ctrl_c_is_answered_at_once(capfd):
    def work(options):
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        assert capfd.readouterr().err == "\nstopping; what has been scored is saved\n"
        raise KeyboardInterrupt

    # A process in the background of a shell ignores Ctrl-C, and so would this test.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(command, "run", work)
            patch.setattr(ScoreOptions, "check_files", lambda self: None)
            assert subcommand("score")(FLAGS) == 130
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_directory_is_named_where_none_was_asked_for(steering, capsys):
    steering.at, steering.action = 4, interrupt
    status, _, err = run(FLAGS, capsys)
    assert status == 130
    (directory,) = Path("runs").iterdir()
    assert err.strip().endswith(f"--output {directory}")
    steering.calls = steering.at = 0
    status, out, _ = run([*FLAGS, "--output", directory], capsys)
    assert status == 0
    assert result(out)["directory"] == str(directory)


def test_a_killed_process_loses_nothing(place, steering, undisturbed, capsys):
    command = [sys.executable, RECIPE, *FLAGS, "--output", "killed"]
    environment = {**os.environ, "PAUSE": "0.1", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command, cwd=place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    backup = place / "killed" / "a" / "backup.json"
    deadline = time.monotonic() + 120
    while not backup.exists():
        assert process.poll() is None, process.stdout.read().decode()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not (place / "killed" / "a" / "report.json").exists()
    assert (place / "killed" / "config.json").exists()
    status, out, _ = run([*FLAGS, "--output", "killed"], capsys)
    assert status == 0
    assert "a: scoring resumes" in out
    assert steering.calls <= 2 + 2 * BATCHES * ROWS
    same(place / "killed", undisturbed)
