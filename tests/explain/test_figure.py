"""The picture of saliency."""

import itertools

import numpy as np
import pytest

from keras_patchmix import explain

pytest.importorskip("matplotlib")
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (2, 8, 12, 3), np.uint8)
MAPS = {"plain": RNG.normal(size=(2, 8, 12)), "mixed": RNG.uniform(size=(2, 8, 12))}
MASKS = np.zeros((2, 8, 12), bool)
MASKS[:, 2:5, 3:7] = True


def test_images_stand_beside_the_maps_with_their_selectivity(tmp_path):
    path = tmp_path / "a.png"
    figure = explain.plot_saliency(IMAGES, MAPS, path, MASKS, captions=["cat", "dog"])
    assert path.read_bytes()[:4] == b"\x89PNG"
    titles = [axis.get_title() for axis in figure.axes]
    plain = explain.patch_selectivity(MAPS["plain"], MASKS)
    assert "cat" in titles
    assert f"plain: {plain[1]:.2f}" in titles
    maps = [axis.get_images()[1].get_array() for axis in figure.axes if len(axis.images) == 2]
    np.testing.assert_allclose(maps[0], MAPS["plain"][0])
    np.testing.assert_allclose(maps[3], MAPS["mixed"][1])


def test_a_mask_is_outlined_along_the_edges_of_its_pixels():
    figure = explain.plot_saliency(IMAGES[0], {"a": MAPS["plain"][0]}, masks=MASKS[0])
    lines = figure.axes[0].collections[0].get_segments()
    assert len(lines) == 2 * (3 + 4)
    ends = np.concatenate(lines)
    assert (ends.min(0) == (2.5, 1.5)).all()
    assert (ends.max(0) == (6.5, 4.5)).all()


def test_contrasts_are_centered_on_zero():
    figure = explain.plot_saliency(IMAGES, MAPS)
    plain, mixed = (figure.axes[column].images[1] for column in (1, 2))
    low, high = plain.get_clim()
    assert low == -high == -np.abs(MAPS["plain"][0]).max()
    assert mixed.get_clim() == (MAPS["mixed"][0].min(), MAPS["mixed"][0].max())


def test_contrasts_of_an_image_share_their_colors():
    figure = explain.plot_saliency(IMAGES, MAPS, diverging=True)
    for row in range(2):
        limit = max(np.abs(maps[row]).max() for maps in MAPS.values())
        for column in (1, 2):
            assert figure.axes[3 * row + column].images[1].get_clim() == (-limit, limit)


def test_a_label_stands_under_the_bar_of_its_map():
    labels = {name: [f"{name} ← $0$ → {k}" for k in range(2)] for name in MAPS}
    figure = explain.plot_saliency(IMAGES, MAPS, labels=labels)
    for row in range(2):
        for column, name in enumerate(MAPS, start=1):
            (bar,) = figure.axes[3 * row + column].child_axes
            assert bar.get_xlabel() == f"{name} ← $0$ → {row}"
            assert not bar.xaxis.label.get_parse_math()


def test_panels_stand_equally_far_apart():
    maps = {"plain": MAPS["plain"], "mixed": 1e-4 * MAPS["mixed"], "third": 1000 * MAPS["mixed"]}
    figure = explain.plot_saliency(IMAGES, maps)
    figure.draw_without_rendering()
    for row in (figure.axes[:4], figure.axes[4:]):
        boxes = [axis.get_position() for axis in row]
        gaps = [right.x0 - left.x1 for left, right in itertools.pairwise(boxes)]
        np.testing.assert_allclose(gaps, gaps[0], rtol=0.02)


@pytest.mark.parametrize("maps", [{}, MAPS["plain"], {"a": MAPS["plain"][:1]}])
def test_maps_that_do_not_fit_are_errors(maps):
    with pytest.raises(ValueError, match=r"`maps` must be a dict|`saliency` must be of shape"):
        explain.plot_saliency(IMAGES, maps)


def test_notes_stand_over_the_maps_and_a_dollar_is_a_dollar():
    notes = {"plain": ["a $cat$", "a dog"], "mixed": ["an owl", "an eel"]}
    figure = explain.plot_saliency(IMAGES, MAPS, masks=MASKS, notes=notes)
    titles = [axis.title for axis in figure.axes]
    plain = explain.patch_selectivity(MAPS["plain"], MASKS)
    assert titles[1].get_text() == f"plain: {plain[0]:.2f}\na $cat$"
    assert not titles[1].get_parse_math()
    assert titles[5].get_text().endswith("\nan eel")
