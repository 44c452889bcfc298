"""The selectivity benchmark on classifiers whose selectivity is known beforehand."""

import numpy as np
import pytest

from keras_patchmix import explain, occlusion

# Class k is a color channel; images are of one channel, so that patches tell their class.
LABELS = np.arange(12) % 3
IMAGES = np.zeros((12, 28, 28, 3), np.uint8)
IMAGES[np.arange(12), :, :, LABELS] = 240
DATA = (IMAGES, LABELS)
REPLACED = occlusion.PatchReplacement(2, 0.5)
SETTINGS = {"num_masks": 300, "grid_size": 4, "corruption": REPLACED, "verbose": False}


def by_color(images):
    """Probabilities by the mean of the channels: every pixel speaks for its own class."""
    images = np.asarray(images, np.float64)
    return 1 / 3 + images.mean((1, 2)) / 765 - images.mean((1, 2, 3))[:, None] / 765


def test_a_model_that_reads_each_pixel_alone_is_selective_and_its_opposite_is_not():
    report = explain.selectivity_benchmark(by_color, DATA, **SETTINGS)
    low, high = report.interval
    assert len(report.rows) == 12
    assert 0.7 < low <= report.mean <= high
    other = explain.selectivity_benchmark(lambda x: (1 - by_color(x)) / 2, DATA, **SETTINGS)
    assert other.interval[1] < 0.3
    difference, below, above = report.compare(other)
    assert difference == pytest.approx(report.mean - other.mean)
    assert 0.4 < below < difference < above


def test_rows_say_which_classes_were_contrasted_and_where():
    report = explain.selectivity_benchmark(by_color, DATA, max_examples=5, **SETTINGS)
    assert [row["index"] // 2.4 for row in report.rows] == [0, 1, 2, 3, 4]  # spread over the data
    for row in report.rows:
        assert row["label"] == LABELS[row["index"]] != row["contrast"]
        assert row["share"] == 0.5
        assert row["num_masks"] == 300
    image, mask = report.examples["images"][0], report.examples["masks"][0]
    assert len(report.examples["maps"]) == 4
    own = 240 * np.eye(3)[report.rows[0]["label"]]
    np.testing.assert_array_equal(image[~mask], np.broadcast_to(own, image[~mask].shape))
    assert (image[mask][:, report.rows[0]["contrast"]] == 240).all()


def test_what_objects_hide_is_out_of_context_and_the_second_choice_is_contrasted():
    objects = occlusion.Superimpose(levels=0.3)
    settings = {**SETTINGS, "corruption": objects, "num_masks": 20}
    report = explain.selectivity_benchmark(by_color, DATA, max_examples=3, **settings)
    index = np.array([row["index"] for row in report.rows])
    _, _, pixels = next(objects(IMAGES[index], index=index))
    np.testing.assert_allclose([row["share"] for row in report.rows], pixels / 28**2)


def test_the_same_call_gives_the_same_report_and_it_is_read_back(tmp_path):
    report = explain.selectivity_benchmark(by_color, DATA, max_examples=4, **SETTINGS)
    again = explain.selectivity_benchmark(by_color, DATA, max_examples=4, **SETTINGS)
    assert report.to_dict() == again.to_dict()
    report.to_json(tmp_path / "a.json")
    assert explain.SelectivityReport.load(tmp_path / "a.json") == report
    other = explain.selectivity_benchmark(by_color, DATA, max_examples=4, seed=1, **SETTINGS)
    assert (other.values != report.values).any()
    with pytest.raises(ValueError, match="its seed is 1, here it is 0"):
        report.compare(other)


def test_the_interval_covers_the_mean_as_often_as_it_says():
    drawn = np.random.default_rng(0).normal(0.6, 0.1, (200, 40))
    covered = 0
    for values in drawn:
        report = explain.SelectivityReport([{"selectivity": value} for value in values], {})
        low, high = report.interval
        covered += low < 0.6 < high
    assert 175 <= covered <= 199


def test_maps_of_another_method_are_measured_on_the_same_images():
    """The difference of two channels, each pixel by itself: as selective as a map can be."""
    asked = []

    def method(images, class_ids, contrast_ids):
        asked.append((class_ids, contrast_ids))
        rows = np.arange(len(images))
        return images[rows, :, :, class_ids] - images[rows, :, :, contrast_ids]

    report = explain.selectivity_benchmark(by_color, DATA, saliency=method, **SETTINGS)
    usual = explain.selectivity_benchmark(by_color, DATA, **SETTINGS)
    np.testing.assert_array_equal(report.values, 1)
    assert report.settings["saliency"].endswith("method")
    for name in ("index", "label", "contrast", "share"):
        assert [row[name] for row in report.rows] == [row[name] for row in usual.rows]
    assert {(row["num_masks"], row["noise"]) for row in report.rows} == {(0, 0.0)}
    np.testing.assert_array_equal(
        np.concatenate([ids for ids, _ in asked]), [row["label"] for row in usual.rows]
    )
    assert report.compare(usual)[0] > 0
    same = explain.selectivity_benchmark(
        by_color, DATA, saliency=report.examples["maps"], max_examples=4, **SETTINGS
    )
    assert same.settings["saliency"] == "given maps"


def test_a_map_for_each_image_in_their_order():
    settings = {**SETTINGS, "num_kept": 12, "num_masks": 20}
    usual = explain.selectivity_benchmark(by_color, DATA, **settings)
    maps = usual.examples["maps"]
    again = explain.selectivity_benchmark(by_color, DATA, saliency=maps, **settings)
    np.testing.assert_allclose(again.values, usual.values, rtol=1e-6)
    coarse = maps[:, ::2, ::2]
    with pytest.warns(UserWarning, match="Maps of 14x14 are scaled to the images' 28x28"):
        explain.selectivity_benchmark(by_color, DATA, saliency=coarse, **settings)
    for wrong in (maps[:11], np.concatenate([maps, maps])):
        with pytest.raises(ValueError, match="`saliency` must"):
            explain.selectivity_benchmark(by_color, DATA, saliency=wrong, **settings)


def test_a_method_without_foreign_classes_is_asked_for_the_second_choice():
    settings = {**SETTINGS, "corruption": occlusion.Superimpose(levels=0.3), "max_examples": 3}
    asked = []

    def method(images, class_ids, contrast_ids):
        scores = by_color(images)
        scores[np.arange(len(images)), class_ids] = -1
        asked.append((contrast_ids == scores.argmax(1)).all())
        return images.mean(-1)

    explain.selectivity_benchmark(by_color, DATA, saliency=method, **settings)
    assert asked
    assert all(asked)


def test_reports_of_other_schemes_are_not_compared_and_old_ones_are_of_independent_masks():
    settings = {**SETTINGS, "max_examples": 3, "num_masks": 20}
    new = explain.selectivity_benchmark(by_color, DATA, **settings)
    old = explain.selectivity_benchmark(by_color, DATA, scheme="independent", **settings)
    with pytest.raises(ValueError, match="its scheme is independent, here it is control_variate"):
        new.compare(old)
    del old.settings["scheme"]
    with pytest.raises(ValueError, match="its scheme is independent"):
        new.compare(old)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"corruption": occlusion.PatchReplacement(7)}, "`corruption` must be .* one level"),
        ({"corruption": "drop"}, "`corruption` must be"),
        ({"corruption": occlusion.PatchDrop(2, 1.0)}, "`out_of_context_mask` must hold pixels"),
        ({"max_examples": 0}, "`max_examples` must be"),
        ({"dataset": (IMAGES, LABELS + 5)}, r"`class_ids` must be in \[0, 3\)"),
    ],
)
def test_errors(arguments, message):
    settings = {"model": by_color, "dataset": DATA, **SETTINGS, "num_masks": 4, **arguments}
    with pytest.raises(ValueError, match=message):
        explain.selectivity_benchmark(**settings)
