import numpy as np
import pytest

from keras_patchmix.occlusion import PatchDrop, evaluate
from keras_patchmix.scoring.class_map import ClassMap
from tests.occlusion.closed_form import K, constant_data, pixel_reader, scores_of


def test_a_class_has_the_highest_score_of_its_outputs():
    scores = np.array([[0.1, 0.9, 0.5, 0.3, 0.2], [5, -1, -2, 7, 6]], np.float32)
    chosen = ClassMap([3, [0, 2], (4,)]).select(scores)
    np.testing.assert_array_equal(chosen, np.float32([[0.3, 0.5, 0.2], [7, 5, 6]]))


def test_a_score_that_is_not_finite_anywhere_makes_the_row_so():
    scores = np.array([[1, 2, np.inf], [1, 2, 3]], np.float32)
    chosen = ClassMap([0, 1]).select(scores)
    assert np.all(np.isnan(chosen[0]))
    np.testing.assert_array_equal(chosen[1], [1, 2])


def test_a_model_of_more_outputs_is_scored_on_the_classes_alone():
    order = np.array([11, 3, 7, 0, 9, 4])

    def wide(images):
        scores = np.full((len(images), 20), 1e3, np.float32)  # the others always win
        scores[:, order] = scores_of(images[:, 9, 4, 0])
        return scores

    data = constant_data(60)
    expected = evaluate(pixel_reader(9, 4), data, suite=[PatchDrop(4, 0.5)])
    mapped = evaluate(wide, data, suite=[PatchDrop(4, 0.5)], class_map=order.tolist())
    assert mapped.rows == expected.rows
    assert mapped.settings["class_map"] == [[int(i)] for i in order]
    assert mapped.settings["num_classes"] == K
    # Unmapped, output 1 is the first of those that always win: right for class 1 alone.
    assert evaluate(wide, data, suite=[PatchDrop(4, 0.5)]).rows[0].top1 == 1 / 6


@pytest.mark.parametrize(
    "outputs", [5, [3], [0, 0], [[0], []], [0, [1, 0]], [0, -1], [0, 1.5], [0, "1"], [True, 2]]
)
def test_wrong_maps_are_named(outputs):
    with pytest.raises(ValueError, match=r"`class_map` must hold.*Received: class_map="):
        ClassMap(outputs)


def test_an_output_that_the_model_does_not_have_is_named():
    with pytest.raises(ValueError, match=r"the output 6, which the model does not have.*6 scores"):
        evaluate(
            pixel_reader(9, 4),
            constant_data(12),
            suite=[PatchDrop(2)],
            class_map=[0, 1, 2, 3, 4, 6],
        )
