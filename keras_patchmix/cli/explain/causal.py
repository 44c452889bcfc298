"""Deletion and insertion of the images of an explanation, as JSON values."""

import numpy as np

from keras_patchmix.base.progress import Progress
from keras_patchmix.explain import deletion_insertion

STEPS = 50


def causal_curves(classifier, images, maps, class_ids, batch_size, progress, title):
    """Takes images apart and puts them together in the order of their maps.

    Args:
        classifier: A `Classifier`.
        images: uint8 array of shape (N, H, W, 3).
        maps: float32 array of shape (N, H, W).
        class_ids: Sequence of N integers.
        batch_size: Images in one call of the model.
        progress: Whether to show a bar: "auto", `True` or `False`.
        title: What stands before it.

    Returns:
        Tuple of a dict with "shares" (S,), "deletion" and "insertion" (N, S), lists of floats, and
        a list of N dicts with "deletion_area" and "insertion_area".
    """
    found = []
    with Progress(progress, f"{title}: deletion and insertion") as bar:
        bar.start(len(images))
        for image, one, class_id in zip(images, maps, class_ids, strict=True):
            found.append(
                deletion_insertion(
                    classifier.model,
                    image,
                    one,
                    int(class_id),
                    steps=STEPS,
                    batch_size=batch_size,
                    from_logits=classifier.from_logits,
                    preprocess=classifier.preprocess,
                    data_format="channels_last",
                    verbose=False,
                )
            )
            bar.add(1)
    curves = {
        "shares": found[0].shares.tolist(),
        "deletion": [_rounded(one.deletion[0]) for one in found],
        "insertion": [_rounded(one.insertion[0]) for one in found],
    }
    areas = [
        {
            "deletion_area": float(one.deletion_area[0]),
            "insertion_area": float(one.insertion_area[0]),
        }
        for one in found
    ]
    return curves, areas


def _rounded(values):
    return np.round(values.astype(np.float64), 6).tolist()
