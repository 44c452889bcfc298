"""A benchmark with sets of occluded images that is interrupted, or shared by several workers."""

import json
import threading

import numpy as np
import pytest

from keras_patchmix.devices.workers import Workers
from keras_patchmix.occlusion import (
    Benchmark,
    DatasetOcclusion,
    PatchDrop,
    backup,
    evaluate,
    workers,
)
from keras_patchmix.occlusion.workers import WorkerShare
from tests.occlusion.closed_form import K, constant_data, pixel_reader
from tests.occlusion.occluded_data import occluded

READER = pixel_reader(9, 4)
COVERAGE = np.linspace(0, 0.5, 11)
SUITE = [
    DatasetOcclusion(occluded(11, 4, COVERAGE, range(50, 61)), name="one"),
    PatchDrop(2, 0.5),
    DatasetOcclusion(occluded(7, 0), name="two"),
]


def run(model=READER, suite=SUITE, data=None, **settings):
    return evaluate(model, data or constant_data(40), suite=suite, **{"batch_size": 16, **settings})


class Interrupted(Exception):
    pass


class Counting:
    """Reads a pixel; counts its calls and stops in the one it is told to."""

    __name__ = "counting"

    def __init__(self, stop=None):
        self.calls, self.stop = 0, stop

    def __call__(self, images):
        if self.calls == self.stop:
            raise Interrupted
        self.calls += 1
        return READER(images)


# Two batches of the benchmark's own 8 images, of two rows; three of "one", two of "two"; and
# before them one of each set, to see whether it fits.
FIT, OWN, ONE, TWO = 2, 4, 3, 2


@pytest.mark.parametrize("stop", [FIT + 2, FIT + OWN, FIT + OWN + 2, FIT + OWN + ONE + 1])
def test_a_run_killed_inside_any_set_goes_on_there(tmp_path, stop):
    def go(model, path=None):
        return run(model, data=constant_data(8), batch_size=4, backup=path)

    path = tmp_path / "backup.json"
    whole = Counting()
    expected = go(whole)
    assert whole.calls == FIT + OWN + ONE + TWO
    with pytest.raises(Interrupted):
        go(Counting(stop), path)
    rest = Counting()
    report = go(rest, path)
    done = stop - FIT
    # Of each pass that had begun the first batch is scored again, and compared.
    again = 2 * (done >= 2) + (done > OWN) + (done > OWN + ONE)
    assert rest.calls == whole.calls - (done if done > OWN else done // 2 * 2) + again
    assert report.to_json() == expected.to_json()
    assert not path.exists()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (occluded(11, 4, COVERAGE, range(51, 62)), "must come in the order"),
        (occluded(11, 4, COVERAGE, range(50, 61)) | {"labels": np.zeros(11)}, "must come in"),
    ],
)
def test_another_set_is_refused_when_a_run_goes_on(tmp_path, changed, message):
    path = tmp_path / "backup.json"
    with pytest.raises(Interrupted):
        run(Counting(13), batch_size=8, backup=path)  # after the first batch of "one"
    suite = [DatasetOcclusion(changed, name="one"), *SUITE[1:]]
    with pytest.raises(ValueError, match=message):
        run(Counting(), suite=suite, batch_size=8, backup=path)


def test_the_backup_of_another_map_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(backup, "INTERVAL_SECONDS", 0)
    path = tmp_path / "backup.json"
    with pytest.raises(Interrupted):
        run(Counting(8), batch_size=8, backup=path)
    state = json.loads(path.read_text())["state"]
    assert set(state) == {"count", "classes", "top5", "outcomes", "sets"}
    mapped = DatasetOcclusion(occluded(7, 0), class_map=range(K), name="two")
    with pytest.raises(ValueError, match="sets: "):
        run(Counting(), suite=[*SUITE[:2], mapped], batch_size=8, backup=path)


class OfTwo(Workers):
    """One of two threads, in place of two processes."""

    count, barrier, numbers = 2, threading.Barrier(2), [None, None]

    def __init__(self, index):
        self.index = index

    def sum(self, numbers):
        self.numbers[self.index] = np.asarray(numbers, np.int64)
        self.barrier.wait(30)
        total = self.numbers[0] + self.numbers[1]
        self.barrier.wait(30)
        return total


@pytest.mark.parametrize("precision", [None, 20])
def test_workers_share_the_sets_too_and_all_get_the_whole(monkeypatch, precision):
    report = run(batch_size=4, precision=precision)
    monkeypatch.setattr(
        workers,
        "worker_of",
        lambda model, backup: WorkerShare(OfTwo(int(threading.current_thread().name))),
    )
    reports, calls = {}, {}

    def work():
        model = Counting()
        made = Benchmark(constant_data(40), SUITE, batch_size=4, precision=precision)
        number = threading.current_thread().name
        reports[number] = made.run(model, share=True)
        calls[number] = model.calls

    threads = [threading.Thread(target=work, name=name) for name in "01"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    if precision is None:
        assert calls == {"0": FIT + 10 + 2 + 1, "1": FIT + 10 + 1 + 1}
    assert set(reports) == {"0", "1"}
    for each in reports.values():
        assert each.rows == report.rows
        for name in ("one", "two"):
            found, wanted = each.datasets[name], report.datasets[name]
            assert found.outcomes.to_dict() == wanted.outcomes.to_dict()
            assert found.settings == wanted.settings
