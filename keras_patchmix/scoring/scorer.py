"""A classifier's scores for images: one compiled forward pass a batch, one class a column."""

from typing import Any, NamedTuple

import numpy as np

from keras_patchmix.base.host import to_numpy
from keras_patchmix.scoring.forward import check_inputs, forward_function, num_outputs
from keras_patchmix.scoring.logits import is_single_logit
from keras_patchmix.scoring.preprocessing import as_they_are, preprocessing_of

SLACK = 1e-3  # by which probabilities may be outside of [0, 1]


class Scorer:
    """A model's scores for batches of one size.

    A model of one output, (B, 1) or (B,), is a classifier of two classes: its output is the
    probability of class 1, or the logit of that.

    Args:
        model: A Keras model or layer, or a function of a batch of images.
        batch_size: Images in each call of the model; fewer are padded, so that it is compiled once.
        preprocess: Function of a batch of images, which replaces the model's own preprocessing; or
            None.
        from_logits: Boolean, whether a single output is a logit. Defaults to `None`: the last
            activation of the model, or the loss that it is compiled with, decides.

    Attributes:
        preprocess: What is applied to images before the model, or None.
        one_output: "probability" or "logit", the kind of a single output; None for several outputs,
            or before the first call of `scores` if the model does not tell their number.

    Raises:
        ValueError: The model is no classifier of one input and one output.
    """

    def __init__(self, model, batch_size, preprocess=None, from_logits=None):
        if not (from_logits is None or isinstance(from_logits, bool)):
            raise ValueError(
                f"`from_logits` must be True, False or None. Received: from_logits={from_logits!r}"
            )
        self.model = model
        self.batch_size = batch_size
        self.preprocess = preprocessing_of(model, preprocess)
        self._forward = forward_function(model)
        self._from_logits = from_logits
        self._columns = None
        self.one_output = self._kind_of_one() if num_outputs(model) == 1 else None

    def __call__(self, images, check=False):
        """Returns the output of the model for a batch and its padding, without waiting for it.

        Args:
            images: Array of shape (B, H, W, C), B at most the batch size. It is not changed.
            check: Boolean, whether to check the size of the images first. Defaults to `False`.
        """
        missing = self.batch_size - len(images)
        # A copy, as models and functions such as Keras' `preprocess_input` may work in place.
        images = np.concatenate([images, np.repeat(images[:1], missing, axis=0)])
        if self.preprocess is not None:
            images = self.preprocess(images)
            if images is None:
                raise ValueError("`preprocess` must return images. Received: None")
        if check:
            check_inputs(self.model, images)
        return self._forward(images)

    def scores(self, output, count):
        """Waits for an output of the model and returns the scores in it.

        Args:
            output: Array or tensor of shape (B, K), (B, 1) or (B,), B the batch size.
            count: Number of examples that are no padding.

        Returns:
            float32 array of shape (count, K): logits or probabilities as the model returns them. Of
            one output, two columns: 1 - p and p of a probability; 0 and x of a logit, which have
            the softmax 1 - sigmoid(x) and sigmoid(x).

        Raises:
            ValueError: The output is no single array of that shape; its number of columns changes;
                or the kind of a single output is unknown, or contradicts its values.
        """
        if isinstance(output, dict | tuple | list):
            raise ValueError(
                "`model` must return one array of scores. Received: "
                f"{type(output).__name__} of {len(output)}"
            )
        scores = to_numpy(output)
        if scores.ndim == 1:
            scores = scores[:, None]
        if scores.ndim != 2 or len(scores) != self.batch_size or scores.shape[1] < 1:
            raise ValueError(
                "`model` must return logits or probabilities of shape (batch, classes), or (batch, "
                f"1) for two classes. Received: shape {scores.shape} for a batch of "
                f"{self.batch_size} images"
            )
        if scores.shape[1] != (self._columns or scores.shape[1]):
            raise ValueError(
                "`model` must return the same number of scores for every batch. "
                f"Received: {self._columns} scores an image, then {scores.shape[1]}"
            )
        self._columns = scores.shape[1]
        scores = scores[:count].astype(np.float32)
        return scores if self._columns > 1 else self._of_two_classes(scores)

    def _of_two_classes(self, scores):
        if self.one_output is None:
            self.one_output = self._kind_of_one()
        if self.one_output == "logit":
            return np.concatenate([np.zeros_like(scores), scores], axis=1)
        finite = scores[np.isfinite(scores)]
        if finite.size and (finite.min() < -SLACK or finite.max() > 1 + SLACK):
            raise ValueError(
                "`model` has one output, which must be a probability, or give from_logits=True. "
                f"Received: scores from {finite.min():.4g} to {finite.max():.4g}"
            )
        return np.concatenate([1 - scores, scores], axis=1)

    def _kind_of_one(self):
        return "logit" if is_single_logit(self.model, self._from_logits) else "probability"


class Classifier(NamedTuple):
    """A model whose outputs are the classes in their order.

    Attributes:
        model: A `keras.Model`, or a function from images to probabilities of classes.
        preprocess: Its preprocessing, or None.
        from_logits: Whether it returns logits.
    """

    model: Any
    preprocess: Any
    from_logits: bool

    def settings(self, options):
        """Returns the arguments of `c_rise` other than images and classes.

        Args:
            options: An object with the masks' settings, such as an `ExplainOptions`.
        """
        fields = (
            "num_masks",
            "scheme",
            "grid_size",
            "keep_probability",
            "tolerance",
            "batch_size",
            "seed",
        )
        return {
            **{field: getattr(options, field) for field in fields},
            "from_logits": self.from_logits,
            "preprocess": self.preprocess,
            "value_range": (0, 255),
        }


def classifier(loaded, outputs, from_logits):
    """Returns a model as a `Classifier`.

    Args:
        loaded: A `LoadedModel`.
        outputs: List with the list of the model's outputs for each class, whose probabilities are
            summed; or None where output i is class i.
        from_logits: Whether the model returns logits.
    """
    if outputs is None:
        return Classifier(loaded.model, loaded.preprocess, from_logits)
    flat = np.concatenate(outputs).astype(np.int64)
    starts = np.cumsum([0, *map(len, outputs[:-1])])

    def mapped(images):
        scorer = Scorer(loaded.model, len(images), as_they_are, from_logits)
        scores = scorer.scores(scorer(images), len(images))
        if from_logits:
            scores = np.exp(scores - scores.max(1, keepdims=True))
            scores /= scores.sum(1, keepdims=True)
        return np.add.reduceat(scores[:, flat], starts, axis=1)

    return Classifier(mapped, loaded.preprocess, False)
