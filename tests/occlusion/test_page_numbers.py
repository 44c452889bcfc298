import ast
import dataclasses
import inspect
import json

import numpy as np
import pytest

from keras_patchmix.occlusion import Report, evaluate
from keras_patchmix.occlusion.chance import at_chance
from keras_patchmix.occlusion.page import write_page
from keras_patchmix.occlusion.page.classes import worst_first
from keras_patchmix.occlusion.page.notes import grid_notes
from keras_patchmix.occlusion.rows import ClassRow
from tests.occlusion.page_reader import Page, number
from tests.occlusion.page_reports import CONDITIONS, make_report


@pytest.fixture(scope="module")
def report():
    return make_report(class_names=[f"kind {i}" for i in range(10)])


@pytest.fixture(scope="module")
def page(report):
    return Page(write_page(report))


def test_every_row_stands_in_the_table(report, page):
    assert list(page.rows) == [row.name for row in report.rows]
    for row in report.rows:
        (cells,) = page.rows[row.name]
        assert cells[0].lower() == row.corruption.replace("_", " ")
        assert cells[1] == ("" if row.grid is None else f"{row.grid[0]}×{row.grid[1]}")
        assert cells[2] == ("" if row.level is None else f"{100 * row.level:g} %")
        values = [100 * row.share, 100 * row.top1, 100 * row.standard_error, 100 * row.top5, row.n]
        for cell, value, tolerance in zip(cells[3:], values, (0.05, *[0.005] * 4), strict=True):
            assert number(cell) == pytest.approx(value, abs=tolerance + 1e-9)


def test_the_summary_stands_in_the_table(report, page):
    table = page.tables[0]
    assert table[0] == ["Corruption", "Grid", "Mean", "Area", "Drop"]
    assert number(table[1][2]) == pytest.approx(100 * report.rows[0].top1, abs=0.0051)
    for cells, entry in zip(table[2:], report.summary, strict=True):
        assert cells[0].lower() == entry.corruption.replace("_", " ")
        for cell, key in zip(cells[2:], ("mean", "area", "drop"), strict=True):
            if getattr(entry, key) is None:
                assert cell == "–"
            else:
                assert number(cell) == pytest.approx(100 * getattr(entry, key), abs=0.0051)


def test_the_headline_names_the_worst_condition(report, page):
    worst = min(report.rows, key=lambda row: row.top1)
    clean = report.rows[0].top1
    assert f"convnext_tiny has {100 * clean:.1f} % of 400 clean images right" in page.text
    left = f"{100 * worst.top1:.1f} % are left, {100 * (clean - worst.top1):.1f} points fewer."
    assert f"patch permutation, 14×14: {left}" in page.text


def test_the_call_can_be_made():
    settings = {
        "class_map": [[1], [2]],
        "bank_images": 64,
        "saliency": "maps.of",
        "preprocess": "f",
    }
    page = Page(write_page(make_report(max_examples=500, **settings)))
    (source,) = (text for text in page.texts if "evaluate(" in text)
    call = ast.parse(source).body[1].value
    found = {argument.arg: ast.unparse(argument.value) for argument in call.keywords}
    assert found == {
        "suite": "suite",
        "seed": "7",
        "max_examples": "500",
        "value_range": "(0.0, 255.0)",
        "preprocess": "f",
        "saliency": "maps.of",
        "bank_size": "64",
        "class_map": "CLASS_MAP",
    }
    assert set(found) <= set(inspect.signature(evaluate).parameters)


def calls(reports):
    return [text for text in Page(write_page(reports)).texts if "evaluate(" in text]


def test_each_model_that_was_called_otherwise_has_a_call_of_its_own():
    names = {
        "a": "keras.src.applications.resnet.preprocess_input",
        "b": "__main__.<lambda>",
        "c": "__main__.own",
        "d": "__main__.own",
    }
    found = calls({name: make_report(name, preprocess=value) for name, value in names.items()})
    arguments = [
        {part.arg: ast.unparse(part.value) for part in ast.parse(call).body[1].value.keywords}
        for call in found
    ]
    assert [each["preprocess"] for each in arguments] == [
        "keras.applications.resnet.preprocess_input", "PREPROCESS", "own",
    ]  # fmt: skip
    assert "preprocess=PREPROCESS,  # was <lambda>\n" in found[1]
    assert len(calls({"a": make_report("a"), "b": make_report("b")})) == 1


def test_the_command_stands_before_the_call():
    command = "python recipes/evaluate_occlusion.py --model '<a>.keras' --dataset shapes"
    texts = Page(write_page(make_report(command=command))).texts
    (call,) = (i for i, text in enumerate(texts) if "evaluate(" in text)
    assert texts.index(command) < texts.index("In Python:") < call
    assert "In Python:" not in write_page(make_report())


def with_clean(right, n, **settings):
    report = make_report(n=n, **settings)
    clean = dataclasses.replace(report.rows[0], top1=right / n)
    return Report([clean, *report.rows[1:]], report.settings)


@pytest.mark.parametrize(
    ("right", "n", "classes", "found"),
    [
        # Wilson's interval of 15 of 100 is 9.3 % to 23.3 %, of 17 of 100 10.9 % to 25.5 %.
        (15, 100, 10, 0.1),
        (17, 100, 10, None),
        (2, 100, 10, 0.1),
        (15, 100, 11, None),
        (15, 100, 8, 0.125),
        (5, 49, 10, None),
    ],
)
def test_models_at_chance_are_told_from_those_above(right, n, classes, found):
    report = with_clean(right, n, num_classes=classes)
    assert at_chance(report) == found


def test_a_model_at_chance_is_warned_of_with_what_to_check():
    reports = {"good": make_report(), "guessing": with_clean(10, 100)}
    told = (
        "Clean accuracy is not above chance for guessing: 10.0 % of 100 images, where guessing has "
        "10.0 %. Check that the model’s outputs are the classes in the data set’s order ({}) and "
        "that it gets images as it was trained with ({})."
    )
    text = Page(write_page(reports)).text
    assert told.format("class_map", "preprocess") in text
    assert text.count("not above chance") == 1
    reports["guessing"].settings["command"] = "python x"
    assert told.format("--class-map", "--preprocess") in Page(write_page(reports)).text
    assert "not above chance" not in write_page(make_report())


def test_files_that_were_skipped_are_named():
    few = make_report(skipped=[{"name": "a/b.png", "reason": "cut short"}])
    assert "1 file could not be read and was left out. a/b.png: cut short" in spaced(few)
    many = [{"name": f"dir/{i}.png", "reason": "cut short"} for i in range(30_000)]
    text = write_page(make_report(skipped=many))
    assert "30,000 files could not be read" in text
    assert "And 29,500 more" in text
    assert len(text) < 150_000
    assert "could not be read" not in write_page(make_report())


def spaced(reports):
    """The text of a page with a space between elements."""
    return " ".join(" ".join(Page(write_page(reports)).texts).split()).replace(" :", ":")


def test_outputs_that_are_not_finite_are_counted_by_row(report):
    silent = make_report(silent=("patch_drop_14x14_40", "superimpose_40"))
    text = Page(write_page(silent)).text
    assert "Patch drop, 14×14, 40 %: 400 of 400; Superimpose, 40 %: 400 of 400." in text
    page = Page(write_page({"whole": report, "silent": silent}))
    top1, counts, top5 = page.rows["patch_drop_14x14_40"]
    assert top1[-1] == "–"
    assert counts[-2:] == ["400", "0 (400)"]
    assert top5[-1] == "–"
    assert "patch_drop_14x14_40: no image was scored by both models." in page.text


def test_a_report_without_any_score_is_a_page():
    names = tuple(row.name for row in make_report().rows)
    page = Page(write_page(make_report(silent=names)))
    assert "no clean image could be scored" in page.text
    assert {cells[0][4] for cells in page.rows.values()} == {"–"}


def test_models_that_were_not_scored_on_the_same_images_are_told_apart():
    other = make_report("other", seed=8, labels_sha256="f" * 64)
    text = Page(write_page({"a": make_report(), "b": other})).text
    assert "These differ: labels or their order, seed." in text
    assert "not paired image by image" in text
    assert "same terms" not in write_page({"a": make_report(), "b": make_report("other")})


def test_two_models_stand_side_by_side_with_their_differences():
    reports = {"first": make_report("aaa", 0.9), "second": make_report("b", 0.6)}
    page = Page(write_page(reports))
    comparison = Report.compare(*reports.values())
    for row in reports["first"].rows:
        difference, top1, top5 = page.rows[row.name]
        other = reports["second"].row(row.name)
        found = comparison.row(row.name)
        for cell, share in zip(top1[-2:], (row.top1, other.top1), strict=True):
            assert number(cell) == pytest.approx(100 * share, abs=0.0051)
        assert number(top1[-1].partition("± ")[2]) == pytest.approx(
            100 * other.standard_error, abs=0.0051
        )
        assert number(top5[-2]) == pytest.approx(100 * row.top5, abs=0.0051)
        assert number(difference[3]) == pytest.approx(100 * found.difference, abs=0.0051)
        low, high = map(number, difference[4].split(" to "))
        assert (low, high) == pytest.approx((100 * found.low, 100 * found.high), abs=0.0051)
        if found.p_value >= 0.0001:
            assert number(difference[5]) == pytest.approx(found.p_value, abs=0.0051)
        else:
            assert difference[5] == "< 0.0001"
        assert number(difference[6]) == found.n
    assert "paired image by image" in page.text


def test_a_comparison_is_that_of_the_names_given():
    reports = {name: make_report(name) for name in ("a", "bb", "ccc")}
    assert "McNemar" not in write_page(reports)
    chosen = {("a", "ccc"): Report.compare(reports["a"], reports["ccc"])}
    assert "a minus ccc in points" in Page(write_page(reports, comparisons=chosen)).text
    with pytest.raises(ValueError, match="pairs of names in `reports`, which are 'a', 'bb'"):
        write_page(reports, comparisons={("a", "d"): None})


def test_five_models_have_a_column_each_and_rows_of_their_own():
    reports = {f"model {i}": make_report("m" * (i + 1), 0.4 + 0.1 * i) for i in range(5)}
    reports["model 4"] = make_report(conditions=CONDITIONS[:4])
    page = Page(write_page(reports))
    for name, (top1, _top5) in ((n, tables[-2:]) for n, tables in page.rows.items()):
        for cell, report in zip(top1[4:], reports.values(), strict=True):
            known = {row.name: row for row in report.rows}
            if name not in known:
                assert cell == "–"
            else:
                assert number(cell) == pytest.approx(100 * known[name].top1, abs=0.0051)
    assert page.text.startswith("5 models under occlusion")


def test_classes_stand_worst_first(report, page):
    (table,) = (table for table in page.tables if table[0][0] == "Class")
    drops = [np.mean([number(cell) for cell in cells[3:]]) for cells in table[1:]]
    assert len(drops) == 10
    assert drops == sorted(drops, reverse=True)
    by_name = {cells[0]: cells for cells in table[1:]}
    for row in report.class_rows():
        if row.name == "superimpose_40":
            assert number(by_name[row.class_name][5]) == pytest.approx(100 * row.drop, abs=0.051)
            assert number(by_name[row.class_name][1]) == row.n == 40


def test_a_class_without_a_drop_stands_last():
    rows = [
        ClassRow("clean", 0, None, 5, 1.0, 0.0, 0.0),
        ClassRow("clean", 1, None, 5, 0.6, 0.1, 0.0),
        ClassRow("clean", 2, None, 0, None, None, None),
        ClassRow("x", 0, None, 5, 0.8, 0.1, 0.2),
        ClassRow("x", 1, None, 5, 0.0, 0.0, 0.6),
        ClassRow("x", 2, None, 0, None, None, None),
    ]
    found = worst_first(rows, "clean", ["x"])
    assert [(row.label, drops) for row, drops in found] == [(1, [0.6]), (0, [0.2]), (2, [None])]


def test_a_thousand_classes_stay_small():
    names = [f"n{i:08d} a name of some length, with a synonym" for i in range(1000)]
    big = make_report(n=5000, classes=1000, class_names=names)
    text = write_page(big)
    assert len(text) < 400_000
    page = Page(text)
    short, full = (table for table in page.tables if table[0][0] == "Class")
    assert len(short) == 1 + 15
    assert len(full) == 1 + 1000
    assert short == full[:16]
    many = write_page({f"model {i}": big for i in range(5)})
    assert len(many) < 1_200_000


def test_reports_without_outcomes_have_no_classes(report):
    bare = Report(report.rows, report.settings)
    page = Page(write_page({"a": bare, "b": bare}))
    assert not any(table[0][0] == "Class" for table in page.tables)
    assert "not paired image by image" in page.text


def test_the_note_says_how_grids_lie_on_the_models_patches():
    def note(grids, patch, **settings):
        conditions = (CONDITIONS[0], *(("patch_drop", grid, 0.5, 0.5) for grid in grids))
        report = make_report(conditions=conditions, model_patch_size=patch, **settings)
        found = grid_notes({"m": report})
        return found[0][1] if found else None

    assert note([(14, 14), (7, 7), (8, 8)], [16, 16]) == (
        "16×16 pixels. A grid of 7×7 follows their borders: a cell is 2×2 "
        "patches. A grid of 8×8 cuts through them. A grid of 14×14 coincides with them: a cell is "
        "one patch."
    )
    # floor(i 30 / 4) is 0, 7, 15, 22: borders of patches of 1 pixel only.
    assert "cuts through" in note([(4, 4)], [7, 7], image_size=[30, 30])
    assert note([(14, 14)], None) is None
    assert "if preprocessing keeps the size" in note([(7, 7)], [16, 16], preprocess="f")


def test_all_settings_are_there(report, page):
    (table,) = (table for table in page.tables if table[0] == ["Setting", "Value"])
    found = dict(table[1:])
    for key, value in report.settings.items():
        if key in ("suite", "class_names", "versions"):
            continue
        if value is None or isinstance(value, str):
            assert found[key] == ("none" if value is None else value)
        else:
            assert json.loads(found[key]) == value
    for key, value in report.settings["versions"].items():
        assert found[f"version of {key}"] == value
    assert json.dumps(report.settings["suite"][0]) in page.text
    assert "seed=7, value_range=(0.0, 255.0), )" in page.text


def test_two_models_without_a_row_in_common_are_not_compared():
    one = make_report(conditions=CONDITIONS[:4])
    other = make_report(conditions=CONDITIONS[:4], silent=tuple(row.name for row in one.rows))
    page = Page(write_page({"a": one, "b": other}))
    assert "Differences" not in page.text
    assert page.rows["clean"][0][-1] == "–"


def test_few_settings_are_enough(report):
    page = Page(write_page(Report(report.rows, {"model": None, "image_size": [32, 32]})))
    assert page.text.startswith("model under occlusion")
    assert list(page.rows) == [row.name for row in report.rows]
