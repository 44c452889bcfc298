"""Data that cannot be chosen on, or that is mixed already, and what a log of a hardening says."""

import re
import warnings

import keras
import numpy as np
import pytest

from keras_patchmix.layers import PatchMixing
from keras_patchmix.occlusion import PatchDrop, PatchReplacement, evaluate
from keras_patchmix.training import fine_tuning, harden
from tests.training.test_hardening import SIZE, SUITE, compile_model, data, network

SHUFFLED = r"`validation` must give the same images.*needs `shuffle=False`"


@pytest.fixture(scope="module")
def trained():
    model = network()
    compile_model(model)
    model.fit(*data(256, 0), batch_size=32, epochs=4, verbose=0)
    return model


def run(model, train, validation, **settings):
    settings = {"epochs": 1, "batch_size": 32, "suite": SUITE, "verbose": False, **settings}
    return harden(model, train, validation, **settings)


class Passes:
    """Batches in another order in each pass, with or without the number of each example."""

    def __init__(self, numbered):
        self._numbered, self._rng = numbered, np.random.default_rng(0)
        self.num_examples = 128

    def __iter__(self):
        images, labels = data(128, 1)
        order = self._rng.permutation(128)
        for rows in order.reshape(4, 32):
            batch = {"images": images[rows], "labels": labels[rows]}
            yield {**batch, "index": rows} if self._numbered else batch


@pytest.mark.parametrize(
    "suite", [SUITE, [PatchDrop(4, 0.4)]], ids=["foreign images", "no foreign images"]
)
def test_data_in_another_order_are_refused_before_anything_is_trained(trained, suite, monkeypatch):
    def step(*_):
        raise RuntimeError("trained")

    monkeypatch.setattr(fine_tuning.FineTuning, "step", step)
    with pytest.raises(ValueError, match=SHUFFLED):
        run(trained, data(256, 0), Passes(False), suite=suite)
    with pytest.raises(RuntimeError, match="trained"):
        run(trained, data(256, 0), Passes(True), suite=suite)


@pytest.mark.needs("tensorflow")
def test_folders_of_keras_are_refused_unless_shuffle_is_off(trained, tmp_path):
    for number, (image, label) in enumerate(zip(*data(64, 1), strict=True)):
        path = tmp_path / "ab"[label] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        keras.utils.save_img(path, image, scale=False)

    def photos(**arguments):
        return keras.utils.image_dataset_from_directory(
            tmp_path, image_size=(SIZE, SIZE), batch_size=16, verbose=False, **arguments
        )

    with pytest.raises(ValueError, match=SHUFFLED):
        run(trained, photos(seed=0), photos(seed=0))
    assert len(run(trained, photos(seed=0), photos(shuffle=False)).line) == 5
    with pytest.warns(UserWarning, match="`shuffle=False`"):
        evaluate(trained, photos(seed=0), suite=[PatchReplacement(4, 0.5)], verbose=False)


@pytest.mark.parametrize("kind", ["ids", "one-hot", "mixed"])
def test_labels_of_a_pipeline_that_mixes_warn_once(trained, kind):
    images, labels = data(128, 0)
    batches = [(images[i : i + 32], labels[i : i + 32]) for i in range(0, 128, 32)]
    if kind != "ids":
        batches = [(x, np.eye(2, dtype=np.float32)[y]) for x, y in batches]
    if kind == "mixed":
        mix = PatchMixing(4, num_classes=2, ratio=0.3, label_smoothing=0.0, seed=0)
        batches = [mix(batch, training=True) for batch in batches]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run(trained, batches, data(128, 1))
    found = [one for one in caught if "`train` has labels that are" in str(one.message)]
    assert len(found) == (kind == "mixed")
    assert all(one.category is UserWarning for one in found)


def test_a_log_has_a_line_for_each_epoch_and_scoring(trained, capsys):
    capsys.readouterr()
    result = run(trained, data(256, 0), data(128, 1), epochs=2, verbose=2)
    result.report(data(128, 2), suite=SUITE, verbose=2)
    said = capsys.readouterr().out
    lines = [re.sub(r"\d+\.\d{4}, \d+ s", "L, S", line) for line in said.splitlines()]
    assert lines == [
        *("reading foreign images", "scoring the original", "fine-tuning"),
        *("epoch 1 of 2: loss L, S", "epoch 2 of 2: loss L, S"),
        *(f"scoring {share} % of the way" for share in (25, 50, 75, 100)),
        *("reading foreign images", "scoring before", "reading foreign images", "scoring after"),
    ]
