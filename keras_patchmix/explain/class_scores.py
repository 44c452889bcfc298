"""A classifier's scores as probabilities."""

import numpy as np

from keras_patchmix.scoring.forward import num_outputs
from keras_patchmix.scoring.logits import returns_logits
from keras_patchmix.scoring.scorer import SLACK, Scorer


class NonFiniteScoresError(ValueError):
    """A model's scores are nan or infinite, as after a training that diverged."""


class ClassScores:
    """Probabilities of a model for batches of one size.

    Args:
        model: A Keras model, or a function from images (B, H, W, C) to scores (B, K).
        batch_size: Integer, images in each call. Smaller batches are padded, so that the model is
            compiled once.
        from_logits: As in `keras_patchmix.explain.rise`.
        preprocess: As in `keras_patchmix.explain.rise`.
    """

    def __init__(self, model, batch_size, from_logits, preprocess):
        self._scorer = Scorer(model, batch_size, preprocess, from_logits)
        self._from_logits = returns_logits(model, from_logits)

    @property
    def num_classes(self):
        """The number of scores for an image, or None if only a call would tell."""
        count = num_outputs(self._scorer.model)
        return None if count is None else max(count, 2)

    def start(self, images):
        """Hands images to the model.

        Args:
            images: float32 array of shape (N, H, W, C), N at most the batch size.

        Returns:
            An argument for `finish`. An accelerator may still be computing it.
        """
        return self._scorer(images, check=True), len(images)

    def finish(self, started):
        """Waits for the model.

        Args:
            started: What `start` returned.

        Returns:
            float32 array of shape (N, K): probabilities.

        Raises:
            NonFiniteScoresError: The scores are not finite.
            ValueError: They should be probabilities, and are not.
        """
        scores = self._scorer.scores(*started)
        if not np.isfinite(scores).all():
            bad = int((~np.isfinite(scores).all(axis=1)).sum())
            raise NonFiniteScoresError(
                f"`model` must return finite scores. Received: {bad} of {len(scores)} images have "
                "scores that are nan or infinite"
            )
        if self._from_logits:
            scores = np.exp(scores - scores.max(axis=1, keepdims=True))
            return scores / scores.sum(axis=1, keepdims=True)
        if scores.min() < -SLACK or scores.max() > 1 + SLACK:
            raise ValueError(
                "`model` must return probabilities, or give `from_logits=True`. Received: scores "
                f"from {scores.min():.4g} to {scores.max():.4g} with from_logits=False"
            )
        return scores

    def raw(self, images):
        """Returns the model's scores for any number of images, (N, K), logits or probabilities."""
        return self._in_batches(images, lambda started: self._scorer.scores(*started))

    def probabilities(self, images):
        """Returns the probabilities for any number of images, (N, K)."""
        return self._in_batches(images, self.finish)

    def _in_batches(self, images, finish):
        size = self._scorer.batch_size
        starts = range(0, len(images), size)
        return np.concatenate([finish(self.start(images[i : i + size])) for i in starts])
