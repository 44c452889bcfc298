"""What commands share: messages that name flags, and how they end."""

import signal

import pytest

from keras_patchmix.cli.exit_status import exit_status
from keras_patchmix.cli.flags import named

FLAGS = {"name": "--dataset", "image_size": "--image-size"}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("`name` must be. Received: name='x'", "--dataset must be. Received: --dataset 'x'"),
        ("`seed` must be. Received: seed=-1", "`seed` must be. Received: seed=-1"),
        (
            "Give `image_size`. Received: image_size=None",
            "Give --image-size. Received: --image-size not given",
        ),
        ("name=1 is no argument here", "name=1 is no argument here"),
        ("Received: name='None', old_name=2", "Received: --dataset 'None', old_name=2"),
    ],
)
def test_messages_name_flags_in_place_of_arguments(message, expected):
    assert named(message, FLAGS) == expected


def test_a_command_that_did_its_work_ends_with_0_and_no_word(capsys):
    done = []
    assert exit_status(lambda: done.append(1), "") == 0
    assert done == [1]
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("kind", [ValueError, OSError, ImportError])
def test_an_error_is_one_line_and_1(monkeypatch, capsys, kind):
    monkeypatch.setattr("sys.argv", ["/bin/make_it.py"])

    def fail():
        raise kind("`name` is wrong")

    assert exit_status(fail, "", named=lambda message: named(message, FLAGS)) == 1
    assert capsys.readouterr().err == "make_it.py: --dataset is wrong\n"


def test_an_error_of_the_program_itself_keeps_its_frames():
    with pytest.raises(KeyError):
        exit_status(lambda: {}["a"], "")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_work_with_a_word_and_handlers_come_back(
    monkeypatch, capfd, number, status
):
    monkeypatch.setattr("sys.argv", ["make_it.py"])
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    found = exit_status(lambda: signal.raise_signal(number), ". To go on: again", notice="stopping")
    assert found == status
    assert capfd.readouterr().err == "\nstopping\n\nmake_it.py: interrupted. To go on: again\n"
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before
