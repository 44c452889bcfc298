"""Whether a loaded model returns logits or probabilities, by its scores and by `--scores`."""

from typing import NamedTuple

import numpy as np

from keras_patchmix.base.host import to_numpy
from keras_patchmix.cli.messages import naming
from keras_patchmix.scoring.forward import forward_function
from keras_patchmix.scoring.logits import ends_in_logits, is_single_logit, returns_logits

_REASONS = {
    True: "the last layer has no activation",
    False: "the last layer is a sigmoid or a softmax",
}
_BY_LOSS = "the loss that it is compiled with says so"
_SUM_SLACK = 0.01  # of half precision over 1,000 classes


class ScoreKind(NamedTuple):
    """The kind of a model's scores.

    Attributes:
        from_logits: Whether they are logits.
        reason: How that is known, to follow "logits: " or "probabilities: ".
    """

    from_logits: bool
    reason: str

    @property
    def word(self):
        """What they are called: "logits" or "probabilities"."""
        return "logits" if self.from_logits else "probabilities"


def score_kind(loaded, images, asked="auto"):
    """Returns whether a model returns logits or probabilities.

    Several scores below 0 or above 1 are logits; several that sum to 1 for every image are
    probabilities. Otherwise, and for a single score, the last activation decides.

    Args:
        loaded: A `LoadedModel`.
        images: uint8 array of shape (B, H, W, 3), a few real images.
        asked: `"auto"`; or `"logits"` or `"probabilities"`, where the model does not say.

    Returns:
        A `ScoreKind`.

    Raises:
        ValueError: The kind is unknown, or the scores contradict `asked`.
    """
    scores, name = _scores(loaded, images), loaded.spec.name
    low, high, sums = float(scores.min()), float(scores.max()), scores.sum(1)
    between = low >= -_SUM_SLACK and high <= 1 + _SUM_SLACK
    if asked == "probabilities" and not between:
        raise ValueError(
            f"--scores probabilities: {name!r} returns scores from {low:.4g} to {high:.4g}"
        )
    one, given = scores.shape[1] == 1, {"auto": None, "logits": True}.get(asked, False)
    if asked == "auto" and not one:
        if not between:
            return ScoreKind(True, f"scores from {low:.4g} to {high:.4g}")
        if np.abs(sums - 1).max() <= _SUM_SLACK:
            return ScoreKind(False, "scores that sum to 1")
    with naming(from_logits="--scores", model=f"--model {name}"):
        said = (is_single_logit if one else returns_logits)(loaded.model, given)
    if asked != "auto":
        return ScoreKind(said, "as --scores says")
    if said is not None:
        return ScoreKind(said, _REASONS[said] if ends_in_logits(loaded.model) == said else _BY_LOSS)
    raise ValueError(
        f"--scores logits or --scores probabilities is needed: {name!r} returns scores from "
        f"{low:.4g} to {high:.4g} that sum to {sums.min():.4g} to {sums.max():.4g}, and neither "
        "its last layer nor a loss says what they are"
    )


def _scores(loaded, images):
    inputs = np.array(images)  # a copy: Keras' own preprocessing writes into floats
    inputs = inputs if loaded.preprocess is None else loaded.preprocess(inputs.astype(np.float32))
    scores = to_numpy(forward_function(loaded.model)(inputs)).astype(np.float32)
    scores = scores.reshape(len(images), -1)
    if not np.isfinite(scores).all():
        raise ValueError(
            f"--model {loaded.spec.name}: returns scores that are nan or infinite for images of "
            "the data"
        )
    return scores
