"""For tests of labels by attention: one plan, small models, and the definitions in loops."""

import math

import keras
import numpy as np
import pytest

import keras_patchmix as kpm
from keras_patchmix.mixing import MixingPlan
from tests.arrays import BACKEND, to_numpy

BATCH, CLASSES = 4, 5
on_tensorflow = pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow's graphs")

# Images of 16 pixels with patches of 4 and cells of 8. The second image is left as it is.
MASK = np.zeros((BATCH, 2, 2), bool)
MASK[0, 0, 1] = MASK[2, 0, :] = MASK[3, 0, 0] = MASK[3, 1, :] = True
PLAN = MixingPlan(np.array([1, 2, 3, 0], "int32"), MASK, np.array([0.25, 0, 0.5, 0.75], "float32"))
IMAGES = np.random.default_rng(0).integers(0, 256, (BATCH, 16, 16, 3), np.uint8)
IDS = np.array([0, 1, 2, 3])
WEIGHTS = np.array([1.0, 0.5, 2.0, 3.0], "float32")


class Planned(kpm.layers.MaskMix):
    """Mixes by `PLAN`, whatever the seed: generators differ between compilers."""

    def __init__(self, patch_size=4, multiple=2, num_classes=CLASSES, **arguments):
        super().__init__(patch_size, multiple, num_classes=num_classes, **arguments)

    def sample_plan(self, data, seed=None):
        del data, seed
        return MixingPlan(*map(tensor, PLAN))


def tensor(x):
    return keras.ops.convert_to_tensor(x)


def foreign_by_loops(mask, rows, columns, patch, shown):
    """The share of foreign pixels of each patch, counted pixel by pixel."""
    parts = np.empty((len(mask), *shown))
    for i in range(shown[0]):
        for j in range(shown[1]):
            lines = rows[i * patch : (i + 1) * patch]
            pixels = columns[j * patch : (j + 1) * patch]
            parts[:, i, j] = [np.mean([m[r, c] for r in lines for c in pixels]) for m in mask]
    return parts


def attention_by_loops(qkv, heads):
    """Attention of the first token on the others, in float64."""
    batch, tokens, width = qkv.shape
    size = width // 3 // heads
    parts = qkv.astype("float64").reshape(batch, tokens, 3, heads, size)
    mean = np.zeros((batch, tokens))
    for b in range(batch):
        for h in range(heads):
            logits = np.array([parts[b, 0, 0, h] @ parts[b, t, 1, h] for t in range(tokens)])
            weights = np.exp((logits - logits.max()) / math.sqrt(size))
            mean[b] += weights / weights.sum() / heads
    return mean[:, 1:]


def vit(cls=keras.Model, loss=None, depth=1, **arguments):
    """A small vision transformer, with the same weights every time, which looks at some patches."""
    model = kpm.models.create(
        "vit_mini4", CLASSES, (16, 16, 3), dim=12, depth=depth, num_heads=3, seed=1
    )
    last = model.get_layer(f"block_{depth - 1}_qkv")
    last.set_weights([4 * weight for weight in last.get_weights()])
    # It starts at zero: the first block would look at all patches alike.
    model.get_layer("tokens").class_token.assign(np.sin(np.arange(12)))
    model = cls(model.input, model.output)
    loss = loss or keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.01), loss, **arguments)
    return model


def convolutional():
    inputs = keras.Input((16, 16, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(inputs)
    model = keras.Model(inputs, keras.layers.Dense(CLASSES)(pooled))
    model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True), run_eagerly=True)
    return model


def looked_at(model, images):
    """Attention in the last block of a functional model, through its public outputs."""
    last = [layer for layer in model.layers if layer.name.endswith("_qkv")][-1]
    qkv = keras.Model(model.input, last.output)(images)
    return attention_by_loops(to_numpy(qkv), 3).reshape(-1, 4, 4)
