"""The part "training" of accelerator.py: trainings of equally many steps, with and without mixing.

All arms train on nine tenths of the training images, as the training recipes do: AdamW with decay
of kernels, clipped gradients, cosine decay of the learning rate by the epoch, after a first epoch
at half of it, flips and shifts, labels smoothed by 0.1. CutMix and Patch Mixing mix half of the
images, on the device. "hardened" is the network without mixing after `harden`, for a third as many
epochs more, chosen on the tenth that is left. All are scored by the default suite on the validation
images, which nothing else has seen.

An arm is one model, compiled once: another seed sets its weights anew, so that seeds differ in
weights, order and augmentation. Plans follow from the step, and are the same for all seeds.
Accelerators compute under mixed_bfloat16, CPUs in float32.
"""

import math
import os
import time
from collections import defaultdict

import compare_runs
import jax
import keras
import numpy as np
from host_batches import HostBatches
from pack_images import unpack

import keras_patchmix as kpm

ARMS = {"none": None, "cutmix": kpm.layers.CutMix, "patchmix": kpm.PatchMixing}
SCORED_BATCH = 128
PROBED_STEPS = 30
TRAINING_SHARE = 0.15  # of the time left, for each of four trainings; the rest compiles and scores


class Data:
    """Training images, those that hardening chooses on, and test images."""

    def __init__(self, path):
        splits, self.class_names = unpack(path)
        images, ids = splits["train"]
        order = np.random.default_rng(0).permutation(len(images))
        chosen, kept = np.split(order, [len(order) // 10])
        self.train = images[kept], ids[kept]
        self.validation = images[chosen], ids[chosen]
        self.test = splits["validation"]


class Arm:
    """A model that is trained again and again, compiled once."""

    def __init__(self, name, data, sizes):
        self._data, self._sizes, self._mixing = data, sizes, ARMS[name]
        self.model = self._make(0)
        optimizer = keras.optimizers.AdamW(0.0, weight_decay=0.05, clipnorm=1.0)
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "scale"])
        loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
        self.model.compile(optimizer, loss)
        optimizer.build(self.model.trainable_variables)
        if self._mixing is not None:
            layer = self._mixing(
                num_classes=len(data.class_names), label_smoothing=0, seed=1, probability=0.5
            )
            kpm.training.mix_on_device(self.model, layer)

    def _make(self, seed):
        shape = self._data.train[0].shape[1:]
        return kpm.models.create(self._sizes.trained, len(self._data.class_names), shape, seed=seed)

    def train(self, seed, epochs):
        """Trains from new weights; returns the number of steps and the last loss."""
        self.model.set_weights(self._make(seed).get_weights())
        for variable in self.model.optimizer.variables:
            variable.assign(keras.ops.zeros(variable.shape, variable.dtype))
        for epoch in range(epochs):
            loss, steps = self.train_epoch(seed, epoch, epochs)
        return epochs * steps, loss

    def train_epoch(self, seed, epoch, epochs, steps=None):
        """Trains for an epoch or fewer steps, at one learning rate; returns loss and steps."""
        pace = 0.5 if epoch == 0 else 0.5 * (1 + math.cos(math.pi * (epoch + 0.5) / epochs))
        self.model.optimizer.learning_rate = self._sizes.learning_rate * pace
        batches = HostBatches(
            *self._data.train,
            self._sizes.train_batch,
            len(self._data.class_names),
            give_class_ids=self._mixing is not None,
            margin=self._data.train[0].shape[1] // 8,
            seed=seed,
            epoch=epoch,
            steps=steps,
            workers=min(os.cpu_count(), 8),
        )
        history = self.model.fit(batches, verbose=0)
        return history.history["loss"][0], len(batches)


def measure(sizes, rows, clock, options):
    """Trains and scores, seed after seed, while there is time."""
    if jax.default_backend() != "cpu":
        keras.config.set_dtype_policy("mixed_bfloat16")
    data = Data(options.images)
    arms = {name: Arm(name, data, sizes) for name in ARMS}
    epochs = plan_epochs(arms["none"], data, sizes, clock)
    rows.result |= {
        "images": {"train": len(data.train[0]), "test": len(data.test[0])},
        "image_size": data.train[0].shape[1],
        "model": sizes.trained,
        "epochs": epochs,
    }
    reports, took = defaultdict(dict), 0.0
    for seed in range(1, sizes.seeds + 1):
        if clock.left() < took:
            break
        started = time.monotonic()
        for name in ARMS:
            reports[name][seed] = run_arm(name, arms, data, seed, epochs, sizes, rows)
        try:
            reports["hardened"][seed] = run_arm("hardened", arms, data, seed, epochs, sizes, rows)
        except ValueError as error:  # the model may be no better than chance
            rows.add(seed=seed, arm="hardened", error=str(error))
        rows.result["differences"] = differences(reports, sizes.trained)
        rows.write()
        took = 0.7 * (time.monotonic() - started)  # the first seed compiles


def plan_epochs(arm, data, sizes, clock):
    """Returns how many epochs fit, from the time of a few steps after the first ones."""
    arm.train_epoch(0, 0, 2, PROBED_STEPS)  # compiles
    started = time.monotonic()
    arm.train_epoch(0, 1, 2, PROBED_STEPS)
    images_per_second = PROBED_STEPS * sizes.train_batch / (time.monotonic() - started)
    seconds = TRAINING_SHARE * clock.left() / sizes.seeds
    return max(1, min(int(seconds * images_per_second / len(data.train[0])), sizes.epochs))


def run_arm(name, arms, data, seed, epochs, sizes, rows):
    """Trains or hardens, and scores; returns the `Report`."""
    started = time.monotonic()
    if name == "hardened":
        result = kpm.training.harden(
            arms["none"].model,
            data.train,
            data.validation,
            epochs=max(1, epochs // 3),
            learning_rate=sizes.learning_rate / 3,
            batch_size=sizes.train_batch,
            seed=seed,
            verbose=False,
        )
        model, found = result.model, {"chosen": result.chosen.share}
    else:
        steps, loss = arms[name].train(seed, epochs)
        model, found = arms[name].model, {"steps": steps, "loss": round(loss, 4)}
    seconds = time.monotonic() - started
    report = kpm.occlusion.evaluate(
        model, *data.test, batch_size=SCORED_BATCH, class_names=data.class_names, verbose=False
    )
    top1 = {row.name: round(row.top1, 4) for row in report.rows}
    rows.add(
        seed=seed,
        arm=name,
        seconds=round(seconds, 1),
        scoring_seconds=round(time.monotonic() - started - seconds, 1),
        **found,
        clean=report.rows[0].top1,
        occluded=float(np.mean([row.top1 for row in report.rows[1:]])),
        top1=top1,
    )
    return report


def differences(reports, model):
    """Prints the table of compare_runs.py, and returns its numbers."""
    found = []
    compare_runs.table(reports, "none", found, model)
    return found
