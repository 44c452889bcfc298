"""Images are decoded and resized within `tf.data` as they are outside."""

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
Image = pytest.importorskip("PIL.Image")

from keras_patchmix.datasets import image_files, images  # noqa: E402
from tests.datasets import image_bombs  # noqa: E402
from tests.datasets.image_bombs import saved  # noqa: E402

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (37, 53, 3)).astype(np.uint8)


def whole(image, size):
    """The definition: all of the image is scaled to cover the size, then the center is cut out."""
    sides = np.array(image.shape[:2])
    covering = np.maximum(np.round(sides * max(size / sides)).astype(int), size)
    large = tf.image.resize(image, covering, method="bilinear", antialias=True).numpy()
    top, left = (covering - size) // 2
    cut = large[top : top + size[0], left : left + size[1]]
    return np.clip(np.round(cut), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    "sides", [(37, 53), (53, 37), (224, 224), (30, 200), (280, 40), (7, 7), (20, 319), (142, 20)]
)
@pytest.mark.parametrize("size", [(32, 32), (20, 45)])
def test_ordinary_images_are_scaled_whole_and_cut(sides, size):
    image = RNG.integers(0, 256, (*sides, 3)).astype(np.uint8)
    np.testing.assert_array_equal(images.resize(tf.constant(image), size), whole(image, size))


@pytest.mark.parametrize("sides", [(2, 2500), (2500, 3), (1, 801), (40, 2001)])
def test_of_thin_images_the_same_center_is_seen(sides):
    place = sum(np.meshgrid(*map(np.arange, sides), indexing="ij"))
    waves = np.stack([np.sin(place / length) for length in (8, 11, 14)], -1)
    smooth = np.round(127.5 + 127.5 * waves).astype(np.uint8)
    got = images.resize(tf.constant(smooth), (16, 16)).numpy().astype(int)
    # Of one in 16 rows a wave changes by 1 to 8; what is cut off may move all by half a row.
    assert np.abs(got - whole(smooth, (16, 16))).max() <= 4


def test_margins_are_cut_off_what_is_thinner_than_one_in_sixteen():
    assert images.central_margins((10, 160), (224, 224), np) == [0, 0]
    assert images.central_margins((10, 164), (224, 224), np) == [0, 2]
    assert images.central_margins((1000, 2), (224, 224), np) == [484, 0]
    assert images.central_margins((100, 100), (10, 160), np) == [0, 0]
    assert images.central_margins((100, 100), (1, 100), np) == [42, 0]


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM"])
@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
def test_a_pipeline_decodes_what_is_decoded_eagerly(form, mode):
    data = saved(Image.fromarray(IMAGE).convert(mode), form)
    dataset = tf.data.Dataset.from_tensors(data).map(images.decode)
    assert dataset.element_spec == tf.TensorSpec((None, None, 3), tf.uint8)
    (shown,) = dataset
    np.testing.assert_array_equal(shown, image_files.decode(data))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF"])
def test_a_pipeline_decodes_nothing_that_is_too_large(form):
    data = {
        "PNG": image_bombs.png_of(50_000, 50_000),
        "JPEG": image_bombs.jpeg_of(20_000),
        "GIF": image_bombs.gif_of_one_pixel(16_000),
    }[form]
    for decode in (images.decode, images.jpeg_size) if form == "JPEG" else (images.decode,):
        with pytest.raises(tf.errors.OpError):
            list(tf.data.Dataset.from_tensors(data).map(decode))
