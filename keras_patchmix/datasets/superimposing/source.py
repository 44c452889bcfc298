"""The images that occluders are put in front of, in their order, with what cannot be read."""

import hashlib
import itertools
from typing import NamedTuple

import numpy as np

from keras_patchmix._optional import require
from keras_patchmix.datasets.folder import list_images
from keras_patchmix.datasets.image_files import file_size
from keras_patchmix.datasets.loading import FOLDER_PREFIX, prepared_builder
from keras_patchmix.datasets.scoring import load_for_scoring
from keras_patchmix.occluders.covering import SMALLEST_IMAGE

_BATCH = 16


class Item(NamedTuple):
    """One position of the source.

    Attributes:
        index: Position in the source.
        image: uint8 array of shape (H, W, 3), or None where the file cannot be read.
        label: Integer, or None.
        name: Name of a file that cannot be read, else None.
        reason: Why it cannot be read, else None.
    """

    index: int
    image: np.ndarray | None = None
    label: int | None = None
    name: str | None = None
    reason: str | None = None


class Source:
    """A split of a labelled data set, or the first images of it.

    Args:
        name: As in `keras_patchmix.datasets.load`.
        split: As there.
        image_size: As there.
        data_dir: As there.
        max_examples: How many images are taken, broken ones counted; None takes all.

    Attributes:
        info: The `keras_patchmix.datasets.DatasetInfo` of the whole split.
        count: Number of positions that are taken.

    Raises:
        ValueError: See `keras_patchmix.datasets.load`; or images are smaller than 16 pixels.
    """

    def __init__(self, name, split, image_size=None, data_dir=None, max_examples=None):
        try:
            self._data = load_for_scoring(name, split, image_size, data_dir, _BATCH)
        except ValueError as error:
            # Here `name` is what the new data set is called.
            message = str(error).replace("`name`", "`dataset`")
            raise ValueError(message.replace("Received: name=", "Received: dataset=")) from error
        self._data_dir = data_dir
        self.info = self._data.info
        self.count = min(self.info.num_examples, max_examples or self.info.num_examples)
        height, width = self.info.image_shape[:2]
        if min(height, width) < SMALLEST_IMAGE:
            raise ValueError(
                f"`image_size` must be at least {SMALLEST_IMAGE} pixels a side. "
                f"Received: images of {height}x{width}"
            )

    def items(self):
        """Yields an `Item` for every position, in order.

        Raises:
            ValueError: A record of a TFDS set cannot be read.
        """
        tf = require("tensorflow", "Loading images")
        try:
            yield from self._items()
        except tf.errors.OpError as error:
            name = f"{self.info.name!r}, split {self.info.split!r}"
            raise ValueError(f"`dataset` {name}, cannot be read: {error.message}") from error

    def _items(self):
        place, told = 0, itertools.count()
        for batch in self._data:
            rows = zip(batch["index"].tolist(), batch["images"], batch["labels"], strict=True)
            for index, image, label in rows:
                yield from self._broken(place, min(index, self.count), told)
                if index >= self.count:
                    return
                yield Item(index, image, int(label))
                place = index + 1
                if place == self.count:
                    return
        yield from self._broken(place, self.count, told)

    def _broken(self, start, end, told):
        # What the data set skips is named in its order, so that positions tell who is who.
        for index in range(start, end):
            name, reason = list(self._data.skipped.items())[next(told)]
            yield Item(index, name=name, reason=reason)

    def listing(self):
        """Describes the source in JSON values, so that another one is not taken for it.

        Returns:
            Dict with "images", the number of the split, and "sha256" of the names and sizes of a
            folder's files, or "version" of a TFDS set.
        """
        name, split = self.info.name, self.info.split
        found = {"images": self.info.num_examples}
        if not name.startswith(FOLDER_PREFIX):
            tfds = require("tensorflow_datasets", f"The data set {name!r}")
            builder = prepared_builder(tfds, name, self._data_dir, download=False)
            return {**found, "version": str(builder.version)}
        digest = hashlib.sha256()
        classes, listed = list_images(name.removeprefix(FOLDER_PREFIX), split)
        files = [f"{file}\0{file_size(path, gone=-1)}" for file, _, path in listed]
        for line in (*classes, *files):
            digest.update(line.encode("utf-8", "surrogateescape") + b"\n")
        return {**found, "sha256": digest.hexdigest()}
