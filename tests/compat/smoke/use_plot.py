"""The extra for pictures: a batch with its labels, a report's curves, a map."""

import tempfile
from pathlib import Path

import numpy as np

import keras_patchmix as kpm

images, labels = kpm.datasets.shapes.generate(range(16), "train", 32)
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "batch.png"
    kpm.visualize(
        kpm.PatchMixing(num_classes=10, seed=1, probability=1.0)(images, labels), path=path
    )
    kpm.explain.plot_saliency(images[:1], {"model": np.eye(32)}, Path(folder) / "map.png")
    sizes = [one.stat().st_size for one in Path(folder).glob("*.png")]
assert len(sizes) == 2, sizes
assert min(sizes) > 1000, sizes
print("pictures were drawn")
