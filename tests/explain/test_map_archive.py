"""Archives of images and maps: what is written can be read, and nothing else is."""

import hashlib

import numpy as np
import pytest

from keras_patchmix.base import state_files
from keras_patchmix.base.state_files import DamagedFile
from keras_patchmix.explain import SelectivityReport, map_archive
from keras_patchmix.explain.map_archive import PartialResults
from keras_patchmix.occlusion.backup import Backup

RNG = np.random.default_rng(0)


def noise(count, size=16):
    """What cannot be compressed."""
    return {
        "images": RNG.integers(0, 256, (count, size, size, 3), np.uint8),
        "maps": RNG.random((count, size, size), np.float32),
        "masks": RNG.random((count, size, size)) < 0.5,
    }


def test_an_archive_above_the_limit_of_other_files_is_read_bit_by_bit(tmp_path, monkeypatch):
    path, arrays = tmp_path / "maps.npz", noise(20)
    monkeypatch.setattr(state_files, "MAX_BYTES", 2**14)
    digest = map_archive.write(path, arrays)
    assert path.stat().st_size > 2**14
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    found = map_archive.read(path, range(20, 21), digest, masks=True)
    assert sorted(found) == sorted(arrays)
    for name, values in arrays.items():
        np.testing.assert_array_equal(found[name], values)


def test_the_largest_archive_that_is_written_is_read(tmp_path, monkeypatch):
    path, one = tmp_path / "maps.npz", 16 * 16 * 8
    monkeypatch.setattr(map_archive, "_MAX_BYTES", 30 * one + one - 1)
    # With what ZIP needs beside the arrays.
    monkeypatch.setattr(map_archive, "_MAX_FILE_BYTES", 30 * one + 2000)
    assert map_archive.max_images(16, 16) == 30
    map_archive.write(path, noise(30))
    assert len(map_archive.read(path, range(30, 31))["maps"]) == 30
    with pytest.raises(ValueError, match=r"`arrays` must be of at most 30 .* Received: 31"):
        map_archive.write(path, noise(31))
    assert len(map_archive.read(path, range(30, 31))["maps"]) == 30


def test_how_many_images_there_may_be_follows_from_their_size():
    assert map_archive.max_images(224, 224) == 2**30 // (224 * 224 * 8) == 2674
    assert map_archive.max_images(8, 8) == 10_000


def test_an_archive_of_another_run_is_refused(tmp_path):
    path = tmp_path / "maps.npz"
    digest = map_archive.write(path, noise(2))
    with pytest.raises(DamagedFile, match="not of as many images"):
        map_archive.read(path, range(3, 4), digest)
    with pytest.raises(DamagedFile, match="written with another one"):
        map_archive.read(path, range(2, 3), "0" * 64)
    without = {name: values for name, values in noise(2).items() if name != "masks"}
    map_archive.write(path, without)
    assert sorted(map_archive.read(path, range(2, 3))) == ["images", "maps"]
    with pytest.raises(DamagedFile, match="arrays: must be"):
        map_archive.read(path, range(2, 3), masks=True)


def test_a_backup_grows_with_its_arrays_and_is_read_again(tmp_path, monkeypatch):
    arrays = noise(20)
    kinds = {name: (values.shape[1:], values.dtype) for name, values in arrays.items()}
    rows = [{"a": number / 7} for number in range(25)]
    empty = PartialResults(dict[str, float], kinds, 20)
    assert empty.max_bytes == sum(values.nbytes for values in arrays.values())
    monkeypatch.setattr(state_files, "MAX_BYTES", 2**14)
    backup = Backup(tmp_path / "backup.json", {})
    assert backup.load(empty.from_state, empty.max_bytes) is None
    measured = PartialResults(dict[str, float], kinds, 20)
    measured.add(
        rows, {name: np.resize(values, (25, *values.shape[1:])) for name, values in arrays.items()}
    )
    backup.save(measured)
    assert (tmp_path / "backup.json").stat().st_size > 2**14
    found = Backup(tmp_path / "backup.json", {}).load(empty.from_state, empty.max_bytes)
    assert found.rows == rows
    for name, values in arrays.items():
        np.testing.assert_array_equal(found.arrays()[name], values)


def test_what_reports_print_of_their_settings_has_its_type(tmp_path):
    row = {"index": 3, "label": 1, "contrast": 0, "share": 0.4, "num_masks": 20, "noise": 0.25}
    settings = {
        **{"model": "m", "corruption": {"class_name": "PatchDrop", "config": {}}, "num_masks": 20},
        **{"grid_size": 7, "keep_probability": 0.5, "from_logits": True, "seed": 1},
        **{"value_range": [0, 255], "choice": "spread", "class_names": ["a", "b"]},
    }
    path = tmp_path / "x.json"
    SelectivityReport([{**row, "selectivity": 0.5}], settings).to_json(path)
    assert SelectivityReport.load(path).settings == settings
    for change in ({"choice": 1}, {"class_names": 3}, {"class_map": "x"}, {"n": 0.5}):
        SelectivityReport([{**row, "selectivity": 0.5}], {**settings, **change}).to_json(path)
        with pytest.raises(DamagedFile, match=next(iter(change))):
            SelectivityReport.load(path)
