"""Mixing inside the train step with label weights from a vision transformer's attention."""

import contextlib
import contextvars
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from keras_patchmix import mixing
from keras_patchmix.layers import structures
from keras_patchmix.layers.labels import encode_labels, encode_weights, mix_labels
from keras_patchmix.layers.patch_mixing import PatchMixing
from keras_patchmix.mixing.grid import Grid
from keras_patchmix.models.nesting import leaves
from keras_patchmix.models.tokens import (
    PatchFeatures,
    SelfAttention,
    TokenEmbedding,
    watch_class_token,
)
from keras_patchmix.scoring.logits import loss_takes_logits
from keras_patchmix.training.attention_shares import RULES, attention_share, label_share
from keras_patchmix.training.on_device import Mixing, replace_mixing, tensors_of

# The `_StepBatch` of the step that runs in this thread.
_BATCH = contextvars.ContextVar("keras_patchmix_attention_batch", default=None)


def attention_labels(
    model: Any,
    layer: Any,
    rule: str = "progressive",
    seed: int | None = None,
    attention: Callable[..., Any] | None = None,
    from_logits: bool | None = None,
) -> Any:
    """Makes `model` mix every batch that it is trained on, and blend labels by its attention.

    Images are mixed as by `mix_on_device`, and `evaluate`, `predict` and what is saved are the
    model's own. Only the loss of training sees other labels: the partner's share follows the
    attention of the class token in the last block, in the same forward pass, instead of the pixels.
    No gradient flows through it. Metrics, and the progressive factor, see labels by pixels.

    References:
        - Chen et al. 2022, "TransMix: Attend to Mix for Vision Transformers",
          [arXiv 2111.09833](https://arxiv.org/abs/2111.09833).
        - Zhao et al. 2023, "MixPro: Data Augmentation with MaskMix and Progressive Attention
          Labeling for Vision Transformer", [arXiv 2304.12043](https://arxiv.org/abs/2304.12043).

    Args:
        model: A `keras.Model` that ends in one tensor of scores `(batch, classes)`. Without
            `attention`, a vision transformer of `keras_patchmix.models.create`, or another one
            that classifies by a class token, made of the same layers.
        layer: A `keras_patchmix.layers.MaskMix` or `keras_patchmix.PatchMixing`, whose
            `label_smoothing` comes after the blend. It replaces the layer of an earlier call, of
            `mix_on_device` too. `None` removes mixing.
        rule: `"progressive"`, as MixPro: attention counts as far as the model's answer resembles
            the label by pixels. `"mean"`, as the published code of TransMix: half and half.
            `"attention"`: attention alone. Defaults to `"progressive"`.
        seed: Integer or `None`, as in `mix_on_device`.
        attention: Function of the model and a batch of mixed images that returns non-negative
            numbers `(batch, rows, columns)`, or `(batch, patches)` for a square, of patches that
            divide the image evenly. For other models; it runs before the step, without gradients,
            and costs a forward pass. Defaults to `None`.
        from_logits: Whether the model returns logits, for the rule `"progressive"`. Defaults to
            `None`, what its loss says.

    Returns:
        `model`.

    Raises:
        TypeError: `model` is no `keras.Model`, or `layer` has no plan of patches.
        ValueError: `rule` is unknown, the model has no class token to look at, or it cannot be
            told whether it returns logits.

    Example:
    >>> model = keras_patchmix.models.create("vit_tiny16", 10, (224, 224, 3))
    >>> model.compile("adamw", keras.losses.CategoricalCrossentropy(from_logits=True))
    >>> mix = keras_patchmix.layers.MaskMix(patch_size=16, num_classes=10, seed=1)
    >>> keras_patchmix.training.attention_labels(model, mix)
    >>> model.fit(images, class_ids)
    """
    if rule not in RULES:
        raise ValueError(f"`rule` must be one of {', '.join(RULES)}. Received: rule={rule!r}")
    if layer is not None and not isinstance(layer, PatchMixing):
        raise TypeError(
            "`layer` must be a MaskMix or a PatchMixing: labels by attention need to know which "
            f"patches it moves. Received: layer={layer!r}"
        )
    source = None
    if layer is not None and isinstance(model, keras.Model):  # `replace_mixing` refuses others
        # Before the earlier mixing is removed.
        source = _OwnAttention(model) if attention is None else _GivenAttention(model, attention)
        if model.compiled:
            _takes_logits(model, rule, from_logits)

    def make(model, layer, seed):
        return _AttentionMixing(model, layer, seed, rule, source, from_logits)

    return replace_mixing(model, layer, seed, make)


@dataclass
class _StepBatch:
    """The batch of a step: `parts` with rows of labels before mixing, and its `plan`."""

    mixing: Any
    parts: structures.Batch
    plan: mixing.MixingPlan
    attention: Callable[[], Any]
    used: bool = False


class _AttentionMixing(Mixing):
    """A `Mixing` whose loss sees labels blended by attention.

    The step hands its batch to `compute_loss` through a context variable: that is the one public
    method between the forward pass and the loss, in the trainers of all backends.
    """

    NAMES = (*Mixing.NAMES, "compute_loss")

    def __init__(self, model, layer, seed, rule, source, from_logits):
        super().__init__(model, layer, seed)
        self._rule, self._source, self._from_logits = rule, source, from_logits

    def attach(self):
        """Replaces the methods of the object."""
        super().attach()
        self._model.compute_loss = self.compute_loss

    def run_step(self, state, data, seed):
        """Mixes, then calls the model's own step and records its attention."""
        layer = self._layer
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        if isinstance(x, dict):
            raise ValueError(
                "Labels by attention need images `x` and labels `y`, one tensor each. "
                f"Received: a dict with {sorted(map(str, x))}"
            )
        x, y, sample_weight = tensors_of(x, y, sample_weight)
        plan = layer.sample_plan(x, seed=seed)
        mixed = layer.apply_plan(plan, x, y, sample_weight)
        rows = encode_labels(y, layer.num_classes, x.shape[0])
        if sample_weight is not None:
            sample_weight = encode_weights(sample_weight, x.shape[0])
        parts = structures.unpack(x, rows, sample_weight)
        with self._source.record(mixed[0], *state) as attention:
            batch = _StepBatch(self, parts, plan, attention)
            token = _BATCH.set(batch)
            try:
                result = self._own["train_step"](*state, mixed)
            finally:
                _BATCH.reset(token)
        if not batch.used:
            raise ValueError(
                "Labels by attention come in with `model.compute_loss`, so a custom `train_step` "
                f"must call that. Received: model={self._model!r}, whose step does not"
            )
        return result

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, **arguments):
        """Returns the model's own loss; in a step of training, of labels by attention."""
        batch = _BATCH.get()
        if batch is not None and batch.mixing is self:
            batch.used = True
            parts = self._blend(batch, y, y_pred)
            y, sample_weight = parts[structures.LABELS], parts.get(structures.WEIGHTS)
        return self._own["compute_loss"](x, y, y_pred, sample_weight, **arguments)

    def _blend(self, batch, area_labels, y_pred):
        """Returns labels, and weights if there are any, by the rule: a dict of parts of a batch."""
        if not hasattr(y_pred, "shape"):
            raise ValueError(
                "Labels by attention need a model that returns one tensor of scores. "
                f"Received: a {type(y_pred).__name__}"
            )
        attention = batch.attention()
        if attention is None:
            raise ValueError(
                "The step must call the model before it computes the loss: there is no attention "
                "yet."
            )
        layer, attention = self._layer, ops.stop_gradient(attention)
        size = ops.shape(batch.parts.images)
        size = size[1:3] if layer.data_format == "channels_last" else size[2:4]
        patches = self._source.patches(size, ops.shape(attention)[1:])
        share = attention_share(attention, batch.plan, layer.grid, size, patches)
        probabilities = ops.cast(ops.stop_gradient(y_pred), "float32")
        if _takes_logits(self._model, self._rule, self._from_logits):
            probabilities = ops.softmax(probabilities)
        share = label_share(self._rule, share, batch.plan.share, probabilities, area_labels)
        # Smoothing and the blend are linear, so that their order does not matter.
        labels = mixing.smooth_labels(batch.parts.labels, layer.label_smoothing)
        return mix_labels(batch.parts, labels, batch.plan._replace(share=share))

    def _check_loss(self):
        super()._check_loss()
        _takes_logits(self._model, self._rule, self._from_logits)


class _OwnAttention:
    """Attention of a vision transformer of this package, in the forward pass of the step."""

    def __init__(self, model):
        layers = leaves(model)
        embeddings = [layer for layer in layers if isinstance(layer, TokenEmbedding)]
        blocks = [layer for layer in layers if isinstance(layer, SelfAttention)]
        if any(isinstance(layer, PatchFeatures) for layer in layers):
            raise ValueError(
                "`model` drops its class token, which then learns nothing of what to attend to: "
                "give `attention`, a function of the model and images. "
                f"Received: model={model!r} with a PatchFeatures layer"
            )
        if len(embeddings) != 1 or not blocks:
            raise ValueError(
                "`model` must be a vision transformer with a class token, made of this package's "
                "layers; for another one give `attention`, a function of the model and images. "
                f"Received: model={model!r} with {len(embeddings)} TokenEmbedding and "
                f"{len(blocks)} SelfAttention layers"
            )
        self._layer = blocks[-1]
        # The convolution that makes the patches: its stride is their size.
        self._strides = [
            tuple(layer.strides)
            for layer in layers
            if isinstance(layer, keras.layers.Conv2D)
            and tuple(layer.kernel_size) == tuple(layer.strides)
        ]

    @contextlib.contextmanager
    def record(self, images, state=None):
        """Yields a function that returns the attention of the latest forward pass, or None."""
        del images, state
        with watch_class_token(self._layer) as watch:
            yield lambda: watch.attention

    def patches(self, image_size, patch_grid):
        """Returns the `Grid` of patches."""
        for stride in self._strides:
            counts = [side // step for side, step in zip(image_size, stride, strict=True)]
            if not _are_known(*counts, *patch_grid) or tuple(counts) == tuple(patch_grid):
                return Grid(patch_size=stride)
        return _even_grid(patch_grid)


class _GivenAttention:
    """Attention that a function of the user returns for the mixed images."""

    def __init__(self, model, function):
        if not callable(function):
            raise TypeError(
                "`attention` must be a function of the model and images, or None. "
                f"Received: attention={function!r}"
            )
        self._model, self._function = model, function

    @contextlib.contextmanager
    def record(self, images, state=None):
        """Yields a function that returns the attention to the mixed images."""
        with _without_gradients(), self._weights(state):
            attention = ops.convert_to_tensor(self._function(self._model, images))
        shape = tuple(attention.shape)
        side = math.isqrt(shape[1]) if len(shape) == 2 and shape[1] else 0
        if len(shape) == 2 and side * side == shape[1]:
            attention = ops.reshape(attention, (-1, side, side))
        elif len(shape) != 3 or None in shape[1:]:
            raise ValueError(
                "`attention` must return numbers of shape (batch, rows, columns), or (batch, "
                f"patches) for as many rows as columns. Received: shape {shape}"
            )
        yield lambda: attention

    def patches(self, image_size, patch_grid):
        """Returns the `Grid` of patches."""
        del image_size
        return _even_grid(patch_grid)

    def _weights(self, state):
        """Returns a scope with the weights of the step, which on JAX are an argument."""
        if state is None:
            return contextlib.nullcontext()
        model = self._model
        variables = [*model.trainable_variables, *model.non_trainable_variables]
        pairs = zip(variables, [*state[0], *state[1]], strict=True)
        return keras.StatelessScope(state_mapping=list(pairs))


def _takes_logits(model, rule, given):
    """Returns whether the model returns logits, by its loss or by what is given, or None.

    Raises:
        ValueError: The rule has to know and neither says so, or they contradict each other.
    """
    by_loss = loss_takes_logits(model)
    if rule == "progressive" and given is None and by_loss is None:
        raise ValueError(
            "The rule 'progressive' needs to know whether the model returns logits, and its loss "
            f"does not say: give `from_logits`. Received: from_logits=None, loss={model.loss!r}"
        )
    if given is not None and by_loss is not None and bool(given) != by_loss:
        raise ValueError(
            "`from_logits` must be what the model's loss says, or None. Received: "
            f"from_logits={given!r}, loss={model.loss!r} with from_logits={by_loss}"
        )
    return by_loss if given is None else bool(given)


def _even_grid(patch_grid):
    if not _are_known(*patch_grid):
        raise ValueError(
            "The numbers of rows and columns of patches must be known where patches divide the "
            "image evenly. Received: images of unknown size"
        )
    return Grid(grid_size=tuple(map(int, patch_grid)))


def _are_known(*sizes):
    return all(isinstance(size, int) for size in sizes)


def _without_gradients():
    """Keras has no public context for it; on other backends nothing records before the step."""
    if keras.backend.backend() == "torch":
        import torch

        return torch.no_grad()
    return contextlib.nullcontext()
