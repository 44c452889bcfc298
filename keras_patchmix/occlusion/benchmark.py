"""Runs a model over a data set under every corruption of a suite."""

import contextlib
import hashlib
import importlib.util
import sys
import warnings

import keras
import numpy as np

from keras_patchmix._optional import require
from keras_patchmix.occlusion.bank import BankBuilder
from keras_patchmix.occlusion.base import Condition
from keras_patchmix.occlusion.data import ExampleSource
from keras_patchmix.occlusion.forward import forward_function, patch_size, to_scores
from keras_patchmix.occlusion.report import Report, make_row, versions
from keras_patchmix.occlusion.suite import check_suite, default_suite

CLEAN = Condition("clean")


def evaluate(
    model,
    dataset,
    suite=None,
    seed=0,
    max_examples=None,
    preprocess=None,
    verbose="auto",
    *,
    value_range=(0, 255),
    batch_size=None,
    bank_size=256,
):
    """Scores a classifier on clean images and under every corruption of a suite.

    One pass over the data set (before it another one, for the bank that foreign patches come from,
    if the suite needs one), one compiled forward function with one batch shape; memory does not
    grow with the number of images. What happens to an example depends on the seed and on its index
    alone: its position in the data set, or the value under the key "index". So a data set should
    come in the same order each time: the report holds a digest of the labels in their order.

    Args:
        model: A Keras model, or a function, from images to logits or probabilities of shape
            (B, classes).
        dataset: A `tf.data.Dataset`, batched or not, or another re-iterable, of (images, labels) or
            (images, labels, sample_weight) tuples or of dicts with the keys "images", "labels" and
            optionally "index"; or such a tuple or dict of whole arrays. Images are channels-last
            and of one size; labels are class ids or one-hot or soft vectors. Sample weights are
            ignored.
        suite: List of corruptions. `default_suite` of the image size when None.
        seed: Integer that decides the bank, the pairs, the patches.
        max_examples: Score the first so many examples only.
        preprocess: Function applied to the corrupted batch, an array in the data set's own dtype
            and range, before the model. None for models that take the images as they are.
        verbose: `True` shows a progress bar where tqdm is installed; `"auto"` does so in a terminal
            or notebook only.
        value_range: (black, white) of the data set's images, before `preprocess`.
        batch_size: Images a forward pass. The data set's own batch size when None.
        bank_size: Most images that the bank holds in memory.

    Returns:
        A `Report`.

    Raises:
        ValueError: An argument, or something in the data set, is not as described above.
    """
    benchmark = Benchmark(
        dataset, suite, seed, max_examples, preprocess, value_range, batch_size, bank_size
    )
    return benchmark.run(model, verbose)


class Benchmark:
    """A data set, a suite and a seed, to run one or more models through.

    The bank is drawn in the first run and kept; nothing else of the data is. The arguments are
    those of `evaluate`.
    """

    def __init__(
        self,
        dataset,
        suite=None,
        seed=0,
        max_examples=None,
        preprocess=None,
        value_range=(0, 255),
        batch_size=None,
        bank_size=256,
    ):
        if not isinstance(seed, int | np.integer):
            raise ValueError(f"`seed` must be an integer. Received: seed={seed!r}")
        if preprocess is not None and not callable(preprocess):
            raise ValueError(
                "`preprocess` must be a function of a batch of images, or None. "
                f"Received: preprocess={preprocess!r}"
            )
        self.suite = None if suite is None else check_suite(suite)
        self.seed = int(seed)
        self.preprocess = preprocess
        self.value_range = _check_range(value_range)
        self.bank = None
        self._bank_size = bank_size
        self._source = ExampleSource(dataset, batch_size, max_examples)
        self._input_shape = None
        self._dtype = None

    def prepare(self, verbose=False):
        """Settles the suite and draws the bank, if that was not done before.

        Returns:
            Tuple of the `Condition`s of the rows, the clean one first.
        """
        needs_bank = self.suite is None or any(member.needs_bank for member in self.suite)
        if self._input_shape is None:
            builder = BankBuilder(self._bank_size, self.seed)
            with _Progress(verbose, "bank") as progress:
                for images, labels, index in self._source:
                    if self._input_shape is None:
                        self._first(images)
                        progress.start(self._source.num_examples())
                    if not needs_bank:
                        break
                    builder.add(images, labels, index)
                    progress.add(len(labels))
            if needs_bank:
                self.bank = builder.build()
        return (CLEAN, *(c for member in self.suite for c in member.conditions))

    def _first(self, images):
        self._input_shape = images.shape[1:]
        self._dtype = str(images.dtype)
        if self.suite is None:
            self.suite = tuple(default_suite(images.shape[1:3]))
        low, high = self.value_range
        least, most = float(images.min()), float(images.max())
        shrunk = images.dtype.kind not in "ui" and high - low > 2 and 0 < most <= 1
        if least < low or most > high or shrunk:
            warnings.warn(
                f"The images of the first batch span {least:g} to {most:g}, which does not look "
                f"like value_range=({low:g}, {high:g}): black and mean will not be what they are "
                "called. Set `value_range`, and pass normalisation as `preprocess`.",
                UserWarning,
                stacklevel=5,
            )

    def run(self, model, verbose="auto"):
        """Scores a model; see `evaluate`.

        Returns:
            A `Report`.
        """
        forward = forward_function(model)
        conditions = self.prepare(verbose)
        tallies = {condition: _Tally() for condition in conditions}
        digest, classes = hashlib.sha256(), None
        with _Progress(verbose, "occlusion") as progress:
            for images, labels, index in self._source:
                progress.start(self._source.num_examples())
                digest.update(labels.astype("<i8").tobytes())
                for condition, corrupted, pixels in self._corrupted(images, labels, index):
                    scores = to_scores(forward(self._inputs(corrupted)), len(labels))
                    classes = scores.shape[1]
                    tallies[condition].add(scores, labels, pixels)
                progress.add(len(labels))
        rows = [make_row(c, tallies[c], self._input_shape) for c in conditions]
        _warn_of_nonfinite(rows)
        settings = {
            "model": getattr(model, "name", None) or getattr(model, "__name__", None),
            "model_patch_size": _as_list(patch_size(model)),
            "num_classes": classes,
            "n": rows[0].n,
            "labels_sha256": digest.hexdigest(),
            "image_size": list(self._input_shape[:2]),
            "channels": self._input_shape[2],
            "image_dtype": self._dtype,
            "value_range": list(self.value_range),
            "preprocess": _function_name(self.preprocess),
            "seed": self.seed,
            "max_examples": self._source.max_examples,
            "batch_size": self._source.batch_size,
            "bank_images": 0 if self.bank is None else len(self.bank.labels),
            "suite": [
                {"class_name": type(member).__name__, "config": member.get_config()}
                for member in self.suite
            ],
            "versions": versions(),
        }
        correct = {row.name: tallies[c].correct for row, c in zip(rows, conditions, strict=True)}
        return Report(rows, settings, correct)

    def _corrupted(self, images, labels, index):
        yield CLEAN, images, np.zeros(len(images), np.int64)
        for member in self.suite:
            yield from member(
                images,
                labels,
                index,
                seed=self.seed,
                bank=self.bank,
                value_range=self.value_range,
            )

    def _inputs(self, images):
        """Pads a batch to the one batch size, and preprocesses it."""
        missing = self._source.batch_size - len(images)
        if missing:
            images = np.concatenate([images, np.repeat(images[:1], missing, axis=0)])
        if self.preprocess is None:
            return images
        # A copy, as some of keras.applications' preprocess_input work in place.
        return self.preprocess(np.array(images))


class _Tally:
    """Running counts of one condition."""

    def __init__(self):
        self._correct = []
        self.top5 = 0
        self.pixels = 0
        self.nonfinite = 0
        self.classes = None

    @property
    def correct(self):
        return np.concatenate(self._correct)

    def add(self, scores, labels, pixels):
        self.classes = scores.shape[1]
        if labels.max() >= self.classes:
            raise ValueError(
                f"`model` returns {self.classes} scores an image, so labels must be below that. "
                f"Received: label {labels.max()}"
            )
        finite = np.all(np.isfinite(scores), axis=1)
        own = np.take_along_axis(scores, labels[:, None], axis=1)
        # Of equal scores the lowest class id comes first, as with argmax.
        ahead = (scores > own) | ((scores == own) & (np.arange(self.classes) < labels[:, None]))
        rank = np.where(finite, np.sum(ahead, axis=1), self.classes)
        self._correct.append(rank == 0)
        self.top5 += int(np.sum(rank < 5))
        self.nonfinite += int(np.sum(~finite))
        self.pixels += int(np.sum(pixels))


class _Progress:
    """A tqdm bar where it is wanted and installed, else nothing."""

    def __init__(self, verbose, title):
        if verbose not in ("auto", True, False, 0, 1, 2):
            raise ValueError(
                f'`verbose` must be "auto", True or False. Received: verbose={verbose!r}'
            )
        if verbose == "auto":
            verbose = sys.stderr.isatty() or "ipykernel" in sys.modules
        self._title = title
        self._wanted = bool(verbose) and importlib.util.find_spec("tqdm") is not None
        self._stack = contextlib.ExitStack()
        self._bar = None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._stack.close()

    def start(self, total):
        if self._wanted and self._bar is None:
            bar = require("tqdm", "the progress bar").tqdm(
                total=total, desc=self._title, unit="image", leave=False
            )
            self._bar = self._stack.enter_context(bar)

    def add(self, count):
        if self._bar is not None:
            self._bar.update(count)


def _check_range(value_range):
    values = tuple(value_range) if isinstance(value_range, list | tuple) else ()
    if len(values) != 2 or not np.all(np.isfinite(values)) or values[0] >= values[1]:
        raise ValueError(
            "`value_range` must be a pair (black, white) of numbers, black the lower one. "
            f"Received: value_range={value_range!r}"
        )
    return float(values[0]), float(values[1])


def _warn_of_nonfinite(rows):
    bad = {row.name: row.n_nonfinite for row in rows if row.n_nonfinite}
    if bad:
        warnings.warn(
            "The model's output was not finite, and was counted as wrong, for some images: "
            + ", ".join(f"{count} of {rows[0].n} ({name})" for name, count in bad.items()),
            UserWarning,
            stacklevel=4,
        )


def _function_name(function):
    if function is None:
        return None
    if isinstance(function, keras.Layer):
        return type(function).__name__
    name = getattr(function, "__qualname__", None) or type(function).__name__
    return f"{getattr(function, '__module__', None) or ''}.{name}".lstrip(".")


def _as_list(pair):
    return None if pair is None else list(pair)
