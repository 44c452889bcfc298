"""The data set and the suite that a command line names."""

from pathlib import Path

from keras_patchmix import datasets
from keras_patchmix.base import state_files
from keras_patchmix.cli.messages import naming
from keras_patchmix.cli.occluded_sets import occluded_sets, prepare_sets
from keras_patchmix.corruptions.member import Member
from keras_patchmix.datasets.errors import EmptySplitError
from keras_patchmix.datasets.loading import parse_source
from keras_patchmix.occlusion import DatasetOcclusion, deserialize
from keras_patchmix.occlusion.suite import SUITES, check_suite
from keras_patchmix.scoring import objects


def open_data(options, loaded):
    """Opens the data set at the image size of the models.

    Args:
        options: A `ScoreOptions`.
        loaded: List of `LoadedModel`.

    Returns:
        A `keras_patchmix.datasets.ScoringData`.

    Raises:
        ValueError: The models take different sizes, or the data set cannot be loaded.
        ImportError: TensorFlow or TFDS is not installed.
    """
    size = common_size(options, loaded)
    try:
        split = options.split or _default_split(options)
        return datasets.load_for_scoring(
            options.dataset, split, size, options.data_dir, options.batch_size
        )
    except EmptySplitError as error:
        if options.split is not None:
            raise
        raise ValueError(f"{error}. --split all takes all images") from error


def common_size(options, loaded):
    """Returns the (height, width) to resize images to, or None for their own.

    It is that of a model with a fixed input, else `--image-size`, else what a model was built with.

    Raises:
        ValueError: The models, or a model and `--image-size`, disagree.
    """
    sizes = {model.spec.name: model.image_size for model in loaded if model.image_size is not None}
    asked = None if options.image_size is None else (options.image_size,) * 2
    if len(set(sizes.values())) > 1:
        raise ValueError(
            "--model: models side by side must take images of one size, but take "
            f"{_listed(sizes)}: score them in runs of their own"
        )
    for name, size in sizes.items():
        if asked is not None and size != asked:
            raise ValueError(
                f"--image-size {options.image_size}: the model {name!r} takes images of "
                f"{size[0]}x{size[1]} pixels; leave the flag out"
            )
    if asked or sizes:
        return asked or next(iter(sizes.values()))
    built = {model.spec.name: model.built_size for model in loaded if model.built_size is not None}
    if len(set(built.values())) > 1:
        raise ValueError(
            "--image-size is needed: the models were built with images of several sizes, "
            f"{_listed(built)}"
        )
    return next(iter(built.values()), None)


def open_suite(options, image_size):
    """Returns the list of members that `--suite` and `--occluded` name.

    Args:
        options: A `ScoreOptions`.
        image_size: (height, width) of the images.

    Raises:
        ValueError: The file cannot be read or holds no suite, or two members share a row.
    """
    if options.suite in SUITES:
        with naming(f"--suite {options.suite}: "):
            suite = SUITES[options.suite](image_size)
    else:
        suite = _of_file(options)
    suite = list(check_suite([*suite, *occluded_sets(options)]))
    prepare_sets(suite)
    return suite


def sets_of(options):
    """Returns the `DatasetOcclusion`s of `open_suite`, which need no image size."""
    suite = [] if options.suite in SUITES else _of_file(options)
    sets = [member for member in suite if isinstance(member, DatasetOcclusion)]
    return sets + occluded_sets(options)


def _of_file(options):
    path = Path(options.suite)
    if not path.is_file():
        raise ValueError(
            f"--suite must be {', '.join(SUITES)} or a JSON file. There is no file "
            f"{options.suite!r}"
        )
    try:
        return deserialize(state_files.read_text(path, "a suite"), _own_members(options))
    except ValueError as error:
        raise ValueError(f"--suite {options.suite}: {error}") from error


def saliency_function(options):
    """Returns the function that `--saliency` names, or None."""
    return options.saliency and objects.find_function(options.saliency, "--saliency")


def _listed(sizes):
    return ", ".join(f"{name} {h}x{w}" for name, (h, w) in sizes.items())


def _own_members(options):
    """Returns the classes of corruptions in the modules of `--import`, by name."""
    modules = [objects.import_module(name, "--import") for name in options.imports]
    return {
        name: value
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Member)
    }


def _default_split(options):
    source = parse_source(options.dataset, options.data_dir)
    split = source.test_split()
    if split is None:
        names = ", ".join(source.split_names())
        raise ValueError(f"--split: the data set {options.dataset!r} has only {names}")
    return split
