"""What commands share: messages that name flags, and how they end."""

import signal

import pytest

from keras_patchmix.cli.exit_status import CommandError, Status, exit_status
from keras_patchmix.cli.messages import named

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


def status_of(work, named=str):
    return exit_status(work, "keras-patchmix make", "stopping", lambda: ". To resume: again", named)


def test_a_command_that_did_its_work_ends_with_0_and_no_word(capsys):
    done = []
    assert status_of(lambda: done.append(1)) == 0
    assert done == [1]
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("kind", [ValueError, OSError, ImportError])
def test_an_error_is_one_line_and_1(capsys, kind):
    def fail():
        raise kind("`name` is wrong")

    assert status_of(fail, lambda message: named(message, FLAGS)) == 1
    assert capsys.readouterr().err == "keras-patchmix make: --dataset is wrong\n"


def test_an_error_of_a_command_has_its_own_status(capsys):
    def fail():
        raise CommandError("the loss is nan", Status.DIVERGED)

    assert status_of(fail) == 3
    assert "the loss is nan" in capsys.readouterr().err


def test_an_error_of_the_program_itself_keeps_its_frames():
    with pytest.raises(KeyError):
        status_of(lambda: {}["a"])


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_work_with_a_word_and_handlers_come_back(capfd, number, status):
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    assert status_of(lambda: signal.raise_signal(number)) == status
    expected = "\nstopping\n\nkeras-patchmix make: interrupted. To resume: again\n"
    assert capfd.readouterr().err == expected
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before
