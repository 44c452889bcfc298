"""The extra for what people look at: a batch with its labels, a map, a report's page."""

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

benchmark = kpm.occlusion.Benchmark((images, labels), [kpm.occlusion.PatchDrop(4, 0.5)])
model = kpm.models.create("convnext_mini", 10, (32, 32, 3))
page = benchmark.run(model).to_html(examples=benchmark.examples())
assert page.count("<svg") == 1, page.count("<svg")
assert page.count('fill="var(--s0)"') > 1
assert page.count("data:image/png;base64,") > 1
print("pictures were drawn, a page was written")
