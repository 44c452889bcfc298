"""What is written when all shards are there: TFDS' metadata, and the manifest."""

import hashlib
import json
import platform
from importlib import metadata
from pathlib import Path
from typing import TypedDict

import numpy as np

from keras_patchmix import __version__, _atomic, _state_files
from keras_patchmix._names import distinct, printable, printable_values
from keras_patchmix._optional import require
from keras_patchmix._schema import conform
from keras_patchmix.datasets.superimposing.options import VERSION

MANIFEST = "manifest.json"
_PACKAGES = ("numpy", "pillow", "keras", "tensorflow", "tensorflow-datasets")


def folder(options):
    """Returns the directory of the data set, a path: where TFDS looks for it in `output`."""
    return Path(options.output) / options.called() / VERSION


def is_complete(shards):
    """Returns whether the manifest and all record files are there."""
    files = [shards.path(split, n) for split in shards.splits for n in range(shards.number)]
    return all(file.exists() for file in (shards.folder / MANIFEST, *files))


def remove(path):
    """Removes what says that a data set is complete, of one that has lost files."""
    for name in (MANIFEST, "dataset_info.json"):
        (path / name).unlink(missing_ok=True)


def totals(shards):
    """Adds up what finished shards hold.

    Args:
        shards: `Shards` that are all finished.

    Returns:
        Dict with "lengths", a list of the images of each shard; "labels", an int64 array; "pixels",
        for each split an int64 array; "bytes", for each split their number; "skipped", a dict.
    """
    records = [record for _, record in sorted(shards.finished().items())]
    return {
        "lengths": [len(record["labels"]) for record in records],
        "labels": np.concatenate([np.array(r["labels"], np.int64) for r in records]),
        "pixels": {
            split: np.concatenate([np.array(r["pixels"][split], np.int64) for r in records])
            for split in shards.splits
        },
        "bytes": {split: sum(r["bytes"][split] for r in records) for split in shards.splits},
        "skipped": {name: why for record in records for name, why in record["skipped"].items()},
    }


def write_metadata(options, held, features, path):
    """Writes the files that make TFDS find the data set.

    Args:
        options: A `SuperimposingOptions`.
        held: What `totals` returned.
        features: The `tfds.features.FeaturesDict`.
        path: Directory of the data set.
    """
    tfds = require("tensorflow_datasets", "Writing a data set")
    splits = [
        tfds.core.SplitInfo(name=split, shard_lengths=held["lengths"], num_bytes=size)
        for split, size in held["bytes"].items()
    ]
    about = f"Occluders in front of {options.dataset}, {options.split}. {options.command()}"
    tfds.folder_dataset.write_metadata(
        data_dir=path,
        features=features,
        split_infos=splits,
        version=VERSION,
        description=printable(about),
        supervised_keys=("image", "label"),
        check_data=False,
    )


def write_manifest(options, superimposer, source, held, path):
    """Writes manifest.json, which says that the data set is complete.

    Args:
        options: A `SuperimposingOptions`.
        superimposer: The `Superimposer`.
        source: The `Source`.
        held: What `totals` returned.
        path: Directory of the data set.
    """
    height, width = source.info.image_shape[:2]
    splits = {}
    for one in superimposer.coverage:
        pixels = held["pixels"][one.split]
        splits[one.split] = {
            "asked": [one.low, one.high] if one.is_range else one.low,
            "images": len(pixels),
            "mean": float(pixels.mean() / (height * width)),
            "min": int(pixels.min()) / (height * width),
            "max": int(pixels.max()) / (height * width),
        }
    manifest = {
        "name": options.called(),
        "version": VERSION,
        "command": options.command(),
        "settings": options.deciding(),
        "source": {
            "name": source.info.name,
            "split": source.info.split,
            **source.listing(),
            "classes": source.info.num_classes,
        },
        "occluders": {
            "names": [occluder.name for occluder in superimposer.occluders],
            "sha256": superimposer.sha256,
        },
        "image_size": [height, width],
        "images": len(held["labels"]),
        "labels_sha256": hashlib.sha256(held["labels"].astype("<i8").tobytes()).hexdigest(),
        "splits": splits,
        "skipped": dict(zip(distinct(held["skipped"]), held["skipped"].values(), strict=True)),
        "versions": {
            "keras-patchmix": __version__,
            "python": platform.python_version(),
            **{name: _version(name) for name in _PACKAGES},
        },
    }
    text = json.dumps(printable_values(manifest), indent=2)
    _atomic.write_text(path / MANIFEST, text + "\n")


class _Split(TypedDict):
    mean: float


class Manifest(TypedDict):
    """What is read of manifest.json."""

    images: int
    skipped: dict[str, str]
    splits: dict[str, _Split]


def read_manifest(path):
    """Reads manifest.json.

    Args:
        path: Directory of the data set.

    Raises:
        ValueError: It is damaged, or something else; the message names it.
    """
    file, kind = path / MANIFEST, "a manifest of a data set"
    found = _state_files.read_json(file, kind)
    with _state_files.named(file, kind):
        return conform(found, Manifest)


def _version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # such as tensorflow-cpu
        return None
