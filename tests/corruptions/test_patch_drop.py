"""What PatchDrop puts in place of patches, and which patches go first."""

import hashlib
import json

import numpy as np
import pytest

from keras_patchmix.corruptions.base import patches_at
from keras_patchmix.occlusion import PatchDrop, evaluate


@pytest.mark.parametrize(
    ("fill", "value_range", "dtype", "expected"),
    [
        ("black", (0, 255), np.uint8, 0),
        ("mean", (0, 255), np.uint8, 128),
        ("mean", (0, 255), np.float32, 127.5),
        ("black", (-1, 1), np.float32, -1),
        ("mean", (-1, 1), np.float32, 0),
        (7, (0, 255), np.uint8, 7),
        (0.25, (0, 1), np.float16, 0.25),
    ],
)
def test_drop_fills_with_the_value_of_the_range(fill, value_range, dtype, expected):
    images = np.full((4, 30, 30, 2), 3, dtype)
    ((_, out, pixels),) = PatchDrop(4, 0.5, fill)(images, value_range=value_range)
    assert out.dtype == dtype
    dropped = out[..., 0] != 3
    np.testing.assert_array_equal(dropped.sum((1, 2)), pixels)
    assert np.all(out[dropped] == expected)


def test_noise_is_uniform_over_the_range_and_the_same_at_every_level():
    images = np.full((8, 28, 28, 3), 999.0, np.float32)
    (_, low, _), (_, high, _) = PatchDrop(7, (0.5, 1.0), "noise")(images, value_range=(-2, 6))
    assert np.all(low[low != 999] == high[low != 999])
    assert abs(high.mean() - 2) < 5 * 8 / np.sqrt(12 * high.size)
    assert high.min() >= -2
    assert high.max() <= 6
    assert len(np.unique(high)) > 0.9 * high.size


def test_fills_of_drop_share_their_patches():
    images = np.full((5, 14, 14, 1), 9, np.uint8)
    ((_, black, _),) = PatchDrop(7, 0.4)(images)
    ((_, mean, _),) = PatchDrop(7, 0.4, "mean")(images)
    np.testing.assert_array_equal(black == 0, mean == 128)


def test_zero_is_the_number():
    images = np.full((2, 8, 8, 1), 3, np.float32)
    ((_, out, _),) = PatchDrop(4, 1.0, "zero")(images, value_range=(-1, 1))
    assert np.all(out == 0)
    assert PatchDrop(fill="zero") == PatchDrop(fill=0)
    assert hash(PatchDrop(fill=7)) == hash(PatchDrop(fill=np.float32(7)))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_image_mean_is_the_mean_of_each_channel_of_each_image(dtype):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (5, 9, 11, 3)).astype(dtype)
    ((_, out, pixels),) = PatchDrop((3, 2), 0.5, "image_mean")(images)
    for image, corrupted, count in zip(images, out, pixels, strict=True):
        color = [np.sum(image[..., c].astype(int)) / 99 for c in range(3)]
        color = np.round(color) if dtype == np.uint8 else np.float32(color)
        dropped = np.any(corrupted != image, axis=-1)
        assert dropped.sum() == count
        assert np.all(corrupted[dropped] == color)


def test_the_mean_of_a_large_white_image_is_white():
    # The sum of its values is no longer exact in float32.
    images = np.full((1, 512, 512, 1), 255, np.uint8)
    ((_, out, _),) = PatchDrop(4, 0.5, "image_mean")(images)
    assert np.all(out == 255)
    ((_, out, _),) = PatchDrop(4, 0.5, "image_mean")(images.astype(np.float32))
    assert np.all(out == 255)


def cell_of(size, cells):
    """The cell that each pixel of a side lies in, by the borders floor(i size / cells)."""
    inner = [i * size // cells for i in range(1, cells)]
    return np.searchsorted(inner, np.arange(size), side="right")


def numbered_maps(count, height, width, grid):
    """Maps that hold a number of its own in every cell, in another order for each image.

    Returns:
        float32 maps of shape (count, height, width), and the numbers 0, 1, ... of the cells.
    """
    rows, columns = grid
    numbers = np.argsort(np.random.default_rng(0).random((count, rows * columns)), axis=1)
    numbers = numbers.reshape(count, rows, columns)
    maps = numbers[:, cell_of(height, rows)[:, None], cell_of(width, columns)]
    return maps.astype(np.float32), numbers


@pytest.mark.parametrize(("height", "width", "grid"), [(28, 28, (7, 4)), (29, 31, (5, 6))])
@pytest.mark.parametrize("order", ["salient", "non-salient"])
def test_the_most_or_the_least_salient_patches_go_first(height, width, grid, order):
    maps, _ = numbered_maps(20, height, width, grid)
    images = np.full((20, height, width, 1), 9, np.uint8)
    corruption = PatchDrop(grid, (0.1, 0.4, 0.75), order=order)
    for condition, out, pixels in corruption(images, saliency=maps):
        count = patches_at(condition.level, grid)
        gone = maps >= grid[0] * grid[1] - count if order == "salient" else maps < count
        np.testing.assert_array_equal(out[..., 0] == 0, gone)
        np.testing.assert_array_equal(pixels, gone.sum((1, 2)))


def test_the_mean_of_a_patch_decides_and_not_its_sum():
    # Columns of 2 and of 3 pixels: the right patch has the higher sum and the lower mean.
    images = np.full((1, 4, 5, 1), 9, np.uint8)
    maps = np.zeros((1, 4, 5))
    maps[..., :2], maps[..., 2:] = 3, 2.5
    ((_, out, _),) = PatchDrop((1, 2), 0.5, order="salient")(images, saliency=maps)
    assert out[0, 0, :, 0].tolist() == [0, 0, 9, 9, 9]


@pytest.mark.parametrize("order", ["salient", "non-salient"])
def test_equally_salient_patches_go_in_the_random_order(order):
    images = np.full((30, 29, 31, 1), 9, np.uint8)
    random = PatchDrop(7, (0.2, 0.6))
    by_map = PatchDrop(7, (0.2, 0.6), order=order)
    flat = np.full((30, 29, 31), 0.1)
    for (_, expected, _), (_, out, _) in zip(
        random(images, seed=4), by_map(images, seed=4, saliency=flat), strict=True
    ):
        np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("order", ["salient", "non-salient"])
def test_a_foreground_of_one_value_goes_first_or_last_in_the_random_order(order):
    images = np.full((30, 28, 28, 1), 9, np.uint8)
    maps = np.zeros((30, 28, 28))
    maps[:, :, :8] = 1  # the two columns of patches on the left, 14 of 49
    ((_, out, _),) = PatchDrop(7, 10 / 49, order=order)(images, seed=4, saliency=maps)
    ranks = PatchDrop(7).ranks(np.arange(30), 4)
    ranks[..., slice(2, None) if order == "salient" else slice(2)] += 49
    tenth = np.sort(ranks.reshape(30, 49), axis=1)[:, 9]
    np.testing.assert_array_equal(out[:, ::4, ::4, 0] == 0, ranks <= tenth[:, None, None])


def test_salient_and_non_salient_patches_make_up_the_image():
    maps, _ = numbered_maps(6, 28, 28, (7, 7))
    images = np.full((6, 28, 28, 1), 9, np.uint8)
    ((_, first, _),) = PatchDrop(7, 20 / 49, order="salient")(images, saliency=maps)
    ((_, last, _),) = PatchDrop(7, 29 / 49, order="non-salient")(images, saliency=maps)
    assert np.all((first == 0) ^ (last == 0))


def test_a_reader_of_the_salient_patch_loses_first_or_last():
    """The class is in one patch of each image, which the map marks: accuracy is 0 or 1."""
    labels = np.arange(40) % 3
    images = np.zeros((40, 28, 28, 1), np.uint8)
    for image, label, place in zip(images, labels, range(3, 43), strict=True):
        row, column = divmod(place, 7)
        image[4 * row : 4 * row + 4, 4 * column : 4 * column + 4] = 80 * (label + 1)

    def reader(batch):
        brightest = np.max(batch, axis=(1, 2, 3)).astype(int)
        # Without a bright patch the answer is a fourth class.
        return np.eye(4)[brightest // 80 - 1]

    suite = [PatchDrop(7, (1 / 49, 48 / 49), order=order) for order in ("salient", "non-salient")]
    report = evaluate(
        reader, (images, labels), suite=suite, saliency=lambda batch: batch[..., 0] > 0
    )
    assert [row.top1 for row in report.rows] == [1, 0, 0, 1, 1]


def test_names_tell_order_and_fill():
    names = {
        "patch_drop_14x14_20": PatchDrop(),
        "patch_drop_mean_14x14_20": PatchDrop(fill="mean"),
        "patch_drop_image_mean_14x14_20": PatchDrop(fill="image_mean"),
        "patch_drop_fill0_14x14_20": PatchDrop(fill="zero"),
        "patch_drop_fill0_5_14x14_20": PatchDrop(fill=0.5),
        "patch_drop_salient_14x14_20": PatchDrop(order="salient"),
        "patch_drop_nonsalient_14x14_20": PatchDrop(order="non-salient"),
        "patch_drop_nonsalient_noise_14x14_20": PatchDrop(fill="noise", order="non-salient"),
    }
    assert [corruption.conditions[0].name for corruption in names.values()] == list(names)
    assert [c.needs_saliency for c in names.values()] == [False] * 5 + [True] * 3
    for corruption in names.values():
        config = json.loads(json.dumps(corruption.get_config()))
        assert PatchDrop.from_config(config) == corruption


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"fill": "white"}, r"`fill` must be one of 'black'.*fill='white'"),
        ({"fill": float("inf")}, r"`fill`"),
        ({"fill": None}, r"`fill`"),
        ({"fill": True}, r"`fill`"),
        ({"fill": (1, 2, 3)}, r"`fill`.*\(1, 2, 3\)"),
        ({"order": "nonsalient"}, r"`order` must be one of 'random', 'salient', 'non-salient'"),
        ({"order": None}, r"`order`.*None"),
    ],
)
def test_wrong_arguments_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        PatchDrop(**kwargs)


def test_wrong_maps_are_named():
    images = np.zeros((3, 8, 8, 1), np.uint8)
    corruption = PatchDrop(2, 0.5, order="salient")
    with pytest.raises(ValueError, match=r"`saliency`.*saliency=None"):
        list(corruption(images))
    with pytest.raises(ValueError, match=r"`saliency`.*saliency=None"):
        corruption.plan(images, None, np.arange(3))
    with pytest.raises(ValueError, match=r"`saliency`.*\(3, 8, 8\).*shape \(3, 8, 7\)"):
        list(corruption(images, saliency=np.zeros((3, 8, 7))))
    with pytest.raises(ValueError, match=r"`saliency`.*shape \(3, 8, 8, 1\)"):
        list(corruption(images, saliency=np.zeros((3, 8, 8, 1))))
    maps = np.zeros((3, 8, 8))
    maps[1, 2, 3:5] = np.nan, 1e60
    with pytest.raises(ValueError, match=r"`saliency`.*2 values that are not finite"):
        list(corruption(images, saliency=maps))


def test_published_numbers_stay_what_they_were():
    # Changing this digest changes scores that were reported: only with a new minor version.
    images = (np.arange(9 * 28 * 29 * 3) * 37 % 251).reshape(9, 28, 29, 3).astype(np.uint8)
    maps = np.arange(9 * 28 * 29).reshape(9, 28, 29) * 41 % 257
    result = hashlib.sha256()
    for corruption in (
        PatchDrop(7, (0.3, 0.6), "image_mean"),
        PatchDrop(7, (0.3, 0.6), "mean", "salient"),
        PatchDrop((5, 6), (0.3, 0.6), "noise", "non-salient"),
    ):
        for _, out, pixels in corruption(images, seed=11, saliency=maps):
            result.update(out.tobytes() + pixels.astype("<i8").tobytes())
    expected = "24a66f26b11d2861e637312146860c9f0c67de948945faf25dd8400edf4aef64"
    assert result.hexdigest() == expected
