"""The recipe, run for a few steps; every file it writes is read."""

import contextlib
import csv
import io
import json
import os
import runpy
import shutil
import signal
import sys
from pathlib import Path

import keras
import matplotlib.image
import numpy as np
import pytest

from keras_patchmix import datasets
from keras_patchmix.occlusion import Report
from keras_patchmix.training import fitting
from keras_patchmix.training.checkpoints import CheckpointFolder
from keras_patchmix.training.fit_callbacks import EpochCheckpoint
from tests import odd_names
from tests.cli.train.cases import use_small_network, write_folder
from tests.command_line import subcommand
from tests.without_tensorflow import need_a_pipeline

need_a_pipeline()

RECIPES = Path(__file__).parents[3] / "recipes"
NAMES = (
    *("config.json", "metrics.csv", "occlusion.jsonl", "model.keras"),
    *("report.json", "report.csv", "report.html", "checkpoints"),
)
BROKEN = ("class1/torn.png", "class2/no_image.jpg")


def run_recipe(monkeypatch, *flags, name="train_convnext.py"):
    """Runs a recipe with a network that takes less time to build and to compile."""
    use_small_network(monkeypatch)
    monkeypatch.setattr(sys, "argv", [name, *map(str, flags)])
    with pytest.raises(SystemExit) as error:
        runpy.run_path(str(RECIPES / name), run_name="__main__")
    return error.value.code


FLAGS = """--dataset folder:split --compare none --output out --epochs 2 --steps-per-epoch 2
    --batch-size 8 --occlusion-examples 6""".split()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of two models, two epochs of two steps each; two photographs of its test are broken."""
    root = tmp_path_factory.mktemp("run")
    write_folder(root / "photos")
    for split, count in (("train", 8), ("val", 4), ("test", 4)):
        write_folder(root / "split" / split, count=count)
    for name in BROKEN:
        (root / "split" / "test" / name).write_bytes(b"\x89PNG\r\n\x1a\n torn")
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.chdir(root)
        assert run_recipe(patch, *FLAGS) == 0
    return root, said.getvalue()


@pytest.fixture
def run_here(finished, monkeypatch, capsys):
    """Runs the command in this process; returns its status, what it printed, and its errors."""
    monkeypatch.chdir(finished[0])
    use_small_network(monkeypatch)

    def run(*flags):
        status = subcommand("train")(list(map(str, flags)))
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    yield run
    keras.config.set_dtype_policy("float32")


def test_every_file_is_there_and_can_be_read(finished):
    root, _ = finished
    for folder, mixing in ((root / "out", "patchmix"), (root / "out" / "none", "none")):
        assert all((folder / name).stat().st_size for name in NAMES)
        config = json.loads((folder / "config.json").read_text())
        assert (config["mixing"], config["epochs"], config["batch_size"]) == (mixing, 2, 8)
        rows = list(csv.DictReader((folder / "metrics.csv").open()))
        assert [row["epoch"] for row in rows] == ["0", "1"]
        assert all(0 <= float(row["val_accuracy"]) <= 1 for row in rows)
        lines = [json.loads(line) for line in (folder / "occlusion.jsonl").open()]
        assert [line["epoch"] for line in lines] == [0, 1]
        name = "val_patch_replacement_4x4_50"
        assert float(rows[1][name]) == lines[1]["values"][name]
        report = json.loads((folder / "report.json").read_text())
        assert report["rows"][0]["corruption"] == "clean"
        loaded = Report.load(folder)
        assert loaded.correct["clean"].mean() == pytest.approx(report["rows"][0]["top1"])
        assert loaded.settings["class_names"]


def test_the_saved_model_scores_as_the_report_says(finished):
    root, _ = finished
    report = json.loads((root / "out" / "report.json").read_text())
    model = keras.models.load_model(root / "out" / "model.keras")
    assert model.optimizer.iterations == 4
    assert model.count_params() > 1000
    assert report["settings"]["num_classes"] == model.output_shape[-1] == 3


def test_the_picture_shows_something(finished):
    root, _ = finished
    picture = matplotlib.image.imread(root / "out" / "curves.png")
    assert min(picture.shape[:2]) > 300
    assert picture[..., :3].std() > 0.02


def test_the_classes_are_named_by_their_ids_before_anything_is_trained(finished):
    before = finished[1].partition("Training with")[0]
    assert "\nClasses: 0 'class0', 1 'class1', 2 'class2'\n" in before


def test_the_table_and_the_last_line_are_the_report(finished):
    root, output = finished
    last = output.strip().splitlines()[-1]
    assert last.startswith("RESULT {")
    result = json.loads(last.removeprefix("RESULT "))
    report = json.loads((root / "out" / "report.json").read_text())
    assert result["top1"] == {row["name"]: round(row["top1"], 4) for row in report["rows"]}
    baseline = json.loads((root / "out" / "none" / "report.json").read_text())
    clean = [f"{100 * r['rows'][0]['top1']:.1f}" for r in (report, baseline)]
    line = [line for line in output.splitlines() if line.startswith("clean")][-1]
    assert line.split()[1:3] == clean
    assert "Patch Mixing  no mixing  difference" in output


def test_a_trained_model_is_gone_on_from(finished, run_here):
    root, _ = finished
    status, _, error = run_here(
        *"--dataset folder:photos --init out/model.keras --mixing none --output tuned".split(),
        *"--epochs 1 --steps-per-epoch 1 --batch-size 4 --learning-rate 1e-12".split(),
        *"--weight-decay 0 --occlusion-examples 4".split(),
    )
    assert status == 0, error
    first, second = (
        keras.models.load_model(root / name / "model.keras") for name in ("out", "tuned")
    )
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_a_finished_run_is_said_to_be_finished_and_printed_again(finished, run_here):
    root, output = finished
    before = {path: path.stat().st_mtime_ns for path in (root / "out").rglob("*")}
    status, printed, _ = run_here(*FLAGS)
    assert status == 0
    assert "This run is finished: out" in printed
    assert printed.strip().splitlines()[-1] == output.strip().splitlines()[-1]
    assert {path: path.stat().st_mtime_ns for path in (root / "out").rglob("*")} == before


def test_what_is_missing_of_a_run_is_made_again_alone(finished, run_here):
    root, _ = finished
    shutil.copytree(root / "out", root / "copy")
    for name in ("report.json", "none/report.html", "curves.png"):
        (root / "copy" / name).unlink()
    (root / "copy" / ".curves.png.0123456789ab.tmp").write_text("left by a killed process")
    flags = ["copy" if flag == "out" else flag for flag in FLAGS]
    status, printed, error = run_here(*flags)
    assert status == 0, error
    assert "Epoch" not in printed, "nothing is trained again"
    for name in ("report.json", "report.csv", "model.keras", "metrics.csv"):
        assert (root / "copy" / name).read_bytes() == (root / "out" / name).read_bytes(), name
    assert (root / "copy" / "curves.png").stat().st_size
    assert not list((root / "copy").glob(".*"))


def test_a_run_with_other_flags_names_them(run_here):
    status, _, error = run_here(*FLAGS, "--epochs", 3, "--ema", 0.9)
    assert status == 1
    assert error.count("\n") == 1
    assert "holds the results of another command; choose another directory. Different: " in error
    assert "--epochs (2 there, 3 now)" in error
    assert "--ema (not given there, 0.9 now)" in error


def test_a_loss_that_is_not_finite_has_a_status_of_its_own(finished, run_here):
    root, _ = finished
    status, _, error = run_here(
        *"--dataset folder:photos --mixing none --output diverged --epochs 1".split(),
        *"--batch-size 4 --learning-rate 1e30 --warmup-epochs 0 --gradient-clip 0".split(),
    )
    assert status == 3
    assert "of epoch 1. Last good checkpoint: none" in error
    assert not (root / "diverged" / "model.keras").exists()
    assert not (root / "diverged" / "metrics.csv").exists()


def test_a_signal_stops_at_once_and_says_from_where_and_how_the_run_goes_on(
    finished, run_here, monkeypatch
):
    root, _ = finished
    flags = [flag for flag in FLAGS if flag not in ("--compare", "none", "--output", "out")]
    trained = []

    def send(self, batch, logs=None):
        trained.append((self.epoch, batch))
        if trained[-1] == (1, 0):
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr(EpochCheckpoint, "on_train_batch_end", send)
        status, _, error = run_here(*flags)
    assert status == 143
    assert trained == [(0, 0), (0, 1), (1, 0)]
    (directory,) = Path("runs").iterdir()
    assert "Stopped in epoch 2 of 2." in error
    assert "interrupted. To resume: " in error
    assert error.strip().endswith(f"--output {directory}")
    status, printed, _ = run_here(*flags, "--output", directory)
    assert status == 0
    assert "Going on after epoch 1 of 2\n" in printed
    for name in ("metrics.csv", "report.json"):
        assert (directory / name).read_bytes() == (root / "out" / name).read_bytes()


def test_a_run_of_a_version_that_saved_within_epochs_is_refused(finished, run_here):
    root, _ = finished
    (root / "old" / "checkpoints").mkdir(parents=True)
    config = json.loads((root / "out" / "config.json").read_text())
    (root / "old" / "config.json").write_text(json.dumps({**config, "checkpoint_every": 2}))
    (root / "old" / "checkpoints" / "step-000000002.ckpt").write_bytes(b"")
    status, _, error = run_here(*["old" if flag == "out" else flag for flag in FLAGS])
    assert status == 1
    assert error.count("\n") == 1
    assert "'old/checkpoints/step-000000002.ckpt' is a checkpoint of keras-patchmix 0.1" in error


def test_other_versions_are_warned_about():
    now = {"keras": "3.2", "numpy": "2", "cache": "decoded"}
    with pytest.warns(UserWarning, match=r"written with keras 3\.1 and training resumes with 3\.2"):
        fitting._warn_of_changes({"keras": "3.1", "numpy": "2"}, now)


def test_every_kind_of_flag_reaches_the_training(finished, run_here):
    root, _ = finished
    status, _, error = run_here(
        *"--dataset folder:photos --output all --epochs 2 --steps-per-epoch 2".split(),
        *"--batch-size 8 --occlusion-examples 6 --test-examples 6 --drop-path 0.2".split(),
        *"--precision mixed_bfloat16 --gradient-clip 0.5 --ema 0.75 --strategy cpu".split(),
        *"--mixing patchmix+cutmix+mixup --random-erasing 0.3 --augmentation flip-crop".split(),
        *"--warmup-epochs 0".split(),
    )
    assert status == 0, error
    model = keras.models.load_model(root / "all" / "model.keras")
    assert model.layers[-2].compute_dtype == "bfloat16"
    assert model.get_layer("stage_1_block_0_drop_path").rate == pytest.approx(0.2)
    optimizer = model.optimizer
    assert (optimizer.clipnorm, optimizer.use_ema, optimizer.ema_momentum) == (0.5, True, 0.75)
    # The weights that are saved are the averages.
    saved, averages = (
        {keras.ops.convert_to_numpy(v).tobytes() for v in variables}
        for variables in (model.trainable_variables, model.optimizer.variables)
    )
    assert saved <= averages
    (checkpoint,) = CheckpointFolder(root / "all" / "checkpoints").files()
    assert checkpoint.name == "epoch-000001.npz"
    rows = list(csv.DictReader((root / "all" / "metrics.csv").open()))
    loaded = Report.load(root / "all")
    assert loaded.rows[0].n == 6
    assert [row["epoch"] for row in rows] == ["0", "1"]


def test_a_directory_that_another_process_writes_is_left_alone(finished, run_here):
    fcntl = pytest.importorskip("fcntl")
    root, _ = finished
    (root / "used").mkdir()
    descriptor = os.open(root / "used", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    flags = "--dataset folder:photos --batch-size 4 --output used".split()
    try:
        status, _, error = run_here(*flags)
    finally:
        os.close(descriptor)
    assert status == 1
    assert "--output 'used' is in use: another process" in error
    assert not list((root / "used").iterdir())


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--output photos", "--output must be a new or an empty directory"),
        ("--dataset folder:nowhere --output x1", "nowhere"),
        ("--dataset no_such_set --output x2", "no_such_set"),
        ("--dataset folder:photos --model MobileNet --drop-path 0.1 --output x3", "--drop-path"),
        ("--dataset shapes --init out/model.keras --output x4", "--init must have an output for"),
    ],
)
def test_errors_are_one_line_and_a_status(run_here, flags, message):
    status, _, error = run_here(*flags.split(), "--batch-size", 4)
    assert status == 1
    assert message in error
    assert error.strip().count("\n") == 0


@pytest.mark.needs("tensorflow")
def test_several_workers_must_name_their_directory(run_here, monkeypatch):
    workers = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(workers))
    status, _, error = run_here("--dataset", "folder:photos")
    assert status == 1
    assert "--output must be given, the same on all workers" in error


def test_wrong_flags_have_the_status_2(monkeypatch, capsys):
    assert run_recipe(monkeypatch, "--batchsize", 3, name="train_vit.py") == 2
    error = capsys.readouterr().err
    assert "unrecognized arguments: --batchsize 3" in error
    assert "Traceback" not in error


def test_a_test_photograph_that_is_broken_is_left_out_and_named(finished):
    root, printed = finished
    report = Report.load(root / "out")
    assert [one["name"] for one in report.skipped] == list(BROKEN)
    listed = datasets.load_for_scoring(f"folder:{root / 'split'}", "test", batch_size=1)
    good = [int(batch["index"][0]) for batch in listed]
    assert report.outcomes.index.tolist() == good
    assert (len(good), report.settings["batch_size"]) == (12, 8)
    (line,) = [line for line in printed.splitlines() if "Could not be read" in line]
    assert all(f"{name} (" in line for name in BROKEN)


@pytest.mark.slow
def test_no_name_of_a_class_ends_a_run_or_turns_a_terminal(run_here, tmp_path):
    photos = tmp_path / os.fsdecode(b"d\xe9\x1b[31m")
    write_folder(photos)
    for label, name in enumerate(odd_names.CLASSES):
        os.rename(photos / f"class{label}", photos / name)
    os.rename(photos / name / "0.png", photos / name / os.fsdecode(b"\xe9\x1b.png"))
    flags = ["--dataset", f"folder:{photos}", *FLAGS[2:4], "--epochs", 1, *FLAGS[8:]]
    output = tmp_path / os.fsdecode(b"out\xe9")
    status, out, errors = run_here(*flags, "--cache", "encoded", "--output", output)
    assert status == 0, errors
    odd_names.assert_printable(out)
    odd_names.assert_files_are_printable(output)
    report = Report.load(output)
    assert sorted(report.settings["class_names"]) == sorted(odd_names.SHOWN)
    report.to_class_csv(tmp_path / "classes.csv")
    assert "'=cmd" in (tmp_path / "classes.csv").read_text("utf-8")
