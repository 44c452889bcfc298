"""Training images by position, kept in memory as they are asked to be."""

import numpy as np

from keras_patchmix.base.optional import require
from keras_patchmix.datasets.examples import PURPOSE


class KeptExamples:
    """Examples that are decoded once where they are kept decoded, else whenever they are read.

    Args:
        examples: What `examples` of a `keras_patchmix.datasets.source.Source` returns.
        cache: "decoded", "encoded" or "none".

    Attributes:
        labels: int64 array.
    """

    def __init__(self, examples, cache):
        self._examples, self.labels = examples, examples.labels
        if cache == "encoded":
            examples.keep_encoded()
        self.is_decoded = cache == "decoded"
        if self.is_decoded:
            self._images = np.empty((len(examples), *examples.shape), np.uint8)
            self._is_there = np.zeros(len(examples), bool)

    def image(self, position):
        """Returns a uint8 array of the size of all images."""
        if not self.is_decoded:
            return self._examples[position][0]
        if not self._is_there[position]:
            self._images[position] = self._examples[position][0]
            self._is_there[position] = True  # after the pixels: another thread may be reading
        return self._images[position]

    def picture(self, position):
        """Returns a `PIL.Image.Image` to crop: of the size of all images where it is kept so."""
        if self.is_decoded:
            return require("PIL.Image", PURPOSE).fromarray(self.image(position))
        return self._examples.picture(position)
