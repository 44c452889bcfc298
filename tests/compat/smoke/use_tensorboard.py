"""The extra for TensorBoard: the callback writes scalars and a figure there."""

import tempfile
from pathlib import Path

import keras

import keras_patchmix as kpm

images, labels = kpm.datasets.shapes.generate(range(32), "train", 32)
model = kpm.models.create("convnext_mini", num_classes=10, input_shape=(32, 32, 3), seed=1)
model.compile("adamw", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
suite = [kpm.occlusion.PatchReplacement(4, (0.3,))]
with tempfile.TemporaryDirectory() as folder:
    callbacks = [
        kpm.callbacks.OcclusionBenchmark((images, labels), suite),
        keras.callbacks.TensorBoard(folder),
    ]
    model.fit(images.astype("float32"), labels, callbacks=callbacks, verbose=0)
    events = list(Path(folder).rglob("events.*"))
assert events
print(f"{len(events)} files of events")
