import csv
import dataclasses
import io
import json
import os

import numpy as np
import pytest

from keras_patchmix.occlusion import (
    PatchDrop,
    PatchPermutation,
    PatchReplacement,
    Report,
    Row,
    Summary,
    evaluate,
    plot_reports,
)
from keras_patchmix.occlusion.intervals import wilson

mpl = pytest.importorskip("matplotlib")
SUITE = [PatchReplacement(7, (0.1, 0.5)), PatchDrop((2, 4), 0.5), PatchPermutation((2, 4))]


def model(images):
    values = np.asarray(images, np.float32)[:, 0, 0, 0]
    return -abs(values[:, None] - 40 * np.arange(6))


@pytest.fixture(scope="module")
def report():
    labels = np.arange(48) % 6
    images = np.broadcast_to(40 * labels[:, None, None, None], (48, 28, 28, 3)).astype(np.uint8)
    return evaluate(model, (images, labels), suite=SUITE, seed=7)


def row(name, level, share, top1, corruption="patch_drop", grid=(4, 4)):
    return Row(name, corruption, grid, level, share, 100, top1, None, 0.05, 0)


def hand_made(accuracies):
    rows = [row("clean", None, 0.0, 0.9, "clean", None)]
    rows += [row(f"d{i}", 0.1 * i, 0.2 * i, a) for i, a in enumerate(accuracies, 1)]
    rows += [
        row("p2", None, 0.7, 0.5, "patch_permutation", (2, 2)),
        row("p4", None, 0.9, 0.2, "patch_permutation", (4, 4)),
    ]
    settings = {"image_size": [32, 32], "model": "hand made", "seed": 0}
    return Report(rows, settings)


def test_the_summary_is_what_its_definition_says():
    drop, permutation = hand_made([0.7, 0.3]).summary
    assert drop.corruption == "patch_drop"
    assert drop.grid == (4, 4)
    assert drop.mean == pytest.approx(0.5)
    # Shares 0, 0.2, 0.4: trapezoids of mean heights 0.8 and 0.5.
    assert drop.area == pytest.approx(0.65)
    assert drop.drop == pytest.approx(0.6)
    assert permutation == Summary(
        "patch_permutation", None, (), pytest.approx(0.35), None, pytest.approx(0.7)
    )


def test_the_mean_counts_each_corruption_and_grid_the_same():
    assert hand_made([0.7, 0.3]).mean == pytest.approx((0.5 + 0.35) / 2)
    assert hand_made([0.7, None]).mean is None
    assert Report(hand_made([]).rows[:1], {"image_size": [32, 32], "model": None}).mean is None


def test_markdown_has_the_cells_of_the_table(report, tmp_path):
    assert report.to_markdown(tmp_path / "report.md") is None
    text = report.to_markdown()
    assert (tmp_path / "report.md").read_text() == text
    lines = text.splitlines()
    assert lines[0].startswith("| corruption | grid | level | share | top-1 % | +- |")
    assert lines[1] == "| :-- | :-- | --: | --: | --: | --: | --: |"
    assert lines[4].startswith("| patch_replacement | 7x7 | 50 % | 49.0 % | ")
    assert lines[9].startswith("| corruption | grid | mean | area | drop |")
    assert len(lines) == 3 + 5 + 1 + 2 + len(report.summary)
    row = report.rows[2]
    odd = Report([report.rows[0], dataclasses.replace(row, corruption="a|b")], report.settings)
    assert "| a\\|b |" in odd.to_markdown()


def test_a_data_frame_holds_every_number(report):
    pandas = pytest.importorskip("pandas")
    frame = report.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert frame["name"].tolist() == [row.name for row in report.rows]
    assert frame["top1"].tolist() == [row.top1 for row in report.rows]
    assert frame["grid"].tolist() == ["", "7x7", "7x7", "2x4", "2x2", "4x4"]
    columns = next(csv.reader(io.StringIO(report.to_csv())))
    assert frame.columns.tolist() == columns[: columns.index("high") + 1]


def test_json_holds_everything(report, tmp_path):
    assert report.to_json(tmp_path / "new" / "report.json") is None
    text = report.to_json()
    data = json.loads((tmp_path / "new" / "report.json").read_text())
    assert json.loads(text) == data
    assert data["schema_version"] == 5
    assert [r["name"] for r in data["rows"]] == [
        "clean",
        "patch_replacement_7x7_10",
        "patch_replacement_7x7_50",
        "patch_drop_2x4_50",
        "patch_permutation_2x2",
        "patch_permutation_4x4",
    ]
    assert data["rows"][2]["share"] == 24 / 49
    assert data["rows"][2]["grid"] == [7, 7]
    assert data["rows"][0] == {
        "name": "clean",
        "corruption": "clean",
        "grid": None,
        "level": None,
        "share": 0.0,
        "n": 48,
        "top1": 1.0,
        "top5": 1.0,
        "standard_error": 0.0,
        "n_nonfinite": 0,
        "data": None,
        "title": "Clean",
        "family": "Clean",
        "severity": None,
        "interval": None,
    }
    settings = data["settings"]
    assert settings["seed"] == 7
    assert settings["n"] == 48
    assert settings["image_size"] == [28, 28]
    assert settings["model"] == "model"
    assert settings["model_patch_size"] is None
    assert len(settings["labels_sha256"]) == 64
    assert {"keras", "keras_patchmix", "numpy", "backend", "python"} <= set(settings["versions"])
    classes = {
        "PatchReplacement": PatchReplacement,
        "PatchDrop": PatchDrop,
        "PatchPermutation": PatchPermutation,
    }
    assert [classes[s["class_name"]].from_config(s["config"]) for s in settings["suite"]] == SUITE
    assert data["skipped"] == []


def test_csv_holds_rows_and_settings(report, tmp_path):
    assert report.to_csv(tmp_path / "report.csv") is None
    text = report.to_csv()
    assert (tmp_path / "report.csv").read_text() == text
    lines = list(csv.DictReader(io.StringIO(text)))
    assert len(lines) == 6
    assert len(set(text.splitlines()[0].split(","))) == len(text.splitlines()[0].split(","))
    assert lines[2]["name"] == "patch_replacement_7x7_50"
    assert lines[2]["grid"] == "7x7"
    assert float(lines[2]["top1"]) == report.rows[2].top1
    assert (float(lines[2]["low"]), float(lines[2]["high"])) == wilson(report.rows[2].top1, 48)
    assert lines[0]["level"] == ""
    assert {line["seed"] for line in lines} == {"7"}
    assert json.loads(lines[5]["image_size"]) == [28, 28]
    assert json.loads(lines[5]["versions"]) == report.settings["versions"]


def test_correct_allows_paired_comparisons(report):
    for entry in report.rows:
        right = report.correct[entry.name]
        assert right.dtype == bool
        assert right.shape == (48,)
        assert right.mean() == entry.top1


def test_rows_are_found_by_name(report):
    assert report.row("patch_drop_2x4_50").level == 0.5
    with pytest.raises(KeyError, match="patch_permutation_4x4"):
        report.row("drop")


def test_the_table_reads_well(report):
    lines = str(report).splitlines()
    assert lines[0] == "model: 48 images of 28x28"
    assert lines[2].split() == [
        "corruption",
        "grid",
        "level",
        "share",
        "top-1",
        "%",
        "+-",
        "top-5",
        "%",
    ]
    assert "patch_replacement  7x7    50 %  49.0 %" in str(report)
    assert all(len(line) < 100 for line in lines)


def test_a_notebook_shows_the_table(report):
    assert repr(report) == "<Report of 'model': 6 rows, clean top-1 100.00 %>"
    shown = report._repr_html_()
    assert shown.startswith("<pre>model: 48 images")
    hostile = hand_made([0.5])
    hostile.settings["model"] = "<script>"
    assert "<script>" not in hostile._repr_html_()


def test_plots_are_pictures(report, tmp_path):
    from matplotlib.image import imread

    report.plot(tmp_path / "one.png")
    other = hand_made([0.8, 0.1])
    plot_reports({"Baseline": report, "Patch Mixing": other}, tmp_path / "two.png")
    for name in ("one.png", "two.png"):
        picture = imread(tmp_path / name)
        assert picture.shape[0] > 400
        assert picture.shape[1] > 700
        colors = (picture[..., :3] * 255).astype(np.uint8) @ np.array([1, 2**8, 2**16])
        assert len(np.unique(colors)) > 20
    plot_reports({"one": report}, tmp_path / "one.svg")
    assert "<svg" in (tmp_path / "one.svg").read_text()
    assert sorted(os.listdir(tmp_path)) == ["one.png", "one.svg", "two.png"]


def test_the_lines_of_a_plot_are_the_rows(report):
    figure = report.plot()
    loss, tiles = figure.axes
    assert [line.get_label() for line in loss.lines] == [
        "Patch replacement, 7×7 grid",
        "Patch drop, 2×4 grid",
    ]
    x, y = loss.lines[0].get_data()
    np.testing.assert_allclose(x, [0, 100 * 5 / 49, 100 * 24 / 49])
    np.testing.assert_allclose(y, [100 * r.top1 for r in report.rows[:3]])
    np.testing.assert_allclose(tiles.lines[0].get_xdata(), [0, 2, 4])
    assert [text.get_text() for text in tiles.get_xticklabels()] == ["1", "4", "16"]
    figure = plot_reports({"a": report, "b": report})
    assert [len(axis.lines) for axis in figure.axes] == [2, 2, 2]
    with pytest.raises(ValueError, match="`reports` must be a Report or a dict"):
        plot_reports({})
