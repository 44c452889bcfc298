"""MaskMix: cells of several patches, of which at least one stays.

Image i has the value i everywhere, so that a mixed image tells which pixels come from where.
"""

import keras
import numpy as np
import pytest

import keras_patchmix as kpm
from keras_patchmix.mixing import Settings
from keras_patchmix.mixing.ratio import count_table, patch_counts
from tests.arrays import BACKEND, KINDS, as_kind, to_numpy
from tests.layers.cases import BATCH, IDS, assert_exact, images
from tests.mixing import oracle


def layer(**arguments):
    given = {"patch_size": 2, "multiple": 4, "num_classes": BATCH, "label_smoothing": 0, "seed": 1}
    return kpm.layers.MaskMix(**{**given, **arguments})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(32, 32), (24, 40), (29, 30)])
def test_every_cell_is_of_one_image_and_labels_are_shares_of_pixels(kind, size):
    mixed, labels = layer()(as_kind(images(size=size), kind), as_kind(IDS, kind))
    assert_exact(mixed, labels)
    for image in to_numpy(mixed):
        for top in range(0, size[0], 8):
            for left in range(0, size[1], 8):
                assert np.ptp(image[top : top + 8, left : left + 8]) == 0
    assert (to_numpy(labels)[IDS, IDS] > 0).all(), "something of every image stays"


def test_the_defaults_are_four_by_four_cells_on_224_pixels():
    plan = kpm.layers.MaskMix(seed=1).sample_plan(np.zeros((4, 224, 224, 1), "uint8"))
    assert plan.mask.shape == (4, 4, 4)
    pixels = np.array([64, 64, 64, 32])
    expected = np.einsum("brc,r,c->b", plan.mask, pixels, pixels) / 224**2
    np.testing.assert_allclose(plan.share, expected, rtol=1e-6)


def test_the_number_of_cells_is_the_ratio_of_them_rounded_down():
    # With alpha = 1 the uniform number is the ratio. The cells that stay are ceil((1 - r) N).
    uniform = (np.arange(640) + 0.5).astype("float32") / 640
    for cells in (2, 7, 16):
        counts = patch_counts(uniform, cells, Settings(rounding="down"))
        np.testing.assert_array_equal(counts, np.floor(uniform * cells))
        np.testing.assert_array_equal(cells - counts, np.ceil((1 - uniform) * cells))


def test_the_law_of_other_alphas_is_their_distribution_function():
    # Beta(2, 2) has the distribution function 3 x^2 - 2 x^3.
    x = np.arange(1, 10) / 9
    table = count_table(9, Settings(alpha=2.0, rounding="down"))
    np.testing.assert_allclose(table, 3 * x**2 - 2 * x**3, atol=1e-6)


@pytest.mark.parametrize(
    ("ratio", "cells", "replaced"),
    [(0.29, 100, 29), (0.5, 9, 4), (0.99, 16, 15), (1, 16, 15), ((1, 1), 4, 3), (0.1, 9, 0)],
)
def test_a_fixed_ratio_is_rounded_down_and_leaves_a_cell(ratio, cells, replaced):
    uniform = np.linspace(0, 1, 50, endpoint=False, dtype="float32")
    settings = Settings(ratio=ratio, rounding="down")
    assert set(patch_counts(uniform, cells, settings)) == {replaced}


def test_a_range_of_ratios_never_replaces_all():
    plan = layer(ratio=(0.9, 1.0)).sample_plan(np.zeros((64, 16, 16, 1), "uint8"))
    assert set(np.sum(plan.mask, (1, 2))) == {3}


def test_coin_mode_and_training_are_those_of_patch_mixing():
    batch = images(size=(32, 32))
    mixed, labels = layer(probability=0)(batch, IDS)
    np.testing.assert_array_equal(to_numpy(mixed), batch)
    np.testing.assert_array_equal(to_numpy(labels), np.eye(BATCH))
    plan = layer(mode="batch").sample_plan(batch)
    assert (plan.mask == plan.mask[:1]).all()
    unmixed, rows = layer(label_smoothing=0.5)(batch, IDS, training=False)
    np.testing.assert_array_equal(to_numpy(unmixed), batch)
    np.testing.assert_array_equal(to_numpy(rows), np.eye(BATCH))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"multiple": 0}, "`multiple` must be a positive integer"),
        ({"multiple": True}, "`multiple` must be a positive integer"),
        ({"patch_size": 0}, "`patch_size` must be a positive integer"),
        ({"patch_size": None}, "`patch_size`"),
        ({"ratio": 2}, "`ratio` must be"),
    ],
)
def test_arguments_out_of_range_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        layer(**arguments)


def test_an_image_of_one_cell_is_refused():
    with pytest.raises(ValueError, match=r"at least two cells, of 8x8 .* 8 x 8 pixels"):
        layer()(images(size=(8, 8)), IDS)
    assert_exact(*layer(ratio=0.5)(images(size=(8, 9)), IDS))
    # Cells may be larger than a side, as long as there are two.
    assert_exact(*layer(ratio=0.5)(images(size=(6, 16)), IDS))


def test_a_ratio_that_never_replaces_warns():
    with pytest.warns(UserWarning, match="MaskMix will never replace a cell"):
        layer(ratio=0.1)(images(size=(24, 24)), IDS)


SETTINGS = {
    "patch_size": (2, 4),
    "multiple": 2,
    "alpha": 0.7,
    "ratio": (0.2, 0.6),
    "probability": 0.5,
    "mode": "batch",
    "num_classes": BATCH,
    "label_smoothing": 0.25,
    "seed": 5,
    "data_format": "channels_first",
}


def test_the_config_holds_every_argument():
    config = layer(**SETTINGS).get_config()
    assert {name: config[name] for name in SETTINGS} == SETTINGS
    again = kpm.layers.MaskMix.from_config(config)
    assert again.get_config() == config
    assert again.grid.patch_size == (4, 8)


def test_it_travels_in_a_keras_file(tmp_path):
    inputs = keras.Input((32, 32, 1))
    model = keras.Sequential([inputs, layer(ratio=0.5)])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras").layers[-1]
    assert type(loaded) is kpm.layers.MaskMix
    batch, seed = images(size=(32, 32)), (1, 2)
    for one, other in zip(
        loaded.sample_plan(batch, seed), layer(ratio=0.5).sample_plan(batch, seed), strict=True
    ):
        np.testing.assert_array_equal(to_numpy(one), to_numpy(other))


def test_random_choice_takes_it():
    choice = kpm.layers.RandomChoice(
        [layer(seed=None), None], [1, 0], num_classes=BATCH, label_smoothing=0, seed=1
    )
    assert_exact(*choice(images(size=(32, 32)), IDS))


@pytest.mark.needs("matplotlib")
def test_a_mixed_batch_is_drawn():
    figure = kpm.visualize(layer()(images(size=(32, 32)), IDS))
    assert len([axes for axes in figure.axes if axes.get_images()]) == BATCH


@pytest.mark.needs("tensorflow")
@pytest.mark.parametrize("known", [True, False])
def test_it_maps_reproducibly_in_tf_data(known):
    import tensorflow as tf

    batches = tf.data.Dataset.from_tensors((images(size=(32, 24)), IDS)).repeat(3)
    if not known:
        batches = batches.map(
            lambda x, y: (
                tf.ensure_shape(tf.numpy_function(lambda a: a, [x], x.dtype), [None] * 4),
                y,
            )
        )
    runs = [
        [part.numpy() for part in batch]
        for _ in range(2)
        for batch in kpm.layers.map_seeded(batches, layer(), seed=3)
    ]
    for (mixed, labels), (again, _) in zip(runs[:3], runs[3:], strict=True):
        assert_exact(mixed, labels)
        assert (labels[IDS, IDS] > 0).all()
        np.testing.assert_array_equal(mixed, again)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow's graphs")
def test_a_graph_refuses_images_of_one_cell_when_it_runs():
    import tensorflow as tf

    mix = layer()

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8)])
    def run(x):
        return mix(x, tf.constant(IDS))

    assert_exact(*run(images(size=(29, 16))))
    with pytest.raises(tf.errors.InvalidArgumentError, match="at least two cells"):
        run(images(size=(8, 8)))


def test_it_mixes_on_the_device():
    seen = []

    class Spy(keras.Model):
        def train_step(self, *arguments):
            seen.extend(arguments[-1])
            return super().train_step(*arguments)

    inputs = keras.Input((16, 16, 3))
    model = Spy(inputs, keras.layers.Dense(BATCH)(keras.layers.GlobalAveragePooling2D()(inputs)))
    model.compile("sgd", "mean_squared_error", run_eagerly=True)
    kpm.training.mix_on_device(model, layer())
    model.train_on_batch(images("float32", (16, 16)), IDS)
    mixed, labels = map(to_numpy, seen)
    np.testing.assert_allclose(labels, oracle.pixel_shares(mixed, BATCH), atol=1e-6)
    assert (labels.max(1) < 1).any()
