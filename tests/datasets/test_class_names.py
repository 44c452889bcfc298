"""Names of classes: as TFDS keeps them, and which id means which class."""

import pytest

from keras_patchmix.datasets.class_names import class_lines, label_names


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


def test_names_of_classes_fit_in_a_line_each():
    names = ["cat", " dog ", "two\nlines", "tab\there", "caf\u00e9", "bad\udcff", "$x$", "a\u2028b"]
    expected = ["cat", "dog", r"two\nlines", r"tab\there", "caf\u00e9", r"bad\xff", "$x$"]
    assert label_names(names) == [*expected, r"a\u2028b"]
    with pytest.raises(ValueError, match=r"names of classes must differ .* Received: "):
        label_names(["dog", "dog "])


def test_names_of_classes_of_one_printable_form_are_told_apart():
    assert label_names(["a\udce9", r"a\xe9"]) == [r"a\xe9", r"a\xe9 (2)"]
