"""Sets of occluded images that a command line asks for, beside the corruptions of its suite."""

import re
from pathlib import Path

from keras_patchmix import datasets
from keras_patchmix.base.optional import require
from keras_patchmix.cli.flags import named
from keras_patchmix.cli.listing import listing_of
from keras_patchmix.datasets.class_names import class_lines
from keras_patchmix.datasets.folder_layout import FolderError, read_layout
from keras_patchmix.datasets.loading import FOLDER_PREFIX, RECORDS_PREFIX, prepared_builder
from keras_patchmix.occlusion import DatasetOcclusion
from keras_patchmix.occlusion.occluded_split import has_known_map
from keras_patchmix.scoring.class_files import (
    imagenet_outputs,
    read_class_map,
    read_names,
)

_FOLDER_SPLITS = ("train", "validation", "test", "all")
# A name of TFDS, which may end in a version (":1.0.0"), and a split, which may hold colons.
_NAMED = re.compile(r"(?P<name>[^:\[]+(?::(?:\d+|\*)\.(?:\d+|\*)\.(?:\d+|\*))?)(?::(?P<split>.+))?")


def occluded_sets(options):
    """Returns a list of `DatasetOcclusion`s, one for each name given with `--occluded`.

    Args:
        options: An `EvaluationOptions`.

    Raises:
        ValueError: A name or a split that is not there.
    """
    splits = {}
    for text in options.occluded:
        name, split = name_and_split(text)
        own = splits.setdefault(name, [])
        own += [
            one
            for one in ([split] if split else _default_splits(name, options.data_dir))
            if one not in own
        ]
    return [
        DatasetOcclusion(name, own if len(own) > 1 else own[0], data_dir=options.data_dir)
        for name, own in splits.items()
    ]


def name_and_split(text):
    """Returns the name and the split, or None, that "NAME[:SPLIT]" means.

    Raises:
        ValueError: It is no such text.
    """
    for prefix in (FOLDER_PREFIX, RECORDS_PREFIX):
        if text.startswith(prefix):
            whole = text.removeprefix(prefix)
            path, _, split = whole.partition(":")
            if prefix == FOLDER_PREFIX:  # whose name may hold colons
                path, _, split = whole.rpartition(":")
                split = split if split in _FOLDER_SPLITS else ""
            if path and split and not Path(whole).expanduser().exists():
                return prefix + path, split
            return text, None
    found = _NAMED.fullmatch(text)
    if not found:
        raise ValueError(f"--occluded must be NAME or NAME:SPLIT. Received: {text!r}")
    return found["name"], found["split"]


def _default_splits(name, data_dir):
    """The test split; where there is none, all splits, or of a folder all images."""
    if name.startswith(FOLDER_PREFIX):
        try:
            layout = read_layout(name.removeprefix(FOLDER_PREFIX))
        except FolderError as error:
            raise _of_flag(name, error) from error
        return ["test" if layout.has("test") else "all"]
    names = _split_names(name, data_dir)
    return ["test"] if "test" in names else sorted(names, key=_natural)


def prepare_sets(suite):
    """Downloads and prepares the sets of a suite that are not there yet.

    Raises:
        ValueError: A data set is not to be had.
        ImportError: TFDS is not installed.
    """
    for member in suite:
        if isinstance(member, DatasetOcclusion):
            _split_names(member.dataset, member.data_dir)


def _split_names(name, data_dir):
    try:
        return datasets.split_names(name, data_dir)
    except ValueError as error:
        raise _of_flag(name, error) from error


def _of_flag(name, error):
    # Not with_flags, which would name the flag of the other data.
    return ValueError(f"--occluded {name}: {named(str(error), {'name': 'NAME'})}")


def _natural(name):
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def set_listings(suite):
    """Describes what the sets of a suite hold, without reading any image.

    Args:
        suite: List of members.

    Returns:
        Dict from the names of rows to dicts as of `data_listing`.

    Raises:
        ValueError: A data set, or a split, is not there.
        ImportError: TFDS is not installed.
    """
    return {
        condition.name: listing_of(member.dataset, member.data_dir, split)
        for member in suite
        if isinstance(member, DatasetOcclusion)
        for condition, split in zip(member.conditions, member.splits, strict=True)
    }


def with_class_maps(suite, loaded, num_outputs, class_names, outputs):
    """Gives the sets of a suite the class maps that one model needs.

    A set of the same classes as the data set has the same map; so has one whose classes are all in
    the file of `--class-map`. Models with ImageNet's weights find classes by WordNet ids and names.
    What says in the suite how it is to be scored stays as it is.

    Args:
        suite: List of members.
        loaded: A `LoadedModel`.
        num_outputs: Number of scores that the model returns.
        class_names: Tuple of the data set's class names.
        outputs: The map of the data set, or None.

    Returns:
        A list of members.

    Raises:
        ValueError: Classes are not found.
    """
    return [
        _with_map(member, loaded, num_outputs, class_names, outputs)
        if isinstance(member, DatasetOcclusion) and member.class_map == "auto"
        else member
        for member in suite
    ]


def set_class_lines(suite, class_names):
    """Returns which class id means which class in the sets of a suite.

    Args:
        suite: List of members.
        class_names: Tuple of the data set's class names.

    Returns:
        List of lines, of the sets alone that have other classes or another order than the data set.
    """
    sets = [member for member in suite if isinstance(member, DatasetOcclusion)]
    found = {member.name: _class_names(member) for member in sets}
    return [
        f"{name}: {line}"
        for name, names in found.items()
        if names != tuple(class_names)
        for line in class_lines(names)
    ]


def _class_names(member):
    return datasets.load_for_scoring(
        member.dataset, member.splits[0], member.image_size or 32, member.data_dir
    ).info.class_names


def _with_map(member, loaded, num_outputs, class_names, outputs):
    names, file = _class_names(member), loaded.spec.class_map
    if names == tuple(class_names):
        found = outputs
    elif file not in (None, "none", "imagenet") and _holds(file, names):
        found = read_class_map(file, num_outputs, names)
    elif len(names) == num_outputs or has_known_map(_builder_name(member), num_outputs):
        found = None
    elif (loaded.imagenet or file == "imagenet") and num_outputs == 1000:
        found = imagenet_outputs(names)
    else:
        found = None
    if found is None:
        return member
    return DatasetOcclusion(**{**member.get_config(), "class_map": found})


def _builder_name(member):
    """What a set calls itself, which the path of its records does not say."""
    if not member.dataset.startswith(RECORDS_PREFIX):
        return member.dataset
    tfds = require("tensorflow_datasets", f"The data set {member.dataset!r}")
    return prepared_builder(tfds, member.dataset, member.data_dir).name


def _holds(path, names):
    """Whether a file of `--class-map`, which was read before, has all of some classes."""
    return set(names) <= set(read_names(path))
