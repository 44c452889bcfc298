"""A hardened model: better under occlusion where that can be had, never worse, no other class."""

import re

import keras
import numpy as np
import pytest

from keras_patchmix.layers import CutMix, PatchMixing
from keras_patchmix.occlusion import PatchDrop, PatchReplacement, evaluate
from keras_patchmix.training import harden
from keras_patchmix.training.weight_line import LinePoint, choose, weights_between
from tests.arrays import BACKEND, to_numpy

SIZE = 16
SUITE = [PatchReplacement(4, 0.3), PatchDrop(4, 0.4)]


def data(count, seed):
    """Two classes: of each pair of columns one is brighter, the left one or the right one."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    images = rng.integers(60, 190, (count, SIZE, SIZE, 3))
    images[labels == 0, :, ::2] += 24
    images[labels == 1, :, 1::2] += 24
    # A corner tells the classes too, and more plainly: what a model can do without learns less.
    images[labels == 0, :4, :4] = 250
    images[labels == 1, :4, :4] = 5
    return images.astype(np.uint8), labels


def network(seed=0, batch_norm=False, **head):
    keras.utils.set_random_seed(seed)
    normal = [keras.layers.BatchNormalization()] if batch_norm else []
    return keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            keras.layers.Rescaling(1 / 127.5, -1),
            keras.layers.Conv2D(8, 4, 4, activation="relu"),
            *normal,
            keras.layers.Dropout(0.1),
            keras.layers.Flatten(),
            keras.layers.Dense(2, **head),
        ]
    )


def compile_model(model, loss=None):
    loss = loss or keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # On a CPU XLA takes longer to compile these steps than they take.
    model.compile("adam", loss, jit_compile=False if BACKEND == "tensorflow" else "auto")


def blind():
    """A model that takes every image for one of the first class."""
    model = network()
    model.set_weights([np.zeros_like(value) for value in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def trained():
    """A model that goes by the corner, and so loses by occlusion of it."""
    model = network(batch_norm=True)
    compile_model(model)
    model.fit(*data(256, 0), batch_size=32, epochs=4, verbose=0)
    return model


def run(model, **settings):
    arguments = {
        "epochs": 6,
        "learning_rate": 3e-3,
        "batch_size": 32,
        "suite": SUITE,
        "max_clean_drop": 2,
        "verbose": False,
        **settings,
    }
    return harden(model, data(256, 0), data(128, 1), **arguments)


def test_what_can_be_gained_is_found_and_the_users_model_is_untouched(trained):
    before = [value.copy() for value in trained.get_weights()]
    result = run(trained, epochs=12)
    first, *_ = result.line
    assert result.chosen.share > 0
    assert result.chosen.occluded > first.occluded + 0.08
    assert result.chosen.clean >= first.clean - 0.02
    for one, other in zip(before, trained.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    old, new = result.report(data(128, 2), suite=SUITE)
    assert new.row("patch_replacement_4x4_30").top1 > old.row("patch_replacement_4x4_30").top1
    assert (result.before, result.after) == (old, new)
    # The line is that of the benchmark itself.
    own = evaluate(result.model, *data(128, 1), suite=SUITE, batch_size=32, verbose=False)
    assert own.rows[1].top1 == result.chosen.rows[own.rows[1].name]


@pytest.mark.parametrize(
    ("epochs", "rate", "seed", "batch_norm", "most", "confident"),
    [
        (1, 0.3, 3, True, 0.0, True),
        (2, 1e-2, 8, False, 1.5, True),
        (1, 1e-2, 5, True, 100.0, False),
        pytest.param(2, 1e-2, 1, True, 1.5, False, marks=pytest.mark.slow),
        pytest.param(2, 1e-4, 0, False, 0.0, False, marks=pytest.mark.slow),
    ],
)
def test_it_is_never_worse_than_the_original_by_its_own_measure(
    epochs, rate, seed, batch_norm, most, confident
):
    model = network(seed, batch_norm)
    compile_model(model)
    model.fit(*data(256, seed), batch_size=32, epochs=4, verbose=0)
    result = run(
        model,
        epochs=epochs,
        learning_rate=rate,
        seed=seed,
        max_clean_drop=most,
        confident=confident,
    )
    settings = {"suite": SUITE, "batch_size": 32, "seed": seed, "verbose": False}
    before, after = (evaluate(one, *data(128, 1), **settings) for one in (model, result.model))
    occluded = [np.mean([row.top1 for row in report.rows[1:]]) for report in (before, after)]
    assert occluded[1] >= occluded[0]
    assert after.rows[0].top1 >= before.rows[0].top1 - most / 100 - 1e-9
    if confident and result.chosen.share > 0:
        assert after.compare(before).rows[0].low >= -most / 100 - 1e-9
    # It is the best point of the line that costs no more than it may.
    assert result.chosen.occluded == max(one.occluded for one in result.line if one.allowed)


def test_the_result_is_an_ordinary_model_of_the_same_class(trained, tmp_path):
    result = run(trained, epochs=1)
    assert type(result.model) is type(trained)
    assert result.model.compiled
    assert type(result.model.optimizer) is type(trained.optimizer)
    assert [layer.trainable for layer in result.model.layers] == [True] * 6
    result.model.save(tmp_path / "hardened.keras")
    loaded = keras.saving.load_model(tmp_path / "hardened.keras")
    images = data(4, 3)[0]
    np.testing.assert_array_equal(loaded.predict(images), result.model.predict(images))


def test_batch_normalization_keeps_its_statistics_unless_asked(trained):
    def statistics(model):
        return model.layers[2].get_weights()[2:]

    for frozen in (True, False):
        result = run(trained, epochs=1, freeze_batch_norm=frozen, max_clean_drop=100)
        same = [
            np.array_equal(one, other)
            for one, other in zip(statistics(trained), statistics(result.model), strict=True)
        ]
        # A point of the line other than the original shows what training did.
        assert result.chosen.share == 0 or all(same) == frozen


def test_the_same_seed_gives_the_same_line(trained):
    lines = [run(trained, epochs=1, seed=seed).line for seed in (1, 1, 2)]
    assert lines[0] == lines[1]
    assert lines[0] != lines[2]


class Broken(Exception):
    pass


def test_killed_it_goes_on_after_the_last_epoch(trained, tmp_path, monkeypatch):
    from keras_patchmix.training import fine_tuning

    whole = run(trained, epochs=3)
    step, calls = fine_tuning.FineTuning.step, []

    def counted(self, batch, number, progress):
        calls.append(number)
        if len(calls) == 20:
            raise Broken
        return step(self, batch, number, progress)

    monkeypatch.setattr(fine_tuning.FineTuning, "step", counted)
    backup = tmp_path / "backup"
    with pytest.raises(Broken):
        run(trained, epochs=3, backup=backup)
    result = run(trained, epochs=3, backup=backup)
    assert calls[20] == 16  # of eight steps an epoch two were whole
    assert not backup.exists()
    for one, other in zip(whole.model.get_weights(), result.model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    calls.clear()
    with pytest.raises(Broken):
        run(trained, epochs=3, backup=backup)
    with pytest.raises(ValueError, match="`backup` must be of the same"):
        run(trained, epochs=4, backup=backup)


@pytest.mark.parametrize("activation", [None, "sigmoid"])
def test_models_of_one_output_are_hardened_too(activation):
    inputs = network().layers
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((SIZE, SIZE, 3)), *inputs[:-1], keras.layers.Dense(1)])
    if activation:
        model.add(keras.layers.Activation(activation))
    compile_model(model, keras.losses.BinaryCrossentropy(from_logits=activation is None))
    images, labels = data(256, 0)
    model.fit(images, labels.astype("float32"), batch_size=32, epochs=4, verbose=0)
    result = run(model, epochs=12)
    assert result.chosen.occluded > result.line[0].occluded


@keras.saving.register_keras_serializable("tests")
class RescalingTask(keras.Model):
    """A classifier like tasks of keras-hub: it rescales in `train_on_batch`, and is compiled."""

    seen: list = []  # noqa: RUF012

    def __init__(self, **kwargs):
        images = x = keras.Input((SIZE, SIZE, 3))
        for layer in network().layers[1:]:
            x = layer(x)
        super().__init__(images, x, **kwargs)
        self.preprocessor = keras.layers.Rescaling(1 / 127.5, -1)
        self.compile("adam")

    def compile(self, optimizer, loss="sparse_categorical_crossentropy", **settings):
        settings = {"metrics": [keras.metrics.SparseCategoricalAccuracy()], **settings}
        super().compile(optimizer, loss, **settings)

    def get_config(self):
        return {"name": self.name}

    def preprocess_samples(self, x, y=None, sample_weight=None):
        return keras.utils.pack_x_y_sample_weight(self.preprocessor(x), y, sample_weight)

    def train_on_batch(self, x, y=None, sample_weight=None, **kwargs):
        data = self.preprocess_samples(x, y, sample_weight)
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        self.seen.append(to_numpy(x))
        return super().train_on_batch(x, y, sample_weight, **kwargs)


def test_a_tasks_own_preprocessing_is_applied_once_and_a_users_in_its_place():
    task = RescalingTask()
    compile_model(task)
    images, labels = data(256, 0)
    task.fit(images / np.float32(127.5) - 1, labels, batch_size=32, epochs=4, verbose=0)

    def brighter(images):
        return np.asarray(images, np.float32) / 127.5 - 0.9

    for function, black in ((None, -1), (brighter, -0.9)):
        task.seen.clear()
        run(task, epochs=1, preprocess=function)
        assert len(task.seen) == 8
        found = min(map(np.min, task.seen)), max(map(np.max, task.seen))
        assert found == pytest.approx((black, black + 250 / 127.5), abs=1e-5)


def point(share, clean, occluded, low=None):
    change = clean - 0.9
    return LinePoint(share, clean, occluded, {}, change, change if low is None else low, 0.0)


@pytest.mark.parametrize(
    ("most", "confident", "share"),
    [
        (0.5, False, 0.5),  # 0.75 is better under occlusion and costs a point
        (1.0, False, 0.75),
        (1.0, True, 0.25),  # 0.5 may cost more, by its interval
        (0.0, False, 0.25),
        (100.0, False, 1.0),
        (0.0, True, 0.0),
    ],
)
def test_the_point_is_the_best_that_costs_no_more_than_it_may(most, confident, share):
    points = [
        point(0.0, 0.9, 0.5),
        point(0.25, 0.91, 0.55, low=-0.004),
        point(0.5, 0.896, 0.6, low=-0.02),
        point(0.75, 0.89, 0.65, low=-0.03),
        point(1.0, 0.8, 0.7, low=-0.2),
    ]
    chosen = [one.share for one in choose(points, most, confident) if one.chosen]
    assert chosen == [share]


def test_of_equal_points_the_nearest_is_taken_and_the_original_is_always_allowed():
    points = [point(0.0, 0.9, 0.6), point(0.5, 0.9, 0.6), point(1.0, 0.5, 0.9)]
    chosen = choose(points, 0.0, True)
    assert [one.chosen for one in chosen] == [True, False, False]
    assert [one.allowed for one in chosen] == [True, True, False]


def test_weights_on_the_line_are_exact_at_its_ends_and_leave_counts():
    rng = np.random.default_rng(0)
    before = [rng.normal(size=3).astype(np.float32), np.array([7, 8], np.uint32)]
    after = [rng.normal(size=3).astype(np.float32), np.array([9, 9], np.uint32)]
    for share, expected in ((0.0, before[0]), (1.0, after[0])):
        np.testing.assert_array_equal(weights_between(before, after, share)[0], expected)
    half = weights_between(before, after, 0.5)
    np.testing.assert_allclose(half[0], (before[0] + after[0]) / 2, rtol=1e-6)
    np.testing.assert_array_equal(half[1], before[1])
    assert half[0].dtype == np.float32


class WithoutConfig(keras.Model):
    def __init__(self, width):
        super().__init__()
        self.dense = keras.layers.Dense(width)

    def call(self, images):
        return self.dense(keras.ops.reshape(images, (-1, SIZE * SIZE * 3)))


def test_what_cannot_be_hardened_is_refused_by_name(trained):
    with pytest.raises(ValueError, match="`model` must be better than chance"):
        run(blind())
    model = WithoutConfig(2)
    compile_model(model)
    model.fit(data(64, 0)[0].astype("float32"), data(64, 0)[1], verbose=0, epochs=20)
    with pytest.raises(ValueError, match="`model` must be one that can be rebuilt"):
        run(model)
    with pytest.raises(ValueError, match="`model` must be a built"):
        run(lambda images: images)
    for name, value in (("max_clean_drop", -1), ("epochs", 0), ("epochs", 1.5), ("minutes", 0)):
        with pytest.raises(ValueError, match=f"`{name}` must be"):
            run(trained, **{name: value})
    with pytest.raises(ValueError, match="`learning_rate` must be lower"):
        run(trained, learning_rate=1e30)


def test_another_mixing_takes_the_place_of_patch_mixing(trained):
    seen = []

    def own(batch):
        seen.append((batch["images"].shape, batch["labels"].dtype, batch["labels"].sum()))
        return {"images": batch["images"], "labels": batch["labels"]}

    unmixed = run(trained, epochs=1, mixing=own)
    assert seen == [((32, SIZE, SIZE, 3), np.float32, 32)] * 8
    assert unmixed.settings["mixing"].endswith("own")
    layer = PatchMixing(4, ratio=0.0, label_smoothing=0.0, probability=1.0)  # moves nothing
    assert run(trained, epochs=1, mixing=layer).line == unmixed.line
    assert run(trained, epochs=1, mixing=CutMix()).settings["mixing"]["class_name"] == "CutMix"
    called = []

    class Theirs(keras.layers.CutMix):
        def call(self, *args, **kwargs):
            called.append(True)
            return super().call(*args, **kwargs)

    run(trained, epochs=1, mixing=Theirs())
    assert len(called) >= 8


@pytest.mark.needs("matplotlib")
def test_the_line_is_a_table_a_picture_and_data(trained, tmp_path):
    result = run(trained, epochs=1)
    lines = result.table().splitlines()
    assert lines[0].startswith("weights ")
    assert re.match(r"0 % \(original\) +\d+\.\d +\d+\.\d ", lines[2])  # no change of itself
    assert lines[-1].startswith("100 % (fine-tuned)")
    assert "chosen" in result.table()
    assert result.to_json(tmp_path / "line.json") is None
    assert result.to_dict()["settings"]["mixing"]["foreign"] == 0.5
    axes = result.plot(tmp_path / "line.png").axes[0]
    drawn = axes.lines[0].get_xydata()
    expected = [(100 * one.clean, 100 * one.occluded) for one in result.line]
    np.testing.assert_allclose(drawn, expected)
    assert (tmp_path / "line.png").stat().st_size > 5000


def test_a_budget_of_minutes_ends_in_time(trained, capsys):
    import time

    started = time.monotonic()
    result = run(trained, minutes=0.05, verbose=2)
    assert re.search(r"\nepoch \d+: the time is up after \d of 8 steps\n", capsys.readouterr().out)
    assert time.monotonic() - started < 60
    assert result.settings["minutes"] == 0.05
