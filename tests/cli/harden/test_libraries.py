"""Classifiers of keras-hub and keras-cv are hardened, scored and explained as others are."""

import json

import keras
import numpy as np
import pytest

from keras_patchmix.datasets import shapes
from keras_patchmix.occlusion import PatchDrop, PatchReplacement, Report, evaluate, serialize
from keras_patchmix.training import harden
from tests.command_line import result, subcommand
from tests.library_models import SIZE, cv_classifier, hub_preset, train
from tests.without_tensorflow import need_a_pipeline

need_a_pipeline()
pytestmark = pytest.mark.slow
SUITE = [PatchReplacement(4, 0.3), PatchDrop(4, 0.4)]


def data(count, split, size=SIZE):
    return shapes.generate(range(count), split, size)


def hardened(classifier, size, **settings):
    """The result of `harden`, where two epochs gain something and cost little.

    What they gain depends on the machine; that images arrive as they should, other tests say.
    """
    before = classifier.get_weights()
    done = harden(
        classifier,
        data(600, "train", size),
        data(200, "validation", size),
        epochs=2,
        max_clean_drop=5,
        learning_rate=1e-3,
        batch_size=50,
        suite=SUITE,
        verbose=False,
        **settings,
    )
    for one, other in zip(before, classifier.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert type(done.model) is type(classifier)
    assert done.line[-1].clean > done.line[0].clean - 0.1
    assert done.chosen.share > 0
    return done


def command(name, path, directory, *flags):
    """Runs a subcommand on a saved model and the folder of images beside it."""
    photos = ("--dataset", f"folder:{path.parent / 'photos'}", "--output", directory)
    return subcommand(name)(["--model", path, *photos, "--batch-size", "50", *flags])


def write_photos(directory, size):
    """Test images in a folder for each class, named by its number."""
    for number, (image, label) in enumerate(zip(*data(600, "test", size), strict=True)):
        folder = directory / "photos" / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        keras.utils.save_img(folder / f"{number:03}.png", image, scale=False)


def check_commands(classifier, directory, size, capsys):
    """What the commands say of a saved classifier agrees with its own `evaluate`."""
    path = directory / "classifier.keras"
    classifier.save(path)
    write_photos(directory, size)
    (directory / "suite.json").write_text(json.dumps(serialize(SUITE)))
    score = "--suite", directory / "suite.json", "--split", "all"
    assert command("score", path, directory / "scores", *score) == 0
    found = result(capsys.readouterr().out)["top1"]["classifier"]
    _, accuracy = classifier.evaluate(*data(600, "test", size), verbose=0)
    # Another order of the images, and another resizing where that is needed.
    assert found["clean"] == pytest.approx(accuracy, abs=1e-4 if size == SIZE else 0.02)
    assert found["patch_drop_4x4_40"] < found["clean"]
    explain = "--split all --max-examples 3 --num-masks 16 --grid-size 4 --figures 1".split()
    assert command("explain", path, directory / "maps", *explain) == 0
    known = "logits" if classifier.activation is None else "probabilities"
    assert f"classifier: returns {known}" in capsys.readouterr().out
    harden = "--epochs", "1", "--line-examples", "60"
    assert command("harden", path, directory / "hardened", *harden) == 0
    model = keras.saving.load_model(directory / "hardened" / "hardened.keras")
    assert type(model) is type(classifier)
    return Report.load(directory / "hardened")


@pytest.mark.needs("keras_hub")
@pytest.mark.parametrize("activation", [None, "softmax"])
def test_a_preset_of_keras_hub(activation, tmp_path, capsys):
    import keras_hub

    size = 48  # which the preprocessor makes 32
    preset = hub_preset(tmp_path / "preset", activation)
    classifier = keras_hub.models.ImageClassifier.from_preset(preset)
    assert type(classifier) is keras_hub.models.ViTImageClassifier
    if activation is not None:  # keras-hub 0.32 compiles what it loads for logits
        with pytest.raises(ValueError, match="`from_logits` must say what `model` returns"):
            hardened(classifier, size)
    done = hardened(classifier, size, from_logits=activation is None)
    before, after = done.report(data(300, "test", size), suite=SUITE, verbose=False)
    _, accuracy = classifier.evaluate(*data(300, "test", size), verbose=0)
    assert before.rows[0].top1 == pytest.approx(accuracy, abs=1e-6)
    assert before.rows[0].top1 > 0.3
    own = "the model's own, ViTImageClassifierPreprocessor"
    assert after.settings["preprocess"] == own
    done.model.save(tmp_path / "hardened.keras")
    loaded = keras.saving.load_model(tmp_path / "hardened.keras")
    images = data(20, "test", size)[0]
    np.testing.assert_allclose(loaded.predict(images), done.model.predict(images), atol=1e-5)
    report = check_commands(classifier, tmp_path, size, capsys)
    assert report.settings["preprocess"] == own


@pytest.mark.needs("keras_cv")
@pytest.mark.parametrize(
    ("name", "activation"), [("ViTBackbone", "softmax"), ("ConvNeXtBackbone", None)]
)
def test_a_classifier_of_keras_cv_on_our_backbone(name, activation, tmp_path, capsys):
    classifier = cv_classifier(name, activation)
    train(classifier, data(1000, "train"), epochs=10)
    classifier.save(tmp_path / "trained.keras")
    loaded = keras.saving.load_model(tmp_path / "trained.keras")
    done = hardened(loaded, SIZE)
    test = data(300, "test")
    report = evaluate(loaded, *test, suite=SUITE, batch_size=50, verbose=False)
    _, accuracy = classifier.evaluate(*test, verbose=0)
    assert report.rows[0].top1 == pytest.approx(accuracy, abs=1e-6)
    assert report.rows[0].top1 > 0.15
    done.model.save(tmp_path / "hardened.keras")
    again = keras.saving.load_model(tmp_path / "hardened.keras")
    np.testing.assert_allclose(again.predict(test[0]), done.model.predict(test[0]), atol=1e-5)
    check_commands(classifier, tmp_path, SIZE, capsys)
