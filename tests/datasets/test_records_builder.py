"""The builder of TFDS that writes directories: killed, out of room, and with TFDS' own switches."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
tfds = pytest.importorskip("tensorflow_datasets")

from keras_patchmix.datasets.tfds_writer import write_examples  # noqa: E402

ROOT = Path(__file__).parents[2]


def write(directory, examples, **arguments):
    features = {
        "image": tfds.features.Image(shape=(64, 64, 3)),
        "label": tfds.features.ClassLabel(names=["even", "odd"]),
    }
    return write_examples(
        str(directory),
        name="noise",
        features=tfds.features.FeaturesDict(features),
        splits={"train": examples},
        description="Noise.",
        metadata={},
        **arguments,
    )


def noise(count):
    rng = np.random.default_rng(0)
    for number in range(count):
        image = rng.integers(0, 256, (64, 64, 3), np.uint8)
        yield number, {"image": image, "label": number % 2}


def stuck(count):
    """So many examples, then a word on standard output, and nothing more."""
    yield from noise(count)
    os.write(1, b"stuck\n")  # not `print`: what TFDS prints is caught
    signal.pause()


def test_a_killed_process_leaves_nothing_that_reads_as_a_data_set(tmp_path):
    directory = tmp_path / "noise" / "1.0.0"
    program = (
        "from tests.datasets.test_records_builder import stuck, write\n"
        f"write({str(directory)!r}, stuck(5))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout.readline() == b"stuck\n"
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert [path.name for path in directory.parent.iterdir()] == ["1.0.0.incomplete"]
    with pytest.raises(tfds.core.DatasetNotFoundError):
        tfds.builder("noise", data_dir=tmp_path)
    write(directory, noise(4))
    assert [path.name for path in directory.parent.iterdir()] == ["1.0.0"]
    images = tfds.load("noise", split="train", data_dir=tmp_path, as_supervised=True)
    found = {image.tobytes(): label for image, label in images.as_numpy_iterator()}
    assert found == {one["image"].tobytes(): one["label"] for _, one in noise(4)}


@contextlib.contextmanager
def files_of_at_most(size):
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize(("size", "buffer"), [(100_000, 10**9), (5_000, 1)])
def test_a_disk_without_room_is_an_error_that_names_the_directory(
    tmp_path, monkeypatch, size, buffer
):
    # What is larger than its buffer TFDS sorts in files of its own.
    monkeypatch.setattr("tensorflow_datasets.core.shuffle.MAX_MEM_BUFFER_SIZE", buffer)
    with files_of_at_most(size), pytest.raises(OSError, match=rf"{tmp_path}/r' cannot be written"):
        write(tmp_path / "r", noise(40))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("shown", [True, False])
def test_bars_of_tfds_are_as_they_were_and_nothing_is_printed(tmp_path, capsys, shown):
    before = isinstance(tfds.core.utils.tqdm(disable=True), tfds.core.utils.EmptyTqdm)
    tfds.display_progress_bar(shown)
    try:
        write(tmp_path / "r", noise(2))
        empty = isinstance(tfds.core.utils.tqdm(disable=True), tfds.core.utils.EmptyTqdm)
    finally:
        tfds.display_progress_bar(not before)
    assert empty is not shown
    assert capsys.readouterr() == ("", "")


def test_other_errors_are_as_they_were_and_leave_nothing(tmp_path):
    def failing():
        yield from noise(3)
        raise RuntimeError("of its own")

    with pytest.raises(RuntimeError, match="of its own"):
        write(tmp_path / "r", failing())
    assert not list(tmp_path.iterdir())


def test_a_path_that_is_no_utf_8_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"`directory` must be .*Received: directory='.*r\\xe9'"):
        write(tmp_path / os.fsdecode(b"r\xe9"), noise(1))
