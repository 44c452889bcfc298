"""Checkpoints: what is read is what was written, and nothing half written is ever read."""

import json
import math
import warnings

import numpy as np
import pytest

from keras_patchmix.base import array_files
from keras_patchmix.base.atomic import NoRoomError
from keras_patchmix.base.state_files import DamagedFile
from keras_patchmix.training.checkpoints import Checkpoint, CheckpointFolder, read

ARRAYS = {
    "matrix": np.arange(6, dtype="float32").reshape(2, 3) / 7,
    "scalar": np.array(-3, "int64"),
    "seeds": np.array([2**32 - 1, 5], "uint32"),
    "none": np.zeros((0, 4), "float16"),
    "strided": np.arange(10.0)[::3],
    "flag": np.array([True, False]),
}
HISTORY = {"loss": [0.1, math.inf], "val_loss": [math.nan, -1e-300]}


def save(folder, epoch=2, history=HISTORY):
    """Writes a checkpoint and returns its path."""
    folder.save(Checkpoint(epoch, ARRAYS, {"keras": "3"}, history))
    return folder.files()[0]


def assert_equal(found):
    assert (found.epoch, found.settings) == (2, {"keras": "3"})
    assert repr(found.history) == repr(HISTORY)
    assert list(found.arrays) == list(ARRAYS)
    for name, value in ARRAYS.items():
        assert found.arrays[name].dtype == value.dtype
        assert found.arrays[name].shape == value.shape
        assert found.arrays[name].tobytes() == value.tobytes()


def test_what_is_read_is_what_was_written(tmp_path):
    assert_equal(read(save(CheckpointFolder(tmp_path))))


def test_a_file_that_was_cut_off_or_changed_anywhere_is_found_out_or_reads_as_before(tmp_path):
    path = save(CheckpointFolder(tmp_path))
    data, refused = path.read_bytes(), 0
    for place in range(0, len(data), 7):
        changed = bytearray(data)
        changed[place] ^= 1
        path.write_bytes(changed)
        try:
            found = read(path)
        except DamagedFile:
            refused += 1
        else:  # what an archive says twice, or of times
            if list(found.arrays) == list(ARRAYS):
                assert_equal(found)
        path.write_bytes(data[:place])
        with pytest.raises(DamagedFile):
            read(path)
    assert refused > len(data) / 7 / 2


def test_the_last_two_are_kept_and_the_newest_is_read(tmp_path):
    folder = CheckpointFolder(tmp_path / "checkpoints")
    assert folder.load() is None
    for epoch in (8, 9, 10, 11):
        save(folder, epoch, {})
    assert [path.name for path in folder.files()] == ["epoch-000011.npz", "epoch-000010.npz"]
    assert folder.load().epoch == 11


def test_a_damaged_one_gives_way_to_the_one_before_with_a_warning(tmp_path):
    folder = CheckpointFolder(tmp_path)
    for epoch in (1, 2):
        newest = save(folder, epoch, {})
    newest.write_bytes(newest.read_bytes()[:-5])
    with pytest.warns(UserWarning, match=r"epoch-000002.*is damaged.*the checkpoint before"):
        assert folder.load().epoch == 1
    save(folder, 2, {})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert folder.load().epoch == 2
    for path in folder.files():
        path.write_bytes(b"")
    with pytest.warns(UserWarning, match="is damaged") as found:
        assert folder.load() is None
    assert ["00002.npz" in str(one.message) for one in found] == [True, False]


def test_what_a_killed_process_left_is_never_read(tmp_path):
    folder = CheckpointFolder(tmp_path)
    path = save(folder, 1, {})
    path.rename(tmp_path / ".epoch-000001.npz.0123456789ab.tmp")
    assert folder.load() is None


def test_a_full_disk_leaves_the_checkpoints_as_they_were(tmp_path, monkeypatch):
    folder = CheckpointFolder(tmp_path)
    save(folder, 1, {})

    def full(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(NoRoomError):
        save(folder, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["epoch-000001.npz"]
    assert folder.load().epoch == 1


def test_a_checkpoint_of_a_version_that_saved_within_epochs_is_refused_by_name(tmp_path):
    folder = CheckpointFolder(tmp_path)
    save(folder)
    (tmp_path / "step-000000030.ckpt").write_bytes(b"keras_patchmix checkpoint 1\n")
    with pytest.raises(ValueError, match=r"step-000000030\.ckpt' is a checkpoint of .* 0\.1"):
        folder.load()


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"about": b""},
        {"about": b"[]"},
        {"about": b"\xff"},
        {"about": b"[" * 100_000},
        {"about": b'{"epoch": 1}'},
        {"about": b'{"epoch": "1", "settings": {}}'},
        {"about": b'{"epoch": 0, "settings": {}}'},
        {"about": b'{"epoch": 2, "settings": {}}', "metric loss": np.zeros(3)},
        {"about": b'{"epoch": 2, "settings": {}}', "metric loss": np.zeros(2, "int64")},
        {"about": b'{"epoch": 2, "settings": {}}', "a": np.array([{}])},
    ],
)
def test_a_sound_archive_of_something_else_is_damaged(content, tmp_path):
    path = tmp_path / "epoch-000002.npz"
    arrays = {
        name: np.frombuffer(value, np.uint8) if isinstance(value, bytes) else value
        for name, value in content.items()
    }
    path.write_bytes(array_files.to_bytes(arrays))
    with pytest.raises(DamagedFile):
        read(path)


def test_a_model_of_many_variables_can_be_read_again(tmp_path):
    folder = CheckpointFolder(tmp_path)
    arrays = {f"optimizer {number}": np.array(number) for number in range(6000)}
    folder.save(Checkpoint(1, arrays, {}))
    assert folder.load().arrays == arrays
    assert json.dumps(folder.load().settings) == "{}"
