"""What the command says of its own accord."""

import pytest

pytest.importorskip("tensorflow")

from keras_patchmix.cli.remarks import doubts, split_line
from keras_patchmix.cli.score import results
from keras_patchmix.cli.score.options import ScoreOptions
from keras_patchmix.occlusion import Report, Row
from tests.cli.score.cases import write_folder


def test_what_is_scored_of_a_folder_without_splits_is_said(tmp_path):
    write_folder(tmp_path / "photos", count=2, size=4)

    def said(**settings):
        settings = {"dataset": f"folder:{tmp_path / 'photos'}", **settings}
        return split_line(ScoreOptions(model=("m",), **settings))

    assert said() == (
        "No --split: about 10 % of the 6 images are scored, chosen by a hash of their names. A "
        "model that was trained on this folder may have seen them. --split all takes all images"
    )
    assert said(split="all") is None
    assert said(dataset="shapes") is None
    parted = f"folder:{tmp_path / 'parted'}"
    write_folder(tmp_path / "parted" / "train", count=1, size=4)
    assert "10 % of the training images (there is no folder test) are" in said(dataset=parted)
    write_folder(tmp_path / "parted" / "Testing", count=1, size=4)
    assert said(dataset=parted) is None


def test_a_model_at_chance_and_files_not_read_are_told_in_print():
    def report(right, skipped):
        row = Row("clean", "clean", None, None, 0.0, 100, right, None, 0.05, 0)
        settings = {"model": "m", "num_classes": 4, "n": 100, "image_size": [4, 4]}
        return Report([row], settings, None, skipped)

    skipped = [{"name": f"{i}.png", "reason": "empty"} for i in range(12)]
    reports = {"a": report(0.9, skipped), "b": report(0.31, skipped), "c": report(0.7, ())}
    assert doubts(reports) == [
        "b: 31.0 % of 100 clean images right is not above chance (25 %): check the order of the "
        "classes (--class-map) and --preprocess"
    ]
    printed = results.tables(reports)
    assert "Could not be read: 0.png (empty); 1.png (empty); " in printed
    assert printed.endswith("9.png (empty); and 2 more, named in report.html")
    assert "Could not be read" not in results.tables({"c": reports["c"], "d": reports["c"]})
