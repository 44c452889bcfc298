"""Files of state: checked against types, bounded, sealed, and named where they are damaged."""

import contextlib
import dataclasses
import io
import json
import tracemalloc
import zipfile
from typing import Any, TypedDict

import numpy as np
import pytest

from keras_patchmix.base import array_files, state_files
from keras_patchmix.base.schema import Mismatch, conform
from keras_patchmix.base.state_files import DamagedFile


class Open(TypedDict, total=False):
    a: int
    b: list[str] | None


@dataclasses.dataclass(frozen=True)
class Closed:
    n: int
    share: float | None
    pair: tuple[int, int]
    more: dict[str, Open] = dataclasses.field(default_factory=dict)
    rest: Any = None


GOOD = {"n": 1, "share": 1, "pair": [2, 3], "more": {"x": {"a": 1, "b": ["c"], "z": [None]}}}


def test_values_come_as_their_types_have_them():
    found = conform(GOOD, Closed)
    assert found == Closed(1, 1, (2, 3), GOOD["more"])
    assert conform({**GOOD, "share": None, "rest": [[]]}, Closed).rest == [[]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n": True}, "n: must be a whole number. Received: True"),
        ({"n": 1.0}, "n: must be a whole number. Received: 1.0"),
        ({"n": "1"}, "n: must be a whole number. Received: '1'"),
        ({"share": float("nan")}, "share: must be a finite number. Received: nan"),
        ({"share": 10**400}, "share: must be a finite number"),
        ({"share": "0.5"}, "share: must be a finite number"),
        ({"pair": [1]}, "pair: must be a list of 2"),
        ({"pair": [1, None]}, "pair[1]: must be a whole number. Received: None"),
        ({"pair": {}}, "pair: must be a list"),
        ({"more": []}, "more: must be an object"),
        ({"more": {"x": {"b": [1]}}}, "more.x.b[0]: must be a string"),
        ({"more": {"x": 1}}, "more.x: must be an object"),
        ({"other": 1}, "unknown keys ['other']"),
    ],
)
def test_other_values_are_named_by_their_place(change, message):
    with pytest.raises(Mismatch) as error:
        conform({**GOOD, **change}, Closed)
    assert str(error.value).startswith(message)


def test_missing_keys_are_named():
    with pytest.raises(Mismatch, match=r"\['pair', 'share'\] are missing"):
        conform({"n": 1}, Closed)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff", "not UTF-8"),
        (b'{"a": NaN}', "NaN is not finite"),
        (b"[1e999]", "1e999 is not finite"),
        (b"[" + b"1" * 5000 + b"]", "not JSON"),
        (b"[" * 60 + b"]" * 60, "more than 50 values one inside another"),
        (b"[" * 100_000, "too deep|not JSON"),
        (b'{"a":' * 100_000, "too deep|not JSON"),
        (b"[" + b"[]," * 2_000_000 + b"[]]", "more than 2000000 values"),
    ],
)
def test_what_is_no_json_file_is_refused_by_its_name(tmp_path, content, reason):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(DamagedFile, match=reason) as error:
        state_files.read_json(path, "a report")
    assert error.value.path == str(path)
    assert f"'{path}' is damaged or is not a report" in str(error.value)


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    path = tmp_path / "x.json"
    with open(path, "wb") as file:
        file.truncate(2**40)  # it takes no room on most disks
    with pytest.raises(DamagedFile, match="more than 256 MiB"):
        state_files.read_json(path, "a report")


def test_the_message_holds_nothing_that_turns_a_terminal(tmp_path):
    path = tmp_path / "\x1b[31m\udce9.json"
    path.write_text("[]")
    with (
        pytest.raises(DamagedFile, match=r"\\x1b\[31m\\xe9\.json"),
        state_files.named(path, "a report"),
    ):
        conform(["\x1b"], Closed)


def test_a_seal_holds_whatever_the_order_of_keys(tmp_path):
    path = tmp_path / "x.json"
    content = {"b": [1.5, None, "é\x1b"], "a": {"2": True, 1: (1, 2)}}
    state_files.write_json(path, content)
    found = state_files.read_json(path, "x")
    plain = {"b": [1.5, None, "é\\x1b"], "a": {"2": True, "1": [1, 2]}}
    assert state_files.unsealed(found, needed=True) == plain
    turned = dict(reversed(found.items()))
    assert state_files.unsealed(turned) == plain
    found["b"][0] = 1.25
    with pytest.raises(Mismatch, match="sha256: the checksum is not"):
        state_files.unsealed(found)
    del found["sha256"]
    assert state_files.unsealed(found)["b"][0] == 1.25
    with pytest.raises(Mismatch, match="sha256"):
        state_files.unsealed(found, needed=True)


def test_arrays_are_read_bit_by_bit_and_no_more_than_asked_for():
    rng = np.random.default_rng(0)
    arrays = {
        "a": rng.normal(size=(3, 4)).astype(np.float32),
        "b": rng.integers(0, 9, (2, 3, 4)).transpose(2, 1, 0),
        "c": np.bool_([True, False]),
        "d": np.float64(0.1) * np.ones(()),
        "e": np.zeros((0, 3), np.uint8),
    }
    size = sum(values.nbytes for values in arrays.values())
    for compressed in (False, True):
        data = array_files.to_bytes(arrays, compressed)
        found = array_files.from_bytes(data, size)
        assert list(found) == list(arrays)
        for name, values in arrays.items():
            np.testing.assert_array_equal(found[name], values)
            assert found[name].dtype == values.dtype
        with pytest.raises(Mismatch, match=f"more than {size - 1} bytes"):
            array_files.from_bytes(data, size - 1)
    with pytest.raises(Mismatch, match="not a plain array"):
        array_files.from_bytes(array_files.to_bytes({"a": np.array([{}])}), 10**6)
    with pytest.raises(Mismatch, match="not an archive of arrays"):
        array_files.from_bytes(b"PK", 10**6)


def test_an_array_that_claims_to_be_huge_is_refused_unread():
    header = io.BytesIO()
    claim = {"descr": "<f8", "fortran_order": False, "shape": (10**15,)}
    np.lib.format.write_array_header_1_0(header, claim)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.npy", header.getvalue())
    with pytest.raises(Mismatch, match="a: all arrays have more than"):
        array_files.from_bytes(file.getvalue(), 2**31)


def test_a_header_that_claims_much_costs_no_memory():
    claimed = 2**26
    header = b"\x93NUMPY\x02\x00" + claimed.to_bytes(4, "little") + b" " * claimed
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", header)
    assert len(file.getvalue()) < 2**17
    with pytest.raises(Mismatch, match="unknown version"), at_most(2**22):
        array_files.from_bytes(file.getvalue(), 2**31)


def test_a_list_of_very_many_arrays_is_refused_unread():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(3000):
            archive.writestr(f"{number}.npy", b"")
    with pytest.raises(Mismatch, match="too many arrays"), at_most(2**21):
        array_files.from_bytes(file.getvalue(), 2**31)


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(compression):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00")
    with pytest.raises(Mismatch, match="unknown compression"):
        array_files.from_bytes(file.getvalue(), 2**31)


@contextlib.contextmanager
def at_most(most):
    """Raises where Python takes more than so many bytes of memory meanwhile."""
    tracemalloc.start()
    try:
        yield
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < most


@pytest.mark.parametrize(
    ("content", "most"),
    [({"a": "x" * 1000}, 900), ({"a": [0] * 2_000_001}, None), ({"a": "," * 2_000_001}, None)],
)
def test_what_would_not_be_read_is_not_written(tmp_path, content, most):
    path = tmp_path / "x.json"
    with pytest.raises(ValueError, match="too large to be read again"):
        state_files.write_json(path, content, most=most)
    assert not path.exists()
    state_files.write_json(path, {"a": "x" * 1000}, most=1200)
    with pytest.raises(DamagedFile, match="more than"):
        state_files.read_json(path, "a report", 900)
    assert state_files.read_json(path, "a report", 1200)["a"] == "x" * 1000


def test_advice_stands_at_the_end():
    error = DamagedFile("x", "a report", "line 3: \x1b").advised("Move it away")
    assert str(error) == r"The file 'x' is damaged or is not a report: line 3: \x1b. Move it away"
    assert (error.path, error.kind, error.reason) == ("x", "a report", r"line 3: \x1b")


def test_a_report_written_by_others_is_read_by_json(tmp_path):
    state_files.write_json(tmp_path / "x.json", {"a": 1}, indent=2)
    assert json.loads((tmp_path / "x.json").read_text())["a"] == 1
