"""The arguments of a choice of ways to mix: in its config, in saved models, in errors."""

import keras
import numpy as np
import pytest

import keras_patchmix as kpm
from tests.layers.cases import BATCH, IDS, assert_exact, images
from tests.layers.choices import choice, four

ARGUMENTS = {
    "weights": [2.0, 1.0, 0.5, 3.0],
    "num_classes": 9,
    "label_smoothing": 0.2,
    "seed": 5,
    "data_format": "channels_first",
    "name": "choice",
}


def nested():
    return [
        kpm.PatchMixing(grid_size=(3, 5), alpha=0.4, data_format="channels_first", probability=1.0),
        kpm.layers.CutMix(ratio=(0.2, 0.4), seed=3, data_format="channels_first"),
        keras.layers.MixUp(alpha=0.3, seed=3, data_format="channels_first"),
        None,
    ]


def test_config_round_trip():
    mix = kpm.layers.RandomChoice(nested(), **ARGUMENTS)
    config = mix.get_config()
    for name, value in ARGUMENTS.items():
        assert config[name] == value
    again = keras.layers.deserialize(keras.layers.serialize(mix))
    assert again.get_config() == config
    assert [type(layer) for layer in again.layers] == [type(layer) for layer in nested()]
    assert again.layers[0].grid_size == (3, 5)
    assert choice(None).get_config()["weights"] is None


def test_a_functional_model_saves_and_loads(tmp_path):
    x = keras.Input((28, 28, 3), dtype="uint8")
    y = keras.Input((), dtype="int32")
    layers = kpm.PatchMixing(probability=1.0), kpm.layers.CutMix(), keras.layers.CutMix()
    mix = choice(*layers, None, weights=[1, 0, 0, 0])
    model = keras.Model([x, y], mix(x, y))
    assert model.output_shape == [(None, 28, 28, 3), (None, BATCH)]
    assert [output.dtype for output in model.outputs] == ["uint8", "float32"]
    path = str(tmp_path / "model.keras")
    model.save(path)
    loaded = keras.models.load_model(path)
    assert_exact(*loaded([images(), IDS.astype("int32")], training=True))


def test_compute_output_shape():
    mix = four()
    assert mix.compute_output_shape((None, 28, 28, 3), (None,)) == ((None, 28, 28, 3), (None, 8))
    assert mix.compute_output_shape({"images": (4, 2, 2, 3), "labels": (4, 1)}) == {
        "images": (4, 2, 2, 3),
        "labels": (4, 8),
    }


def with_masks():
    return {"images": images(), "labels": IDS, "segmentation_masks": images("int32")[..., 0]}


ERRORS = {
    "no layers": (lambda: choice(), ValueError, "`layers` must be a list of at least one"),
    "one layer": (
        lambda: kpm.layers.RandomChoice(kpm.PatchMixing(probability=1.0)),
        ValueError,
        "`layers` must be a list",
    ),
    "a name": (lambda: choice("CutMix"), TypeError, "`layers` must be a layer.*'CutMix'"),
    "a class": (lambda: choice(kpm.layers.CutMix), TypeError, "`layers`.*made and callable"),
    "nested": (lambda: choice(choice(None)), ValueError, "`layers` must hold no RandomChoice"),
    "fewer weights": (
        lambda: choice(None, None, weights=[1]),
        ValueError,
        r"`weights` must be.*\[1\] for 2 layers",
    ),
    "negative weights": (
        lambda: choice(None, None, weights=[2, -1]),
        ValueError,
        "`weights` must be non-negative",
    ),
    "zero weights": (lambda: choice(None, weights=[0]), ValueError, "`weights`.*not all zero"),
    "nan weights": (lambda: choice(None, weights=[np.nan]), ValueError, "`weights` must be"),
    "infinite weights": (lambda: choice(None, weights=[np.inf]), ValueError, "`weights` must be"),
    "weights of text": (lambda: choice(None, weights="1"), ValueError, "`weights` must be"),
    "smoothing within": (
        lambda: choice(kpm.PatchMixing(label_smoothing=0.3, probability=1.0)),
        ValueError,
        r"`label_smoothing` belongs to RandomChoice.*label_smoothing=0\.0 and.*=0\.3",
    ),
    "other classes within": (
        lambda: choice(kpm.PatchMixing(num_classes=9, probability=1.0)),
        ValueError,
        "`num_classes` belongs to.*num_classes=8 and, in PatchMixing.*num_classes=9",
    ),
    "other data format": (
        lambda: choice(kpm.layers.MixUp(data_format="channels_first")),
        ValueError,
        "`data_format` belongs to.*MixUp",
    ),
    "num_classes": (lambda: choice(None, num_classes=1), ValueError, "`num_classes` must"),
    "label_smoothing": (
        lambda: choice(None, label_smoothing=2),
        ValueError,
        "`label_smoothing` must",
    ),
    "seed": (lambda: choice(None, seed=0.5), ValueError, "`seed` must"),
    "data_format": (lambda: choice(None, data_format="NHWC"), ValueError, "`data_format` must"),
    "images alone": (
        lambda: four()(images(), training=True),
        ValueError,
        "needs `labels`.*training=False",
    ),
    "ids without num_classes": (
        lambda: four(num_classes=None)(images(), IDS),
        ValueError,
        "give `num_classes`",
    ),
    "unbatched": (lambda: four()(images()[0], IDS), ValueError, "rank 4.*put `.batch"),
    "masks that cannot be blended": (
        lambda: four()(with_masks()),
        ValueError,
        "MixUp cannot mix 'segmentation_masks'",
    ),
    "no dict returned": (
        lambda: choice(lambda data: data["images"])(images(), IDS),
        ValueError,
        "must return a dict with 'images', 'labels'",
    ),
    "another shape returned": (
        lambda: choice(keras.layers.CenterCrop(14, 14))(images(), IDS),
        ValueError,
        r"must keep the shape of 'images', \(8, 28, 28, 3\).*\(8, 14, 14, 3\) from CenterCrop",
    ),
}


@pytest.mark.parametrize(("call", "kind", "message"), ERRORS.values(), ids=ERRORS.keys())
def test_errors_name_the_argument_and_what_arrived(call, kind, message):
    with pytest.raises(kind, match=f"(?s){message}") as error:
        call()
    assert "Received: " in str(error.value)
