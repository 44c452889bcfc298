"""`visualize` draws what it is given."""

import matplotlib.image
import numpy as np
import pytest

import keras_patchmix as kpm
from tests.arrays import BACKEND, KINDS, as_kind, to_numpy
from tests.mixing import oracle

X = oracle.constant_images(4, 14, 14) * 60


def mix():
    return kpm.PatchMixing(num_classes=4, seed=1, ratio=0.5, label_smoothing=0.0, probability=1.0)


def batch_of(kind):
    return mix()(as_kind(X, kind), as_kind(np.arange(4), kind))


@pytest.mark.needs("tensorflow")
def test_a_data_set_of_tensorflow_is_drawn():
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices((X, np.arange(4))).batch(4)
    mixed = kpm.layers.map_seeded(data, mix(), seed=1, first_step=0)
    figure = kpm.visualize(mixed)
    drawn = [axis.get_images()[0].get_array() for axis in figure.axes if axis.get_images()]
    np.testing.assert_allclose(np.stack(drawn), next(iter(mixed))[0].numpy() / 255, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_captions_are_the_largest_label_weights(tmp_path, kind):
    data = batch_of(kind)
    figure = kpm.visualize(iter([data]), tmp_path / "a.png", class_names=list("abcd"))
    labels, titles = to_numpy(data[1]), [axis.get_title() for axis in figure.axes]
    for i in range(4):
        name, weight = titles[i].split("\n")[0].split()
        assert name == "abcd"[np.argmax(labels[i])]
        assert float(weight) == pytest.approx(np.max(labels[i]), abs=0.006)
    picture = matplotlib.image.imread(tmp_path / "a.png")
    assert picture.shape[0] > 100
    assert picture[..., :3].std() > 0.05


@pytest.mark.parametrize(
    ("row", "caption"),
    [
        ([0.61, 0.31, 0.02, 0.02, 0.02, 0.02], "a 0.61\nb 0.31"),
        ([0.02, 0.02, 0.9, 0.02, 0.02, 0.02], "c 0.90"),
        ([0.0, 0.7, 0.0, 0.3, 0.0, 0.0], "b 0.70\nd 0.30"),
        # One class alone has the least: that is the share of a partner.
        ([0.5, 0.3, 0.2], "a 0.50\nb 0.30\nc 0.20"),
        ([0.7, 0.3], "a 0.70\nb 0.30"),
        # Nothing exceeds what all have.
        ([0.5, 0.5], "a 0.50\nb 0.50"),
        ([1.0, 1.0, 1.0, 0.0, 1.0], "a 1.00\nb 1.00\nc 1.00"),
    ],
)
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_weights_that_come_from_smoothing_alone_are_not_shown(row, caption, dtype):
    data = np.zeros((1, 8, 8, 3), "uint8"), np.array([row], dtype)
    (axis,) = kpm.visualize(data, class_names=list("abcdef")).axes
    assert axis.get_title() == caption


@pytest.mark.parametrize("kind", KINDS)
def test_a_smoothed_batch_shows_the_classes_that_are_in_its_images(kind):
    mix = kpm.PatchMixing(num_classes=7, seed=1, ratio=0.5, label_smoothing=0.2, probability=1.0)
    figure = kpm.visualize(mix(as_kind(X, kind), as_kind(np.arange(4), kind)))
    for i, axis in enumerate(figure.axes[:4]):
        shown = [int(line.split()[0]) for line in axis.get_title().split("\n")]
        assert len(shown) == 2
        assert i in shown


@pytest.mark.parametrize(
    "form", ["images", "tensor", "pair", "dict", "channels_first", "unit floats"]
)
def test_forms_of_data(form):
    x = oracle.constant_images(3, 8, 8) * 80
    data, arguments = x, {}
    if form == "tensor":
        data = as_kind(x, BACKEND)
    elif form == "pair":
        data = (x, np.arange(3))
    elif form == "dict":
        data = {"images": x, "labels": np.eye(3)}
    elif form == "channels_first":
        data, arguments = np.moveaxis(x, -1, 1), {"data_format": "channels_first"}
    elif form == "unit floats":
        data = (x / 255).astype("float32")
    figure = kpm.visualize(data, **arguments)
    drawn = [axis.get_images()[0].get_array() for axis in figure.axes if axis.get_images()]
    np.testing.assert_allclose(np.stack(drawn), x / 255, atol=1e-6)


def test_errors():
    match = r"rank 4. Received: images.shape=\(8, 8, 3\): put `.batch\(...\)`.*axis of channels"
    with pytest.raises(ValueError, match=match):
        kpm.visualize(np.zeros((8, 8, 3)))
    with pytest.raises(ValueError, match="an empty data set"):
        kpm.visualize(iter([]))
    with pytest.raises(ValueError, match=r"'images'. Received: keys=\['photo'\]"):
        kpm.visualize({"photo": np.zeros((1, 8, 8, 3))})
