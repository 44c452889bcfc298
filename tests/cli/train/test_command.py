"""The exit of the recipes' command after errors."""

import pytest

pytest.importorskip("tensorflow")

import tensorflow as tf

from keras_patchmix.cli.train import experiment
from keras_patchmix.datasets.errors import BrokenImageFile
from keras_patchmix.datasets.examples import another_size
from tests.command_line import subcommand


def test_a_broken_image_is_known_by_its_error_not_by_words(monkeypatch, capsys):
    words = "Cannot decode the image file 'torn.png': damaged"

    def pipeline(*_):
        raise tf.errors.InvalidArgumentError(None, None, words)

    def noted(*_):
        with pytest.raises(ValueError, match="torn") as error:
            raise BrokenImageFile(b"caf\xe9/torn.png", "damaged")
        assert (error.value.path, error.value.reason) == ("caf\udce9/torn.png", "damaged")
        pipeline()

    def something_else(*_):
        BrokenImageFile("torn.png", "damaged")
        raise RuntimeError("out of memory")

    for run, kind in ((pipeline, tf.errors.InvalidArgumentError), (something_else, RuntimeError)):
        monkeypatch.setattr(experiment, "run", run)
        with pytest.raises(kind):
            subcommand("train")(["--output", "out"])
    monkeypatch.setattr(experiment, "run", noted)
    assert subcommand("train")(["--output", "out"]) == 1
    assert (
        r"Cannot decode the image file 'caf\xe9/torn.png': damaged. Take the file"
        in capsys.readouterr().err
    )


def test_an_image_of_another_size_is_named_without_an_error_of_tensorflow(monkeypatch, capsys):
    def pipeline(*_):
        another_size("wide.png", "first.png", (8, 9), (8, 8))
        raise tf.errors.InvalidArgumentError(None, None, "of TensorFlow")

    monkeypatch.setattr(experiment, "run", pipeline)
    assert subcommand("train")(["--output", "out"]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "'wide.png' has another size than 'first.png'" in line
    assert "--image-size" in line
    assert "records" not in line
