"""What commands say of a comparison of two models."""

from keras_patchmix.cli.harden.command import advice
from keras_patchmix.cli.messages import in_words
from keras_patchmix.occlusion.comparison import Comparison, Difference


def row(name, difference, margin):
    low, high = difference - margin, difference + margin
    return Difference(name, 0.5, 0.5 - difference, difference, low, high, None, 100, True)


def test_a_comparison_is_said_in_words():
    rows = [
        row("clean", -0.01, 0.02),
        row("a", 0.1, 0.05),
        row("b", -0.1, 0.05),
        row("c", 0.1, 0.2),
    ]
    said = in_words(Comparison(("m", "n"), rows, []), "Patch Mixing", "no mixing")
    assert "Patch Mixing beats no mixing in 1 of 3 rows under occlusion and loses in 1" in said
    assert "Clean accuracy changes by -1.0 points (-3.0 to +1.0)." in said


def test_advice_is_for_gains_in_at_most_half_of_the_rows_under_occlusion():
    clean, gain, none = row("clean", 0.1, 0.05), row("a", 0.1, 0.05), row("b", 0.1, 0.2)
    assert advice(Comparison(("m", "n"), [clean, gain, gain, none], [])) is None
    assert "--epochs" in advice(Comparison(("m", "n"), [clean, gain, none], []))
