"""What a classifier says of one class, or of one class against another, as probabilities."""

import numpy as np

from keras_patchmix.scoring.forward import num_outputs
from keras_patchmix.scoring.logits import returns_logits
from keras_patchmix.scoring.scorer import SLACK, Scorer


class NonFiniteScoresError(ValueError):
    """A model's scores are nan or infinite, as those of a training that has diverged."""


class ClassScores:
    """Probabilities of a model for batches of one size.

    Args:
        model: A Keras model, or a function from images (B, H, W, C) to scores (B, K).
        batch_size: The number of images of each call; fewer are padded, so that a model is compiled
            once.
        from_logits: Whether the model's scores are logits, of which the softmax is taken. None asks
            the model; where that does not say so they are probabilities.
        preprocess: Function of float32 images, or None.
    """

    def __init__(self, model, batch_size, from_logits, preprocess):
        self._scorer = Scorer(model, batch_size, preprocess, from_logits)
        self._from_logits = returns_logits(model, from_logits)

    @property
    def num_classes(self):
        """How many scores the model returns for an image, or None where only a call would tell."""
        count = num_outputs(self._scorer.model)
        return None if count is None else max(count, 2)

    def start(self, images):
        """Hands images to the model.

        Args:
            images: float32 array of shape (N, H, W, C), N at most the batch size.

        Returns:
            What `finish` takes. An accelerator may still be computing it.
        """
        return self._scorer(images, check=True), len(images)

    def raw(self, images):
        """Returns what the model returns for any number of images, logits or probabilities.

        Args:
            images: float32 array of shape (N, H, W, C).

        Returns:
            float32 array of shape (N, K).
        """
        return np.concatenate([self._scorer.scores(*self.start(one)) for one in self.parts(images)])

    def parts(self, images):
        """Yields images in parts of the batch size, the last one of fewer."""
        size = self._scorer.batch_size
        for start in range(0, len(images), size):
            yield images[start : start + size]

    def finish(self, started):
        """Waits for the model.

        Args:
            started: From `start`.

        Returns:
            float32 array of shape (N, K) of probabilities.

        Raises:
            NonFiniteScoresError: The scores are not finite.
            ValueError: They are no probabilities though they should be.
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
