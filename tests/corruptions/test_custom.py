"""Corruptions from functions and Keras layers, alone and as rows of a report."""

import copy
import json

import keras
import numpy as np
import pytest

from keras_patchmix import occlusion
from keras_patchmix.occlusion import Custom, PatchDrop, Report
from keras_patchmix.occlusion.panels import curves_of, row_title
from tests.occlusion.closed_form import constant_data, median_reader


def darker(image, level):
    """One class of `constant_data` down with each level."""
    return image.astype("float32") - 40 * level


def noise(image, level, rng):
    return image + rng.normal(0, 10 * level, image.shape)


class Noise(keras.layers.Layer):
    """Adds noise, as layers of Keras draw it."""

    def __init__(self, deviation, **kwargs):
        super().__init__(**kwargs)
        self.deviation = deviation
        self.seed_generator = keras.random.SeedGenerator(1)

    def call(self, images, training=False):
        shape = keras.ops.shape(images)
        noise = keras.random.normal(shape, stddev=self.deviation, seed=self.seed_generator)
        return images + noise if training else images

    def get_config(self):
        return {**super().get_config(), "deviation": self.deviation}


def rows_of(corruption, images, index=None, **settings):
    found = corruption(images, index=index, **settings)
    return {condition.name: (out, pixels) for condition, out, pixels in found}


def test_accuracies_of_a_function_are_those_of_its_closed_form():
    report = occlusion.evaluate(
        median_reader, constant_data(), suite=[Custom(darker, (1, 2, 5)), PatchDrop(4, 0.5)]
    )
    names = ["clean", "darker_1", "darker_2", "darker_5", "patch_drop_4x4_50"]
    assert [row.name for row in report.rows] == names
    rows = report.rows[1:4]
    # Class 0 stays class 0, the lowest; every other one is taken for a darker class.
    assert [row.top1 for row in rows] == [1 / 6] * 3
    assert [(row.level, row.severity, row.share) for row in rows] == [
        (None, 1, 1.0),
        (None, 2, 1.0),
        (None, 5, 1.0),
    ]
    first = report.summary[0]
    found = first if isinstance(first, dict) else vars(first)
    assert (found["mean"], found["area"], found["drop"]) == (1 / 6, None, 1 - 1 / 6)


def test_values_are_rounded_and_clipped_and_changed_pixels_counted():
    images = np.full((2, 4, 4, 3), 250, np.uint8)

    def brighter(image):
        image[:2] += 1  # in place
        return image + np.float32(0.6 if image[0, 0, 0] == 251 else 0) - 1

    ((out, pixels),) = rows_of(Custom(brighter), images).values()
    np.testing.assert_array_equal(out[:, :2], 251)
    np.testing.assert_array_equal(out[:, 2:], 250)
    np.testing.assert_array_equal(pixels, 8)
    assert np.all(images == 250)
    assert out.dtype == np.uint8
    scaled = images / np.float32(255)
    up = Custom(lambda image, level: image + level, (0.5, 2.0), "up")
    for out, _ in rows_of(up, scaled, value_range=(0, 1)).values():
        assert out.dtype == np.float32
        assert np.all(out == 1)


@pytest.mark.parametrize(
    "corruption",
    [
        Custom(noise, (1, 3)),
        Custom(Noise(20.0), name="noise"),
        Custom({10: Noise(10.0), 20: Noise(20.0)}, name="n"),
        Custom(keras.Sequential([Noise(9.0)]), name="stack"),
    ],
    ids=["function", "layer", "layers", "model"],
)
def test_what_is_random_follows_from_the_seed_and_the_index_alone(corruption):
    images, _ = constant_data(12)
    whole = rows_of(corruption, images)
    again = rows_of(copy.deepcopy(corruption), images[5:7], np.array([5, 6]))
    other = rows_of(corruption, images, seed=1)
    for name, (out, pixels) in whole.items():
        np.testing.assert_array_equal(out[5:7], again[name][0])
        assert np.any(out != other[name][0])
        assert np.any(out[0] - images[0] != out[6] - images[6]), "each example has noise of its own"
        assert pixels.min() > 0.7 * 28 * 28


def test_a_generator_starts_alike_at_every_level():
    def first(image, level, rng):
        return np.full_like(image, rng.integers(256))

    images, _ = constant_data(20)
    (one, _), (two, _) = rows_of(Custom(first, (1, 2)), images).values()
    np.testing.assert_array_equal(one, two)
    assert len(np.unique(one[:, 0, 0, 0])) > 10


def test_the_noise_of_a_layer_has_its_deviation():
    images = np.full((8, 28, 28, 3), 128, np.uint8)
    layer = Custom(Noise(12.0), name="noise")
    ((out, _),) = rows_of(layer, images).values()
    # 18,816 values: the standard error of the deviation is 0.06.
    assert np.std(out.astype(float)) == pytest.approx(12.0, abs=0.25)


def test_a_report_of_severities_is_written_read_drawn_and_printed(tmp_path):
    suite = [Custom(darker, (1, 2.5)), Custom(noise, 3, "grain"), PatchDrop(4, 0.5)]
    report = occlusion.evaluate(median_reader, constant_data(), suite=suite)
    report.to_json(tmp_path / "report.json")
    loaded = Report.load(tmp_path / "report.json")
    assert loaded.rows == report.rows
    assert [row.name for row in report.rows[1:4]] == ["darker_1", "darker_2_5", "grain_3"]
    assert row_title(report.rows[2]) == "Darker, 2.5"
    panels = {panel.title: panel for panel in curves_of({"model": report}).panels}
    assert {title: panel.axis for title, panel in panels.items()} == {
        "Patch drop, 4×4 grid": "share",
        "Darker": "severity",
        "Grain": "severity",
    }
    assert [point.x for point in panels["Darker"].lines[0].points] == [0, 1, 2.5]
    line = next(line for line in str(report).splitlines() if "2.5" in line)
    assert line.split()[:2] == ["darker", "2.5"]
    config = report.settings["suite"][0]["config"]
    assert config == {"fn": f"{__name__}.darker", "levels": [1, 2.5], "name": "darker"}
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    assert report.plot().axes[1].get_xlabel() == "Severity"
    assert "Darker, 2.5" in occlusion.write_page(report)


def test_json_says_what_it_was_and_is_refused_with_what_to_do():
    suite = [Custom(Noise(4.0), name="noise")]
    entries = json.loads(json.dumps(occlusion.serialize(suite)))
    assert entries[0]["config"]["fn"][0]["config"]["deviation"] == 4.0
    with pytest.raises(ValueError, match="hold no function: make it"):
        occlusion.deserialize(entries)


def test_equal_are_those_of_one_function():
    assert Custom(darker, 1) == Custom(darker, 1)
    assert Custom(darker, 1) != Custom(darker, 2)
    assert Custom(lambda x: x, name="a") != Custom(lambda x: 0 * x, name="a")


LAYER = keras.layers.GaussianNoise(1.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3,), "`fn` must be a function of an image, a Keras layer.*Received: fn=3"),
        ((LAYER, 1, "a"), "a layer takes no level"),
        (({1: darker}, None, "a"), "a layer takes no level"),
        (({}, None, "a"), "The keys of `fn` must be severities"),
        ((darker, None), "`fn` must take an image"),
        ((lambda image: image, 1, "a"), "`fn` must take an image"),
        ((keras.layers.GaussianNoise, None, "a"), "`fn` must be a function"),
        (({2: LAYER, 1: LAYER}, None, "a"), "that rise"),
        ((darker, (0, 1)), "above 0"),
        ((darker, (2, 1)), "that rise"),
        ((darker, (1, 1)), "that rise"),
        ((darker, float("nan")), "`levels`"),
        ((darker, "12"), "`levels`"),
        ((LAYER,), "layers need one.*name=None"),
        ((lambda x: x,), "a lambda.*name='<lambda>'"),
        ((darker, 1, "clean"), "name='clean'"),
        ((darker, 1, "a b"), "name='a b'"),
    ],
)
def test_arguments_that_are_none_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Custom(*arguments)


@pytest.mark.parametrize(
    ("fn", "message"),
    [
        (lambda image: image[:2], r"same shape.*from 'a': shape \(2, 28, 3\) for an image of"),
        (lambda image: None, "integers or floats. Received from 'a': None"),
        (lambda image: image > 3, "integers or floats. Received from 'a': bool"),
        (lambda image: image.astype(str), "integers or floats. Received from 'a': <U"),
        (lambda image: image * np.float32("nan"), "of finite numbers.*values that are not finite"),
    ],
)
def test_images_that_are_none_are_refused(fn, message):
    with pytest.raises(ValueError, match=message):
        occlusion.evaluate(median_reader, constant_data(9), suite=[Custom(fn, name="a")])


def test_two_of_one_name_are_refused():
    with pytest.raises(ValueError, match="share the row 'darker_1'"):
        occlusion.evaluate(
            median_reader, constant_data(9), suite=[Custom(darker, 1), Custom(darker, 1)]
        )
