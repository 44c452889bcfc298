"""Trains a classifier a little further, on images mixed by Patch Mixing."""

import contextlib
import dataclasses
import json
import math
from typing import Any

import keras
import numpy as np

from keras_patchmix.base.host import to_numpy
from keras_patchmix.explain.class_scores import ClassScores
from keras_patchmix.models.nesting import layers_within
from keras_patchmix.scoring.class_map import check_columns
from keras_patchmix.scoring.forward import num_outputs
from keras_patchmix.scoring.logits import is_single_logit, last_activation, returns_logits
from keras_patchmix.scoring.preprocessing import preprocessing_of

_WARM_UP = 0.1  # share of the training in which the learning rate rises


@dataclasses.dataclass(frozen=True)
class FineTuneSettings:
    """How a model is trained further.

    Attributes:
        mixing: Object with `sample_plan` and `apply_plan`, as the layers of this package have them,
            or a function of a dict with `"images"` and `"labels"`.
        epochs: Passes over the training data.
        minutes: Minutes that training and the walk along the line may take together, in place of
            `epochs`; None for no such limit. How far training comes then depends on the machine.
        learning_rate: The highest one. It rises for a tenth of the training, and falls along half
            a cosine.
        weight_decay: Of AdamW, for kernels.
        batch_size: Images a step. None is that of the data set, or 64 where it has no batches.
        distillation: Weight of what the original model says of the unmixed image in its label, in
            [0, 1].
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


class FineTuning:
    """The training of a copy of a model.

    Args:
        model: The copy, a `keras.Model`, which is trained.
        original: The model that it is a copy of.
        settings: `FineTuneSettings`.
        num_classes: Integer.
        preprocess: Function of a batch of images; None is the model's own preprocessing.
        from_logits: Whether the model returns logits. None asks it.

    Attributes:
        model: The copy.
        settings: `FineTuneSettings`.
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

    @contextlib.contextmanager
    def frozen(self):
        """Keeps batch normalization in inference mode, where the settings say so."""
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

    def compile(self):
        """Gives the model the optimizer and the loss of this training."""
        optimizer = keras.optimizers.AdamW(0.0, weight_decay=self.settings.weight_decay)
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "scale"])
        self.model.compile(optimizer, self._loss, jit_compile=_use_xla())
        optimizer.build(self.model.trainable_variables)
        # What dropout draws is a function of the seed too: a copy has generators of its own.
        kept = {id(weight) for weight in self.model.weights}
        states = [one for one in self.model.variables if id(one) not in kept and one.shape == (2,)]
        for number, variable in enumerate(states):
            variable.assign(np.array([self.settings.seed % 2**31, number], variable.dtype))

    def step(self, batch, number, progress):
        """Trains on a batch.

        Args:
            batch: A `keras_patchmix.occlusion.batches.Batch`.
            number: Of the step, which decides what is mixed.
            progress: Share of the training that is done, in [0, 1), which decides how fast.

        Returns:
            The loss, a float.
        """
        self.model.optimizer.learning_rate = self.settings.learning_rate * _pace(progress)
        with _seeded(self.settings.seed, number):
            loss = float(self.model.train_on_batch(*self._mixed(batch, number)))
        if not math.isfinite(loss):
            raise ValueError(
                f"`learning_rate` must be lower: the loss of step {number + 1} is {loss}. "
                f"Received: learning_rate={self.settings.learning_rate:g}"
            )
        return loss

    def _mixed(self, batch, number):
        check_columns(batch.columns, self._num_classes)
        if batch.labels.max() >= self._num_classes:
            raise ValueError(
                f"The labels of `train` must be below {self._num_classes}, the number of classes "
                f"that the model tells apart. Received: label {batch.labels.max()}"
            )
        rows = np.eye(self._num_classes, dtype=np.float32)[batch.labels]
        if self._teacher is not None:
            share = self.settings.distillation
            said = self._teacher.finish(self._teacher.start(batch.images))
            rows = (1 - share) * rows + share * said / said.sum(axis=1, keepdims=True)
        images, rows = self._blended(batch.images, rows, number)
        if self._preprocess is not None:
            images = self._preprocess(images)
        elif images.dtype.kind in "ui":
            images = images.astype(np.float32)
        return images, rows[:, 1:] if self._one_output else rows

    def _blended(self, images, rows, number):
        mixing = self.settings.mixing
        if hasattr(mixing, "sample_plan"):
            plan = mixing.sample_plan(images, seed=(self.settings.seed, number))
            mixed = mixing.apply_plan(plan, {"images": images, "labels": rows})
        else:
            mixed = mixing({"images": images, "labels": rows})
        return to_numpy(mixed["images"]), to_numpy(mixed["labels"])


@contextlib.contextmanager
def _seeded(*parts):
    """Seeds PyTorch's own generator for a while: dropout without a seed draws from it there."""
    if keras.backend.backend() != "torch":
        yield
        return
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(int(np.random.SeedSequence(parts).generate_state(1)[0]))
        yield


def _pace(progress):
    """The learning rate over its highest value: a rise, then half a cosine."""
    if progress < _WARM_UP:
        return max(progress, 0.01 * _WARM_UP) / _WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (progress - _WARM_UP) / (1 - _WARM_UP)))


def _returns_logits(model, one_output, from_logits):
    said = (is_single_logit if one_output else returns_logits)(model, from_logits)
    if said is None:
        raise ValueError(
            "`from_logits` must say whether `model` returns logits (True) or probabilities (False):"
            " neither its last layer nor a loss says so. Received: from_logits=None"
        )
    return said


def _use_xla():
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # On CPUs XLA makes depthwise convolutions several times slower.
        return "auto" if tf.config.list_physical_devices("GPU") else False
    return "auto"
