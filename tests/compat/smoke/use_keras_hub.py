"""The extra for keras-hub: one of its models by our name."""

import numpy as np

import keras_patchmix as kpm

name = next(one for one in kpm.models.names() if one.startswith("deit"))
model = kpm.models.create(name, num_classes=3, input_shape=(224, 224, 3))
assert model(np.zeros((1, 224, 224, 3), "float32")).shape == (1, 3)
print(f"{name} was made")
