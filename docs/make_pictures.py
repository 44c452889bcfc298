"""Makes the pictures of README.md and of the documentation.

python docs/make_pictures.py
"""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from matplotlib.figure import Figure

from keras_patchmix import occlusion
from keras_patchmix.datasets import shapes

IMAGES = Path(__file__).parent / "images"


def corruptions():
    """One image of "shapes" under every corruption, mildest on the left."""
    images, labels = shapes.generate(range(40), "test", image_size=96)
    bank = occlusion.build_bank([(images, labels)])
    colors = images.astype("float32")
    saliency = np.linalg.norm(colors - np.median(colors, axis=(1, 2), keepdims=True), axis=-1)
    levels = (0.1, 0.2, 0.4, 0.6, 0.8)
    rows = {
        "PatchReplacement(8)": occlusion.PatchReplacement(8),
        "PatchDrop(8)": occlusion.PatchDrop(8, levels),
        'fill="image_mean"': occlusion.PatchDrop(8, levels, "image_mean"),
        'fill="noise"': occlusion.PatchDrop(8, levels, "noise"),
        'order="salient"': occlusion.PatchDrop(8, levels, order="salient"),
        'order="non-salient"': occlusion.PatchDrop(8, levels, order="non-salient"),
        "PatchPermutation": occlusion.PatchPermutation((2, 3, 4, 8, 16)),
        "Superimpose()": occlusion.Superimpose(),
    }
    figure = Figure(figsize=(8.4, 12), layout="constrained")
    axes = figure.subplots(len(rows), 6)
    chosen = slice(12, 13)
    for line, (title, corruption) in zip(axes, rows.items(), strict=True):
        shown = corruption(
            images[chosen],
            labels[chosen],
            np.arange(40)[chosen],
            bank=bank,
            saliency=saliency[chosen],
        )
        _picture(line[0], images[chosen][0], title, fontweight="bold")
        for axis, (condition, corrupted, pixels) in zip(line[1:], shown, strict=True):
            grid, share = condition.grid, pixels[0] / 96**2
            asked = f"{100 * condition.level:g} %" if condition.level else "{}x{}".format(*grid)
            _picture(axis, corrupted[0], f"{asked} ({100 * share:.1f} %)")
    figure.savefig(IMAGES / "corruptions.png", dpi=110)


def _picture(axis, image, title, **kwargs):
    axis.imshow(image, interpolation="nearest")
    axis.set_title(title, fontsize=8, pad=3, loc="left", **kwargs)
    axis.set_axis_off()


if __name__ == "__main__":
    corruptions()
    print(f"Pictures are in {IMAGES}")
