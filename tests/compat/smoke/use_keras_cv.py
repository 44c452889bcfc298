"""The extra for keras-cv: a backbone of ours in one of its tasks, our layer beside its layers."""

import keras_cv
import numpy as np

import keras_patchmix as kpm

backbone = kpm.models.ConvNeXtBackbone(**kpm.models.preset("convnext_mini"))
assert isinstance(backbone, keras_cv.models.Backbone)
task = keras_cv.models.ImageClassifier(backbone, num_classes=3)
assert task(np.zeros((2, 32, 32, 3), "float32")).shape == (2, 3)
print("an ImageClassifier of keras-cv stands on our backbone")
