"""`visualize` draws what it is given."""

import matplotlib.image
import numpy as np
import pytest

import keras_patchmix as kpm
from tests import mixing_oracle as oracle
from tests.arrays import BACKEND, KINDS, as_kind, to_numpy

X = oracle.constant_images(4, 14, 14) * 60


def mix():
    return kpm.PatchMixing(num_classes=4, seed=1, ratio=0.5, label_smoothing=0.0)


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
    with pytest.raises(ValueError, match=r"rank 4. Received: images.shape=\(8, 8, 3\)"):
        kpm.visualize(np.zeros((8, 8, 3)))
    with pytest.raises(ValueError, match="an empty data set"):
        kpm.visualize(iter([]))
    with pytest.raises(ValueError, match=r"'images'. Received: keys=\['image'\]"):
        kpm.visualize({"image": np.zeros((1, 8, 8, 3))})
