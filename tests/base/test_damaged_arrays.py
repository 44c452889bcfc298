"""Files of arrays with other arrays inside: sound as archives, so that no checksum tells."""

import base64
import collections
import json
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_patchmix.base import array_files
from keras_patchmix.base.state_files import DamagedFile, sealed
from tests.base.test_damaged_state import (
    ARRAYS,
    SETTINGS,
    Backup,
    Explanation,
    nothing_measured,
    selectivity,
    write_explanation,
    write_maps,
    write_measured,
)
from tests.mutations import damaged_arrays

KINDS = {"images": ((3, 4, 3), np.uint8), "maps": ((3, 4), np.float32), "masks": ((3, 4), np.bool_)}


def pack_backup(path, data):
    content = json.loads(path.read_bytes())
    del content["sha256"]
    content["state"]["arrays"] = base64.b64encode(data).decode()
    path.write_text(json.dumps(sealed(content)))


def pack_explanation(path, data):
    path.write_bytes(data)
    content = json.loads((path.parent / "explanation.json").read_text())
    for name in ("sha256", "maps_sha256"):
        content.pop(name, None)
    (path.parent / "explanation.json").write_text(json.dumps(content))


def measured(path):
    return Backup(path, SETTINGS).load(nothing_measured().from_state).arrays()


TARGETS = {
    "selectivity.npz": (
        write_maps,
        lambda path, data: path.write_bytes(data),
        lambda path: selectivity.load_selectivity(path.parent).examples,
        {1, 2, 3},
    ),
    "maps.npz": (
        write_explanation,
        pack_explanation,
        lambda path: Explanation.load(path.parent).arrays,
        {2},
    ),
    "backup.json": (write_measured, pack_backup, measured, {2}),
}


@pytest.fixture(scope="module", params=TARGETS)
def target(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("arrays") / request.param
    write, pack, load, counts = TARGETS[request.param]
    write(path)
    found = collections.Counter()
    yield path, pack, load, counts, found
    print(f"\n{request.param}: {dict(found)}")


@given(seed=st.integers(0, 2**32 - 1))
def test_arrays_are_what_they_must_be_or_the_file_is_named(target, seed):
    path, pack, load, counts, found = target
    arrays = damaged_arrays(ARRAYS, random.Random(seed))
    pack(path, array_files.to_bytes(arrays, compressed=seed % 2 == 0))
    read, error = loaded(load, path)
    found["refused" if error else "read"] += 1
    if error is not None:
        assert type(error) in (ValueError, DamagedFile), repr(error)  # none of their subclasses
        assert str(path) in str(error)
        return
    assert {len(values) for values in read.values()} <= counts
    assert {"images", "maps"} <= set(read) <= set(KINDS)
    for name, values in read.items():
        shape, dtype = KINDS[name]
        # Images and maps of another size that agree are right as well, but in a backup.
        assert values.ndim == len(shape) + 1
        assert values.dtype == dtype
        np.testing.assert_array_equal(values, arrays[name])
        assert path.name != "backup.json" or values.shape[1:] == shape
    assert np.isfinite(read["maps"]).all()
    assert read["images"].shape[:3] == read["maps"].shape


def loaded(load, path):
    """Returns what is loaded and None, or None and the error."""
    try:
        return load(path), None
    except ValueError as error:
        return None, error


@pytest.mark.parametrize("values", [np.full((2, 3, 4), "x"), np.full((2, 3, 4), b"x", "S4")])
def test_maps_of_text_are_named(target, values):
    path, pack, load, _, _ = target
    pack(path, array_files.to_bytes({**ARRAYS, "maps": values}))
    with pytest.raises(ValueError, match=rf"{path.name}' is damaged.*maps: must be float32"):
        load(path)
