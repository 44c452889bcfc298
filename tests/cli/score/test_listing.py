"""Results are not shown, nor gone on with, once the data set holds something else."""

import shutil
from pathlib import Path

import pytest

pytest.importorskip("tensorflow")

from keras_patchmix.cli.listing import data_listing, difference
from keras_patchmix.cli.score.options import ScoreOptions
from tests.cli.score.cases import run, small_model, write_folder, write_suite
from tests.command_line import result

FLAGS = """--dataset folder:photos --split all --suite suite.json --model a.keras
    --output out""".split()


@pytest.fixture
def scored(tmp_path, monkeypatch, capsys):
    """A folder of 12 photos that was scored into "out"."""
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "photos", count=4)
    write_suite(tmp_path / "suite.json")
    small_model(1).save("a.keras")
    assert run(FLAGS, capsys)[0] == 0


@pytest.mark.usefixtures("scored")
def test_results_of_photos_that_changed_are_not_shown_again(capsys):
    photo = Path("photos/owl/new.png")
    shutil.copy("photos/owl/0.png", photo)
    status, out, err = run(FLAGS, capsys)
    assert (status, "RESULT" in out) == (1, False)
    assert "the folder now holds 13 images, these results are of 12: use another --output" in err
    photo.unlink()
    assert run(FLAGS, capsys)[0] == 0
    with open("photos/owl/0.png", "ab") as file:
        file.write(b"more")
    status, _, err = run(FLAGS, capsys)
    assert (status, "the folder's 12 images are not those of these results" in err) == (1, True)


@pytest.mark.usefixtures("scored")
def test_a_run_under_way_is_not_gone_on_with_other_photos(capsys):
    # As an interruption between the report and the page leaves it.
    Path("out/report.html").unlink()
    Path("photos/owl/0.png").rename("photos/owl/other.png")
    status, out, err = run(FLAGS, capsys)
    assert (status, "scored before" in out) == (1, False)
    assert "files were renamed, or have another size: use another --output" in err
    Path("photos/owl/other.png").rename("photos/owl/0.png")
    assert run(FLAGS, capsys)[0] == 0


@pytest.mark.usefixtures("scored")
def test_results_are_shown_again_once_the_photos_are_gone(capsys):
    shutil.rmtree("photos")
    status, out, _ = run(FLAGS, capsys)
    assert status == 0
    assert "The data set cannot be compared with that of the results: " in out
    assert result(out)["n"] == 12


def test_a_data_set_of_tfds_is_known_by_version_split_and_count(tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    options = ScoreOptions(model=("m",), dataset="shapes/64px", data_dir=str(tmp_path))
    config = tfds.download.DownloadConfig(max_examples_per_split=5, try_download_gcs=False)
    builder = tfds.builder("shapes/64px", data_dir=tmp_path)
    builder.download_and_prepare(download_config=config)
    found = data_listing(options, "test[:3]")
    assert found == {"split": "test[:3]", "images": 3, "version": f"shapes {builder.version}"}
    with pytest.raises(ValueError, match="the data set 'shapes/64px' has no split 'dev'"):
        data_listing(options, "dev")


def test_another_version_of_a_data_set_is_named():
    before = {"split": "test", "images": 10, "version": "cifar10 3.0.2"}
    assert difference(before, dict(before)) is None
    assert difference(before, {**before, "version": "cifar10 3.1.0"}) == (
        "the data set is now cifar10 3.1.0, test, 10 images, these results are of cifar10 3.0.2, "
        "test, 10 images"
    )
