"""Scores reach the callbacks of other packages; trials and their copies keep apart."""

import copy
import re
import warnings

import keras
import pytest

from keras_patchmix.callbacks import OcclusionBenchmark, SelectivityBenchmark
from tests.callbacks.runs import ALL, SUITE, compiled_model, data, drive, fit, lines_of, val_data


class Logger(keras.callbacks.Callback):
    """What a package for tracking experiments brings."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(dict(logs))


class Timer(keras.callbacks.Callback):
    """A callback that follows no value."""

    def on_epoch_begin(self, epoch, logs=None):
        pass


def occlusion(**settings):
    return OcclusionBenchmark(val_data(), SUITE, **settings)


def test_a_logger_of_another_package_in_front_is_named_in_one_warning():
    logger = Logger()
    message = re.escape("comes after Logger in `callbacks`: if these log or follow its values")
    with pytest.warns(UserWarning, match=message) as caught:
        fit([logger, occlusion()], 2)
    assert len([one for one in caught if "comes after" in str(one.message)]) == 1
    assert not ALL & set(logger.seen[0])


def test_a_logger_behind_and_callbacks_that_follow_nothing_are_no_reason_to_warn():
    logger = Logger()
    quiet = [Timer(), keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None)]
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "(?s).*comes after")
        _, history = fit([*quiet, occlusion(), logger], 2)
    for name in ALL:
        assert [logs[name] for logs in logger.seen] == history[name]


def test_the_mean_alone_is_logged_and_all_values_are_kept(tmp_path):
    scored = occlusion(log="mean", directory=tmp_path, frequency=2)
    _, history = fit([scored], 3)
    _, expected = fit([occlusion(frequency=2)], 3)
    assert ALL & set(history) == {"val_occlusion_mean"}
    assert history["val_occlusion_mean"] == expected["val_occlusion_mean"]
    assert set(scored.timeline[-1]["values"]) == ALL
    assert [line["values"]["val_occlusion_epoch"] for line in lines_of(tmp_path)] == [0, 2]
    with pytest.raises(ValueError, match=r'`log` must be "all" or "mean"\. Received: log=3'):
        occlusion(log=3)


def test_copies_have_folders_of_their_own_in_the_directory(tmp_path, model):
    few = {"max_examples": 3, "num_masks": 4, "grid_size": 4, "from_logits": True, "batch_size": 8}
    originals = [
        occlusion(directory=tmp_path),
        SelectivityBenchmark(val_data(), 1, directory=tmp_path, **few),
    ]
    first, second = copy.deepcopy(originals), copy.deepcopy(originals)
    for number, callbacks in enumerate((second, first, originals)):
        for callback in callbacks:
            drive(callback, model, number + 1)
    folders = [tmp_path / "copy_1", tmp_path / "copy_2", tmp_path]
    assert [len(lines_of(folder)) for folder in folders] == [1, 2, 3]
    for folder in folders:
        assert {"occlusion.json", "selectivity.json"} <= {one.name for one in folder.iterdir()}
    drive(second[0], model, 3, first=1)  # goes on in its folder
    assert [len(lines_of(folder)) for folder in folders] == [3, 2, 3]
    drive(copy.deepcopy(second[0]), model, 1)
    assert [len(lines_of(folder)) for folder in folders] == [3, 2, 3]
    assert len(lines_of(tmp_path / "copy_3")) == 1


def test_trials_of_keras_tuner_follow_the_score_and_keep_their_files(tmp_path):
    keras_tuner = pytest.importorskip("keras_tuner")

    def build(settings):
        model = compiled_model(regular=False)
        model.optimizer.learning_rate = settings.Choice("rate", [1e-9, 0.05], ordered=True)
        return model

    tuner = keras_tuner.GridSearch(
        build,
        keras_tuner.Objective("val_occlusion_mean", direction="max"),
        directory=tmp_path / "tuner",
    )
    callbacks = [occlusion(directory=tmp_path / "trials")]
    tuner.search(*data(), epochs=2, batch_size=20, verbose=0, callbacks=callbacks)
    trials = [tuner.oracle.trials[one] for one in sorted(tuner.oracle.trials)]
    scores = [trial.score for trial in trials]
    assert tuner.oracle.get_best_trials(1)[0].score == max(scores)
    kept = [lines_of(tmp_path / "trials" / f"copy_{number}") for number in (1, 2)]
    means = [max(line["values"]["val_occlusion_mean"] for line in lines) for lines in kept]
    assert sorted(means) == pytest.approx(sorted(scores))
