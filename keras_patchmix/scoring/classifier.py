"""A loaded model as the functions of `keras_patchmix.explain` take it."""

from typing import Any, NamedTuple

import numpy as np

from keras_patchmix.scoring.preprocessing import as_they_are
from keras_patchmix.scoring.scorer import Scorer


class Classifier(NamedTuple):
    """A model whose outputs are the classes in their order.

    Attributes:
        model: A `keras.Model`, or a function from images to probabilities of classes.
        preprocess: What comes before it, or None.
        from_logits: Whether it returns logits.
    """

    model: Any
    preprocess: Any
    from_logits: bool

    def settings(self, options):
        """Returns the arguments of `c_rise` but for the images and classes.

        Args:
            options: An object with the masks' settings, such as an `ExplanationOptions`.
        """
        fields = ("num_masks", "grid_size", "keep_probability", "tolerance", "batch_size", "seed")
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
