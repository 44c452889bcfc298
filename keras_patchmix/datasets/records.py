"""`write_records`: a data set as a few large files, which disks and networks read fast."""

import itertools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from keras_patchmix.base.optional import require
from keras_patchmix.base.printable import distinct, printable
from keras_patchmix.base.progress import Progress
from keras_patchmix.base.types import FilePath
from keras_patchmix.datasets.class_names import label_names
from keras_patchmix.datasets.errors import EmptySplitError
from keras_patchmix.datasets.image_files import JPEG, PNG, ImageFileError, decode
from keras_patchmix.datasets.loading import open_source, parse_source
from keras_patchmix.datasets.tfds_source import RecordsSource

_TOGETHER = 256  # images in memory at a time


def write_records(
    source: Any,
    directory: FilePath,
    splits: Sequence[str] | None = None,
    image_size: int | None = None,
    quality: int = 95,
    shards: int | None = None,
    data_dir: FilePath | None = None,
    download: bool = True,
    verbose: bool | Literal["auto"] = "auto",
) -> dict[str, Any]:
    """Writes a data set as sharded TFRecords, to load with `load("records:DIRECTORY")`.

    Images stay encoded as they are, byte by byte, unless they are neither JPEG nor PNG, or larger
    than `image_size`. Each image is decoded once as a check; broken ones are left out, and named in
    the returned dict and in the metadata.

    A TFDS builder writes the directory, so that `tfds.builder_from_directory` opens it too. Its
    features are "image", "label" and "file_name"; images are shuffled. The directory appears once
    it is complete; after an interruption the same call starts over.

    Args:
        source: String: `"folder:PATH"` or a TensorFlow Datasets name, as in `load`.
        directory: Path of a directory, new or empty, or an address such as
            "gs://bucket/directory".
        splits: List of names of splits. Defaults to `None`, all with images.
        image_size: Integer, pixels: larger images are resized to this shorter side (bilinear,
            antialiased, proportions kept, not cropped). Defaults to `None`.
        quality: Integer from 1 to 100, JPEG quality of re-encoded images. Defaults to `95`.
        shards: Integer, files of each split, at most the images of the smallest one. Defaults to
            `None`: TFDS makes files of 64 MiB to 1 GiB.
        data_dir: As in `load`. Defaults to `None`.
        download: As in `load`. Defaults to `True`.
        verbose: Boolean or `"auto"`, whether to show a progress bar. Defaults to `"auto"`, in a
            terminal.

    Returns:
        Dict from a split to a dict of "images" and "bytes" written, "shards", their number, and
        "skipped", a dict from the names of images that were left out to the reasons.

    Raises:
        ValueError: An argument is invalid, or no image of a split can be read.
        FileExistsError: The directory is not empty.
        OSError: It is not writable.

    Example:
    ```python
    keras_patchmix.datasets.write_records("folder:photos", "photos-records")
    train = keras_patchmix.datasets.load("records:photos-records", "train", image_size=224)
    ```
    """
    tf = require("tensorflow", "write_records")
    tfds = require("tensorflow_datasets", "write_records")
    from keras_patchmix.datasets.tfds_writer import write_examples  # needs both

    _check(source, splits, image_size, quality, shards)
    opened = open_source(source, data_dir, download)
    parts = _encoded_images(opened, splits)
    smallest = min(count for _, count, _ in parts.values())
    if shards is not None and shards > smallest:
        raise ValueError(
            f"`shards` must be at most {smallest}, the images of the smallest split. "
            f"Received: shards={shards}"
        )
    skipped: dict[str, dict[str, str]] = {}
    class_names, _, _ = next(iter(parts.values()))
    with ThreadPoolExecutor() as threads, Progress(verbose, "Writing records") as progress:
        progress.start(sum(count for _, count, _ in parts.values()))

        def checked(split):
            _, _, entries = parts[split]
            return _checked(entries(), tf, image_size, quality, threads)

        features = {
            "image": tfds.features.Image(shape=(*_common_size(map(checked, parts)), 3)),
            "label": tfds.features.ClassLabel(names=label_names(class_names)),
            "file_name": tfds.features.Text(),
        }
        written = write_examples(
            os.fspath(directory),
            shards,
            name="records",
            features=tfds.features.FeaturesDict(features),
            splits={split: _examples(split, checked(split), skipped, progress) for split in parts},
            description=f"The images of {source} that can be read, as `write_records` left them.",
            metadata={
                "source": printable(source),
                "image_size": image_size,
                "quality": quality,
                "skipped": skipped,
            },
        )
    return {
        split: {
            "images": part.num_examples,
            "bytes": int(part.num_bytes),
            "shards": part.num_shards,
            "skipped": skipped[split],
        }
        for split, part in written.splits.items()
    }


def _check(source, splits, image_size, quality, shards):
    named = isinstance(source, str) and source
    if not named or isinstance(parse_source(source), RecordsSource):
        raise ValueError(
            '`source` must be "folder:PATH" or a TensorFlow Datasets name. '
            f"Received: source={source!r}"
        )
    if isinstance(splits, str):  # a list of its letters otherwise
        raise ValueError(f"`splits` must be a list of names. Received: splits={splits!r}")
    if splits and "all" in splits:
        raise ValueError(
            '`splits` must not hold "all", a name that TensorFlow Datasets keeps for itself. Leave '
            f"`splits` out: all images are then in the splits of the source. Received: {splits}"
        )
    for name, value in (("image_size", image_size), ("shards", shards)):
        if value is not None and (not isinstance(value, int) or value < 1):
            raise ValueError(
                f"`{name}` must be an integer of at least 1, or None. Received: {name}={value!r}"
            )
    if not isinstance(quality, int) or not 1 <= quality <= 100:
        raise ValueError(
            f"`quality` must be an integer from 1 to 100. Received: quality={quality!r}"
        )


def _encoded_images(source, splits):
    """Returns `Source.encoded_images` by split; empty splits that nobody asked for are left out."""
    parts, first = {}, None
    for split in splits or source.split_names():
        try:
            parts[split] = source.encoded_images(split)
        except EmptySplitError as error:
            if splits:
                raise
            first = first or error
    if first and not parts:
        raise first
    return parts


def _checked(entries, tf, image_size, quality, threads):
    """Reads, checks and if needed re-encodes images, several at a time.

    Yields:
        Tuples (name, label, bytes, (height, width), None), or (name, label, None, None, reason).
    """

    def checked(entry):
        name, label, read = entry
        try:
            data = read()
            image = decode(data)
        except ImageFileError as error:
            return name, label, None, None, str(error)
        size = tuple(image.shape[:2])
        larger = image_size is not None and min(size) > image_size
        if larger:
            size = tuple(round(side * image_size / min(size)) for side in size)
            image = tf.image.resize(image, size, antialias=True)
            image = tf.saturate_cast(tf.round(image), tf.uint8)
        if larger or not data.startswith((JPEG, PNG)):
            data = tf.io.encode_jpeg(image, quality=quality).numpy()
        return name, label, data, size, None

    entries = iter(entries)
    while together := list(itertools.islice(entries, _TOGETHER)):
        yield from threads.map(checked, together)


def _common_size(parts):
    """Returns the (height, width) of all images, or Nones as soon as two differ."""
    images = itertools.chain.from_iterable(parts)
    sizes = (size for _, _, _, size, _ in images if size is not None)
    first = next(sizes, (None, None))
    return first if all(size == first for size in sizes) else (None, None)


def _examples(split, images, skipped, progress):
    """Yields the examples of a split, and records in `skipped` what is left out."""
    broken = []
    for number, (name, label, data, _, reason) in enumerate(images):
        progress.add(1)
        if reason is None:
            yield number, {"image": data, "label": label, "file_name": printable(name)}
        else:
            broken.append((name, reason))
    names = distinct(name for name, _ in broken)
    skipped[split] = dict(zip(names, (reason for _, reason in broken), strict=True))
    if len(broken) > number:
        raise ValueError(
            f"None of the images of `source` can be read in the split {split!r}; the first is "
            f"'{names[0]}': {broken[0][1]}"
        )
