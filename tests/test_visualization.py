"""`visualize` draws what it is given."""

import matplotlib.image
import numpy as np
import pytest
import tensorflow as tf

import keras_patchmix as kpm
from tests import mixing_oracle as oracle


def batches():
    x = oracle.constant_images(4, 14, 14) * 60
    data = tf.data.Dataset.from_tensor_slices((x, np.arange(4))).batch(4)
    return data.map(kpm.PatchMixing(num_classes=4, seed=1, ratio=0.5, label_smoothing=0.0))


def test_captions_are_the_largest_label_weights(tmp_path):
    figure = kpm.visualize(batches(), tmp_path / "a.png", class_names=list("abcd"))
    (_, labels), titles = next(iter(batches())), [axis.get_title() for axis in figure.axes]
    for i in range(4):
        name, weight = titles[i].split("\n")[0].split()
        assert name == "abcd"[np.argmax(labels[i])]
        assert float(weight) == pytest.approx(np.max(labels[i]), abs=0.006)
    picture = matplotlib.image.imread(tmp_path / "a.png")
    assert picture.shape[0] > 100
    assert picture[..., :3].std() > 0.05


@pytest.mark.parametrize("form", ["images", "pair", "dict", "channels_first", "unit floats"])
def test_forms_of_data(form):
    x = oracle.constant_images(3, 8, 8) * 80
    data, arguments = x, {}
    if form == "pair":
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
