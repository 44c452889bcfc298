import ml_dtypes
import numpy as np
import pytest

from keras_patchmix.occluders import (
    Layer,
    Occluder,
    assemble,
    blend,
    covered,
    empty_cover,
    lay_behind,
    place,
)
from tests.occluders.shapes import disc, noisy, painted, ring, sampled_slowly, square


def shown(layer, height, width):
    return assemble([layer], (height, width))


def test_an_opaque_square_lies_where_it_is_put():
    layer = place(Occluder("square", square(20, 10)), (64, 80), center=(30, 45))
    expected = np.zeros((64, 80, 4), np.uint8)
    expected[20:40, 40:50] = (200, 100, 50, 255)
    np.testing.assert_array_equal(shown(layer, 64, 80), expected)


def test_what_lies_outside_of_the_image_is_cut_off():
    occluder = Occluder("square", square(20, 20))
    expected = np.zeros((30, 30, 4), np.uint8)
    expected[:8, 17:] = (200, 100, 50, 255)
    np.testing.assert_array_equal(shown(place(occluder, (30, 30), (-2, 27)), 30, 30), expected)
    assert len(place(occluder, (30, 30), (-11, 10)).index) == 0
    assert len(place(occluder, (30, 30), (10, 300)).index) == 0


@pytest.mark.parametrize("quarters", [1, 2, 3, 5, -1])
def test_a_quarter_turn_is_clockwise_and_exact(quarters):
    image = noisy(22, 16)
    image[..., 3] = 255
    layer = place(Occluder("noise", image), (40, 40), (20, 20), turns=quarters / 4)
    turned = np.rot90(image, -quarters)
    top, left = 20 - turned.shape[0] // 2, 20 - turned.shape[1] // 2
    expected = np.zeros((40, 40, 4), np.uint8)
    expected[top : top + turned.shape[0], left : left + turned.shape[1]] = turned
    np.testing.assert_array_equal(shown(layer, 40, 40), expected)


def test_half_the_size_is_the_average_of_two_by_two_pixels():
    image = noisy(24, 16)
    image[..., 3] = 255
    layer = place(Occluder("noise", image), (20, 20), (10, 10), scale=0.5)
    mean = (image.reshape(12, 2, 8, 2, 4).astype(int).sum(axis=(1, 3)) + 2) // 4
    np.testing.assert_array_equal(shown(layer, 20, 20)[4:16, 6:14], mean)


@pytest.mark.parametrize(
    ("turns", "scale", "center"),
    [(0.13, 1.0, (15.3, 18.9)), (0.62, 1.7, (9.1, 20.2)), (0.951, 0.72, (17.0, 12.5))],
)
def test_any_place_turn_and_scale_agree_with_a_slow_loop(turns, scale, center):
    image = noisy(13, 18)
    layer = place(Occluder("noise", image), (33, 37), center, turns, scale)
    expected = 255 * sampled_slowly(image, (33, 37), center, turns, scale)
    # Half a step each for multiplying colors by alpha and for the result.
    assert np.abs(shown(layer, 33, 37) - expected).max() < 1.01
    assert np.all(layer.pixels[:, 3] > 0)
    assert np.all(np.diff(layer.index) > 0)


def test_fine_stripes_turn_to_gray_when_made_small():
    inside = np.zeros((240, 240), bool)
    inside[:, ::2] = True
    occluder = Occluder("stripes", painted(inside, (255, 255, 255)))
    for scale in (0.11, 0.2, 0.37):
        cover = shown(place(occluder, (100, 100), (50, 50), 0.04, scale), 100, 100)
        inner = cover[45:55, 45:55]
        assert np.all(abs(inner.astype(int) - 128) <= 4), scale


@pytest.mark.parametrize("scale", [0.2, 0.6, 1.3, 3.1])
def test_area_follows_the_scale(scale):
    layer = place(Occluder("disc", disc(60)), (256, 256), (128, 127), 0.3, scale)
    area = layer.pixels[:, 3].sum() / 255
    assert abs(area / (np.pi * (30 * scale) ** 2) - 1) < 0.02


def test_layers_lie_one_behind_another_as_in_a_slow_loop():
    height, width = 40, 50
    rng = np.random.default_rng(3)
    image = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
    layers = [
        place(Occluder("noise", noisy(20, 30, seed)), (height, width), center, seed / 7, 1.1)
        for seed, center in enumerate([(20, 20), (25, 25), (15, 40), (38, 10)])
    ]
    cover = empty_cover(height, width)
    for layer in layers:
        lay_behind(cover, layer)
    expected = image.astype(float)
    for layer in reversed(layers):  # from the back to the front
        for index, pixel in zip(layer.index, layer.pixels / 255.0, strict=True):
            i, j = divmod(index, width)
            expected[i, j] = (1 - pixel[3]) * expected[i, j] + 255 * pixel[:3]
    assert np.abs(blend(image, cover) - expected).max() <= 2.5
    assert np.all(cover[..., :3] <= cover[..., 3:])


def test_a_layer_behind_changes_nothing_that_is_opaque():
    front = place(Occluder("ring", ring(40, (250, 10, 10))), (60, 60), (30, 30))
    back = place(Occluder("square", square(40, 40)), (60, 60), (35, 30))
    cover = empty_cover(60, 60)
    lay_behind(cover, front)
    before = cover.copy()
    added = lay_behind(cover, back)
    opaque = before[..., 3] == 255
    np.testing.assert_array_equal(cover[opaque], before[opaque])
    assert np.all(cover[15:55, 10:50, 3] == 255)
    np.testing.assert_array_equal(assemble([front, added], (60, 60)), cover)
    assert covered(cover) == np.sum(cover[..., 3] >= 128) > 1600


def cover_of(alpha, color=(200, 100, 50)):
    """A cover of one column for each alpha, colors multiplied by it."""
    alpha = np.asarray(alpha)
    pixels = np.concatenate([np.outer(alpha, color) // 255, alpha[:, None]], axis=1)
    return np.repeat(pixels[None].astype(np.uint8), 3, axis=0)


@pytest.mark.parametrize(
    ("dtype", "value_range", "tolerance"),
    [
        (np.uint8, (0, 255), 0.5),
        (np.int32, (-1000, 1000), 0.5),
        (np.float16, (0, 1), 1e-3),
        (ml_dtypes.bfloat16, (0, 255), 1),
        (np.float32, (-1, 1), 1e-6),
        (np.float64, (0, 1), 1e-12),
    ],
)
def test_colors_are_blended_in_the_range_and_dtype_of_the_image(dtype, value_range, tolerance):
    low, high = value_range
    cover = cover_of([0, 1, 77, 128, 254, 255])
    image = np.full((3, 6, 3), low + 0.25 * (high - low)).astype(dtype)
    out = blend(image, cover, value_range)
    assert out.dtype == image.dtype
    alpha = cover[..., 3:] / 255.0
    color = low * alpha + (high - low) * (cover[..., :3] / 255.0)
    expected = (1 - alpha) * image.astype(float) + color
    assert np.abs(out.astype(float) - expected).max() <= tolerance
    assert np.any(out[:, 3] != image[:, 3])


def test_integers_are_rounded_half_to_even():
    cover = np.zeros((1, 4, 4), np.uint8)
    cover[0, :, 3] = 255
    cover[0, :, :3] = np.array([51, 102, 153, 255])[:, None]
    out = blend(np.zeros((1, 4, 3), np.int16), cover, (0, 2.5))
    # 0.5, 1, 1.5 and 2.5
    assert out[0, :, 0].tolist() == [0, 1, 2, 2]


def test_integers_are_clipped_to_their_type():
    cover = np.full((1, 1, 4), 255, np.uint8)
    assert blend(np.zeros((1, 1, 3), np.uint8), cover, (0, 300))[0, 0, 0] == 255


def test_where_nothing_stands_in_front_not_a_bit_changes():
    image = np.array([np.nan, -0.0, np.inf, 1e-42, 3, 3], np.float32)
    image = np.repeat(image[None, :, None], 3, axis=2)
    out = blend(image, cover_of([0, 0, 0, 0, 100, 255])[:1], (0, 255))
    np.testing.assert_array_equal(out[:, :4].view(np.uint32), image[:, :4].view(np.uint32))
    assert np.all(out[:, 4:] != 3)
    large = np.full((3, 2, 3), 2**53 + 1, np.int64)
    assert np.all(blend(large, cover_of([0, 255]))[:, 0] == 2**53 + 1)


def test_one_channel_shows_the_luma():
    colors = np.eye(3, 3, dtype=np.uint8) * 255
    cover = np.concatenate([colors, np.full((3, 1), 255, np.uint8)], axis=1)[None]
    out = blend(np.zeros((1, 3, 1), np.float32), cover, (0, 255))
    assert out[0, :, 0].tolist() == [76, 150, 29]


def test_wrong_images_are_named():
    for shape in [(4, 4, 2), (4, 5, 3), (4, 4)]:
        with pytest.raises(ValueError, match=r"`image` must have.*1 or 3 channels.*image\.shape"):
            blend(np.zeros(shape, np.uint8), empty_cover(4, 4))


def test_an_empty_layer_adds_nothing():
    nothing = Layer(np.zeros(0, np.int32), np.zeros((0, 4), np.uint8))
    cover = empty_cover(5, 5)
    lay_behind(cover, nothing)
    assert covered(cover) == 0
    image = np.arange(75, dtype=np.uint8).reshape(5, 5, 3)
    np.testing.assert_array_equal(blend(image, cover), image)
