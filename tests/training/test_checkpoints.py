"""Checkpoints: what is read is what was written, and nothing half written is ever read."""

import hashlib
import warnings

import ml_dtypes
import numpy as np
import pytest

from keras_patchmix.training.checkpoints import (
    Checkpoint,
    CheckpointFolder,
    DamagedCheckpoint,
    decode,
    encode,
)

ARRAYS = {
    "matrix": np.arange(6, dtype="float32").reshape(2, 3) / 7,
    "scalar": np.array(-3, "int64"),
    "seeds": np.array([2**32 - 1, 5], "uint32"),
    "half": np.array([1.5, np.inf], ml_dtypes.bfloat16),
    "none": np.zeros((0, 4), "float16"),
    "strided": np.arange(10.0)[::3],
    "flag": np.array([True, False]),
}


def checkpoint(epoch=2, step=7, **arrays):
    return Checkpoint(epoch, step, arrays or ARRAYS, {"keras": "3"})


def test_what_is_read_is_what_was_written():
    found = decode(encode(checkpoint()))
    assert (found.epoch, found.step, found.settings) == (2, 7, {"keras": "3"})
    assert list(found.arrays) == list(ARRAYS)
    for name, value in ARRAYS.items():
        assert found.arrays[name].dtype == value.dtype
        assert found.arrays[name].shape == value.shape
        assert found.arrays[name].tobytes() == value.tobytes()


@pytest.mark.parametrize("place", range(0, len(encode(checkpoint())), 41))
def test_a_file_that_was_cut_off_or_changed_anywhere_is_found_out(place):
    data = encode(checkpoint())
    changed = bytearray(data)
    changed[place] ^= 1
    for damaged in (data[:place], bytes(changed)):
        with pytest.raises(DamagedCheckpoint):
            decode(damaged)


def test_the_last_two_are_kept_and_the_newest_is_read(tmp_path):
    folder = CheckpointFolder(tmp_path / "checkpoints")
    assert folder.load() is None
    for step in (8, 9, 10, 11):
        folder.save(checkpoint(step=step), step)
    assert [path.name for path in folder.files()] == ["step-000000011.ckpt", "step-000000010.ckpt"]
    assert folder.load().step == 11


def test_a_damaged_one_gives_way_to_the_one_before_with_a_warning(tmp_path):
    folder = CheckpointFolder(tmp_path)
    for step in (1, 2):
        newest = folder.save(checkpoint(step=step), step)
    newest.write_bytes(newest.read_bytes()[:-5])
    with pytest.warns(UserWarning, match=r"step-000000002.*is damaged.*the one before"):
        assert folder.load().step == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert folder.load().step == 1
    (left,) = folder.files()
    left.write_bytes(b"")
    with pytest.warns(UserWarning, match="does not begin as one"):
        assert folder.load() is None


def test_what_a_killed_process_left_is_never_read_and_is_removed(tmp_path):
    folder = CheckpointFolder(tmp_path)
    folder.save(checkpoint(step=1), 1)
    (tmp_path / ".step-000000002.ckpt.0123456789ab.tmp").write_bytes(encode(checkpoint(step=2))[:9])
    assert folder.load().step == 1
    folder.remove_leftovers()
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000001.ckpt"]


def test_a_full_disk_leaves_the_checkpoints_as_they_were(tmp_path, monkeypatch):
    folder = CheckpointFolder(tmp_path)
    folder.save(checkpoint(step=1), 1)

    def full(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        folder.save(checkpoint(step=2), 2)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000001.ckpt"]
    assert folder.load().step == 1


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"epoch": 1, "step": 2, "settings": {}}',
        b'{"epoch": "1", "step": 2, "settings": {}, "arrays": []}',
        *(
            b'{"epoch": 1, "step": 2, "settings": {}, "arrays": [{"name": "a", %s}]}' % entry
            for entry in (
                b'"dtype": "float32", "shape": [1000000000000]',
                b'"dtype": "float32", "shape": [-1]',
                b'"dtype": "object", "shape": [1]',
                b'"dtype": "no such", "shape": [1]',
            )
        ),
    ],
)
def test_a_checkpoint_of_a_right_checksum_and_a_wrong_header_is_damaged(header):
    data = b"keras_patchmix checkpoint 1\n" + header + b"\n"
    with pytest.raises(DamagedCheckpoint):
        decode(data + hashlib.sha256(data).digest())
