"""Sets of occluded images that a command line names, beside the corruptions of its suite."""

from keras_patchmix import datasets
from keras_patchmix.cli.class_maps import (
    imagenet_outputs,
    read_class_map,
    read_names,
)
from keras_patchmix.cli.listing import listing_of
from keras_patchmix.cli.messages import naming
from keras_patchmix.datasets import loading
from keras_patchmix.datasets.class_names import class_lines
from keras_patchmix.occlusion import DatasetOcclusion
from keras_patchmix.occlusion.occluded_split import has_known_map


def occluded_sets(options):
    """Returns a list of `DatasetOcclusion`s, one for each name given with `--occluded`.

    Args:
        options: A `ScoreOptions`.

    Raises:
        ValueError: There is no such data set or split.
    """
    splits = {}
    for text in options.occluded:
        name, split = name_and_split(text)
        wanted = splits.setdefault(name, {})
        with naming(f"--occluded {name}: ", name="NAME"):
            source = loading.parse_source(name, options.data_dir)
            wanted.update(dict.fromkeys([split] if split else source.occluded_splits()))
    return [
        DatasetOcclusion(
            name, list(own) if len(own) > 1 else next(iter(own)), data_dir=options.data_dir
        )
        for name, own in splits.items()
    ]


def name_and_split(text):
    """Parses "NAME" or "NAME:SPLIT" to a tuple of the name and the split, None for none.

    Raises:
        ValueError: `text` has another form.
    """
    found = loading.name_and_split(text)
    if found is None:
        raise ValueError(f"--occluded must be NAME or NAME:SPLIT. Received: {text!r}")
    return found


def prepare_sets(suite):
    """Downloads and prepares the sets of a suite that are not there yet.

    Raises:
        ValueError: A data set cannot be loaded.
        ImportError: TFDS is not installed.
    """
    for member in suite:
        if isinstance(member, DatasetOcclusion):
            with naming(f"--occluded {member.dataset}: ", name="NAME"):
                datasets.split_names(member.dataset, member.data_dir)


def set_listings(suite):
    """Returns the contents of the sets of a suite, without reading any image.

    Args:
        suite: List of members.

    Returns:
        Dict from the names of rows to `SetListing`s.

    Raises:
        ValueError: There is no such data set or split.
        ImportError: TFDS is not installed.
    """
    return {
        condition.name: listing_of(member.dataset, member.data_dir, split)
        for member in suite
        if isinstance(member, DatasetOcclusion)
        for condition, split in zip(member.conditions, member.splits, strict=True)
    }


def with_class_maps(suite, loaded, num_outputs, class_names, outputs):
    """Returns a suite with the class maps that one model needs for its sets.

    A set of the same classes as the data set has the same map; so has one whose classes are all in
    the file of `--class-map`. Models with ImageNet's weights find classes by WordNet ids and names.
    Members with a map of their own keep it.

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
    """Returns the classes of the sets of a suite by their ids.

    Args:
        suite: List of members.
        class_names: Tuple of the data set's class names.

    Returns:
        List of lines, for those sets whose classes or their order differ from the data set's.
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
    found = None
    if names == tuple(class_names):
        found = outputs
    elif file not in (None, "none", "imagenet") and set(names) <= set(read_names(file)):
        found = read_class_map(file, num_outputs, names)
    elif len(names) == num_outputs or _has_known_map(member, num_outputs):
        pass
    elif (loaded.imagenet or file == "imagenet") and num_outputs == 1000:
        found = imagenet_outputs(names)
    if found is None:
        return member
    return DatasetOcclusion(**{**member.get_config(), "class_map": found})


def _has_known_map(member, num_outputs):
    builder = loading.parse_source(member.dataset, member.data_dir).builder
    return builder is not None and has_known_map(builder.name, num_outputs)
