"""A whole run, from the options to the last line printed."""

import itertools
import shutil
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_patchmix._command_line import result_line
from keras_patchmix._names import printable, say
from keras_patchmix._optional import require
from keras_patchmix._progress import Progress
from keras_patchmix._run_directory import RunDirectory
from keras_patchmix.datasets.loading import FOLDER_PREFIX
from keras_patchmix.datasets.superimposing import finishing
from keras_patchmix.datasets.superimposing.contact_sheet import write_contact_sheet
from keras_patchmix.datasets.superimposing.features import make_features
from keras_patchmix.datasets.superimposing.naming import label_names
from keras_patchmix.datasets.superimposing.options import flag
from keras_patchmix.datasets.superimposing.shards import RECORDS, Shards
from keras_patchmix.datasets.superimposing.source import Source
from keras_patchmix.datasets.superimposing.superimposer import Superimposer
from keras_patchmix.datasets.superimposing.working import Workers

if TYPE_CHECKING:
    from keras_patchmix.datasets.superimposing.options import SuperimposingOptions

_PROGRESS = {"auto": "auto", "on": True, "off": False}
_IMAGES_A_SHARD = 500
# Results from which the space on disk is estimated.
_SAMPLE = 32


def run(options: "SuperimposingOptions") -> dict[str, Any]:
    """Makes a superimposed data set, or goes on with one.

    The files depend on the options that decide and on nothing else: not on the number of processes,
    nor on interruptions.

    Args:
        options: A `SuperimposingOptions`.

    Returns:
        Dict of what the last line says: the directory, the name, the number of images, for each
        split the true coverage, and images per second, None where all was there.

    Raises:
        ValueError: Something does not fit; raised before anything is written where it can be.
        FileExistsError: The directory holds something else.
        OSError: The directory cannot be written to, or the disk is full.
        ImportError: TensorFlow, TFDS or Pillow is not installed.
    """
    for package in ("tensorflow_datasets", "PIL.Image"):
        require(package, "make_smd")
    _check_names(options)
    superimposer = Superimposer(options.occluders, options.coverage, options.seed)
    source = Source(
        options.dataset, options.split, options.image_size, options.data_dir, options.max_examples
    )
    settings = {
        **options.deciding(),
        "source": source.listing(),
        "occluders_sha256": superimposer.sha256,
    }
    path = finishing.folder(options)
    directory = RunDirectory(
        path, "make_smd", settings, (), (RECORDS, finishing.MANIFEST), _setting
    )
    shards = _shards(options, superimposer, source, path)
    with directory.held():
        if finishing.is_complete(shards):
            say(f"All of this was made before: {path}")
            speed = None
        else:
            finishing.remove(path)
            directory.begin()
            speed = _make(options, superimposer, source, shards)
        shards.remove_records()
    manifest = finishing.read_manifest(path)
    for name, reason in manifest["skipped"].items():
        say(f"left out: {printable(name)}: {reason}")
    result = {
        "name": options.called(),
        "data_dir": str(options.output),
        "directory": str(path),
        "images": manifest["images"],
        "skipped": len(manifest["skipped"]),
        "splits": {split: level["mean"] for split, level in manifest["splits"].items()},
        "images_per_second": speed,
    }
    say(result_line(result))
    return result


def _setting(field):
    """Returns how a message names a setting of `config.json`."""
    own = {"source": "what --dataset holds", "occluders_sha256": "the pictures of --occluders"}
    return own.get(field) or flag(field)


def _check_names(options):
    if any("\ud800" <= sign <= "\udfff" for sign in str(options.output)):
        raise ValueError(
            "`output` must be a path in UTF-8: TensorFlow Datasets reads no other. "
            f"Received: output='{printable(options.output)}'"
        )
    tfds = require("tensorflow_datasets", "make_smd")
    if options.called() in tfds.list_builders(with_community_datasets=False):
        raise ValueError(
            "`name` must not be that of a data set that TensorFlow Datasets knows. "
            f"Received: name={options.called()!r}"
        )


def _shards(options, superimposer, source, path):
    number = options.shards or -(-source.count // _IMAGES_A_SHARD)
    splits = [one.split for one in superimposer.coverage]
    return Shards(path, options.called(), splits, source.count, min(number, source.count))


def _make(options, superimposer, source, shards):
    """Writes the shards that are not there, the metadata and the picture; returns images/s."""
    path = shards.folder
    shards.remove_unfinished()
    finished = shards.finished()
    features = make_features(
        source.info.image_shape[:2], label_names(source.info.class_names), options.format
    )
    done = sum(_positions(record) for record in finished.values())
    # The files of a folder may yet turn out to be of other sizes than the first.
    known = options.image_size is not None or not options.dataset.startswith(FOLDER_PREFIX)
    size = f" of {'x'.join(map(str, source.info.image_shape[:2]))}" if known else ""
    say(
        f"{source.info.name} {source.info.split}: {source.count} images{size}, "
        f"{'going on after ' + str(done) if done else 'results go to ' + str(path)}",
    )
    work = {
        "superimposer": {
            "occluders": options.occluders,
            "coverage": superimposer.coverage,
            "seed": options.seed,
            "sha256": superimposer.sha256,
        },
        "image_format": options.format,
        "quality": options.quality,
    }
    start = time.monotonic()
    with Progress(_PROGRESS[options.progress], options.called()) as progress:
        progress.start(source.count, done)
        if len(finished) < shards.number:
            todo = (item for item in source.items() if shards.of(item.index) not in finished)
            with Workers(options.processes(source.count - done), work) as workers:
                results = _with_room(workers.map(todo), source.count - done, path)
                _write(results, shards, features, progress)
    speed = (source.count - done) / (time.monotonic() - start) if source.count > done else None
    held = finishing.totals(shards)
    if not len(held["labels"]):
        raise ValueError(f"`dataset`: none of the {source.count} images can be read")
    finishing.write_metadata(options, held, features, path)
    write_contact_sheet(path / "contact_sheet.png", source, path, superimposer.coverage)
    finishing.write_manifest(options, superimposer, source, held, path)
    return None if speed is None else round(speed, 1)


def _positions(record):
    return len(record["labels"]) + len(record["skipped"])


def _with_room(results, remaining, path):
    """Yields results, once the first of them say that the disk has room for all."""
    results = iter(results)
    first = list(itertools.islice(results, _SAMPLE))
    if first:
        size = sum(len(part) for _, made in first for one in made or () for part in one[:2])
        needed, free = size * remaining / len(first), shutil.disk_usage(path).free
        if needed > free:
            raise OSError(
                f"--output {str(path)!r}: about {needed / 1e9:.1f} GB are needed, and the disk has "
                f"{free / 1e9:.1f} GB free"
            )
    yield from first
    yield from results


def _write(results, shards, features, progress):
    pixels = np.prod(features["image"].shape[:2])
    for shard, members in itertools.groupby(results, lambda result: shards.of(result[0].index)):
        with shards.write(shard) as writer:
            for item, made in members:
                if made is None:
                    writer.skip(item.name, item.reason)
                else:
                    examples = [(pack(features, item, one, pixels), one[2]) for one in made]
                    writer.add(item.label, examples)
                progress.add(1)


def pack(features, item, made, pixels):
    """Returns an example as the bytes of a record, the same for the same example.

    Args:
        features: See `make_features`.
        item: The `Item`.
        made: Bytes of the image, bytes of the mask, and pixels under it.
        pixels: Those of the image.
    """
    image, mask, hidden = made
    example = {
        "image": image,
        "label": item.label,
        "mask": mask,
        "coverage": np.float32(hidden / pixels),
        "index": item.index,
    }
    data = features.serialize_example(features.encode_example(example))
    # TFDS leaves the order of the features to chance, and with it the bytes of the files.
    example = require("tensorflow", "Writing a data set").train.Example.FromString(data)
    return example.SerializeToString(deterministic=True)
