"""`load_for_scoring`: a data set whose examples keep their index whatever file is broken."""

from typing import Any

import numpy as np

from keras_patchmix.base.optional import require
from keras_patchmix.base.printable import printable
from keras_patchmix.base.types import FilePath, Size
from keras_patchmix.datasets import images
from keras_patchmix.datasets.folder import choose_images, open_layout
from keras_patchmix.datasets.image_files import ImageFileError, read_image
from keras_patchmix.datasets.loading import FOLDER_PREFIX, DatasetInfo, load

_OTHER_SIZE = b"other size: "  # what the reasons of images that may not be skipped begin with


def load_for_scoring(
    name: str,
    split: str = "test",
    image_size: Size | None = None,
    data_dir: FilePath | None = None,
    batch_size: int = 64,
    download: bool = True,
) -> "ScoringData":
    """Loads a data set to score models on, such as with `keras_patchmix.occlusion.evaluate`.

    The images are those of `load`, in its order, with one difference: a file of a folder that is
    missing by now, no image, damaged or above 100 million pixels does not end the scoring. It is
    left out, and named in `skipped`. The other examples keep their index, the position in the
    listing, and with it the way they are corrupted.

    Args:
        name: String, as in `load`.
        split: String, as in `load`. Defaults to `"test"`.
        image_size: Integer or pair `(height, width)`, as in `load`. Defaults to `None`.
        data_dir: String or path, as in `load`. Defaults to `None`.
        batch_size: Positive integer. Defaults to `64`.
        download: Boolean, as in `load`. Defaults to `True`.

    Returns:
        A `ScoringData`.

    Raises:
        ValueError: See `load`. A broken record of a TFDS set raises as it does in TFDS.
        ImportError: See `load`.

    Warns:
        UserWarning: See `load`.

    Example:
    ```python
    photos = keras_patchmix.datasets.load_for_scoring("folder:photos", image_size=224)
    report = keras_patchmix.occlusion.evaluate(model, photos)
    print(photos.skipped)
    ```
    """
    if not isinstance(batch_size, int | np.integer) or batch_size < 1:
        raise ValueError(
            f"`batch_size` must be a positive integer. Received: batch_size={batch_size!r}"
        )
    if isinstance(name, str) and name.startswith(FOLDER_PREFIX):
        return _FolderForScoring(name, split, images.check_image_size(image_size), batch_size)
    dataset, info = load(
        name, split, image_size, data_dir=data_dir, download=download, with_info=True
    )
    return ScoringData(info, batch_size, dataset)


class ScoringData:
    """Batches for scoring, which can be gone through again and again, in constant memory.

    Iteration yields dicts: `"images"`, uint8 of shape (B, height, width, 3); `"labels"`, class ids,
    int64 of shape (B,); `"index"`, positions in the data set, int64 of shape (B,). B is
    `batch_size`, less what was skipped in the batch, and less in the last one. `len` is the number
    of batches when nothing is skipped.

    Attributes:
        info: A `keras_patchmix.datasets.DatasetInfo`; it counts skipped files too.
        batch_size: Integer.
        skipped: Dict from the name of a file, as the file system has it, to the reason why it could
            not be read, in the order of the data set: of the last iteration, as far as it went.
        left_out: String, what a folder holds beside images of its classes, with the number and the
            first of each sort, such as "12 .txt ('cat/notes.txt', ...)"; "" for nothing.
    """

    def __init__(self, info: DatasetInfo, batch_size: int, dataset: Any):
        self.info = info
        self.batch_size = int(batch_size)
        self.skipped = {}
        self.left_out = ""
        self._dataset = dataset.batch(self.batch_size).prefetch(1)

    @property
    def num_examples(self) -> int:
        """Integer, the number of examples, skipped files too."""
        return self.info.num_examples

    def __len__(self):
        return -(-self.info.num_examples // self.batch_size)

    def __iter__(self):
        seen = 0
        for image, label in self._dataset.as_numpy_iterator():
            yield {"images": image, "labels": label, "index": seen + np.arange(len(label))}
            seen += len(label)


class _FolderForScoring(ScoringData):
    """A folder of images, whose broken files are skipped."""

    def __init__(self, name, split, size, batch_size):
        tf = require("tensorflow", "Loading a folder of images")
        path = name.removeprefix(FOLDER_PREFIX)
        layout = open_layout(path)
        classes, self._listed = choose_images(layout, path, split)
        self._size = size or self._first_size()
        self._resized = size is not None
        self._labels = np.array([label for _, label, _ in self._listed], np.int64)
        count = len(self._listed)
        info = DatasetInfo(name, split, len(classes), classes, count, (*self._size, 3))
        dataset = tf.data.Dataset.range(count).map(
            self._reader(tf), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
        )
        super().__init__(info, batch_size, dataset)
        self.left_out = layout.left_out

    def __iter__(self):
        self.skipped, read = {}, 0
        for batch, index, reasons in self._dataset.as_numpy_iterator():
            for reason in reasons:
                if reason.startswith(_OTHER_SIZE):
                    # Not skipped: where sizes vary, most images would be.
                    raise ValueError(reason.removeprefix(_OTHER_SIZE).decode("utf-8"))
            good = np.array([not reason for reason in reasons])
            for i in np.flatnonzero(~good):
                self.skipped[self._listed[index[i]][0]] = reasons[i].decode("utf-8")
            read += int(good.sum())
            if good.any():
                index = index[good]
                yield {"images": batch[good], "labels": self._labels[index], "index": index}
        if not read:
            raise ValueError(self._none_readable(next(iter(self.skipped.items()))))

    def _first_size(self):
        """The size of the first image that can be read, which all others then must have."""
        first = None
        for name, _, path in self._listed:
            try:
                return tuple(read_image(path).shape[:2])
            except ImageFileError as error:
                first = first or (name, str(error))
        raise ValueError(self._none_readable(first))

    def _none_readable(self, first):
        return (
            f"None of the {len(self._listed)} images can be read; the first is "
            f"'{printable(first[0])}': {first[1]}"
        )

    def _reader(self, tf):
        size = self._size

        def decode(index):
            name, _, path = self._listed[int(index)]
            try:
                image = read_image(path)
            except ImageFileError as error:
                return tf.zeros((*size, 3), tf.uint8), tf.constant(str(error).encode())
            if not self._resized and tuple(image.shape[:2]) != size:
                reason = (
                    _OTHER_SIZE
                    + (
                        f"The images of the folder have no common size: '{printable(name)}' has "
                        f"{tuple(image.shape[:2])}, others have {size}. Give `image_size`. "
                        "Received: image_size=None"
                    ).encode()
                )
                return tf.zeros((*size, 3), tf.uint8), tf.constant(reason)
            return image, tf.constant(b"")

        @tf.autograph.experimental.do_not_convert
        def read(index):
            image, reason = tf.py_function(decode, [index], [tf.uint8, tf.string])
            image = images.resize(tf.ensure_shape(image, (None, None, 3)), size)
            return image, index, tf.ensure_shape(reason, ())

        return read
