import numpy as np
import pytest

from keras_patchmix.base.sizes import size_pair


@pytest.mark.parametrize(
    ("value", "pair"),
    [
        (7, (7, 7)),
        ((4, 7), (4, 7)),
        ([4, 7], (4, 7)),
        (np.int64(3), (3, 3)),
        (np.ones(2, int), (1, 1)),
    ],
)
def test_an_integer_or_a_pair_is_a_pair_of_python_integers(value, pair):
    found = size_pair(value, "grid_size")
    assert found == pair
    assert all(type(side) is int for side in found)


@pytest.mark.parametrize(
    "value", [0, -1, 7.0, True, None, "7", "77", (7,), (7, 7, 7), (7, 0), (7, True), (7, "7"), {}]
)
def test_all_else_is_refused_by_the_arguments_name(value):
    with pytest.raises(
        ValueError, match=r"^`image_size` must be a positive integer.*Received: image_size="
    ):
        size_pair(value, "image_size")
