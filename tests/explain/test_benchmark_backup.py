"""The selectivity benchmark goes on where it was interrupted."""

import numpy as np
import pytest

from keras_patchmix import explain
from keras_patchmix.explain import benchmark
from keras_patchmix.explain.map_archive import PartialResults
from keras_patchmix.occlusion import backup
from tests.explain.test_benchmark import DATA, IMAGES, LABELS, SETTINGS, by_color

SMALL = {**SETTINGS, "num_masks": 20, "num_kept": 7}


class Stopping:
    """The classifier, which at some call is interrupted."""

    def __init__(self, at=None, sign=1):
        self.calls, self.at, self.sign = 0, at, sign

    def __call__(self, images):
        self.calls += 1
        if self.calls == self.at:
            raise KeyboardInterrupt
        return by_color(images)[:, :: self.sign]


@pytest.fixture
def left(tmp_path, monkeypatch):
    """What is left of a run that was interrupted in its third group of four images."""
    monkeypatch.setattr(benchmark, "_GROUP_SIZE", 4)
    monkeypatch.setattr(backup, "INTERVAL_SECONDS", 0)
    path = tmp_path / "backup.json"
    with pytest.raises(KeyboardInterrupt):
        explain.selectivity_benchmark(Stopping(2 * 6 + 3), DATA, backup=path, **SMALL)
    assert path.exists()
    return path


def test_what_was_measured_is_not_measured_again(left):
    whole, rest = Stopping(), Stopping()
    expected = explain.selectivity_benchmark(whole, DATA, **SMALL)
    report = explain.selectivity_benchmark(rest, DATA, backup=left, **SMALL)
    assert whole.calls == 18  # of each group of three: ranking, 20 masks of 4, one of all
    assert rest.calls == 6 + 1  # the first group is ranked again
    assert report == expected
    for name in ("images", "masks", "maps"):
        np.testing.assert_array_equal(report.examples[name], expected.examples[name])
    assert len(report.examples["maps"]) == 7
    assert not left.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": 1}, "seed: 0 there, 1 now"),
        ({"scheme": "independent"}, "scheme: 'control_variate' there, 'independent' now"),
        ({"model": Stopping(sign=-1)}, "`backup` must be of the same model"),
        ({"num_kept": 3}, "num_kept: 7 there, 3 now"),
        ({"dataset": (IMAGES, LABELS[::-1])}, "`dataset` must hold the images that it held before"),
        ({"max_examples": 6}, "`dataset` must hold the images that it held before"),
        ({"dataset": (IMAGES[:6], LABELS[:6])}, "Received: 6 examples, of which 8 were measured"),
    ],
)
def test_a_backup_of_something_else_is_refused(left, arguments, message):
    settings = {"model": Stopping(), "dataset": DATA, **SMALL, **arguments}
    with pytest.raises(ValueError, match=message):
        explain.selectivity_benchmark(backup=left, **settings)
    assert left.exists()


def test_arrays_are_kept_bit_by_bit():
    kinds = {"maps": ((2, 2), np.float32), "masks": ((2, 2), np.bool_)}
    measured = PartialResults(dict[str, float], kinds, 2)
    maps = np.random.default_rng(0).normal(size=(3, 2, 2)).astype(np.float32)
    masks = maps > 0
    measured.add([{"a": 0.1 + 0.2}] * 3, {"maps": maps, "masks": masks})
    found = measured.from_state(measured.state())
    assert found.rows == measured.rows
    np.testing.assert_array_equal(found.arrays()["maps"], maps[:2])
    np.testing.assert_array_equal(found.arrays()["masks"], masks[:2])
    empty = PartialResults(dict[str, float], kinds, 2)
    assert empty.from_state(empty.state()).arrays() == {}


def test_the_share_of_mixed_images_that_are_right_is_told():
    report = explain.selectivity_benchmark(by_color, DATA, **SMALL)
    # Half of each image is foreign, and of equal scores the lowest class id is first.
    right = [row["label"] < row["contrast"] for row in report.rows]
    assert [row["predicted"] == row["label"] for row in report.rows] == right
    assert report.accuracy == np.mean(right)
    assert explain.SelectivityReport([{"selectivity": 0.5}], {}).accuracy is None


def test_preprocessing_that_writes_into_images_changes_no_map():
    def in_place(images):
        images /= 255
        return images

    def of_unit(images):
        return by_color(np.asarray(images) * 255)

    settings = {**SMALL, "batch_size": 4, "max_examples": 4}  # batches that need no padding
    images = IMAGES.astype(np.float32)
    expected = explain.selectivity_benchmark(by_color, (images, LABELS), **settings)
    found = explain.selectivity_benchmark(
        of_unit, (images, LABELS), preprocess=in_place, **settings
    )
    # Not the selectivity, which is the same for a darker image.
    np.testing.assert_allclose(found.examples["maps"], expected.examples["maps"], atol=1e-5)


def test_a_backup_of_other_given_maps_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "_GROUP_SIZE", 4)
    monkeypatch.setattr(backup, "INTERVAL_SECONDS", 0)
    path, maps = tmp_path / "backup.json", np.random.default_rng(0).random((12, 28, 28))
    maps = maps[:, : IMAGES.shape[1], : IMAGES.shape[2]][: len(IMAGES)]
    with pytest.raises(KeyboardInterrupt):
        explain.selectivity_benchmark(Stopping(3), DATA, backup=path, saliency=maps, **SMALL)
    with pytest.raises(ValueError, match="saliency_sha256"):
        explain.selectivity_benchmark(Stopping(), DATA, backup=path, saliency=1 - maps, **SMALL)
