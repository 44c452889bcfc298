import numpy as np
import pytest

from keras_patchmix.occluders import Occluder
from tests.occluders.shapes import disc, noisy, square


def test_the_picture_is_cut_to_what_is_visible():
    image = np.zeros((50, 40, 4), np.uint8)
    image[10:20, 5:30] = (1, 2, 3, 255)
    image[9, 7] = (9, 9, 9, 1)
    image[40, 7] = (9, 9, 9, 0)
    occluder = Occluder("thing", image)
    np.testing.assert_array_equal(occluder.image, image[9:20, 5:30])
    assert repr(occluder) == "Occluder('thing', 11 x 25)"


def test_the_picture_is_kept_apart_from_the_array_it_was_made_of():
    image = square()
    occluder = Occluder("square", image)
    image[:] = 0
    assert np.all(occluder.image == (200, 100, 50, 255))
    with pytest.raises(ValueError, match="read-only"):
        occluder.image[0, 0] = 0


def test_smaller_sizes_are_averages_of_areas():
    image = noisy(32, 16)
    occluder = Occluder("noise", image)
    whole = image.astype(float)
    whole[..., :3] *= whole[..., 3:] / 255
    assert [size.shape for size in occluder.sizes[:3]] == [(34, 18), (18, 10), (10, 6)]
    for number, size in enumerate(occluder.sizes):
        side = 2**number
        rows, columns = 32 // side, max(16 // side, 1)
        if 16 % side:
            break
        mean = whole.reshape(rows, side, columns, side, 4).mean(axis=(1, 3))
        pixels = size.pixels.reshape(*size.shape, 4)
        # Every halving rounds once: half a step each.
        assert np.abs(pixels[1:-1, 1:-1] - mean).max() <= 0.5 * (number + 1)
        assert not np.any(pixels[[0, -1]])
        assert not np.any(pixels[:, [0, -1]])


def test_a_large_picture_is_halved_and_keeps_its_colors():
    occluder = Occluder("large", disc(1400, (10, 200, 90)))
    assert occluder.image.shape == (350, 350, 4)
    assert np.all(occluder.image[occluder.image[..., 3] == 255][:, :3] == (10, 200, 90))
    share = occluder.image[..., 3].mean() / 255
    assert abs(share - np.pi / 4) < 0.001


def test_digests_tell_pictures_and_names_apart():
    first, second = square(), square()
    second[0, 0, 0] += 1
    digests = {Occluder("a", first).sha256, Occluder("a", second).sha256}
    digests |= {Occluder("b", first).sha256, Occluder("a", square(40, 10)).sha256}
    assert len(digests) == 4
    assert Occluder("a", square()).sha256 in digests


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((20, 20, 3), np.uint8), r"`image` must be a uint8 array.*\(20, 20, 3\)"),
        (np.zeros((20, 20, 4), np.float32), r"`image` must be a uint8 array.*float32"),
        (np.zeros((20, 20, 4), np.uint8), r"`image` must show something.*20 x 20.*alpha up to 0"),
        (np.full((20, 20, 4), 127, np.uint8), r"at least half opaque.*alpha up to 127"),
        (square(7, 7), r"8 pixels wide or high.*7 x 7"),
        (np.zeros((0, 9, 4), np.uint8), r"`image` must show something"),
    ],
)
def test_wrong_pictures_are_named(image, message):
    with pytest.raises(ValueError, match=message):
        Occluder("wrong", image)


def test_a_name_must_be_a_string():
    with pytest.raises(TypeError, match=r"`name` must be a string.*name=3"):
        Occluder(3, square())
