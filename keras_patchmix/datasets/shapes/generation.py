"""Images of the shapes data set as NumPy arrays; needs neither TensorFlow nor TFDS."""

from collections.abc import Iterable

import numpy as np

from keras_patchmix.datasets.shapes.painting import paint
from keras_patchmix.datasets.shapes.sampling import CLASSES, SPLITS, sample_plan


def generate(
    indices: Iterable[int], split: str = "train", image_size: int = 32, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Generates images of the shapes data set.

    Every image is a pure function of `(seed, split, index, image_size)`: the same bytes on every
    machine, whatever else is generated with it. Labels go round: `label = index % 10`.

    Args:
        indices: Integers, such as `range(100)`: positions in the split, 0 or more.
        split: One of `"train"`, `"validation"` and `"test"`. Defaults to `"train"`.
        image_size: Integer, height and width in pixels, 16 or more. Defaults to `32`.
        seed: Integer, 0 or more. `tfds.load("shapes")` has seed 0. Defaults to `0`.

    Returns:
        Tuple of images, uint8 of shape `(len(indices), image_size, image_size, 3)`, and labels,
        int64 of shape `(len(indices),)`.

    Raises:
        ValueError: An argument is out of range.

    Example:
    ```python
    images, labels = keras_patchmix.datasets.shapes.generate(range(10), "test")
    ```
    """
    if split not in SPLITS:
        raise ValueError(f"`split` must be one of {list(SPLITS)}. Received: split={split!r}")
    if not isinstance(image_size, int) or image_size < 16:
        raise ValueError(
            f"`image_size` must be an integer of 16 or more. Received: image_size={image_size!r}"
        )
    if not isinstance(seed, int) or seed < 0:
        raise ValueError(f"`seed` must be an integer of 0 or more. Received: seed={seed!r}")
    indices = np.asarray(indices, np.int64).reshape(-1)
    if (indices < 0).any():
        raise ValueError(f"`indices` must be 0 or more. Received: min(indices)={indices.min()}")
    labels = indices % len(CLASSES)
    images = np.empty((len(indices), image_size, image_size, 3), np.uint8)
    for row, (label, index) in enumerate(zip(labels.tolist(), indices.tolist(), strict=True)):
        images[row] = paint(sample_plan(label, seed, split, index), image_size)
    return images, labels
