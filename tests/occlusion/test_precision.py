"""`evaluate(precision=)`: rows stop one by one, and what they say holds for all images."""

import json

import numpy as np
import pytest

from keras_patchmix.base.state_files import DamagedFile
from keras_patchmix.occlusion import (
    Custom,
    DatasetOcclusion,
    PatchDrop,
    PatchReplacement,
    Report,
    backup,
    evaluate,
    write_page,
)
from tests.occlusion.closed_form import Batches, K, batched, constant_data, pixel_reader
from tests.occlusion.occluded_data import occluded

COUNT = 1200
DATA = constant_data(COUNT)
SUITE = [PatchReplacement(4, (0.25, 0.5)), PatchDrop(4, (0.25, 0.75))]


class Interrupted(Exception):
    pass


class Reader:
    """Reads a pixel; counts the images it is given, and stops in the call it is told to."""

    __name__ = "reader"

    def __init__(self, y=9, x=4, stop=None):
        self.read, self.images, self.calls, self.stop = pixel_reader(y, x), 0, 0, stop

    def __call__(self, images):
        if self.calls == self.stop:
            raise Interrupted
        self.calls += 1
        self.images += len(images)
        return self.read(images)


def run(model=None, data=DATA, suite=SUITE, **settings):
    settings = {"batch_size": 32, "precision": 5, "verbose": False, **settings}
    return evaluate(model or Reader(), data, suite=suite, **settings)


@pytest.fixture(scope="module")
def full():
    return run(precision=None)


@pytest.fixture(scope="module")
def report():
    return run()


def same_outcomes(report, full):
    for name, top1 in report.outcomes.top1.items():
        taken = top1 != -2
        whole = full.outcomes.top1[name][report.outcomes.index]
        assert np.array_equal(top1[taken], whole[taken])
        assert taken.sum() == report.row(name).n
        assert np.all(taken[: report.row(name).n])  # the first ones


def test_a_row_that_has_stopped_costs_no_more_passes(report, full):
    model = Reader()
    again = run(model)
    assert again.rows == report.rows
    assert model.images == sum(row.n for row in report.rows)
    assert model.images < 0.5 * COUNT * len(report.rows)
    counts = [row.n for row in report.rows]
    assert counts[0] < min(counts[1:])  # all clean images are right, which is soon known
    assert max(counts) == report.settings["n"] == report.settings["sequential"]["looks"][-1]
    assert report.settings["sequential"]["population"] == COUNT


def test_intervals_are_as_narrow_as_asked_for_and_hold(report, full):
    for row, whole in zip(report.rows, full.rows, strict=True):
        low, high = row.interval
        assert high - low <= 0.1
        assert low <= whole.top1 <= high
        assert low <= row.top1 <= high
    assert all(row.interval is None for row in full.rows)
    assert "sequential" not in full.settings


def test_outcomes_and_shares_are_those_of_all_images(report, full):
    same_outcomes(report, full)
    for name, pixels in report.outcomes.pixels.items():
        n = report.row(name).n
        assert report.row(name).share == pytest.approx(pixels[:n].mean() / 28**2, abs=1e-12)
        assert not np.any(pixels[n:])
    donors, whole = report.outcomes.donors, full.outcomes.donors
    known = donors >= 0
    assert np.array_equal(donors[known], whole[report.outcomes.index[known]])
    assert known.sum() >= report.row("patch_replacement_4x4_50").n


def test_every_form_of_the_data_and_every_model_has_the_same_order(report):
    index = report.outcomes.index
    for data in (batched(DATA, 50), Batches(DATA, 50)):
        other = run(Reader(9, 20), data)
        count = min(len(index), len(other.outcomes))
        assert np.array_equal(other.outcomes.index[:count], index[:count])
        assert run(data=data).rows == report.rows
    assert np.array_equal(run(seed=3).outcomes.index[:96], index[:96])
    # Of sorted data every class is among the first images.
    order = np.argsort(DATA[1], kind="stable")
    by_class = run(data=(DATA[0][order], DATA[1][order]))
    assert set(by_class.outcomes.labels[:96]) == set(range(K))


def test_the_report_comes_back_from_its_file_and_says_what_it_is(report, tmp_path):
    report.to_json(tmp_path / "report.json")
    again = Report.load(tmp_path / "report.json")
    assert again.rows == report.rows
    assert again.to_json() == report.to_json()
    low, high = report.rows[1].interval
    assert f"{100 * low:.2f} to {100 * high:.2f}  {report.rows[1].n:6}" in report.table()
    assert f"up to {report.settings['n']} of {COUNT} images" in report.table()
    assert "until its interval was within 5 points" in report.table()
    assert f"{low!r},{high!r}" in report.to_csv()
    page = write_page(report)
    assert "until its interval was within 5 points" in page
    assert "precision=5.0" in page


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data["settings"].pop("sequential"), "must hold 64 numbers, and holds more"),
        (lambda data: data["rows"][1].update(interval=None), "must have an interval"),
        (lambda data: data["rows"][1].update(interval=[0.9, 0.1]), "must ascend"),
        (lambda data: data["settings"]["sequential"].pop("population"), "'population'"),
        (lambda data: data["settings"]["sequential"].update(population=3), "must not be below n"),
        (lambda data: data["settings"]["sequential"].update(precision=0), "must be from 0 to 50"),
        (lambda data: data["settings"]["sequential"]["looks"].pop(), "must rise to those scored"),
        (lambda data: data["settings"]["sequential"].update(looks=[]), "must rise to those"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(report, tmp_path, change, message):
    data = json.loads(report.to_json())
    data.pop("sha256")
    change(data)
    (tmp_path / "x.json").write_text(json.dumps(data))
    with pytest.raises(DamagedFile, match=message):
        Report.load(tmp_path / "x.json")


def test_the_difference_to_a_report_of_all_images_holds(full):
    other = run(Reader(9, 20), precision=None)
    model = Reader(9, 20)
    short = run(model, precision=8, compare_to=full)
    assert short.settings["sequential"]["compared_to"] == "reader"
    assert model.images == sum(row.n for row in short.rows) < 0.5 * COUNT * len(short.rows)
    compared, whole = short.compare(full), other.compare(full)
    turned = full.compare(short)
    for row, back in zip(compared.rows, turned.rows, strict=True):
        assert row.paired
        assert row.p_value is None
        assert row.n == short.row(row.name).n
        assert row.low <= whole.row(row.name).difference <= row.high
        assert row.low > 0 or row.high < 0 or (row.low > -0.08 and row.high < 0.08)
        assert (back.low, back.high) == pytest.approx((-row.high, -row.low))
    assert "whenever one looks" in write_page({"a": short, "b": full})
    # Of the same model no difference is left.
    assert run(precision=8, compare_to=full).compare(full).rows[1].difference == 0


def test_two_short_reports_are_paired_as_far_as_both_went(report):
    other = run(Reader(9, 20), precision=8)
    for row in other.compare(report).rows:
        assert row.paired
        assert row.n == min(report.row(row.name).n, other.row(row.name).n)
    # A baseline that stopped early ends the comparison with it.
    short = run(Reader(9, 20), precision=2, compare_to=other)
    assert all(row.n < COUNT / 2 for row in short.rows)


@pytest.mark.parametrize("stop", [2, 10, 26, 40])
def test_a_run_that_was_killed_goes_on_there(tmp_path, report, stop):
    path, first, second = tmp_path / "backup.json", Reader(stop=stop), Reader()
    with pytest.raises(Interrupted):
        run(first, backup=path)
    assert run(second, backup=path).rows == report.rows
    assert not path.exists()
    whole = sum(row.n for row in report.rows) // 32
    checked = 5  # the rows of the first batch of a stage, at most once a stage
    assert whole <= first.calls + second.calls <= whole + checked * 9 + len(report.rows)
    if stop < 5:  # nothing was saved before the first batch was scored
        return
    with pytest.raises(Interrupted):
        run(Reader(stop=stop), backup=path)
    with pytest.raises(ValueError, match=r"precision: 5\.0 there, 6\.0 now"):
        run(backup=path, precision=6)


def test_sets_of_occluded_images_stop_too(full):
    coverage = np.linspace(0, 0.5, 900)
    hidden = DatasetOcclusion(occluded(900, 450, coverage, range(900)), name="hidden")
    report = run(suite=[*SUITE[1:], hidden])
    row = report.row("hidden")
    assert row.n < 900
    assert row.interval[0] <= 0.5 <= row.interval[1]
    taken = report.datasets["hidden"].outcomes.index
    assert row.share == pytest.approx(coverage[taken].mean(), abs=1e-12)
    assert report.datasets["hidden"].settings["sequential"]["population"] == 900
    compared = run(Reader(9, 20), suite=[*SUITE[1:], hidden], compare_to=report)
    assert compared.compare(report).row("hidden").paired


def test_some_images_are_the_whole_of_which_fewer_are_taken(full):
    report = run(max_examples=700, precision=6)
    assert report.settings["sequential"]["population"] == 700
    chosen = run(max_examples=700, precision=None)
    assert set(report.outcomes.index) <= set(chosen.outcomes.index)
    assert max(row.n for row in report.rows) < 700
    for row in report.rows:
        assert row.interval[0] <= chosen.row(row.name).top1 <= row.interval[1]


def test_what_cannot_be_read_is_not_waited_for():
    class Folder:
        """Batches without every 100th image, as of a folder with broken files."""

        num_examples = COUNT

        def __init__(self):
            self.skipped = {}

        def __iter__(self):
            self.skipped = {}
            for begin in range(0, COUNT, 50):
                if begin % 100 == 0:
                    self.skipped[f"{begin}.png"] = "broken"
                kept = slice(begin + (begin % 100 == 0), begin + 50)
                yield DATA[0][kept], DATA[1][kept]

    report = run(data=Folder(), suite=SUITE[1:], precision=0.01)
    assert report.settings["sequential"]["population"] == COUNT - 12
    assert {row.n for row in report.rows} == {COUNT - 12}
    assert {row.interval for row in report.rows} == {(row.top1, row.top1) for row in report.rows}


def test_outputs_that_are_not_finite_are_left_out(full):
    def broken(images):
        scores = pixel_reader(9, 4)(images)
        scores[np.asarray(images)[:, 0, 0, 0] == 10] = np.nan  # class 0
        return scores

    with pytest.warns(UserWarning, match="not finite"):
        report = run(broken, suite=SUITE[1:])
    clean = report.rows[0]
    assert clean.n_nonfinite == np.sum(report.outcomes.top1["clean"] == -1) > 0
    assert clean.top1 == 1.0
    assert clean.interval[1] == 1.0


@pytest.mark.parametrize("precision", [0, 50, -1, "3", True, np.nan])
def test_a_precision_is_a_number_of_points(precision):
    with pytest.raises(ValueError, match="`precision` must be a number of percentage points"):
        run(precision=precision)


def test_what_cannot_be_compared_or_counted_is_refused_at_once(full):
    with pytest.raises(ValueError, match="`precision` must be the difference"):
        run(precision=None, compare_to=full)
    with pytest.raises(ValueError, match="`compare_to` must be a Report"):
        run(compare_to=full.rows)
    with pytest.raises(ValueError, match="seed=0 there, 1 here"):
        run(seed=1, compare_to=full)
    images, labels = constant_data(COUNT, first_class=1)
    with pytest.raises(ValueError, match="`compare_to` must be a report of the same images"):
        run(data=(images, labels), suite=SUITE[1:], compare_to=full)

    class Endless:
        def __iter__(self):
            while True:
                yield DATA[0][:8], DATA[1][:8]

    with pytest.raises(ValueError, match="`precision` needs a data set whose number"):
        run(data=Endless(), suite=SUITE[1:], max_examples=100)


def test_a_baseline_of_fewer_images_is_refused():
    images, labels = constant_data(90)
    model = pixel_reader(0, 0)
    suite = [PatchDrop(4, 0.5)]
    baseline = evaluate(model, (images[:60], labels[:60]), suite=suite)
    with pytest.raises(ValueError, match="`compare_to` must be a report of the same images"):
        evaluate(model, (images, labels), suite=suite, precision=5, compare_to=baseline)


def test_a_baseline_of_other_corruptions_is_refused():
    def one(function, **settings):
        suite = [Custom(function, name="own")]
        return evaluate(pixel_reader(0, 0), constant_data(90), suite=suite, **settings)

    baseline = one(lambda image: 255 - image)
    with pytest.raises(ValueError, match="other pixels affected in 'own'"):
        one(lambda image: image, precision=5, compare_to=baseline)


def test_a_backup_of_other_corruptions_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(backup, "INTERVAL_SECONDS", 0)
    path, calls = tmp_path / "backup.json", []

    def model(images):
        calls.append(len(images))
        if len(calls) == 6:
            raise KeyboardInterrupt
        return pixel_reader(0, 0)(images)

    def one(function):
        suite = [Custom(function, name="own")]
        return evaluate(model, constant_data(90), suite=suite, batch_size=30, backup=path)

    with pytest.raises(KeyboardInterrupt):
        one(lambda image: image)
    with pytest.raises(ValueError, match=r"`backup` must be of the same suite.*own"):
        one(lambda image: image + (image < 240))  # other pixels, the same classes
