"""Makes the pictures of the pages on concepts.

python docs/make_concept_pictures.py
"""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

import keras_patchmix as kpm
from keras_patchmix.datasets import shapes

IMAGES = Path(__file__).parent / "images"
SIZE, GRID = 96, 4


def patch_mixing():
    """Two images, the mask, and what they become."""
    images, labels = shapes.generate(range(10), "test", image_size=SIZE)
    pair, ids = images[[0, 3]], labels[[0, 3]]
    mix = kpm.PatchMixing(
        grid_size=GRID, ratio=0.375, probability=1.0, num_classes=10, label_smoothing=0.0
    )
    plan = mix.sample_plan(pair, seed=(7, 0))
    mixed, rows = map(np.asarray, mix.apply_plan(plan, pair, ids))
    mask = np.kron(np.asarray(plan.mask)[0], np.ones((SIZE // GRID, SIZE // GRID)))
    names = [shapes.CLASS_NAMES[index].replace("_", " ") for index in ids]
    share = rows[0][ids[1]]
    label = f"{1 - share:.3f} {names[0]},\n{share:.3f} {names[1]}"
    shown = [
        (pair[0], "image A", names[0]),
        (pair[1], "image B", names[1]),
        (mask, "mask M", f"{int(np.asarray(plan.mask)[0].sum())} of {GRID**2} patches"),
        (mixed[0], "mixed", label),
    ]
    figure = Figure(figsize=(8, 2.7), layout="constrained")
    for axis, (picture, title, note) in zip(figure.subplots(1, 4), shown, strict=True):
        axis.imshow(picture, cmap="gray", interpolation="nearest")
        axis.set_title(title, fontsize=11, fontweight="bold")
        axis.set_xlabel(note, fontsize=9)
        axis.set_xticks([]), axis.set_yticks([])
        for line in range(1, GRID):
            axis.axhline(line * SIZE / GRID - 0.5, color="white", linewidth=0.6, alpha=0.7)
            axis.axvline(line * SIZE / GRID - 0.5, color="white", linewidth=0.6, alpha=0.7)
    figure.savefig(IMAGES / "patch_mixing.png", dpi=110)


def selectivity():
    """A mixed image, and maps of a model that reads what belongs, and of one that reads all."""
    images, labels = shapes.generate(range(10), "test", image_size=SIZE)
    mix = kpm.PatchMixing(
        grid_size=2, ratio=0.25, probability=1.0, num_classes=10, label_smoothing=0.0
    )
    pair = images[[0, 3]]
    plan = mix.sample_plan(pair, seed=(2, 0))
    mixed = np.asarray(mix.apply_plan(plan, pair, labels[[0, 3]])[0])[:1]
    foreign = np.kron(np.asarray(plan.mask)[:1], np.ones((1, SIZE // 2, SIZE // 2))) > 0
    read = {
        "reads what belongs": ~foreign[0],
        "reads all alike": np.ones((SIZE, SIZE), bool),
        "reads the foreign patch": foreign[0],
    }
    maps = {
        name: kpm.explain.rise(_reader_of(pixels, mixed), mixed, 0, num_masks=4000, grid_size=5)
        for name, pixels in read.items()
    }
    kpm.explain.plot_saliency(mixed, maps, IMAGES / "selectivity.png", foreign)


def contrast():
    """RISE for either class of a mixed image, and c-RISE, of a model of which all is known."""
    images, labels = shapes.generate(range(10), "test", image_size=SIZE)
    mix = kpm.PatchMixing(
        grid_size=2, ratio=0.25, probability=1.0, num_classes=10, label_smoothing=0.0
    )
    pair = images[[0, 3]]
    plan = mix.sample_plan(pair, seed=(2, 0))
    mixed = np.asarray(mix.apply_plan(plan, pair, labels[[0, 3]])[0])[:1]
    row, column = np.argwhere(np.asarray(plan.mask)[0])[0]
    other = 1 - row, 1 - column
    corners = {"A": other, "B": (row, column), "A and B": (row, 1 - column)}
    side = SIZE // 4
    squares = {name: tuple(side // 2 + side * 2 * k for k in at) for name, at in corners.items()}
    model = _reader_of_squares(list(squares.values()), side, mixed)
    settings = {"num_masks": 8000, "grid_size": 6}
    maps = {
        "RISE for A": kpm.explain.rise(model, mixed, 0, **settings),
        "RISE for B": kpm.explain.rise(model, mixed, 1, **settings),
        "c-RISE, A rather than B": kpm.explain.c_rise(model, mixed, 0, 1, **settings),
    }
    figure = Figure(figsize=(9.2, 2.9), layout="constrained")
    axes = figure.subplots(1, 4)
    axes[0].imshow(mixed[0], interpolation="nearest")
    axes[0].set_title("what the model reads", fontsize=10, fontweight="bold")
    for axis, (title, found) in zip(axes[1:], maps.items(), strict=True):
        shown = found[0] - (0 if "c-" in title else found[0].min())
        limit = np.abs(shown).max()
        drawn = axis.imshow(shown, cmap="RdBu_r", vmin=-limit, vmax=limit)
        axis.set_title(title, fontsize=10, fontweight="bold")
    for axis in axes:
        axis.set_xticks([]), axis.set_yticks([])
        color = "white" if axis is axes[0] else "black"
        for name, (top, left) in squares.items():
            box = {"edgecolor": color, "facecolor": "none", "linewidth": 1.4}
            axis.add_patch(Rectangle((left, top), side, side, **box))
            at = left + side / 2, top - 4
            axis.text(*at, name, color=color, ha="center", fontsize=8, fontweight="bold")
    bar = figure.colorbar(drawn, ax=axes, ticks=[-limit, 0, limit], shrink=0.8)
    bar.ax.set_yticklabels(["speaks for B", "0", "speaks for A"], fontsize=8)
    figure.savefig(IMAGES / "c_rise.png", dpi=110)


def _reader_of_squares(squares, side, image):
    """Returns a model of three classes: A needs the first square and the third, B the second too.

    The third square is read for both, so that it does not speak for one rather than the other.
    """

    def seen(batch, top, left):
        cut = np.s_[:, top : top + side, left : left + side]
        shown = np.asarray(batch, "float32")[cut].sum((1, 2, 3))
        return shown / np.float32(image)[cut].sum()

    def model(batch):
        first, second, both = (seen(batch, *square) for square in squares)
        scores = np.stack([first * both, second * both], axis=1) / 2
        return np.concatenate([scores, 1 - scores.sum(1, keepdims=True)], axis=1)

    return model


def _reader_of(pixels, image):
    """Returns a model of two classes that is sure of the first once it sees enough of `pixels`."""
    full = np.float32(image).sum(-1)[0][pixels].sum()

    def model(batch):
        shown = np.asarray(batch, "float32").sum(-1)[:, pixels].sum(1) / full
        sure = 1 / (1 + np.exp(-12 * (shown - 0.5)))
        return np.stack([sure, 1 - sure], axis=1)

    return model


if __name__ == "__main__":
    patch_mixing()
    contrast()
    selectivity()
    print(f"Pictures are in {IMAGES}")
