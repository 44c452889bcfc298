"""Which id means which class, as the commands say it first."""

import pytest

from keras_patchmix.datasets.class_names import class_lines


def test_few_classes_are_all_named_by_their_ids():
    assert class_lines(("cat", "dog")) == ["Classes: 0 'cat', 1 'dog'"]


def test_many_classes_are_shortened():
    (line,) = class_lines([f"k{number:03d}" for number in range(1000)])
    assert line.startswith("Classes: 0 'k000', 1 'k001', ")
    assert line.endswith("9 'k009', ..., 998 'k998', 999 'k999'")
    assert "10 'k010'" not in line
    (line,) = class_lines([f"k{number:02d}" for number in range(13)])
    assert line.count("'") == 26


def test_names_do_not_steer_a_terminal():
    assert class_lines(("\x1b[31m", "a\nb"))[0] == r"Classes: 0 '\x1b[31m', 1 'a\nb'"


def test_names_are_shown_as_in_reports():
    assert class_lines((r"caf\xe9", "a")) == [r"Classes: 0 'caf\xe9', 1 'a'"]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("0", "1", "10", "11", "2"), "class 2 is '10'"),
        (("1", "10", "2"), "class 1 is '10'"),
        (("0", "1", "2"), None),
        (("00", "01", "02", "10"), None),
        (("1", "2", "3"), None),
        (("0", "1", "10", "2", "cat"), None),
    ],
)
def test_numbers_that_are_out_of_order_are_said_so(names, said):
    _, *more = class_lines(names)
    assert len(more) == (said is not None)
    if said is not None:
        assert said in more[0]
        assert "class map" in more[0]
