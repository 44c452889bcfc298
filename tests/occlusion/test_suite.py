import numpy as np
import pytest

from keras_patchmix.occlusion import PatchDrop, PatchPermutation, PatchReplacement, default_suite
from keras_patchmix.occlusion.suite import check_suite


def test_224_has_the_sweeps_of_the_paper():
    assert default_suite(224) == [
        PatchReplacement(7, (0.1, 0.2, 0.3, 0.4, 0.5)),
        PatchReplacement(14, (0.1, 0.2, 0.3, 0.4, 0.5)),
        PatchDrop(14, (0.2, 0.4, 0.6, 0.8)),
        PatchPermutation((2, 4, 8, 14)),
    ]


@pytest.mark.parametrize(
    ("size", "coarse", "fine", "tiles"),
    [
        (28, 4, 7, (2, 4, 7)),
        (32, 4, 8, (2, 4, 8)),
        (64, 4, 8, (2, 4, 8)),
        (96, 4, 8, (2, 4, 8)),
        ((112, 224), 7, 14, (2, 4, 8, 14)),
        (128, 8, 16, (2, 4, 8, 16)),
        (160, 8, 16, (2, 4, 8, 16)),
        (384, 8, 16, (2, 4, 8, 16)),
        (448, 7, 14, (2, 4, 8, 14)),
        (300, 5, 10, (2, 4, 10)),
    ],
)
def test_other_sizes(size, coarse, fine, tiles):
    assert default_suite(size) == [
        PatchReplacement(coarse),
        PatchReplacement(fine),
        PatchDrop(fine),
        PatchPermutation(tiles),
    ]


@pytest.mark.parametrize("size", [*range(16, 71), 299, 331, (32, 33), (17, 512)])
def test_every_size_has_a_suite_that_runs(size):
    height, width = (size, size) if isinstance(size, int) else size
    for member in check_suite(default_suite(size)):
        member_images = np.zeros((1, height, width, 1), np.uint8)
        if not member.needs_bank:
            list(member(member_images))


def test_too_small():
    with pytest.raises(ValueError, match="at least 16 pixels"):
        default_suite((3, 224))
    with pytest.raises(ValueError, match="`image_size`"):
        default_suite(0)


@pytest.mark.parametrize("suite", [[], PatchDrop(), ["patch_drop"], {PatchDrop()}])
def test_what_is_no_suite(suite):
    with pytest.raises(ValueError, match="`suite` must be a list"):
        check_suite(suite)


def test_rows_must_differ():
    with pytest.raises(ValueError, match="share the row 'patch_drop_7x7_50'"):
        check_suite([PatchDrop(7, 0.5), PatchDrop(7, (0.4, 0.5))])
