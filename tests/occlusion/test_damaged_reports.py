"""What a report must not say, and what a small file must not cost."""

import base64
import json
import subprocess
import sys
import zlib

import numpy as np
import pytest

from keras_patchmix.base.state_files import DamagedFile, sealed
from keras_patchmix.occlusion import DatasetOcclusion, PatchDrop, Report, evaluate
from keras_patchmix.occlusion.outcomes import Outcomes, unpacked
from tests.occlusion.closed_form import K, constant_data, pixel_reader
from tests.occlusion.occluded_data import occluded


def packed(values, dtype):
    data = np.asarray(values, dtype).tobytes()
    return f"{dtype}:{base64.b64encode(zlib.compress(data)).decode()}"


@pytest.fixture(scope="module")
def content():
    suite = [PatchDrop(2, 0.5), DatasetOcclusion(occluded(7, 2), name="two")]
    names = [f"class {number}" for number in range(K)]
    report = evaluate(pixel_reader(9, 4), constant_data(20), suite=suite, class_names=names)
    return json.loads(report.to_json())


def load(path, content):
    path.write_text(json.dumps(content))
    return Report.load(path)


def changed(content, place, value):
    """A copy without checksum in which one part is another."""
    copy = json.loads(json.dumps(content))
    del copy["sha256"]
    part = copy
    *way, last = place
    for key in way:
        part = part[key]
    part[last] = value
    return copy


def test_a_change_by_hand_needs_the_checksum_gone(content, tmp_path):
    path = tmp_path / "report.json"
    by_hand = {**content, "settings": {**content["settings"], "model": "renamed"}}
    with pytest.raises(DamagedFile, match=r"report\.json'.*sha256: the checksum"):
        load(path, by_hand)
    del by_hand["sha256"]
    assert load(path, by_hand).settings["model"] == "renamed"
    assert load(path, sealed(by_hand)).settings["model"] == "renamed"


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("rows", 0, "n"), 13, "must hold 13 numbers, and holds more|must follow from top1"),
        (("rows", 0, "n"), -1, "counts must be 0 or more"),
        (("rows", 0, "n"), 20.0, r"rows\[0\].n: must be a whole number"),
        (("rows", 1, "n_nonfinite"), 1, "n is not that of outcomes"),
        (("rows", 0, "top1"), 0.95, "standard_error: must follow"),
        (("rows", 0, "top1"), None, "must have a score where n is above 0"),
        (("rows", 0, "top1"), 2, "must be from 0 to 1"),
        (("rows", 1, "top5"), 0.0, "must not be below top1"),
        (("rows", 1, "share"), 0.4, "share is not that of outcomes"),
        (("rows", 1, "share"), None, "share: must be a number"),
        (("rows", 1, "grid"), [2, 0], "must be of positive numbers"),
        (("rows", 1, "grid"), [2, 2, 2], "must be a list of 2"),
        (("rows", 1, "level"), "high", "must be a finite number"),
        (("rows", 1, "name"), "clean", "two have one name"),
        (("rows", 1, "name"), "other", "must be of"),
        (("rows",), [], "the first one must be the clean one"),
        (("rows",), {}, "must be a list"),
        (("skipped",), [{"name": "a"}], "'reason'"),
        (("settings", "n"), 19, "not that of outcomes"),
        (("settings", "labels_sha256"), "0" * 64, "not that of outcomes"),
        (("settings", "num_classes"), 5, "a label is beyond the classes"),
        (("settings", "class_names"), ["a"], "a label is beyond the classes"),
        (("settings", "class_names"), [1] * 6, "must be a string"),
        (("settings", "choice"), ["spread"], "choice: must be a string"),
        (("settings", "one_output"), 1, "one_output: must be a string"),
        (("settings", "left_out"), {"a": 1}, "left_out: must be a string"),
        (("datasets", "two", "settings", "choice"), 1, "choice: must be a string"),
        (("settings", "image_size"), [28], "must be two positive numbers"),
        (("settings", "image_size"), "28", "must be a list"),
        (("outcomes", "labels"), packed(range(19), "int32"), "must hold 20 numbers"),
        (("outcomes", "labels"), packed([-1] * 20, "int32"), "a label is below 0"),
        (("outcomes", "index"), packed(range(21), "int64"), "must hold 20 numbers, and holds more"),
        (("outcomes", "top1", "clean"), packed([1] * 13, "int8"), "must hold 20 numbers"),
        (("outcomes", "top1", "clean"), packed([2] * 20, "int8"), "must hold 1, 0, -1 and -2"),
        (("outcomes", "top1", "clean"), packed([0] * 20, "int8"), "top1 is not that of outcomes"),
        (("outcomes", "top1", "clean"), packed([1] * 5, "int32"), "must begin with int8"),
        (("outcomes", "top1", "clean"), "int8:%%", "cannot be unpacked"),
        (("outcomes", "top1", "clean"), "int8:AAAA", "cannot be unpacked"),
        (("outcomes", "top1", "other"), packed([1] * 20, "int8"), "must be of"),
        (("outcomes", "pixels", "clean"), packed([-1] * 20, "int32"), "a number is below 0"),
        (("outcomes", "donors"), packed([1] * 3, "int64"), "must hold 20 numbers"),
        (("datasets", "two", "outcomes", "top1", "two"), packed([1] * 6, "int8"), "must hold 7"),
        (("datasets", "two", "settings"), {"image_size": [28, 28]}, "'class_names'"),
        (("datasets",), {}, "must be those that rows are about"),
    ],
)
def test_what_does_not_agree_is_refused_and_named(content, tmp_path, place, value, message):
    path = tmp_path / "report.json"
    with pytest.raises(DamagedFile, match=message) as error:
        load(path, changed(content, place, value))
    assert str(path) in str(error.value)
    # Whoever can make a checksum gets no further.
    with pytest.raises(DamagedFile, match=message):
        load(path, sealed(changed(content, place, value)))


def test_a_summary_follows_from_the_rows(content, tmp_path):
    found = load(tmp_path / "x.json", changed(content, ("summary",), "wrong"))
    assert json.loads(found.to_json())["summary"] == content["summary"]


def test_names_in_a_file_of_others_are_made_printable(content, tmp_path):
    hostile = changed(content, ("settings", "model"), "\x1b[2J\u202e=1")
    hostile["settings"]["class_names"][0] = "\udce9\x07"
    hostile["skipped"] = [{"name": "a\x1b]0;x\x07", "reason": "b\r"}]
    report = load(tmp_path / "x.json", hostile)
    for text in (report.table(), report.to_csv(), report.to_class_csv(), report.to_html()):
        assert not set("\x1b\u202e\x07\r\udce9") & set(text)
    assert report.class_rows()[0].class_name == r"\xe9\x07"


def test_outcomes_that_claim_too_many_examples_are_refused_unread():
    three = np.zeros(3, np.int64)
    data = Outcomes(three, three, {"clean": three.astype(np.int8)}, {}).to_dict()
    with pytest.raises(ValueError, match=r"more than \d+ examples"):
        unpacked(data, 10**9)
    assert len(unpacked(data, 3)) == 3


BOMB = """
import base64, json, resource, sys, zlib
from keras_patchmix.occlusion import Report
from keras_patchmix.base.state_files import DamagedFile, sealed

path, size = sys.argv[1], 2**28
content = json.load(open(path))
packer = zlib.compressobj(1)
parts = [packer.compress(bytes(2**20)) for _ in range(size >> 20)] + [packer.flush()]
bomb = base64.b64encode(b"".join(parts)).decode()


def labels(content):
    content["outcomes"]["labels"] = "int32:" + bomb


def top1(content):
    content["outcomes"]["top1"]["clean"] = "int8:" + bomb


def with_as_many_rows(content):
    content["rows"][0]["n"] = size // 4
    labels(content)


for damage in (labels, top1, with_as_many_rows):
    copy = json.loads(json.dumps(content))
    damage(copy)
    copy.pop("sha256")
    with open(path, "w") as file:
        json.dump(sealed(copy), file)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        Report.load(path)
    except DamagedFile as error:
        assert path in str(error)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux does")
def test_a_small_file_does_not_take_much_memory(content, tmp_path):
    path = tmp_path / "report.json"
    path.write_text(json.dumps(content))
    done = subprocess.run(
        [sys.executable, "-c", BOMB, path], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert path.stat().st_size < 4 * 2**20
    taken = [int(line) for line in done.stdout.split()]
    assert len(taken) == 3
    assert max(taken) < 60_000  # kilobytes; the bomb holds 262,144
