"""metrics.csv: one row an epoch, whatever was run again."""

import csv

import keras
import numpy as np
import pytest

from keras_patchmix.training.metrics_file import MetricsFile, has_epoch, read


def write(path, epochs, writes=True, **logs):
    callback = MetricsFile(path, writes)
    for epoch in epochs:
        callback.on_epoch_begin(epoch)
        callback.on_epoch_end(epoch, {"loss": np.float32(0.1) + epoch, **logs})


def test_every_epoch_has_one_row_in_the_order_of_epochs(tmp_path):
    path = tmp_path / "metrics.csv"
    write(path, range(3), accuracy=0.5)
    whole = path.read_bytes()
    rows = list(csv.DictReader(path.open()))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert np.float32(rows[1]["loss"]) == np.float32(0.1) + 1
    write(path, range(1, 3), accuracy=0.5)
    assert path.read_bytes() == whole
    write(path, [1], accuracy=0.5)
    assert [row["epoch"] for row in read(path)] == [0, 1], "of a time line that was given up"


def test_a_column_that_comes_later_is_there_and_empty_before(tmp_path):
    path = tmp_path / "metrics.csv"
    write(path, [0])
    write(path, [1], accuracy=1)
    assert [row["accuracy"] for row in read(path)] == [None, 1.0]


def test_lines_of_earlier_epochs_that_are_gone_are_named_once(tmp_path, capsys):
    path = tmp_path / "metrics.csv"
    write(path, range(3))
    write(path, range(3, 5))
    assert capsys.readouterr().out == ""
    path.unlink()
    write(path, range(7, 9), writes=False)
    assert capsys.readouterr().out == ""
    write(path, range(7, 9))
    (line,) = capsys.readouterr().out.splitlines()
    assert line == f"{path} has lost the lines of earlier epochs: 0, 1, 2, 3, 4 and 2 more"
    assert [row["epoch"] for row in read(path)] == [7, 8]


def test_what_is_not_there_has_no_rows(tmp_path):
    path = tmp_path / "metrics.csv"
    assert read(path) == []
    assert not has_epoch(path, 0)
    write(path, [0])
    assert has_epoch(path, 0)
    assert not has_epoch(path, 1)


def test_a_worker_that_does_not_write_writes_nothing(tmp_path):
    write(tmp_path / "metrics.csv", [0], writes=False)
    assert not list(tmp_path.iterdir())


def test_a_fit_writes_what_its_history_holds(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    path = tmp_path / "metrics.csv"
    x = np.ones((4, 2), "float32")
    history = model.fit(x, x[:, :1], epochs=2, verbose=0, callbacks=[MetricsFile(path)]).history
    for name in ("loss", "mae"):
        assert [float(row[name]) for row in read(path)] == pytest.approx(history[name], abs=0)
