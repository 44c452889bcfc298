"""One split of a set of occluded images, opened: its examples, its classes, and what it is."""

import dataclasses
import importlib
import re
import warnings

import numpy as np

from keras_patchmix.base.optional import require
from keras_patchmix.base.printable import printable
from keras_patchmix.occlusion.data import ExampleSource, unlike_range
from keras_patchmix.occlusion.describing import coverage_digest, digest
from keras_patchmix.occlusion.occluded_set import OccludedSet
from keras_patchmix.occlusion.passes import Pass
from keras_patchmix.occlusion.rows import make_rows
from keras_patchmix.occlusion.set_classes import class_names_of, difference
from keras_patchmix.occlusion.set_examples import CoverageRecorder, RangeAdapter, extras_of
from keras_patchmix.occlusion.tally import judge
from keras_patchmix.scoring.class_map import ClassMap

# Where the map from a set's classes to the 1,000 of ImageNet is known: the module's `class_map()`.
_IMAGENET_MAPS = {
    "realistic_occlusion_dataset": "keras_patchmix.datasets.realistic_occlusion_dataset"
}
_IMAGENET_OUTPUTS = 1000


def has_known_map(name, outputs):
    """Whether `class_map="auto"` knows what outputs of a model stand for the classes of a set.

    Args:
        name: Name of the set, with its config and version or without.
        outputs: Number of the model's outputs.
    """
    return outputs == _IMAGENET_OUTPUTS and re.split("[/:]", name)[0] in _IMAGENET_MAPS


class OpenSplit:
    """A split of a `DatasetOcclusion`, ready to be scored.

    Args:
        member: The `DatasetOcclusion`.
        condition: The one of its `conditions` that this split is.
        split: Name of the split, or None.
        like: What images of a named set are brought to: a dict with the "image_size", (height,
            width), the "dtype" and the "value_range" of the benchmark's own images. Under
            "outputs", where it is there, a dict from outputs to names of classes, see
            `keras_patchmix.occlusion.set_classes.names_of_outputs`.
        batch_size: Images a forward pass.
        max_examples: Score so many of them, or None; the member's own number goes before.

    Raises:
        SetError: The data set or the split is not there.
        ImportError: A package that the data set needs is not installed.
    """

    def __init__(self, member, condition, split, like, batch_size, max_examples):
        self.member = member
        self.condition = condition
        self.class_names = self.num_classes = None
        self.settings = {"dataset": condition.data, "split": split, "version": None}
        self._builder = None
        self._value_range = like["value_range"]
        self._outputs = like.get("outputs") or {}
        limit = max_examples if member.max_examples is None else member.max_examples
        with self.naming():
            data = member.dataset
            if member.is_named:
                data = self._open(split, member.image_size or like["image_size"], like, batch_size)
            self.source = CoverageRecorder(
                ExampleSource(data, batch_size, limit, with_coverage=True)
            )
        self.settings.update(
            max_examples=limit, choice=self.source.choice, class_names=self.class_names
        )

    def _open(self, split, size, like, batch_size):
        # Registers builders with TensorFlow Datasets, which imports TensorFlow.
        from keras_patchmix import datasets
        from keras_patchmix.datasets.loading import parse_source

        name, data_dir = self.member.dataset, self.member.data_dir
        data = datasets.load_for_scoring(name, split, size, data_dir, batch_size)
        self.class_names = [printable(kind) for kind in data.info.class_names]
        self.num_classes = data.info.num_classes
        self.settings["dataset"] = printable(name)
        extras = None
        builder = parse_source(name, data_dir).builder
        if builder is not None:
            tfds = require("tensorflow_datasets", f"The data set {name!r}")
            self._builder, self.settings["version"] = builder.name, builder.info.full_name
            extras = extras_of(tfds, builder, split, batch_size)
        return RangeAdapter(data, extras, like["dtype"], like["value_range"])

    def naming(self):
        """Returns a context that puts the member's name in front of the message of an error."""
        return _Naming(self.condition.name)

    def map_for(self, forward):
        """Finds the map from the set's classes to a model's outputs, with one batch of images.

        Args:
            forward: A `Scorer`.

        Returns:
            A `ClassMap`; None where output i is class i.

        Raises:
            SetError: The model's outputs do not fit the classes, or its input not the images; or
                the set has the classes of the benchmark's own images in another order.

        Warns:
            UserWarning: Output i is taken for class i, and the classes have other names; or the
                images are not in the range of the benchmark's own.
        """
        with self.naming():
            batch = next(iter(self.source))
            unlike = unlike_range(batch.images, self._value_range)
            if unlike:
                warnings.warn(
                    f"The images of the set {self.condition.name!r} {unlike}: a model that expects "
                    "that range scores them wrongly. Labelled images that are given as data must "
                    "come in the benchmark's range.",
                    UserWarning,
                    stacklevel=2,
                )
            scores = forward.scores(forward(batch.images, check=True), len(batch.labels))
            found = self._fitting(scores.shape[1])
            if found is None:
                self._check_names()
            else:
                scores = found.select(scores)
            judge(scores, batch.labels, np.zeros(len(batch.labels), np.int64))
        return found

    def _fitting(self, outputs):
        asked, classes = self.member.class_map, self.num_classes
        if asked == "auto":
            asked = None
            if self._builder is not None and has_known_map(self._builder, outputs):
                asked = importlib.import_module(_IMAGENET_MAPS[self._builder]).class_map()
        if asked is not None:
            found = ClassMap(asked)
            if classes not in (None, len(found.outputs)):
                raise ValueError(
                    f"`class_map` must hold the outputs of each of the set's {classes} classes. "
                    f"Received: a map of {len(found.outputs)} classes"
                )
            return found
        if classes not in (None, outputs):
            raise ValueError(
                f"the set has {classes} classes, and the model {outputs} outputs: say with "
                "`class_map` which outputs stand for each class. Received: "
                f"class_map={self.member.class_map!r}"
            )
        return None

    def _check_names(self):
        """Raises or warns where output i is class i, and the names say otherwise."""
        names = self.class_names or class_names_of(self.member.dataset)
        found = None if names is None else difference(self._outputs, names)
        if found is None:
            return
        pair, is_reordered = found
        if is_reordered:
            raise ValueError(
                "the set has the classes of the benchmark's own images in another order: say with "
                f"`class_map` which outputs stand for each class. Received: {pair}, "
                f"class_map={self.member.class_map!r}"
            )
        if self.member.class_map == "auto":  # None says that output i is class i
            warnings.warn(
                f"The classes of the set {self.condition.name!r} have other names than those of "
                f"the benchmark's own images: {pair}. Outputs are taken for classes in their "
                "order: say with `class_map` which they are; None says that this is meant.",
                UserWarning,
                stacklevel=3,
            )

    def pass_with(self, class_map, title, sharing):
        """Returns the `Pass` over the images of the split."""
        return Pass(
            self.source,
            [self.condition.name],
            self._as_they_are,
            title,
            class_map,
            self.class_names,
            sharing,
            self.naming,
        )

    def _as_they_are(self, batch):
        if batch.coverage is None:
            pixels = np.zeros(len(batch.labels), np.int64)
        else:
            pixels = np.rint(batch.coverage * np.prod(batch.images.shape[1:3])).astype(np.int64)
        yield self.condition, batch.images, pixels, None

    def result(self, tally, class_map):
        """Makes the row and all that belongs to it from the counts.

        Args:
            tally: The `Tally` of all examples.
            class_map: What `map_for` returned.

        Returns:
            Tuple of a `Row` and an `OccludedSet`.
        """
        outcomes = tally.outcomes()
        coverage = self.source.coverage
        (row,) = make_rows([self.condition], tally, self.source.image_shape)
        # Of what the set says, not of whole pixels of the images as they were resized.
        share = None if coverage is None else float(np.mean(coverage))
        row = dataclasses.replace(row, share=share)
        settings = {
            **self.settings,
            "class_map": None if class_map is None else class_map.outputs,
            "image_size": list(self.source.image_shape[:2]),
            "num_classes": tally.classes,
            "n": len(outcomes),
            "labels_sha256": digest(outcomes.labels),
            "index_sha256": digest(outcomes.index),
            "coverage_sha256": None if coverage is None else coverage_digest(coverage),
        }
        if coverage is None:
            outcomes = dataclasses.replace(outcomes, pixels={})
        return row, OccludedSet(settings, outcomes, self.source.skipped)


class SetError(ValueError):
    """What is wrong with a set of occluded images of a suite.

    Args:
        name: Name of its row.
        reason: What is wrong.
    """

    def __init__(self, name, reason):
        super().__init__(f"DatasetOcclusion {name!r}: {reason}")
        self.name, self.reason = name, reason


class _Naming:
    def __init__(self, name):
        self._name = name

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if isinstance(error, ValueError):
            raise SetError(self._name, str(error)) from error
