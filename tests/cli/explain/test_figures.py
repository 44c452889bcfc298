"""What the pictures of an explanation show."""

import numpy as np
import pytest

from keras_patchmix.cli.explain import figures
from keras_patchmix.cli.explain.explanation import Explanation

pytest.importorskip("matplotlib")
MAPS = np.random.default_rng(0).uniform(0.6, 0.8, (2, 6, 6)).astype(np.float32)
CHURCH = {
    "image": "a.png", "class_id": 1, "class_name": "church", "contrast_id": 4,
    "contrast_name": "garbage truck", "num_masks": 9, "noise": 0.1, "selectivity": None,
    "deletion_area": 0.1, "insertion_area": 0.9, "mean_score": 0.7, "predicted": 1,
    "predicted_name": "church", "probability": 0.971, "class_probability": 0.971,
    "contrast_probability": 0.012,
}  # fmt: skip
DOG = {
    **CHURCH, "image": "b.png", "class_id": 2, "class_name": "a rather long name of a dog",
    "class_probability": 0.005, "mean_score": 0.65,
}  # fmt: skip


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """A function of rows that returns the arguments of the figure of their maps."""

    def draw(*rows):
        found = {}

        def caught(images, maps, path, masks, **settings):
            found.update(settings, maps=maps["net"])

        monkeypatch.setattr(figures, "plot_saliency", caught)
        arrays = {"images": np.zeros((len(rows), 6, 6, 3), np.uint8), "maps": MAPS[: len(rows)]}
        values = [[0.5, 0.5]] * len(rows)
        curves = {"shares": [0, 1], "deletion": values, "insertion": values}
        explanation = Explanation(list(rows), curves, arrays, {}, {})
        figures.draw_figures(tmp_path, {"net": explanation}, 4)
        return found

    return draw


def test_a_contrastive_map_is_0_where_a_pixel_does_not_matter(drawn):
    found = drawn(CHURCH, DOG)
    np.testing.assert_allclose(found["maps"][0], MAPS[0] - 0.7, atol=1e-6)
    np.testing.assert_allclose(found["maps"][1], MAPS[1] - 0.65, atol=1e-6)
    assert found["diverging"] is True
    assert found["labels"]["net"] == [
        "garbage truck ← speaks for → church\n0: does not matter",
        "← speaks for garbage truck\n→ speaks for a rather long name of a dog\n0: does not matter",
    ]


def test_what_the_model_says_stands_over_the_map(drawn):
    assert drawn(CHURCH, DOG)["notes"]["net"] == [
        "church 97.1 %, garbage truck 1.2 %",
        "church 97.1 %, a rather long name of a dog 0.5 %, garbage truck 1.2 %",
    ]


def test_a_map_of_one_class_is_a_probability(drawn):
    alone = {**CHURCH, "contrast_id": None, "contrast_name": None, "contrast_probability": None}
    found = drawn(alone)
    np.testing.assert_array_equal(found["maps"], MAPS[:1])
    assert found["diverging"] is False
    assert found["labels"]["net"] == ["probability of church\nwhere a pixel is shown"]
    assert found["notes"]["net"] == ["church 97.1 %"]


def test_results_of_version_0_1_are_drawn_as_they_are(drawn):
    later = ("mean_score", "predicted", "predicted_name", "probability", "class_probability")
    old = {key: value for key, value in CHURCH.items() if key not in later}
    found = drawn(old)
    np.testing.assert_array_equal(found["maps"], MAPS[:1])
    assert found["labels"]["net"] == ["probability of church less that of garbage truck"]
    assert found["notes"]["net"] == [""]
