"""Is "shapes" a fair subject? Cheap cues must fail, a small ConvNet must not.

Three models are trained on the training split and scored on the test split of "shapes/32px":

- a mean-color model: softmax regression on the mean and standard deviation of each channel;
- a linear probe: softmax regression on all pixels;
- the small ConvNeXt of the recipe, also scored with patches of images of other classes in place of
  10 to 50 % of its own.

For the two simple models the best test accuracy over all epochs and two strengths of weight decay
is taken: an upper bound. The script exits with 1 unless both stay below 30 %, the ConvNeXt passes
90 % and its accuracy falls with every step of replacement.

Command: python benchmarks/shapes_fairness.py
Measured on 2 busy CPU cores (seed 0, 15 epochs of 10,000 images, 2,000 test images, 8x8 grid):
mean color 13.8 %, pixels 20.1 %, ConvNeXt 97.5 % clean; 93.5, 83.9, 71.7, 51.4 and 33.2 % with 10,
20, 30, 40 and 50 % of the patches replaced.
"""

import argparse
import itertools
import json
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np

from keras_patchmix import datasets, models

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5)


def arrays(split, data_dir):
    """Returns the images and labels of a split as NumPy arrays."""
    dataset, info = datasets.load("shapes", split, data_dir=data_dir, with_info=True)
    images, labels = next(dataset.batch(info.num_examples).as_numpy_iterator())
    return images, labels


def mean_and_deviation(images):
    """Returns (N, 6) float32: mean and standard deviation of each channel."""
    pixels = images.reshape(len(images), -1, 3).astype(np.float32)
    return np.concatenate([pixels.mean(1), pixels.std(1)], axis=1)


def pixels(images):
    """Returns (N, H * W * 3) float32: all pixels."""
    return images.reshape(len(images), -1).astype(np.float32)


def softmax_regression(train, test, epochs, seed):
    """Returns the best test accuracy of a linear model over epochs and weight decays."""
    (x, y), (test_x, test_y) = train, test
    mean, deviation = x.mean(0), x.std(0) + 1e-6
    x, test_x = (x - mean) / deviation, (test_x - mean) / deviation
    best = 0.0
    for decay in (0.0, 0.3):
        keras.utils.set_random_seed(seed)
        model = keras.Sequential(
            [keras.Input((x.shape[1],)), keras.layers.Dense(10, kernel_initializer="zeros")]
        )
        model.compile(
            keras.optimizers.AdamW(1e-3, weight_decay=decay),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
            jit_compile=False,
        )
        history = model.fit(
            x, y, batch_size=64, epochs=epochs, validation_data=(test_x, test_y), verbose=0
        )
        best = max(best, *history.history["val_accuracy"])
    return round(best, 4)


def train_convnext(images, labels, epochs, seed):
    """Returns the trained ConvNeXt of the recipe: AdamW, warm-up and cosine, no augmentation."""
    keras.utils.set_random_seed(seed)
    model = models.create("convnext_mini", num_classes=10, input_shape=images.shape[1:])
    steps = epochs * -(-len(images) // 64)
    rate = keras.optimizers.schedules.CosineDecay(
        1e-4, steps - steps // 10, warmup_target=4e-3, warmup_steps=steps // 10
    )
    model.compile(
        keras.optimizers.AdamW(rate, weight_decay=0.05),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,
    )
    model.fit(images, labels, batch_size=64, epochs=epochs, verbose=2)
    return model


def replace_patches(images, labels, level, grid, seed):
    """Replaces a share of the patches by those of images of other classes; levels are nested."""
    rng = np.random.default_rng(seed)
    order = rng.random((len(images), grid * grid)).argsort(1)
    partner = rng.permutation(len(images))
    while (same := labels[partner] == labels).any():
        partner[same] = rng.integers(0, len(images), same.sum())
    mask = order < round(level * grid * grid)
    edges = np.arange(images.shape[1]) * grid // images.shape[1]
    mask = mask.reshape(-1, grid, grid)[:, edges][:, :, edges]
    return np.where(mask[..., None], images[partner], images)


def accuracy(model, images, labels):
    """Returns the share of images whose largest logit is that of their label."""
    logits = model.predict(images, batch_size=256, verbose=0)
    return float((logits.argmax(1) == labels).mean())


def main():
    """Trains the three models, prints their accuracies, returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("--data-dir", help="where TFDS keeps prepared data (default: its own)")
    parser.add_argument("--epochs", type=int, default=15, help="of the ConvNeXt (default 15)")
    parser.add_argument("--probe-epochs", type=int, default=10, help="of the two simple models")
    parser.add_argument("--grid", type=int, default=8, help="patches along a side (default 8)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    start = time.perf_counter()
    train_images, train_labels = arrays("train", arguments.data_dir)
    images, labels = arrays("test", arguments.data_dir)
    result = {"prepare_seconds": round(time.perf_counter() - start, 1)}

    for name, features in (("mean_color", mean_and_deviation), ("pixels", pixels)):
        result[name] = softmax_regression(
            (features(train_images), train_labels),
            (features(images), labels),
            arguments.probe_epochs,
            arguments.seed,
        )
        print(f"{name:12s} {result[name]:.1%}", flush=True)

    start = time.perf_counter()
    model = train_convnext(train_images, train_labels, arguments.epochs, arguments.seed)
    result["train_seconds"] = round(time.perf_counter() - start, 1)
    result["grid"] = arguments.grid
    result["clean"] = accuracy(model, images, labels)
    print(f"convnext, clean           {result['clean']:.1%}")
    curve = [result["clean"]]
    for level in LEVELS:
        replaced = replace_patches(images, labels, level, arguments.grid, arguments.seed)
        curve.append(accuracy(model, replaced, labels))
        result[f"replacement_{level:.0%}".rstrip("%")] = curve[-1]
        print(f"convnext, {level:.0%} replaced   {curve[-1]:.1%}")

    falls = all(after < before for before, after in itertools.pairwise(curve))
    simple = max(result["mean_color"], result["pixels"])
    result["fair"] = simple < 0.3 and result["clean"] > 0.9 and falls
    print("RESULT", json.dumps(result))
    return 0 if result["fair"] else 1


if __name__ == "__main__":
    sys.exit(main())
