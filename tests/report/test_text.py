import pytest

from keras_patchmix.report.text import plural, typeset


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ((0.12345,), "12.35"),
        ((-0.125, 1), "−12.5"),
        ((0.125, 1, True), "+12.5"),
        ((-0.00001, 2, True), "0.00"),
        ((None,), "–"),
    ],
)
def test_shares_are_numbers_of_per_cent_with_a_true_minus(arguments, wanted):
    assert typeset(*arguments) == wanted


def test_what_is_counted_is_in_the_plural_unless_it_is_one():
    assert plural(1, "image") == "1 image"
    assert plural(2000, "class", "es") == "2,000 classes"
