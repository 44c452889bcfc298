"""Patch selectivity in the command that scores saved models."""

import dataclasses

import pytest

pytest.importorskip("tensorflow")

from keras_patchmix import datasets
from keras_patchmix.cli.score import selectivity
from keras_patchmix.cli.score.options import ScoreOptions
from keras_patchmix.explain import selectivity_benchmark
from tests.cli.score.cases import CLASSES, run, small_model, write_folder, write_suite
from tests.command_line import result, subcommand
from tests.occlusion.page_reader import Page

MASKS = 30


@pytest.fixture(autouse=True)
def few_masks(monkeypatch):
    monkeypatch.setattr(selectivity, "_NUM_MASKS", MASKS)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("place")
    write_folder(root / "photos", count=4)
    write_suite(root / "suite.json")
    for name, seed in (("a", 1), ("b", 2)):
        small_model(seed).save(root / f"{name}.keras")
    return root


@pytest.fixture(scope="module")
def flags(place):
    data = f"--dataset folder:{place / 'photos'} --split all --suite {place / 'suite.json'}"
    models = [part for name in "ab" for part in ("--model", str(place / f"{name}.keras"))]
    return [*data.split(), *models, "--batch-size", "10", "--selectivity", "5"]


@pytest.fixture(scope="module")
def finished(place, flags):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selectivity, "_NUM_MASKS", MASKS)
        assert subcommand("score")([*flags, "--output", str(place / "out")]) == 0
    return place / "out"


def test_each_model_has_the_report_that_the_library_gives(finished, place):
    data = datasets.load_for_scoring(f"folder:{place / 'photos'}", "all")
    for name, seed in (("a", 1), ("b", 2)):
        report = selectivity.load_selectivity(finished / name)
        expected = selectivity_benchmark(
            small_model(seed),
            data,
            max_examples=5,
            num_masks=MASKS,
            batch_size=10,
            from_logits=True,
            verbose=False,
        )
        assert report.rows == expected.rows
        assert report.settings["model"] == name
        assert {key: part.shape for key, part in report.examples.items()} == {
            key: part.shape for key, part in expected.examples.items()
        }
        names = {path.name for path in (finished / name).iterdir()}
        assert names == {"report.json", "report.csv", "selectivity.json", "selectivity.npz"}


def test_the_page_has_the_section_with_maps(finished):
    page = Page((finished / "report.html").read_text())
    one, other = (selectivity.load_selectivity(finished / name) for name in "ab")
    assert f"a minus b, image by image: {one.compare(other)[0]:+.3f}".replace("-", "−") in page.text
    row = other.rows[0]
    kind = CLASSES[row["label"]]
    alt = f"{kind}, image {row['index']}, saliency map of b, patch selectivity "
    assert any(a.get("alt", "").startswith(alt) for _, a in page.elements)


def test_the_same_command_again_measures_nothing_and_prints_the_same(
    finished, flags, capsys, monkeypatch
):
    monkeypatch.delattr(selectivity, "measure")
    status, out, _ = run([*flags, "--output", finished], capsys)
    assert status == 0
    mean = selectivity.load_selectivity(finished / "a").mean
    assert result(out)["selectivity"]["a"] == round(mean, 4)
    (line,) = (line for line in out.splitlines() if line.startswith("a  "))
    assert line.split()[1] == f"{mean:.3f}"
    assert "a minus b, image by image" in out


def test_interrupted_it_goes_on_with_the_models_that_are_left(
    finished, flags, capsys, monkeypatch, tmp_path
):
    measured = []

    def measure(*arguments, **settings):
        measured.append(settings["title"])
        if len(measured) == 2:
            raise KeyboardInterrupt
        return real(*arguments, **settings)

    real = selectivity.measure
    monkeypatch.setattr(selectivity, "measure", measure)
    status, _, error = run([*flags, "--output", tmp_path / "out"], capsys)
    assert status == 130
    assert "interrupted. To resume" in error
    assert run([*flags, "--output", tmp_path / "out"], capsys)[0] == 0
    assert measured == [f"{name}: patch selectivity" for name in "abb"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("saliency map of a") == (finished / "report.html").read_text().count(
        "saliency map of a"
    )


def test_the_flag_decides_the_results():
    options = ScoreOptions(model=("m",), dataset="shapes")
    asked = dataclasses.replace(options, selectivity=7)
    assert asked.deciding() != options.deciding()
    assert "--selectivity 7" in asked.command_line()


def test_what_cannot_be_told_of_scores_is_an_error_of_one_line(
    flags, capsys, monkeypatch, tmp_path
):
    def untold(one, images, asked):
        raise ValueError("--scores logits or --scores probabilities is needed: 'a' returns ...")

    monkeypatch.setattr(selectivity, "score_kind", untold)
    status, _, error = run([*flags, "--output", tmp_path / "x"], capsys)
    assert status == 1
    assert error.strip().endswith(
        "--selectivity: --scores logits or --scores probabilities is needed: 'a' returns ..."
    )


def test_numbers_out_of_range_name_the_flag(capsys):
    with pytest.raises(SystemExit):
        ScoreOptions.parse(["--model", "m", "--dataset", "shapes", "--selectivity", "0"])
    assert "--selectivity" in capsys.readouterr().err
