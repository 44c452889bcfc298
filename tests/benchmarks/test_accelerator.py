"""The benchmark for accelerators in its small form, and the file of images that it reads."""

import importlib
import json
import os
import signal
import subprocess
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest

import keras_patchmix as kpm
from tests.arrays import BACKEND

FOLDER = Path(__file__).parents[2] / "benchmarks"
CLASSES = ["bird", "cat", "dog", "elk"]


def load():
    """Modules of the benchmark that import no backend; scripts find each other in their folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        return importlib.import_module("accelerator"), importlib.import_module("pack_images")


accelerator, pack_images = load()


def bright_classes(count, size=32):
    """Noise around a brightness that tells the class: images and labels."""
    labels = np.random.default_rng(count).permutation(np.arange(count) % len(CLASSES))
    noise = np.random.default_rng(1).integers(0, 16, (count, size, size, 3))
    return (60 * labels[:, None, None, None] + noise).astype(np.uint8), labels


@pytest.fixture
def packed(tmp_path):
    splits = {"train": bright_classes(480), "validation": bright_classes(64)}
    path = tmp_path / "images.zip"
    examples = {name: zip(*pair, strict=True) for name, pair in splits.items()}
    pack_images.pack(path, examples, CLASSES)
    return path, splits


def test_packed_images_come_back_in_their_order(packed):
    path, splits = packed
    found, classes = pack_images.unpack(path)
    assert classes == CLASSES
    for split, (images, labels) in splits.items():
        np.testing.assert_array_equal(found[split][1], labels)
        assert found[split][0].dtype == np.uint8
        errors = np.abs(found[split][0].astype(int) - images)
        assert errors.mean() < 6, "what JPEG does to noise of this strength"


@pytest.mark.needs("tensorflow")
def test_an_unpacked_file_is_a_folder_of_images(packed, tmp_path):
    path, splits = packed
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "folder")
    data, info = kpm.datasets.load(f"folder:{tmp_path}/folder", "validation", with_info=True)
    assert list(info.class_names) == CLASSES
    counts = np.bincount([label for _, label in data.as_numpy_iterator()])
    np.testing.assert_array_equal(counts, np.bincount(splits["validation"][1]))


def test_classes_that_are_not_sorted_are_refused(tmp_path):
    with pytest.raises(ValueError, match="`class_names` must be sorted"):
        pack_images.pack(tmp_path / "images.zip", {}, ["b", "a"])


HANGING = """
import sys, types
sys.path.insert(0, sys.argv.pop(1))
import accelerator

def measure(sizes, rows, clock, options):
    rows.add(name="first", value=1)
    while True:
        pass

sys.modules["accelerator_mixing"] = types.SimpleNamespace(measure=measure)
accelerator.device_of = lambda part: {"device": "none"}
accelerator.main()
"""


def test_a_part_that_hangs_is_ended_and_leaves_what_it_has_measured(tmp_path):
    arguments = ["--part", "mixing", "--seconds", "1", "--output", str(tmp_path)]
    process = subprocess.run([sys.executable, "-c", HANGING, str(FOLDER), *arguments], timeout=60)
    assert process.returncode == -signal.SIGALRM
    result = json.loads((tmp_path / "mixing.json").read_text())
    assert result["rows"] == [{"name": "first", "value": 1}]
    assert result["device"] == "none"


@pytest.mark.parametrize(
    ("program", "outcome"),
    [
        ("import time; time.sleep(60)", "ended at its limit"),
        ("raise SystemExit(3)", "failed with status 3"),
        ("", "done"),
    ],
)
def test_a_process_without_a_timer_is_ended_from_outside(monkeypatch, tmp_path, program, outcome):
    script = tmp_path / "part.py"
    script.write_text(program)
    monkeypatch.setattr(accelerator, "__file__", str(script))
    monkeypatch.setattr(accelerator, "GRACE", 0.5)
    assert accelerator.run_part("mixing", 3.0, []) == outcome


def test_parts_get_their_limits_and_the_rest_of_the_time(monkeypatch, tmp_path):
    now, given = [0.0], {}

    def run_part(part, seconds, arguments):
        given[part] = seconds
        now[0] += seconds
        return "done"

    monkeypatch.setattr(accelerator, "run_part", run_part)
    monkeypatch.setattr(accelerator.time, "monotonic", lambda: now[0])
    options = types.SimpleNamespace(
        minutes=8,
        limits=[("steps", 100)],
        parts=list(accelerator.LIMITS),
        images="images.zip",
        output=tmp_path,
        small=True,
    )
    parts = accelerator.run(options, [])["parts"]
    assert given == {"mixing": 45, "torch": 20, "steps": 100, "scoring": 45, "training": 258}
    assert {one["outcome"] for one in parts.values()} == {"done"}
    options.minutes, options.images = 1, None
    parts = accelerator.run(options, [])["parts"]
    assert given["mixing"] == 45
    assert parts["torch"]["outcome"] == "not run: no time was left"
    assert parts["training"]["outcome"] == "not run: needs --images"


def test_a_clock_ends_the_rounds(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(accelerator.time, "monotonic", lambda: now[0])
    clock, rounds = accelerator.Clock(10), []
    for number in clock.rounds(100, 4):
        rounds.append(number)
        now[0] += 1
    assert rounds == [0, 1, 2, 3]
    now[0] = 20
    assert list(clock.rounds(100, 4)) == [0, 1], "two at least"
    assert list(clock.rounds(1, 4)) == [0]


@pytest.mark.skipif(BACKEND != "jax", reason="measures JAX")
def test_a_chain_mixes_what_the_step_before_has_mixed():
    import jax
    import jax.numpy as jnp

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        mixing = importlib.import_module("accelerator_mixing")
    images, ids = map(jnp.asarray, bright_classes(8))
    mix = mixing.contestants(images)["PatchMixing"]
    mixed, total = mixing.chain(mix, 2)(jnp.array(images), ids, jnp.array([1, 5]))
    once, rows = jax.jit(mix)(images, ids, jnp.array([1, 5]))
    twice, more = jax.jit(mix)(once, ids, jnp.array([1, 6]))
    np.testing.assert_array_equal(mixed, twice)
    np.testing.assert_allclose(total, rows + more, atol=1e-6)
    assert (np.asarray(once) != twice).any()


@pytest.mark.slow
@pytest.mark.needs("jax")
def test_the_small_form_measures_every_part(packed, tmp_path):
    path, _ = packed
    parts = ["mixing", "steps", "scoring", "training"]
    command = [sys.executable, FOLDER / "accelerator.py", "--small", "--images", path]
    command += ["--output", tmp_path / "out", "--minutes", 15, "--parts", *parts]
    command += ["--limits", *(f"{part}=300" for part in parts)]  # other tests run beside it
    process = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        env=os.environ | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"},  # compiles faster
    )
    assert process.returncode == 0, process.stderr
    result = json.loads(process.stdout.splitlines()[-1].removeprefix("RESULT "))
    assert result == json.loads((tmp_path / "out" / "accelerator.json").read_text())
    parts = result["parts"]
    assert [one["outcome"] for one in parts.values()] == ["done"] * 4, process.stderr
    for name, part in parts.items():
        assert part == {**json.loads((tmp_path / "out" / f"{name}.json").read_text()), **part}
        assert not any("error" in row for row in part["rows"])

    mixing = parts["mixing"]["rows"]
    methods = ["copy", "PatchMixing", "CutMix", "MixUp", "PatchMixing, plan ready"]
    dtypes = ["float32", "bfloat16", "uint8"]
    assert [(row["dtype"], row["name"]) for row in mixing] == [
        (dtype, name) for dtype in dtypes for name in methods
    ]
    for row in mixing:
        size = {"float32": 4, "bfloat16": 2, "uint8": 1}[row["dtype"]]
        moved = 1e3 * row["gigabytes_per_second"] * row["microseconds"]
        assert moved == pytest.approx(2 * 8 * 32 * 32 * 3 * size, rel=0.05)
        assert row["name"] != "copy" or row["ratio_to_copy"] == 1

    steps = parts["steps"]["rows"]
    assert len(steps) == 5
    assert all(row["milliseconds"] > 0 for row in steps)
    assert [row["more_than_no_mixing"] == 0 for row in steps] == [True, False, True, False, False]

    scoring = {row["name"]: row for row in parts["scoring"]["rows"]}
    assert scoring["bare, batch on the device"]["ratio"] == 1
    assert scoring["evaluate"]["divided_by"] == "bare, uint8 from the host"
    assert scoring["c_rise"]["images_per_second"] > 0

    training = parts["training"]
    assert training["images"] == {"train": 432, "test": 64}
    arms = {row["arm"]: row for row in training["rows"]}
    assert list(arms) == ["none", "cutmix", "patchmix", "hardened"]
    assert {arms[name]["steps"] for name in ("none", "cutmix", "patchmix")} == {
        13 * training["epochs"]
    }
    assert arms["none"]["clean"] > 0.7, "brightness is learned in a moment"
    clean = {row["mixing"]: row for row in training["differences"] if row["name"] == "clean"}
    for name in ("cutmix", "patchmix", "hardened"):
        difference = arms[name]["clean"] - arms["none"]["clean"]
        assert clean[name]["difference"] == pytest.approx(difference, abs=1e-3)
