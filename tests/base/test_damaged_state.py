"""Files of state, damaged at random: they load as they were, or one error names the file."""

import collections
import json
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_patchmix.base.run_directory import RunDirectory
from keras_patchmix.base.state_files import DamagedFile
from keras_patchmix.callbacks.epoch_files import EpochLines
from keras_patchmix.cli.explain.explanation import Explanation
from keras_patchmix.cli.score import selectivity
from keras_patchmix.explain import SelectivityReport
from keras_patchmix.explain.map_archive import PartialResults
from keras_patchmix.explain.selectivity import SelectivityRow
from keras_patchmix.occlusion import (
    DatasetOcclusion,
    PatchDrop,
    PatchPermutation,
    PatchReplacement,
    Report,
    evaluate,
)
from keras_patchmix.occlusion.backup import Backup
from keras_patchmix.occlusion.passes import Pass, Passes
from keras_patchmix.occlusion.tally import Tally
from keras_patchmix.training.checkpoints import Checkpoint, CheckpointFolder, read
from tests.mutations import damaged_bytes, damaged_json
from tests.occlusion.closed_form import K, constant_data, pixel_reader
from tests.occlusion.occluded_data import occluded

SETTINGS = {"seed": 1, "suite": [{"class_name": "PatchDrop", "config": {}}]}
ROW = {"index": 3, "label": 1, "contrast": 0, "predicted": 1, "share": 0.4, "num_masks": 20}
ROWS = [{**ROW, "noise": 0.25, "selectivity": 0.5 + number / 10} for number in range(3)]
OF_ROWS = {
    **{"model": "m", "corruption": {"class_name": "PatchDrop", "config": {}}, "num_masks": 20},
    **{"grid_size": 7, "keep_probability": 0.5, "from_logits": True, "seed": 1},
    "value_range": [0, 255],
}
ARRAYS = {
    "images": np.arange(72, dtype=np.uint8).reshape(2, 3, 4, 3),
    "maps": np.arange(24, dtype=np.float32).reshape(2, 3, 4) / 7,
    "masks": np.arange(24).reshape(2, 3, 4) % 2 == 0,
}


class Target:
    """A kind of file: how one is made, and what reading it gives, in values that compare."""

    def __init__(self, name, write, load):
        self.name, self.write, self.load = name, write, load

    def __repr__(self):
        return self.name


def write_report(path):
    suite = [PatchReplacement(4, 0.5), PatchDrop(2, (0.25, 0.5)), PatchPermutation(2)]
    suite.append(DatasetOcclusion(occluded(7, 2, np.arange(7) / 8), name="two"))
    names = [f"class {number}" for number in range(K)]
    report = evaluate(pixel_reader(9, 4), constant_data(20), suite=suite, seed=3, class_names=names)
    report.skipped.append({"name": "a.png", "reason": "broken"})
    report.to_json(path)


def load_report(path):
    report = Report.load(path)
    use(report)
    return report.to_dict()


def use(report):
    """Raises where a report that was loaded does not agree with itself, or cannot be used."""
    for row in report.rows:
        known = report.datasets[row.name].outcomes if row.data is not None else report.outcomes
        if known is not None:
            scored = known.top1[row.name] != -1
            assert row.n == scored.sum()
            assert row.n + row.n_nonfinite == len(known)
            assert row.n == 0 or row.top1 == (known.top1[row.name] == 1).sum() / row.n
    text = report.to_csv() + report.table() + repr(report) + report.to_html()
    text.encode("utf-8")
    assert "\x1b" not in text
    report.to_json()
    if report.outcomes is not None:
        report.to_class_csv()
        report.compare(report).table()


def passes_of(path):
    """The passes of a run with a set, whose backup is read as the last thing."""

    def one(names):
        return Pass(None, names, None, "")

    return Passes(
        {"clean": one(["clean", "patch_drop_2x2_50"]), "two": one(["two"])}, Backup(path, SETTINGS)
    )


def write_backup(path):
    passes = passes_of(None)
    for name, one in passes._passes.items():
        rng = np.random.default_rng(len(name))
        report = evaluate(pixel_reader(9, 4), constant_data(20), suite=[PatchDrop(2, 0.5)])
        top1 = {row: rng.integers(-1, 2, 20).astype(np.int8) for row in one.tally.names}
        outcomes = type(report.outcomes)(
            report.outcomes.labels,
            report.outcomes.index,
            top1,
            {row: rng.integers(0, 784, 20) for row in top1},
            None if name == "two" else rng.integers(0, 20, 20),
        )
        top5 = {row: int((values == 1).sum()) for row, values in top1.items()}
        one.tally = Tally(top1, outcomes, top5, K)
    Backup(path, SETTINGS).save(passes)


def nothing_measured():
    kinds = {name: (values.shape[1:], values.dtype) for name, values in ARRAYS.items()}
    return PartialResults(SelectivityRow, kinds, 2)


def write_measured(path):
    measured = nothing_measured()
    measured.add(ROWS, {name: values[:3] for name, values in ARRAYS.items()})
    Backup(path, SETTINGS).save(measured)


def load_measured(path):
    return Backup(path, SETTINGS).load(nothing_measured().from_state).state()


def write_selectivity(path):
    SelectivityReport(ROWS, OF_ROWS).to_json(path)


def load_selectivity(path):
    report = SelectivityReport.load(path)
    str(report)
    report.compare(report)
    return report.to_dict()


def write_explanation(path):
    named = {"image": "a", "class_id": 1, "class_name": "b", "contrast_id": None}
    row = {**named, "contrast_name": None, "num_masks": 2, "noise": 0.5, "selectivity": None}
    row |= {"deletion_area": 0.25, "insertion_area": 0.75}
    curves = {"shares": [0.0, 0.5, 1.0], "deletion": [[0.1] * 3] * 2, "insertion": [[1] * 3] * 2}
    Explanation([row] * 2, curves, ARRAYS, {"model": "m"}, {"x.png": "broken"}).save(path.parent)


def load_explanation(path):
    found = Explanation.load(path.parent)
    arrays = {name: values.tolist() for name, values in found.arrays.items()}
    return found.rows, found.curves, found.settings, found.skipped, arrays


def write_maps(path):
    SelectivityReport(ROWS, OF_ROWS).to_json(path.parent / "selectivity.json")
    report = SelectivityReport(ROWS, OF_ROWS, ARRAYS)
    selectivity.save_selectivity(report, path.parent)


def load_maps(path):
    found = selectivity.load_selectivity(path.parent).examples
    return {name: values.tolist() for name, values in found.items()}


def write_lines(path):
    line = {"values": {"val_a": 0.5}, "seconds": 0.1, "share_of_epoch": None, "n": 3, "seed": 1}
    line |= {"sets_sha256": {"two": "ab"}}
    EpochLines(path, "OcclusionBenchmark").write([{"epoch": n, **line} for n in (0, 2, 3)])


def load_lines(path):
    return EpochLines(path, "OcclusionBenchmark").before(10)


def write_checkpoint(path):
    history = {"loss": [0.5, float("inf")], "val_acc": [float("nan"), 1e-7]}
    arrays = {**ARRAYS, "seeds": np.array([3, 2**32 - 1], np.uint32)}
    CheckpointFolder(path.parent).save(Checkpoint(2, arrays, {"keras": "3"}, history))


def load_checkpoint(path):
    found = read(path)
    arrays = {name: values.tolist() for name, values in found.arrays.items()}
    return found.epoch, found.settings, repr(found.history), arrays


def directory_of(path):
    return RunDirectory(path.parent, "a", {"seed": 1}, (), ("*.done",), {})


def write_config(path):
    (path.parent / "x.done").write_text("")
    path.write_text(json.dumps({"recipe": "a", "options": {"seed": 1}, "files": {}}))


def load_config(path):
    return directory_of(path)._read()


REPORT = Target("report.json", write_report, load_report)
TARGETS = [
    REPORT,
    Target("backup.json", write_backup, lambda path: passes_of(path).state()),
    Target("explain_backup.json", write_measured, load_measured),
    Target("selectivity.json", write_selectivity, load_selectivity),
    Target("explanation.json", write_explanation, load_explanation),
    Target("maps.npz", write_explanation, load_explanation),
    Target("selectivity.npz", write_maps, load_maps),
    Target("occlusion.jsonl", write_lines, load_lines),
    Target("epoch-000002.npz", write_checkpoint, load_checkpoint),
    Target("config.json", write_config, load_config),
]


@pytest.fixture(scope="module", params=TARGETS, ids=lambda target: target.name)
def written(request, tmp_path_factory):
    target = request.param
    path = tmp_path_factory.mktemp("state") / target.name
    target.write(path)
    counts = collections.Counter()
    yield target, path, path.read_bytes(), target.load(path), counts
    print(f"\n{target.name}: {dict(counts)}")


@given(seed=st.integers(0, 2**32 - 1))
def test_a_damaged_file_loads_as_it_was_or_is_named(written, seed):
    target, path, data, expected, counts = written
    draws = random.Random(seed)
    of_values = target.name.endswith(".json") and draws.random() < 0.6
    damaged = (damaged_json if of_values else damaged_bytes)(data, draws)
    path.write_bytes(damaged)
    found, error = loaded(target, path)
    counts["refused" if error else "the same" if found == expected else "another"] += 1
    if error is not None:
        # None of their subclasses: what Python, zlib or NumPy raise says nothing of the file.
        assert type(error) in (DamagedFile, ValueError, FileExistsError), repr(error)
        assert str(path.parent) in str(error)
    elif not of_values and is_sealed(target, damaged):
        assert found == expected


def is_sealed(target, data):
    """Whether a file has a checksum, in itself or in another file; damage may have taken it."""
    if target.name.endswith(".json") and target.name != "config.json":
        return b'"sha256"' in data
    return target.name.endswith(".npz")


def loaded(target, path):
    """Returns what is loaded and None, or None and the error."""
    try:
        return target.load(path), None
    except (ValueError, OSError) as error:
        return None, error
