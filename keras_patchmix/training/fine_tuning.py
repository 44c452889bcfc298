"""Trains a classifier a little further, on images mixed by Patch Mixing."""

import contextlib
import dataclasses
import inspect
import itertools
import json
import math
import time
from typing import Any

import keras
import numpy as np

from keras_patchmix.base.host import to_numpy
from keras_patchmix.base.progress import Progress
from keras_patchmix.explain.class_scores import ClassScores
from keras_patchmix.models.nesting import layers_within
from keras_patchmix.occlusion.backup import digest_of
from keras_patchmix.scoring.class_map import check_columns
from keras_patchmix.scoring.forward import num_outputs
from keras_patchmix.scoring.logits import is_single_logit, last_activation, returns_logits
from keras_patchmix.scoring.preprocessing import preprocessing_of, without_own_preprocessing
from keras_patchmix.training.checkpoints import Checkpoint, CheckpointFolder, arrays_of, restore

_WARM_UP = 0.1  # share of the training in which the learning rate rises


@dataclasses.dataclass(frozen=True)
class FineTuneSettings:
    """Settings of a fine-tuning.

    Attributes:
        mixing: Object with `sample_plan` and `apply_plan`, such as the layers of this package, or a
            function of a dict with `"images"` and `"labels"`.
        epochs: Passes over the training data.
        minutes: Minutes that training and scoring the line may take together, in place of `epochs`;
            None for no limit. The number of steps then depends on the machine.
        learning_rate: Peak of the schedule: a linear warm-up over a tenth of the training, then a
            cosine decay.
        weight_decay: Of AdamW, for kernels.
        batch_size: Images a step. None is that of the data set, or 64 if it has no batches.
        distillation: Weight in [0, 1] of the original model's answer to the unmixed image in the
            label.
        freeze_batch_norm: Whether batch normalization stays in inference mode.
        seed: Integer, of the mixing and of the order of arrays.
    """

    mixing: Any
    epochs: int = 3
    minutes: float | None = None
    learning_rate: float = 3e-4
    weight_decay: float = 0.05
    batch_size: int | None = None
    distillation: float = 0.0
    freeze_batch_norm: bool = True
    seed: int = 0

    def to_dict(self):
        """Returns a dict of JSON values."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        mixing = self.mixing
        if hasattr(mixing, "get_config"):
            config = {key: value for key, value in mixing.get_config().items() if key != "name"}
            fields["mixing"] = {"class_name": type(mixing).__name__, **config}
        else:
            fields["mixing"] = getattr(mixing, "__qualname__", type(mixing).__qualname__)
        return json.loads(json.dumps(fields, default=str))


class FineTuningBackup:
    """The state of a fine-tuning after its last epoch, in a directory.

    Args:
        path: The directory.
        settings: `FineTuneSettings`.
        original: The original model, by which a state is recognized.
    """

    def __init__(self, path, settings, original):
        self._folder = CheckpointFolder(path)
        self._settings = {**settings.to_dict(), "weights": digest_of(original)}

    def load(self, model):
        """Restores the state, if there is one; returns the number of epochs done."""
        checkpoint = self._folder.load()
        if checkpoint is None:
            return 0
        if checkpoint.settings != self._settings:
            raise ValueError(
                "`backup` must be of the same model and arguments, or a new directory. "
                f"Received: backup={str(self._folder.path)!r}, which is of others"
            )
        restore(model, checkpoint.arrays)
        return checkpoint.epoch

    def save(self, model, epochs):
        """Saves the state after a number of epochs."""
        self._folder.save(Checkpoint(epochs, arrays_of(model), self._settings))

    def remove(self):
        """Deletes the state."""
        for file in self._folder.files():
            file.unlink()
        with contextlib.suppress(OSError):  # it is not there, or holds something else
            self._folder.path.rmdir()


class FineTuning:
    """The training of a copy of a model.

    Args:
        model: The copy, a `keras.Model`, which is trained.
        original: The original model.
        settings: `FineTuneSettings`.
        num_classes: Integer.
        preprocess: Function of a batch of images. None is the model's own preprocessing.
        from_logits: Whether the model returns logits. None asks it.
    """

    def __init__(self, model, original, settings, num_classes, preprocess=None, from_logits=None):
        self.model, self.settings = model, settings
        self._num_classes = num_classes
        self._preprocess = preprocessing_of(model, preprocess)
        self._one_output = num_outputs(model) == 1
        from_logits = _returns_logits(original, self._one_output, from_logits)
        each = self._one_output or last_activation(model) in ("sigmoid", "hard_sigmoid")
        kind = keras.losses.BinaryCrossentropy if each else keras.losses.CategoricalCrossentropy
        self._loss = kind(from_logits=from_logits)
        self._teacher = None
        if settings.distillation:
            self._teacher = ClassScores(original, settings.batch_size, from_logits, preprocess)

    def run(self, batches, backup=None, deadline=None, verbose=False, on_step=None):
        """Trains for all epochs, or until the deadline.

        Args:
            batches: `TrainingBatches`, or an object with the same `batch_size`, `steps` and
                `one_pass`.
            backup: A `FineTuningBackup` to resume from and to save to after each epoch, or None.
            deadline: Time of `time.monotonic` at which training ends, in place of the settings'
                epochs.
            verbose: Whether to show a progress bar.
            on_step: Function of the number of each step, called after it, or None.
        """
        total = self.settings.epochs * batches.steps if deadline is None else None
        images = batches.steps * batches.batch_size
        of = "" if total is None else f" of {self.settings.epochs}"
        # Images are preprocessed here, after mixing, by the model's own function or another one.
        with (
            without_own_preprocessing(self.model),
            self._freeze_batch_norm(),
            Progress(verbose, "fine-tuning") as bar,
        ):
            self._compile()
            first = 0 if backup is None else backup.load(self.model)
            bar.start(total and self.settings.epochs * images, first * images)
            started = None
            for epoch in itertools.count(first):
                if total is not None and epoch >= self.settings.epochs:
                    return
                losses, since = [], time.monotonic()
                for number, batch in enumerate(batches.one_pass(epoch), epoch * batches.steps):
                    if total is None:
                        now = time.monotonic()
                        started = now if started is None else started
                        progress = (now - started) / max(deadline - started, 1e-9)
                    else:
                        progress = number / total
                    if progress >= 1:
                        done = f"{len(losses)} of {batches.steps} steps"
                        bar.note(f"epoch {epoch + 1}: the time is up after {done}")
                        return
                    losses.append(self.step(batch, number, progress))
                    bar.add(len(batch))
                    if on_step is not None:
                        on_step(number)
                if backup is not None:
                    backup.save(self.model, epoch + 1)
                took = time.monotonic() - since
                bar.note(f"epoch {epoch + 1}{of}: loss {np.mean(losses):.4f}, {took:.0f} s")

    def step(self, batch, number, progress):
        """Trains on a batch.

        Args:
            batch: A `keras_patchmix.occlusion.batches.Batch`.
            number: Number of the step, which seeds the mixing.
            progress: Share of the training that is done, in [0, 1), for the learning rate.

        Returns:
            The loss.
        """
        self.model.optimizer.learning_rate = self.settings.learning_rate * _pace(progress)
        with _seed_torch(self.settings.seed, number):
            loss = float(self.model.train_on_batch(*self._mix_batch(batch, number)))
        if not math.isfinite(loss):
            raise ValueError(
                f"`learning_rate` must be lower: the loss of step {number + 1} is {loss}. "
                f"Received: learning_rate={self.settings.learning_rate:g}"
            )
        return loss

    @contextlib.contextmanager
    def _freeze_batch_norm(self):
        """Keeps batch normalization in inference mode, if the settings say so."""
        kind = keras.layers.BatchNormalization if self.settings.freeze_batch_norm else ()
        layers = [layer for layer in layers_within(self.model) if isinstance(layer, kind)]
        before = [layer.trainable for layer in layers]
        for layer in layers:
            layer.trainable = False
        try:
            yield
        finally:
            for layer, trainable in zip(layers, before, strict=True):
                layer.trainable = trainable

    def _compile(self):
        optimizer = keras.optimizers.AdamW(0.0, weight_decay=self.settings.weight_decay)
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "scale"])
        # A task of keras-hub is made with metrics of class ids, which only a list replaces. A
        # `compile` of the model's own may know no metrics.
        known = inspect.signature(self.model.compile).parameters.values()
        takes = any(one.name == "metrics" or one.kind is one.VAR_KEYWORD for one in known)
        without = {"metrics": []} if takes else {}
        self.model.compile(optimizer, self._loss, jit_compile=use_xla(), **without)
        optimizer.build(self.model.trainable_variables)
        # The copy has seed generators of its own: dropout follows the seed too.
        weights = {id(weight) for weight in self.model.weights}
        states = [
            one for one in self.model.variables if id(one) not in weights and one.shape == (2,)
        ]
        for number, variable in enumerate(states):
            variable.assign(np.array([self.settings.seed % 2**31, number], variable.dtype))

    def _mix_batch(self, batch, number):
        check_columns(batch.columns, self._num_classes)
        if batch.labels.max() >= self._num_classes:
            raise ValueError(
                f"The labels of `train` must be below {self._num_classes}, the number of classes "
                f"that the model tells apart. Received: label {batch.labels.max()}"
            )
        rows = np.eye(self._num_classes, dtype=np.float32)[batch.labels]
        if self._teacher is not None:
            share = self.settings.distillation
            answer = self._teacher.finish(self._teacher.start(batch.images))
            rows = (1 - share) * rows + share * answer / answer.sum(axis=1, keepdims=True)
        images, rows = self._mix(batch.images, rows, number)
        if self._preprocess is not None:
            images = self._preprocess(images)
        elif images.dtype.kind in "ui":
            images = images.astype(np.float32)
        return images, rows[:, 1:] if self._one_output else rows

    def _mix(self, images, rows, number):
        mixing = self.settings.mixing
        if hasattr(mixing, "sample_plan"):
            plan = mixing.sample_plan(images, seed=(self.settings.seed, number))
            mixed = mixing.apply_plan(plan, {"images": images, "labels": rows})
        else:
            mixed = mixing({"images": images, "labels": rows})
        return to_numpy(mixed["images"]), to_numpy(mixed["labels"])


@contextlib.contextmanager
def _seed_torch(*parts):
    """Seeds PyTorch's global generator, which dropout without a seed draws from, for a while."""
    if keras.backend.backend() != "torch":
        yield
        return
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(int(np.random.SeedSequence(parts).generate_state(1)[0]))
        yield


def _pace(progress):
    """Returns the learning rate as a share of its peak: linear warm-up, cosine decay."""
    if progress < _WARM_UP:
        return max(progress, 0.01 * _WARM_UP) / _WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (progress - _WARM_UP) / (1 - _WARM_UP)))


def _returns_logits(model, one_output, from_logits):
    answer = (is_single_logit if one_output else returns_logits)(model, from_logits)
    if answer is None:
        raise ValueError(
            "`from_logits` must say whether `model` returns logits (True) or probabilities (False):"
            " neither its last layer nor a loss says so. Received: from_logits=None"
        )
    return answer


def use_xla():
    """Returns `jit_compile` of `compile`: on CPUs, XLA slows depthwise convolutions down."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return "auto" if tf.config.list_logical_devices("GPU") else False
    return "auto"
