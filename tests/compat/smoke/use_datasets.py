"""The extra for data sets: a labeled folder, the generated set, records of SMD."""

import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf

import keras_patchmix as kpm

images, labels = kpm.datasets.shapes.generate(range(6), "train", 32)
with tempfile.TemporaryDirectory() as folder:
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = Path(folder) / "photos" / str(label) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(tf.io.encode_png(image).numpy())
    loaded = kpm.datasets.load(f"folder:{folder}/photos", "all", image_size=(32, 32))
    found = np.stack([image.numpy() for image, _ in loaded])
    assert sorted(found.sum((1, 2, 3))) == sorted(images.sum((1, 2, 3), dtype=np.float64))
mix = kpm.PatchMixing(num_classes=10, seed=1, probability=1.0)
batches = tf.data.Dataset.from_tensor_slices((images, labels)).batch(3).map(mix)
assert sum(1 for _ in batches) == 2
print("a folder was read, batches were mixed in tf.data")
