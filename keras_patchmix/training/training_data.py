"""The data of a training run: which splits, and how the training images are cached."""

import functools
from dataclasses import dataclass, field
from typing import Any

from keras_patchmix import datasets
from keras_patchmix.base import optional
from keras_patchmix.base.printable import say
from keras_patchmix.datasets.examples import grain_dataset, read_ahead
from keras_patchmix.datasets.images import check_image_size
from keras_patchmix.datasets.loading import open_source
from keras_patchmix.datasets.scoring_data import DatasetInfo
from keras_patchmix.occlusion import report_text
from keras_patchmix.report import text
from keras_patchmix.training import caching
from keras_patchmix.training.kept_examples import KeptExamples

BUFFER = 10_000  # examples in the shuffle buffer if the set is not in memory
_AHEAD = 256  # validation images that may wait to be taken


@dataclass(frozen=True)
class Data:
    """The three parts of a data set, as data sets of `tf.data`, or of Grain without TensorFlow.

    Attributes:
        train: Decoded training images and labels, unbatched; without TensorFlow a
            `keras_patchmix.training.kept_examples.KeptExamples`.
        validation: Images and labels to validate on, unbatched.
        test: Images to score in the end, a `keras_patchmix.datasets.ScoringData`.
        info: A `keras_patchmix.datasets.DatasetInfo` of the training images.
        cache: "decoded", "encoded" or "none": how training images are cached in memory.
        encoded: The encoded training images, see `keras_patchmix.datasets.encoded`; None if they
            are cached decoded, and without TensorFlow.
        scored: Batches of the validation images, to score under occlusion.
        num_validation: The number of validation images.
        broken: Dict from names to reasons of training and validation images that could not be read
            so far, whose place the next image of the class takes.
    """

    train: Any
    validation: Any
    test: Any
    info: Any
    cache: str = "decoded"
    encoded: Any = None
    scored: Any = None
    num_validation: int = 0
    broken: dict = field(default_factory=dict, compare=False)

    @property
    def num_train(self):
        """The number of training images."""
        return self.info.num_examples

    @property
    def broken_line(self):
        """A line that counts and names what is in `broken`, or None."""
        if not self.broken:
            return None
        count = text.plural(len(self.broken), "training or validation image")
        files = report_text.files_line(sorted(self.broken.items()))
        return (
            f"{count} could not be read; for each, training took the next image of its class: "
            f"{files}"
        )

    def validation_steps(self, batch_size):
        """Returns the batches of validation where Keras cannot ask the data set, else None."""
        is_known = hasattr(self.validation, "cardinality")
        return None if is_known else -(-self.num_validation // batch_size)


def load(options):
    """Loads the splits that a `TrainOptions` names; returns a `Data`."""
    splits = _splits(options)
    size = check_image_size(options.image_size)
    # A broken file must not end a run after hours of training.
    test, scored = (
        datasets.load_for_scoring(
            options.dataset, splits[part], size, options.data_dir, options.batch_size
        )
        for part in ("test", "validation")
    )
    source = open_source(options.dataset, options.data_dir)
    source.broken = {}
    if not optional.is_installed("tensorflow"):
        return _load_by_position(options, splits, size, test, scored, source)
    train, info = source.load(splits["train"], size)
    validation, held_out = source.load(splits["validation"], size)
    _check_size(info, options)
    cache, encoded = _kept(options, info, lambda: source.encoded(info.split))
    count = held_out.num_examples
    return Data(train, validation, test, info, cache, encoded, scored, count, source.broken)


def _load_by_position(options, splits, size, test, scored, source):
    """Does the same without TensorFlow."""
    names, examples = source.examples(splits["train"], size)
    info = DatasetInfo(
        options.dataset, splits["train"], len(names), names, len(examples), examples.shape
    )
    _check_size(info, options)
    cache, _ = _kept(options, info, lambda: examples)
    _, held_out = source.examples(splits["validation"], size)
    validation = read_ahead(grain_dataset(held_out), _AHEAD)
    train, count = KeptExamples(examples, cache), len(held_out)
    return Data(train, validation, test, info, cache, None, scored, count, source.broken)


def _kept(options, info, open_encoded):
    """Chooses the cache of the training images, says which, and opens what is encoded."""
    encoded = functools.cache(open_encoded)
    cache = options.cache
    if cache == "auto":
        cache = caching.choose_cache(info, encoded)
    opened = None if cache == "decoded" else encoded()
    size = None if opened is None else opened.num_bytes
    buffer = min(options.shuffle_buffer or BUFFER, info.num_examples)
    say(caching.describe(cache, info, size, buffer))
    return cache, opened


def _splits(options):
    """Returns the splits: as asked for, the set's own, or a tenth of the training images."""
    own = datasets.split_names(options.dataset, data_dir=options.data_dir)
    train, validation, test = "train", "validation", "test"
    if not {"validation", "test"} <= set(own):
        # The only other split is for the final score.
        test = next((split for split in ("test", "validation") if split in own), None)
        train, validation = "train[:90%]", "train[90%:]"
    splits = {
        "train": options.train_split or train,
        "validation": options.validation_split or validation,
        "test": options.test_split or test,
    }
    if splits["test"] is None:
        raise ValueError(
            f"The data set {options.dataset!r} has no test split: name one with --test-split, such "
            f"as 'train[80%:90%]'. Its splits: {sorted(own)}"
        )
    return splits


def _check_size(info, options):
    few = info.num_examples
    if few < options.batch_size:
        raise ValueError(
            f"--batch-size must not exceed the number of training images, {few}. "
            f"Received: {options.batch_size}"
        )
