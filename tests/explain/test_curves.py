"""Deletion and insertion on models that look at known pixels."""

import numpy as np
import pytest

from keras_patchmix import explain
from keras_patchmix.explain.curves import blurred

RNG = np.random.default_rng(0)
# The mean of the left half decides, in an image of 4 x 4 pixels.
IMAGE = np.full((4, 4, 1), 255, np.uint8)
LEFT = np.array([[4, 3, 0, 0]] * 4, float)


def left(images):
    bright = np.asarray(images)[:, :, :2].mean((1, 2, 3)) / 255
    return np.stack([bright, 1 - bright], axis=1)


def test_deleting_what_decides_ends_it_at_once():
    found = explain.deletion_insertion(left, IMAGE, LEFT, 0, steps=4)
    np.testing.assert_allclose(found.shares, [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(found.deletion, [[1, 0.5, 0, 0, 0]])
    np.testing.assert_allclose(found.deletion_area, [0.25])
    other = explain.deletion_insertion(left, IMAGE, -LEFT, 0, steps=4)
    np.testing.assert_allclose(other.deletion, [[1, 1, 1, 0.5, 0]])


def test_insertion_goes_from_the_blurred_image_to_the_image_in_the_maps_order():
    image = RNG.uniform(0, 255, (6, 6, 3)).astype(np.float32)
    saliency = RNG.permutation(36).reshape(6, 6)
    seen = []

    def model(images):
        seen.append(np.array(images))
        return left(images)

    found = explain.deletion_insertion(model, image, saliency, 1, steps=36, batch_size=37, blur=2.0)
    start = blurred(image, 2.0)
    steps = seen[1]
    np.testing.assert_allclose(steps[0], start)
    np.testing.assert_allclose(steps[-1], image)
    for number in range(36):
        changed = np.argwhere((steps[number + 1] != steps[number]).any(-1))
        assert [saliency[tuple(place)] for place in changed] == [35 - number]
    np.testing.assert_allclose(found.insertion[0, -1], left(image[None])[0, 1], rtol=1e-6)
    area = (found.insertion[0, 1:] + found.insertion[0, :-1]).sum() / (2 * 36)
    np.testing.assert_allclose(found.insertion_area, [area], rtol=1e-6)


def test_the_blur_keeps_constants_and_is_a_gaussian():
    np.testing.assert_allclose(blurred(np.full((5, 9, 2), 7, np.float32), 1.5), 7, rtol=1e-6)
    point = np.zeros((31, 31, 1), np.float32)
    point[15, 15] = 1
    found = blurred(point, 2.0)[..., 0]
    assert found[15, 17] / found[15, 15] == pytest.approx(np.exp(-0.5), rel=1e-5)
    np.testing.assert_allclose(found, found.T, atol=1e-9)


def test_batches_of_images_and_channels_first_give_the_same():
    images = RNG.uniform(0, 255, (3, 6, 6, 3)).astype(np.float32)
    maps = RNG.normal(size=(3, 6, 6))
    found = explain.deletion_insertion(left, images, maps, steps=5, batch_size=4)
    np.testing.assert_array_equal(found.class_ids, left(images).argmax(1))
    for number in range(3):
        alone = explain.deletion_insertion(left, images[number], maps[number], steps=5)
        np.testing.assert_allclose(alone.deletion[0], found.deletion[number], rtol=1e-6)
    turned = explain.deletion_insertion(
        lambda x: left(x.transpose(0, 2, 3, 1)),
        images.transpose(0, 3, 1, 2),
        maps,
        steps=5,
        data_format="channels_first",
    )
    np.testing.assert_allclose(turned.insertion, found.insertion, rtol=1e-6)


def test_maps_of_another_method_are_asked_for_the_classes():
    images = np.stack([IMAGE, 0 * IMAGE])
    asked = []

    def method(images, class_ids):
        asked.append((images, class_ids))
        return np.stack([LEFT, -LEFT])[..., None]

    found = explain.deletion_insertion(left, images, method, steps=4)
    given = explain.deletion_insertion(left, images, np.stack([LEFT, -LEFT]), steps=4)
    np.testing.assert_array_equal(asked[0][0], images)
    np.testing.assert_array_equal(asked[0][1], [0, 1])  # as the model ranks them
    for values, expected in zip(found, given, strict=True):
        np.testing.assert_array_equal(values, expected)
    explain.deletion_insertion(left, images, method, 1, steps=4)
    np.testing.assert_array_equal(asked[1][1], [1, 1])


def test_a_function_is_handed_images_as_they_were_given():
    seen = []

    def method(images, class_ids):
        seen.append(images.shape)
        return LEFT

    explain.deletion_insertion(
        lambda x: left(x.transpose(0, 2, 3, 1)),
        np.full((1, 4, 4), 255.0),
        method,
        steps=2,
        data_format="channels_first",
    )
    assert seen == [(1, 1, 4, 4)]


def test_coarse_maps_are_scaled_with_a_warning():
    with pytest.warns(UserWarning, match="Maps of 2x2 are scaled to the images' 4x4") as record:
        found = explain.deletion_insertion(left, IMAGE, [[1.0, 0.0], [1.0, 0.0]], 0, steps=4)
    assert record[0].filename == __file__
    # Bilinear: columns 1, 3/4, 1/4 and 0, as salient in the same order.
    given = explain.deletion_insertion(left, IMAGE, LEFT - np.arange(4), 0, steps=4)
    np.testing.assert_array_equal(found.deletion, given.deletion)
    np.testing.assert_allclose(found.deletion, [[1, 0.5, 0, 0, 0]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"saliency": [LEFT, LEFT]}, r"`saliency` must be of shape \(1, 4, 4\), .* \(2, 4, 4\)"),
        ({"saliency": lambda images, ids: LEFT[0]}, r"`saliency` must .* Received: shape \(4,\)"),
        ({"saliency": LEFT * np.nan}, "`saliency` must be finite"),
        ({"steps": 0}, "`steps` must be an integer of at least 1"),
        ({"blur": 0.0}, "`blur` must be above 0"),
        ({"class_ids": 2}, r"`class_ids` must be in \[0, 2\)"),
    ],
)
def test_errors(arguments, message):
    settings = {"model": left, "images": IMAGE, "saliency": LEFT, **arguments}
    with pytest.raises(ValueError, match=message):
        explain.deletion_insertion(**settings)
