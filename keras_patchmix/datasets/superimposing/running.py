"""A whole run of `keras-patchmix occlude`, from the options to the result."""

import dataclasses
import itertools
import os
import re
import time
from typing import Any

import numpy as np

from keras_patchmix.base.optional import require
from keras_patchmix.base.printable import distinct, printable, printable_values, say
from keras_patchmix.base.progress import Progress
from keras_patchmix.datasets.class_names import label_names
from keras_patchmix.datasets.loading import load_for_scoring, parse_source
from keras_patchmix.datasets.superimposing.contact_sheet import outlined, write_contact_sheet
from keras_patchmix.datasets.superimposing.superimposer import (
    Superimposer,
    make_example,
    make_features,
)

_PROGRESS = {"auto": "auto", "on": True, "off": False}
_ROWS = 6  # of the contact sheet


def name_of(options):
    """Returns the name of the data set: that of the options, or one from that of its source."""
    if options.name is not None:
        return options.name
    title = parse_source(options.dataset).title
    plain = re.sub("[^0-9a-z]+", "_", title.lower()).strip("_")
    return f"superimposed_{plain or 'images'}"


def run(options: Any) -> dict[str, Any]:
    """Makes a superimposed data set.

    Args:
        options: Dataclass with the fields of the options of `keras-patchmix occlude`.

    Returns:
        Dict of the result line: directory, name, number of images, true coverage of each split, and
        images per second.

    Raises:
        ValueError: The options are invalid, or no image can be read.
        FileExistsError: The directory is not empty.
        OSError: The directory is not writable, or the disk is full.
        ImportError: TensorFlow, TFDS or Pillow is not installed.
    """
    require("PIL.Image", "occlude")  # of the contact sheet, which comes last
    from keras_patchmix.datasets.tfds_writer import VERSION  # needs TFDS

    _check_name(options.name)
    superimposer = Superimposer(options.occluders, options.coverage, options.seed)
    data = load_for_scoring(options.dataset, options.split, options.image_size, options.data_dir)
    count = min(data.num_examples, options.max_examples or data.num_examples)
    path = os.path.join(options.output, name_of(options), VERSION)
    say(f"{options.dataset} {options.split}: {count} images, results go to {path}")
    start = time.monotonic()
    metadata, rows = _write(options, superimposer, data, count, path)
    speed = count / (time.monotonic() - start)
    write_contact_sheet(os.path.join(path, "contact_sheet.png"), rows)
    for name, reason in metadata["skipped"].items():
        say(f"left out: {name}: {reason}")
    return {
        "name": name_of(options),
        "data_dir": str(options.output),
        "directory": path,
        "images": count - len(metadata["skipped"]),
        "skipped": len(metadata["skipped"]),
        "splits": {split: shares["mean"] for split, shares in metadata["coverage"].items()},
        "images_per_second": round(speed, 1),
    }


def _check_name(name):
    tfds = require("tensorflow_datasets", "occlude")
    if name is not None and name in tfds.list_builders(with_community_datasets=False):
        raise ValueError(
            "The name of the set must not be that of a data set that TensorFlow Datasets knows. "
            f"Received: {name!r}"
        )


def _write(options, superimposer, data, count, path):
    """Writes the data set; returns its metadata and the rows of the contact sheet."""
    from keras_patchmix.datasets.tfds_writer import write_examples

    names = label_names(data.info.class_names)
    settings = dataclasses.asdict(options)
    del settings["output"], settings["progress"]
    rows = {}
    metadata = {
        "settings": printable_values(settings),
        "occluders": [printable(occluder.name) for occluder in superimposer.occluders],
        "occluders_sha256": superimposer.sha256,
        "coverage": {},
        "skipped": {},
    }

    def examples(one):
        superimpose = Superimposer(superimposer.occluders, (one,), options.seed)
        shares = []
        for index, image, label in _images(data, count):
            (shown,) = superimpose(image, index)
            share = shown.pixels / shown.mask.size
            if len(shares) < _ROWS:
                row = rows.setdefault(index, [(f"{index}: {names[label]}", image)])
                row.append((f"{one} %: {100 * share:.1f} %", outlined(shown.image, shown.mask)))
            shares.append(share)
            progress.add(1)
            yield index, make_example(shown, label, index, options.format, options.quality)
        if not shares:
            raise ValueError(f"None of the {count} images of `dataset` can be read")
        mean = float(np.mean(shares))
        metadata["coverage"][one.split] = {"mean": mean, "min": min(shares), "max": max(shares)}
        # Reading ahead may skip files behind the last image taken.
        broken = dict(itertools.islice(data.skipped.items(), count - len(shares)))
        metadata["skipped"].update(zip(distinct(broken), broken.values(), strict=True))

    with Progress(_PROGRESS[options.progress], name_of(options)) as progress:
        progress.start(count * len(superimposer.coverage))
        write_examples(
            path,
            name=name_of(options),
            features=make_features(data.info.image_shape[:2], names, options.format),
            splits={one.split: examples(one) for one in superimposer.coverage},
            description=f"Occluders in front of {options.dataset}, {options.split}.",
            metadata=metadata,
        )
    return metadata, list(rows.values())


def _images(data, count):
    """Yields (index, image, label) of the first `count` positions that can be read."""
    tf = require("tensorflow", "occlude")
    try:
        for batch in data:
            images, labels = batch["images"], batch["labels"].tolist()
            for index, image, label in zip(batch["index"].tolist(), images, labels, strict=True):
                if index >= count:
                    return
                yield index, image, label
    except tf.errors.OpError as error:
        name = f"{data.info.name!r}, split {data.info.split!r}"
        raise ValueError(f"`dataset` {name}, cannot be read: {error.message}") from error
