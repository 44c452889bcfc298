"""What a data set held when it was scored, so that results are not taken for those of another."""

import hashlib
from typing import TypedDict

from keras_patchmix.base.optional import require
from keras_patchmix.datasets.folder import list_images
from keras_patchmix.datasets.loading import FOLDER_PREFIX, prepared_builder


class _Held(TypedDict):
    split: str
    images: int


class SetListing(_Held, total=False):
    """What one data set holds, see `data_listing`."""

    sha256: str
    version: str


class Listing(SetListing, total=False):
    """What the data set holds, and under "sets" the sets of occluded images."""

    sets: dict[str, SetListing]


def data_listing(options, split):
    """Describes what a split of the data set holds, without reading any image.

    Args:
        options: An `EvaluationOptions`.
        split: The split that is scored.

    Returns:
        Dict of JSON values. It has "split" and "images", their number. For a folder "sha256", of
        the names and sizes of the files: that their content changed to another of the same length
        it does not tell. For a TFDS set "version".

    Raises:
        ValueError: The data set, or the split, is not there (nothing is downloaded for this).
        ImportError: TFDS is not installed.
    """
    return listing_of(options.dataset, options.data_dir, split)


def listing_of(name, data_dir, split):
    """Does the same as `data_listing` for a name and a directory of prepared data sets."""
    if name.startswith(FOLDER_PREFIX):
        return _of_folder(name.removeprefix(FOLDER_PREFIX), split)
    tfds = require("tensorflow_datasets", f"The data set {name!r}")
    builder = prepared_builder(tfds, name, data_dir, download=False)
    try:
        count = builder.info.splits[split].num_examples
    except (KeyError, ValueError, AssertionError) as error:
        raise ValueError(f"the data set {name!r} has no split {split!r}") from error
    return {"split": split, "images": count, "version": f"{builder.name} {builder.version}"}


def difference(there, now):
    """Returns in words how a listing differs from that of the results, or None.

    Args:
        there: Dict of `data_listing`, when the results were made. Under "sets", if it is there, a
            dict from the names of sets of occluded images to such dicts.
        now: The same of today.
    """
    if there == now:
        return None
    before, after = (dict(one) for one in (there, now))
    sets, sets_now = (one.pop("sets", {}) for one in (before, after))
    if before != after:
        return _how(before, after)
    for name in {**sets, **sets_now}:
        if name in sets and name in sets_now and sets[name] != sets_now[name]:
            return f"{name}: {_how(sets[name], sets_now[name])}"
    return f"the sets of occluded images were {_names(sets)}, and are {_names(sets_now)}"


def _names(sets):
    return ", ".join(sets) or "none"


def _how(there, now):
    if "sha256" not in now:
        before, after = (
            f"{one.get('version')}, {one['split']}, {one['images']} images" for one in (there, now)
        )
        return f"the data set is now {after}, these results are of {before}"
    if there["images"] != now["images"]:
        return (
            f"the folder now holds {now['images']} images, these results are of {there['images']}"
        )
    return (
        f"the folder's {now['images']} images are not those of these results: files were renamed, "
        "or have another size"
    )


def _of_folder(path, split):
    classes, listed = list_images(path, split)
    digest = hashlib.sha256()
    # The classes too: labels are positions among them, and another split may bring one.
    lines = [*classes, *(f"{name}\0{_size(file)}" for name, _, file in listed)]
    for line in lines:
        digest.update(line.encode("utf-8", "surrogateescape") + b"\n")
    return {"split": split, "images": len(listed), "sha256": digest.hexdigest()}


def _size(file):
    try:
        return file.stat().st_size
    except OSError:  # gone since the folder was listed
        return -1
