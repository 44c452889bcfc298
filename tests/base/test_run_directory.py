"""Directories of runs are locked and swept of what killed processes left; full disks are named."""

import errno
import os
import subprocess
import sys

import pytest

from keras_patchmix.base import atomic
from keras_patchmix.base.run_directory import InUseError, RunDirectory, locked

FLAGS = {"seed": "--seed"}


def directory(path, seed=1):
    return RunDirectory(path, "score", {"seed": seed}, [], ["report.json"], FLAGS)


def test_a_second_process_is_refused_until_the_first_ends(tmp_path):
    program = f"""
from keras_patchmix.base.run_directory import InUseError, locked
for _ in range(2):
    try:
        with locked({os.fspath(tmp_path)!r}):
            print("free", flush=True)
    except InUseError as error:
        print(error, flush=True)
    input()
"""
    command = [sys.executable, "-c", program]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        with directory(tmp_path).locked():
            assert "is in use" in process.stdout.readline()
            with pytest.raises(InUseError), locked(tmp_path):
                pass
        assert process.communicate("\n\n", timeout=60)[0] == "free\n"


def test_what_a_killed_process_left_is_removed(tmp_path):
    directory(tmp_path).begin()
    (tmp_path / "before").mkdir()
    left = [tmp_path / ".report.ab12.tmp.json", tmp_path / "before" / ".model.cd34.tmp.keras"]
    for path in left:
        path.write_bytes(b"half")
    (tmp_path / ".hidden").write_bytes(b"the user's")
    with directory(tmp_path).locked():
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            ".hidden",
            "before",
            "config.json",
        ]
    assert not any(path.exists() for path in left)


def test_results_of_other_options_are_refused_with_the_flag(tmp_path):
    directory(tmp_path).begin()
    directory(tmp_path, seed=2)  # nothing was computed yet
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(ValueError, match=r"--seed \(1 there, 2 now\)"):
        directory(tmp_path, seed=2)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said_in_megabytes_with_the_place(tmp_path, monkeypatch, number):
    def full(descriptor):
        raise OSError(number, "full")

    (tmp_path / "maps.npz").write_bytes(b"before")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(atomic.NoRoomError) as error:
        atomic.write_bytes(tmp_path / "maps.npz", bytes(2_500_000))
    assert error.value.needed == 2_500_000
    text = f"No room for maps.npz in {tmp_path}: 2.5 MB are needed, "
    assert str(error.value).startswith(text)
    assert str(error.value).endswith(" MB are free")
    assert (tmp_path / "maps.npz").read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [tmp_path / "maps.npz"]


def test_other_errors_of_the_system_stay_what_they_are(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError) as error:
        atomic.write_text(tmp_path / "file" / "below", "text")
    assert not isinstance(error.value, atomic.NoRoomError)


def test_a_model_is_saved_whole_or_not_at_all(tmp_path, monkeypatch):
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    path = tmp_path / "model.keras"
    atomic.save_model(path, model)
    saved = path.read_bytes()

    def full(name):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(model, "save", full)
    with pytest.raises(atomic.NoRoomError):
        atomic.save_model(path, model)
    assert path.read_bytes() == saved
    atomic.save_model(path, keras.models.load_model(path), writes=False)
    assert path.read_bytes() == saved
    assert list(tmp_path.iterdir()) == [path]
