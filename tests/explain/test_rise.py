"""RISE and c-RISE against closed forms, brute force, and models whose saliency is known."""

import tracemalloc

import keras
import numpy as np
import pytest

from keras_patchmix import explain
from keras_patchmix.explain.masks import RandomMasks

SIZE = (6, 5)
RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(0, 255, (3, *SIZE, 3)).astype(np.float32)
WEIGHTS = RNG.uniform(0, 1, (4, *SIZE, 3))
WEIGHTS /= 255 * WEIGHTS.sum() * 1.2
OFFSETS = np.array([0.0, 0.05, 0.02, 0.1])


def linear(images):
    """Probabilities (not summing to 1, as those of sigmoids) that are linear in the pixels."""
    return np.einsum("bhwc,khwc->bk", np.asarray(images, np.float64), WEIGHTS) + OFFSETS


def expected_map(image, number, grid, keep):
    """E[S] of a linear model: the covariance of two pixels of a mask, over all offsets."""
    masks = RandomMasks(SIZE, grid, keep)
    down, across = masks._tables
    # A cell's variance is keep (1 - keep), and cells are independent.
    shared = np.einsum("opr,oqr->pq", down, down) / len(down)
    beside = np.einsum("opr,oqr->pq", across, across) / len(across)
    contributions = (WEIGHTS[number] * image).sum(-1)
    spread = np.einsum("pq,rs,qs->pr", shared, beside, contributions)
    return (keep**2 * contributions.sum() + keep * (1 - keep) * spread) / keep + OFFSETS[number]


@pytest.mark.parametrize("scheme", ["control_variate", "independent"])
@pytest.mark.parametrize("keep", [0.5, 0.2])
def test_the_map_of_a_linear_model_is_the_one_known_in_closed_form(keep, scheme):
    found = explain.rise(
        linear,
        IMAGES,
        [0, 1, 3],
        num_masks=20_000 if scheme == "independent" else 400,
        scheme=scheme,
        grid_size=(2, 3),
        keep_probability=keep,
        batch_size=2_000,
        return_details=True,
    )
    for number, (image, class_id) in enumerate(zip(IMAGES, (0, 1, 3), strict=True)):
        expected = expected_map(image, class_id, (2, 3), keep)
        distance = (found.maps[number] - expected) / found.standard_errors[number]
        assert np.abs(distance).max() < 5
        assert 0.3 < np.sqrt(np.mean(distance**2)) < 3  # pixels go together


def test_it_is_the_formula():
    masks = explain.random_masks(50, SIZE, 2, 0.5, seed=9)
    settings = {"num_masks": 50, "grid_size": 2, "batch_size": 7, "seed": 9}
    maps = explain.rise(linear, IMAGES, 2, scheme="independent", **settings)
    for image, found in zip(IMAGES, maps, strict=True):
        expected = np.zeros(SIZE)
        for mask in masks:
            expected += linear(image[None] * mask[..., None])[0, 2] * mask / (50 * 0.5)
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_c_rise_is_the_difference_of_two_maps_over_the_same_masks():
    settings = {"num_masks": 60, "grid_size": 2, "seed": 4}
    both = explain.c_rise(linear, IMAGES, 1, 3, **settings)
    alone = [explain.rise(linear, IMAGES, number, **settings) for number in (1, 3)]
    np.testing.assert_allclose(both, alone[0] - alone[1], atol=1e-6)
    np.testing.assert_allclose(explain.c_rise(linear, IMAGES, 3, 1, **settings), -both, atol=1e-7)


@pytest.mark.parametrize("scheme", ["control_variate", "independent"])
def test_the_standard_error_is_the_spread_over_seeds(scheme):
    settings = {"num_masks": 64, "grid_size": 2, "scheme": scheme, "return_details": True}
    found = [explain.rise(linear, IMAGES[0], 0, seed=seed, **settings) for seed in range(150)]
    spread = np.std([one.maps[0] for one in found], axis=0)
    told = np.mean([one.standard_errors[0] for one in found], axis=0)
    np.testing.assert_allclose(told, spread, rtol=0.25)


def in_the_corner(images):
    """A classifier that looks at the upper left quarter alone."""
    bright = np.asarray(images)[:, :8, :8].mean((1, 2, 3)) / 255
    return np.stack([bright, 1 - bright], axis=1)


def test_a_map_is_high_where_the_model_looks():
    images = np.full((1, 16, 16, 3), 200, np.uint8)
    found = explain.rise(in_the_corner, images, 0, num_masks=2000, grid_size=4)[0]
    assert found[:6, :6].min() > found[10:, 10:].max()
    against = explain.c_rise(in_the_corner, images, 1, 0, num_masks=2000, grid_size=4)[0]
    assert against[:6, :6].max() < against[10:, 10:].min()


def test_classes_that_are_not_given_are_those_that_the_model_ranks_first():
    ranked = np.argsort(-linear(IMAGES), axis=1)
    found = explain.c_rise(linear, IMAGES, num_masks=10, grid_size=2, return_details=True)
    np.testing.assert_array_equal(found.class_ids, ranked[:, 0])
    np.testing.assert_array_equal(found.contrast_ids, ranked[:, 1])
    second = explain.c_rise(
        linear, IMAGES, ranked[:, 1], num_masks=10, grid_size=2, return_details=True
    )
    np.testing.assert_array_equal(second.contrast_ids, ranked[:, 0])


def test_images_and_batches_do_not_change_each_other():
    settings = {"class_ids": 1, "num_masks": 30, "grid_size": 2, "seed": 2}
    together = explain.rise(linear, IMAGES, **settings)
    alone = explain.rise(linear, IMAGES[1], batch_size=11, **settings)
    assert alone.shape == SIZE
    np.testing.assert_allclose(alone, together[1], rtol=1e-5)
    np.testing.assert_array_equal(explain.rise(linear, IMAGES, **settings), together)


def test_it_stops_where_the_map_has_settled():
    images = np.stack([np.full((16, 16, 3), 200), np.full((16, 16, 3), 1)]).astype(np.uint8)
    found = explain.rise(
        in_the_corner, images, 0, num_masks=20_000, grid_size=4, tolerance=0.05, return_details=True
    )
    assert 200 <= found.num_masks[0] < 20_000
    height = np.ptp(found.maps, axis=(1, 2))
    assert (found.standard_errors.max((1, 2)) <= 0.05 * height).all()
    full = explain.rise(in_the_corner, images[0], 0, num_masks=int(found.num_masks[0]), grid_size=4)
    np.testing.assert_array_equal(found.maps[0], full)


def test_the_lowest_value_is_what_masks_paint_and_preprocessing_comes_after():
    images = np.full((1, 8, 8, 1), 1.0, np.float32)

    def model(images):
        values = np.asarray(images)
        assert values.min() >= 10  # -1 to 1 became 10 to 30
        return np.stack([values.mean((1, 2, 3)) / 40, np.zeros(len(values))], axis=1)

    settings = {"num_masks": 40, "grid_size": 2, "seed": 1, "scheme": "independent"}
    found = explain.rise(
        model, images, 0, value_range=(-1, 1), preprocess=lambda x: 20 + 10 * x, **settings
    )
    masks = explain.random_masks(40, (8, 8), 2, seed=1)
    scores = (10 + 20 * masks.mean((1, 2))) / 40
    np.testing.assert_allclose(found[0], np.tensordot(scores, masks, 1) / 20, rtol=1e-5)


def test_a_keras_model_of_logits_channels_first():
    keras.utils.set_random_seed(0)
    logits = keras.Sequential(
        [keras.Input((8, 9, 3)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    probabilities = keras.Sequential([logits, keras.layers.Softmax()])
    images = RNG.uniform(0, 1, (2, 8, 9, 3)).astype(np.float32)
    settings = {"class_ids": 0, "num_masks": 20, "grid_size": 3, "value_range": (0, 1)}
    found = explain.rise(logits, images, from_logits=True, **settings)
    np.testing.assert_allclose(explain.rise(probabilities, images, **settings), found, atol=1e-5)
    turned = explain.rise(
        lambda x: logits(np.asarray(x).transpose(0, 2, 3, 1)),
        images.transpose(0, 3, 1, 2),
        from_logits=True,
        data_format="channels_first",
        **settings,
    )
    np.testing.assert_allclose(turned, found, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"class_ids": 4}, r"`class_ids` must be in \[0, 4\)"),
        ({"class_ids": [0, 1]}, "`class_ids` must be an integer or an integer for each of the 3"),
        ({"class_ids": 0.5}, "`class_ids` must be an integer"),
        ({"class_ids": 1, "contrast_ids": [0, 1, 2]}, "Received: class 1 as both for image 1"),
        ({"images": IMAGES[0, 0]}, "`images` must be numbers of shape"),
        ({"images": IMAGES[:0]}, "`images` must hold some"),
        ({"num_masks": 0}, "`num_masks` must be an integer of at least 1"),
        ({"scheme": "pairs"}, "`scheme` must be one of 'control_variate', 'independent'"),
        ({"batch_size": True}, "`batch_size` must be an integer"),
        ({"tolerance": 1.0}, "`tolerance` must be None, or above 0 and below 1"),
        ({"value_range": (1, 0)}, "`value_range` must be"),
        ({"data_format": "last"}, "`data_format` must be"),
        ({"model": lambda x: 100 * linear(x)}, "or give `from_logits=True`. Received: scores from"),
        ({"model": lambda x: np.nan * linear(x)}, "`model` must return finite scores"),
        ({"model": lambda x: linear(x)[:, None]}, "`model` must return logits or probabilities"),
    ],
)
def test_errors(arguments, message):
    settings = {"model": linear, "images": IMAGES, "num_masks": 4, "grid_size": 2, **arguments}
    with pytest.raises(ValueError, match=message):
        explain.c_rise(**settings)


def test_the_error_of_a_map_of_nothing_is_a_large_part_of_its_range():
    shares = []
    for seed in range(6):
        noise = np.random.default_rng(seed)

        def undecided(images, noise=noise):
            scores = 0.5 + 0.1 * np.clip(noise.standard_normal(len(images)), -3, 3)
            return np.stack([scores, 1 - scores], axis=1)

        image = np.full((32, 32, 3), 200, np.uint8)
        found = explain.rise(undecided, image, 0, num_masks=512, seed=seed, return_details=True)
        shares.append(found.standard_errors.max() / np.ptp(found.maps))
    assert min(shares) > 0.15
    assert max(shares) < 0.45


def test_memory_does_not_grow_with_the_number_of_masks():
    image = np.zeros((1, 48, 48, 3), np.float32)

    def model(images):
        return np.full((len(images), 2), 0.5, np.float32)

    peaks = []
    for num_masks in (64, 1024):
        tracemalloc.start()
        explain.rise(model, image, 0, num_masks=num_masks, batch_size=16, verbose=False)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    masks = 1024 * 48 * 48 * 4
    assert peaks[1] < 1.1 * peaks[0] < masks / 4
