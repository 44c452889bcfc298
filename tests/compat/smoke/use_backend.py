"""The core with one backend: mixing, a model, training, scoring, saliency, saving."""

import importlib.util
import os
import tempfile

import keras
import numpy as np

import keras_patchmix as kpm

backend = keras.backend.backend()
others = {"tensorflow", "jax", "torch"} - {backend}
found = [name for name in sorted(others) if importlib.util.find_spec(name)]
assert not found, f"{found} installed beside {backend}"

images, labels = kpm.datasets.shapes.generate(range(64), "train", 32)
mix = kpm.PatchMixing(num_classes=10, seed=1, probability=1.0)
mixed, rows = mix(images, labels)
assert mixed.shape == images.shape
assert rows.shape == (64, 10)
model = kpm.models.create("convnext_mini", num_classes=10, input_shape=(32, 32, 3), seed=1)
model.compile("adamw", keras.losses.CategoricalCrossentropy(from_logits=True))
kpm.training.mix_on_device(model, mix)
model.fit(images.astype("float32"), labels, batch_size=32, verbose=0)
suite = [kpm.occlusion.PatchReplacement(4, (0.3,))]
report = kpm.occlusion.evaluate(model, (images, labels), suite=suite, verbose=False)
maps = kpm.explain.rise(model, images[:1], num_masks=64, from_logits=True, verbose=False)
assert np.isfinite(maps).all()
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "model.keras")
    model.save(path)
    again = keras.saving.load_model(path)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(again(images[:4].astype("float32"))),
        keras.ops.convert_to_numpy(model(images[:4].astype("float32"))),
        rtol=1e-4,
        atol=1e-5,
    )
assert report.rows[1].n == len(images)
print(f"{backend}: a model was trained with mixing, scored, explained, saved")
