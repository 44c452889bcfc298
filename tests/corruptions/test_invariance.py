"""An example is corrupted alike in any batch, order, shard, memory layout and dtype."""

import ml_dtypes
import numpy as np
import pytest

from keras_patchmix.corruptions import modules
from keras_patchmix.corruptions.superimpose import Superimpose
from keras_patchmix.occlusion import PatchDrop, PatchPermutation, PatchReplacement, build_bank

COUNT, SIZE = 17, 28
ALL = [
    PatchReplacement((4, 7), (0.1, 0.5, 1.0)),
    PatchReplacement((5, 3), (0.3, 0.6)),
    PatchDrop(7, (0.2, 0.8)),
    PatchDrop((3, 9), 0.5, "noise"),
    PatchDrop((5, 6), 0.5, "image_mean"),
    PatchDrop(7, (0.3, 0.6), order="salient"),
    PatchDrop((3, 9), 0.4, "mean", "non-salient"),
    PatchPermutation((2, (4, 7), 14)),
    Superimpose(levels=(0.1, 0.25, 0.5)),
]


def test_every_corruption_of_the_package_is_tested_here():
    tested = {type(corruption).__name__ for corruption in ALL}
    missing = set(modules()) - tested - {"Custom"}  # what a user's function does is up to it
    assert not missing, f"{missing}: put them into ALL"


def examples(dtype=np.uint8):
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (COUNT, SIZE, SIZE, 3)).astype(dtype)
    # Sums of such numbers depend on the order in which they are added up.
    maps = rng.random((COUNT, SIZE, SIZE)) ** 9
    return images, rng.integers(0, 4, COUNT), maps


def run(corruption, images, labels, maps, index, bank):
    return [
        (out, pixels)
        for _, out, pixels in corruption(
            images, labels, index, seed=3, bank=bank, saliency=maps, value_range=(0, 255)
        )
    ]


def assert_same(parts, whole, chosen):
    for (out, pixels), (expected, expected_pixels) in zip(parts, whole, strict=True):
        assert out.dtype == expected.dtype
        np.testing.assert_array_equal(out, expected[chosen])
        np.testing.assert_array_equal(pixels, expected_pixels[chosen])


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("corruption", ALL, ids=repr)
def test_batches_order_and_shards_change_nothing(corruption, dtype):
    images, labels, maps = examples(dtype)
    bank = build_bank([(images, labels)])
    whole = run(corruption, images, labels, maps, np.arange(COUNT), bank)
    order = np.random.default_rng(2).permutation(COUNT)
    shards = [np.arange(replica, COUNT, 2) for replica in range(2)]
    batches = [order[start : start + size] for size in (1, 5) for start in range(0, COUNT, size)]
    for chosen in [order, *shards, *batches]:
        part = run(corruption, images[chosen], labels[chosen], maps[chosen], chosen, bank)
        assert_same(part, whole, chosen)


@pytest.mark.parametrize("corruption", ALL, ids=repr)
def test_an_empty_batch_stays_empty(corruption):
    images, labels, maps = examples()
    bank = build_bank([(images, labels)])
    none = np.arange(0)
    for out, pixels in run(corruption, images[none], labels[none], maps[none], none, bank):
        assert out.shape == (0, SIZE, SIZE, 3)
        assert pixels.shape == (0,)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("corruption", ALL, ids=repr)
def test_the_layout_in_memory_changes_nothing_and_inputs_stay(corruption, dtype):
    images, labels, maps = examples(dtype)
    bank = build_bank([(images, labels)])
    index = np.arange(COUNT)
    whole = run(corruption, images, labels, maps, index, bank)
    channels_first = np.ascontiguousarray(images.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
    wide = np.concatenate([images, images], axis=2)[:, :, :SIZE]
    flipped = np.ascontiguousarray(images[:, ::-1])[:, ::-1]
    for view in (channels_first, wide, flipped):
        before = view.copy()
        view.flags.writeable = False
        assert_same(
            run(corruption, view, labels, np.asfortranarray(maps), index, bank), whole, index
        )
        np.testing.assert_array_equal(view, before)


@pytest.mark.parametrize("corruption", ALL, ids=repr)
def test_integers_are_the_rounded_floats(corruption):
    results = []
    for dtype in (np.uint8, np.float32, np.int32, ml_dtypes.bfloat16):
        images, labels, maps = examples(dtype)
        bank = build_bank([(images, labels)])
        results.append(run(corruption, images, labels, maps, np.arange(COUNT), bank))
        assert results[-1][0][0].dtype == dtype
    for small, exact, wide, coarse in zip(*results, strict=True):
        assert np.max(abs(small[0] - exact[0].astype(float))) <= 0.5 + 1e-4
        np.testing.assert_array_equal(small[0], wide[0])
        # bfloat16 has 8 bits: numbers up to 256 are kept, and a blend is off by at most one.
        assert np.max(abs(coarse[0].astype(float) - exact[0])) <= 1
        for other in (exact, wide, coarse):
            np.testing.assert_array_equal(small[1], other[1])


def test_bits_that_are_moved_stay_what_they_are():
    # Two kinds of nan and a negative zero: comparing values would not see a change.
    bits = np.array([0x7FC00001, 0x7F800001, 0x80000000, 0x3F800000], np.uint32)
    images = np.tile(bits, (6, 8, 6, 1))[..., :3].view(np.float32)
    images[1::2] = bits[3:].view(np.float32)
    labels = np.arange(6) % 2
    bank = build_bank([(images, labels)])
    seen = images.view(np.uint32)
    for corruption in (PatchReplacement(2, 0.5), PatchReplacement((3, 4), 0.5)):
        ((_, out, pixels),) = corruption(images, labels, bank=bank)
        foreign = seen[1 - labels]
        out = out.view(np.uint32)
        assert np.all((out == seen) | (out == foreign))
        np.testing.assert_array_equal(np.any(out != seen, axis=-1).sum((1, 2)), pixels)
    ((_, out, _),) = PatchPermutation(2)(images)
    np.testing.assert_array_equal(out.view(np.uint32), seen)
