"""Where a file is broken, the next of its class is read, the same for every form of reading."""

import numpy as np
import pytest

from keras_patchmix.base import optional
from keras_patchmix.datasets.errors import BrokenImageFile, image_errors
from keras_patchmix.datasets.image_files import ImageFileError
from keras_patchmix.datasets.loading import parse_source
from keras_patchmix.datasets.substitutes import Substitutes
from tests.without_tensorflow import without_tensorflow

Image = pytest.importorskip("PIL.Image")
LISTED = [("x/0", 0, "0"), ("y/1", 1, "1"), ("x/2", 0, "2"), ("x/3", 0, "3"), ("y/4", 1, "4")]


def reading(*broken):
    def read(place):
        if place in broken:
            raise ImageFileError(f"reason {place}")
        return place

    return read


@pytest.mark.parametrize(
    ("place", "broken", "expected"),
    [(0, (), 0), (0, (0,), 2), (0, (0, 2), 3), (3, (3,), 0), (4, (4,), 1), (2, (0, 3), 2)],
)
def test_the_next_readable_file_of_the_class_is_taken_around_the_end(place, broken, expected):
    found = {}
    assert Substitutes(LISTED, found).read(place, reading(*broken)) == expected
    tried = [place] if place == expected else list(broken)
    assert found == {LISTED[one][0]: f"reason {one}" for one in tried if one in broken}


def test_the_first_file_is_named_where_none_of_its_class_can_be_read_or_none_may_be_taken():
    for found, broken in (({}, (1, 4)), (None, (4,))):
        with image_errors() as errors, pytest.raises(BrokenImageFile, match="'4': reason 4"):
            Substitutes(LISTED, found).read(4, reading(*broken))
        assert len(errors) == 1


@pytest.fixture
def photos(tmp_path):
    """Photograph k is gray, of value k; two of the first class are broken."""
    for number in range(24):
        path = tmp_path / "photos" / "train" / f"class{number % 2}" / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(path)
    for number in (4, 10):
        path = tmp_path / "photos" / "train" / "class0" / f"{number:02d}.png"
        path.write_bytes(path.read_bytes()[:50])
    return tmp_path / "photos"


def expected_of(source):
    """Values of the images in their order, with those of substitutes."""
    values = [int(name[-6:-4]) for name, _, _ in source.listed("all")[1]]
    good = [
        [value for value in values if value % 2 == of and value not in (4, 10)] for of in (0, 1)
    ]
    found = []
    for place, value in enumerate(values):
        later = [one for one in values[place:] if one in good[value % 2]]
        found.append((later or good[value % 2])[0])
    return found


def opened(photos):
    source = parse_source(f"folder:{photos}")
    source.broken = {}
    return source


@pytest.mark.needs("tensorflow")
@pytest.mark.parametrize("form", ["decoded", "cached", "streamed"])
def test_data_sets_of_tensorflow_take_substitutes(photos, form):
    import tensorflow as tf

    from keras_patchmix.training.pipeline import Decoder

    source = opened(photos)
    if form == "decoded":
        dataset, info = source.load("all", (8, 8))
        assert info.num_examples == 24
        found = [int(image[0, 0, 0]) for image, _ in dataset.as_numpy_iterator()]
    else:
        encoded = source.encoded("all")
        dataset = encoded.in_order() if form == "cached" else encoded.shuffled(1, [0, 0])
        decoder = Decoder(lambda data: tf.io.decode_png(data, 3), (), (8, 8, 3))
        decoded = dataset.map(lambda *example: encoded.decoded(example, decoder))
        found = [int(image[0, 0, 0]) for image in decoded.as_numpy_iterator()]
    expected = expected_of(source)
    if form == "streamed":  # in an order of its own
        found, expected = sorted(found), sorted(expected)
    assert found == expected
    assert set(source.broken) == {"train/class0/04.png", "train/class0/10.png"}
    assert set(source.broken.values()) == {"damaged, or cut off"}


def test_examples_by_position_take_substitutes(photos):
    if not optional.is_installed("grain"):
        pytest.skip("needs grain")
    source = opened(photos)
    with without_tensorflow():
        _, examples = source.examples("all")
        found = [int(examples[place][0][0, 0, 0]) for place in range(24)]
    assert found == expected_of(source)
    assert set(source.broken) == {"train/class0/04.png", "train/class0/10.png"}
