import itertools

import numpy as np
import pytest

from keras_patchmix.occluders import Occluder, assemble, cover_to, covered
from tests.occluders.shapes import disc, painted, ring, square

LEVELS = (0.01, 0.03, 0.1, 0.17, 0.2, 0.5, 0.65, 0.9)


def draws(occluders, seed=0):
    """A function of an object's number, such as `cover_to` wants."""

    def draw(number):
        rng = np.random.default_rng((seed, number))
        return occluders[number % len(occluders)], *rng.random(4)

    return draw


@pytest.mark.parametrize("picture", [disc(), ring(), square(90, 25)])
@pytest.mark.parametrize("size", [(16, 16), (32, 48), (100, 100)])
def test_every_level_is_met(picture, size):
    pixels = size[0] * size[1]
    for seed in range(4):
        covers = cover_to(LEVELS, size, draws([Occluder("it", picture)], seed))
        for level, layers in zip(LEVELS, covers, strict=True):
            hidden = covered(assemble(layers, size))
            assert abs(hidden - level * pixels) <= max(min(0.004, 0.05 * level) * pixels, 0.5)


def test_one_disc_has_the_area_asked_for():
    draw = draws([Occluder("disc", disc(200))])

    def in_the_middle(number):
        occluder, turns, *_ = draw(number)
        # The pixel number 100 * 50 + 50: the cover is empty at first.
        return occluder, turns, (100 * 50 + 50.5) / 100**2, 0.0, 0.0

    (layers,) = cover_to([0.1], (100, 100), in_the_middle)
    assert len(layers) == 1
    rows, columns = np.nonzero(assemble(layers, (100, 100))[..., 3] >= 128)
    diameter = 2 * np.sqrt(1000 / np.pi)
    assert abs(np.ptp(rows) + 1 - diameter) < 1.5
    assert abs(np.ptp(columns) + 1 - diameter) < 1.5
    assert abs(rows.mean() - 49.5) < 0.6
    assert abs(columns.mean() - 49.5) < 0.6


def test_an_occluder_too_small_at_its_largest_gets_help():
    bar = Occluder("bar", square(100, 20))
    (layers,) = cover_to([0.3], (100, 100), draws([bar]))
    # None may be longer than 75 pixels, or wider than 15: a point and an eighth of the image each.
    assert len(layers) >= 0.295 / 0.01125 / 10
    for layer in layers:
        assert len(layer.index) <= 77 * 17


def test_occluders_too_thin_to_hide_anything_are_an_error():
    # A hair of one pixel in 512 vanishes where the image is small.
    inside = np.zeros((512, 512), bool)
    inside[:, 0] = inside[0, :8] = inside[-1, -8:] = True
    thin = Occluder("hair", painted(inside, (0, 0, 0)))
    with pytest.raises(ValueError, match=r"`occluders` are too thin to hide 10 %.*16 x 16"):
        cover_to([0.5], (16, 16), draws([thin]))


def test_a_rung_shows_what_the_rungs_below_show():
    occluders = [Occluder("disc", disc()), Occluder("ring", ring(color=(9, 99, 199)))]
    covers = cover_to((0.1, 0.2, 0.3, 0.9), (64, 64), draws(occluders))
    below = None
    for layers in covers:
        cover = assemble(layers, (64, 64))
        if below is not None:
            opaque = below[..., 3] == 255
            np.testing.assert_array_equal(cover[opaque], below[opaque])
            assert np.all(cover >= below)
        below = cover


def test_a_level_between_rungs_only_shrinks_the_last_object():
    draw = draws([Occluder("disc", disc())], seed=2)
    at_10, at_14, at_20 = cover_to((0.1, 0.14, 0.2), (80, 80), draw)
    assert len(at_10) == 1
    assert len(at_14) == len(at_20) == 2
    for a, b, c in zip(at_10[0], at_14[0], at_20[0], strict=True):
        assert a is b is c
    assert set(at_14[1].index) < set(at_20[1].index)


@pytest.mark.parametrize(
    ("levels", "size", "message"),
    [
        ((0.2, 0.1), (32, 32), r"`levels` must rise.*\(0\.2, 0\.1\)"),
        ((0.0, 0.1), (32, 32), r"`levels` must rise and be above 0"),
        ((0.1, 0.91), (32, 32), r"at most 0\.9.*0\.91"),
        ((0.1,), (32, 15), r"`image_size` must be at least 16.*\(32, 15\)"),
    ],
)
def test_wrong_arguments_are_named(levels, size, message):
    with pytest.raises(ValueError, match=message):
        cover_to(levels, size, draws([Occluder("disc", disc())]))


def test_centers_are_pixels_not_yet_hidden():
    """The first free pixel is the corner, then one beyond the disc that lies in the corner."""
    occluder = Occluder("disc", disc(200))
    at_10, at_20 = cover_to((0.1, 0.2), (100, 100), lambda number: (occluder, 0.0, 0.0, 0.5, 0.5))
    assert (len(at_10), len(at_20)) == (1, 2)
    rows, columns = np.divmod(at_20[0].index, 100)
    radius = columns.max()
    assert abs(radius - np.sqrt(4 * 1000 / np.pi)) < 1.5
    assert abs(rows.max() - radius) <= 1
    rows, columns = np.divmod(at_20[1].index, 100)
    # Its center is (0, radius): it reaches farther to the right than down, by that.
    assert abs(columns.max() - rows.max() - radius) <= 1.5


def test_an_occluder_with_a_hole_fills_gaps_that_would_fit_into_its_hole():
    occluder = Occluder("ring", ring(100))
    for seed in range(8):
        (layers,) = cover_to([0.9], (100, 100), draws([occluder], seed))
        # Always at their largest, up to 60 would be needed, most of them hiding nothing more.
        assert len(layers) <= 25
        hidden = [covered(assemble(layers[:k], (100, 100))) for k in range(1, len(layers) + 1)]
        assert all(a < b for a, b in itertools.pairwise(hidden))
