"""A small network in NumPy alone, its Keras twin, and data for both.

    python -m tests.occlusion.golden_model

writes golden_rows.json: what every backend must give. NumPy's float64 made it, no Keras model.
"""

import functools
import hashlib
import itertools
import json
from pathlib import Path

import keras
import numpy as np

from keras_patchmix import occlusion
from keras_patchmix.base.host import to_numpy
from keras_patchmix.scoring.forward import forward_function

FILE = Path(__file__).parent / "golden_rows.json"
SIZE, PATCH, WIDTH, CLASSES, COUNT, SEED = 28, 4, 12, 7, 150, 5


def words(stream, shape):
    """Whole numbers 0..65535 of a shape: a linear congruence, not a generator that may change."""
    state, values = 2654435761 * (stream + 1) % 2**32, []
    for _ in range(int(np.prod(shape))):
        state = (1664525 * state + 1013904223) % 2**32
        values.append(state >> 16)
    return np.array(values).reshape(shape)


def data():
    """Returns uint8 images, bright in a corner of their class, and labels."""
    labels = words(0, COUNT) % CLASSES
    images = words(1, (COUNT, SIZE, SIZE, 3)) % 140
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(int(label), 3)
        image[9 * row : 9 * row + 9, 9 * column : 9 * column + 9] += 70
    return images.astype("uint8"), labels


@functools.cache
def weights():
    """Returns kernel and bias of the patch embedding, kernel and bias of the head, float32.

    The embedding is arbitrary. The head finds the class whose mean features are nearest; its
    numbers are rounded to 1/1024, so that they are the same wherever they are computed.
    """
    kernel = (words(2, (PATCH, PATCH, 3, WIDTH)) / 32768 - 1).astype("float32")
    bias = (words(3, (WIDTH,)) / 32768 - 1).astype("float32")
    images, labels = data()
    x = features(images, kernel, bias)
    means = np.stack([x[labels == k].mean(0) for k in range(CLASSES)])
    head = np.round(1024 * (means - means.mean(0)).T) / 1024
    head_bias = np.round(1024 * -np.sum((means**2 - means.mean(0) ** 2) / 2, axis=1)) / 1024
    return kernel, bias, head.astype("float32"), head_bias.astype("float32")


def features(images, kernel, bias):
    """Patches times a kernel, and a ReLU: float64 of shape (B, patches * WIDTH)."""
    side = SIZE // PATCH
    patches = np.asarray(images, "float64").reshape(-1, side, PATCH, side, PATCH, 3) / 255
    patches = patches.transpose(0, 1, 3, 2, 4, 5).reshape(-1, side * side, PATCH * PATCH * 3)
    x = np.maximum(patches @ kernel.astype("float64").reshape(-1, WIDTH) + bias, 0)
    return x.reshape(len(x), -1)


def logits(images):
    """The network, in float64."""
    kernel, bias, head, head_bias = weights()
    return features(images, kernel, bias) @ head.astype("float64") + head_bias


def keras_model():
    """The same network as a Keras model."""
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(WIDTH, PATCH, PATCH, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(CLASSES),
        ]
    )
    model.set_weights(weights())
    return model


def measure(model):
    """Scores a model in the one way of the golden file.

    Returns:
        Dict of JSON values: the digest of the labels; for each row its name, share, top-1, top-5,
        and digests of its images and of which of them were right; logits of the first images.
    """
    digests, outputs = {}, []
    suite = [
        occlusion.PatchReplacement(7, (0.2, 0.5)),
        occlusion.PatchReplacement((4, 5), 0.4),
        occlusion.PatchDrop(7, (0.3, 0.6), fill="mean"),
        occlusion.PatchPermutation((2, 4)),
    ]
    names = ["clean", *(c.name for member in suite for c in member.conditions)]
    calls = itertools.cycle(names)

    def record(images):
        digests.setdefault(next(calls), hashlib.sha256()).update(images.tobytes())
        return images

    # The forward function itself, since a report holds no scores.
    forward = forward_function(model)

    def remember(images):
        scores = to_numpy(forward(images))
        outputs.append(scores)
        return scores

    report = occlusion.evaluate(
        remember, data(), suite=suite, seed=SEED, batch_size=64, preprocess=record, bank_size=40
    )
    return {
        "labels_sha256": report.settings["labels_sha256"],
        "rows": [
            {
                "name": row.name,
                "share": row.share,
                "top1": row.top1,
                "top5": row.top5,
                "images_sha256": digests[row.name].hexdigest(),
                "right_sha256": hashlib.sha256(report.correct[row.name].tobytes()).hexdigest(),
            }
            for row in report.rows
        ],
        "logits": {
            name: np.round(outputs[names.index(name)][:3].astype("float64"), 5).tolist()
            for name in names[:2]
        },
    }


def least_gap():
    """Returns the least distance of two scores that decide on top-1 or top-5, anywhere."""
    gaps = []

    def watch(images):
        scores = np.sort(logits(images), axis=1)
        gaps.append(np.min(scores[:, [-1, -5]] - scores[:, [-2, -6]]))
        return logits(images)

    measure(watch)
    return min(gaps)


if __name__ == "__main__":
    FILE.write_text(json.dumps(measure(logits), indent=1) + "\n")
