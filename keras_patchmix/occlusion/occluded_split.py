"""One split of a set of occluded images: its examples, its classes, its row of the report."""

import contextlib
import dataclasses
import hashlib
import importlib
import re
import warnings

import numpy as np

from keras_patchmix.base.printable import printable, quoted
from keras_patchmix.occlusion.data import ExampleSource
from keras_patchmix.occlusion.outcomes import OccludedSet
from keras_patchmix.occlusion.passes import Pass
from keras_patchmix.occlusion.rows import make_rows
from keras_patchmix.occlusion.settings import digest, range_mismatch
from keras_patchmix.occlusion.tally import judge
from keras_patchmix.scoring.class_map import ClassMap

# Modules whose `class_map()` maps the classes of a set to the 1,000 of ImageNet.
_IMAGENET_MAPS = {
    "realistic_occlusion_dataset": "keras_patchmix.datasets.realistic_occlusion_dataset"
}
_IMAGENET_OUTPUTS = 1000


def has_known_map(name, outputs):
    """Whether `class_map="auto"` knows the outputs that stand for the classes of a set.

    Args:
        name: Name of the set, with or without its config and version.
        outputs: Number of the model's outputs.
    """
    return outputs == _IMAGENET_OUTPUTS and re.split("[/:]", name)[0] in _IMAGENET_MAPS


class SetError(ValueError):
    """An error of a set of occluded images of a suite.

    Args:
        name: Name of its row.
        reason: The message without the name.
    """

    def __init__(self, name, reason):
        super().__init__(f"DatasetOcclusion {name!r}: {reason}")
        self.name, self.reason = name, reason


class OccludedSplit:
    """A split of a `DatasetOcclusion`, opened for scoring.

    Args:
        member: The `DatasetOcclusion`.
        condition: The one of its `conditions` that describes this split.
        split: Name of the split, or None.
        like: Dict of the form that images of a named set are converted to: "image_size", (height,
            width), "dtype" and "value_range". "outputs" is optional, see `names_of_outputs`.
        batch_size: Images a forward pass.
        max_examples: Number of examples, or None. `member.max_examples` takes precedence.

    Raises:
        SetError: There is no such data set or split.
        ImportError: A package that the data set needs is not installed.
    """

    def __init__(self, member, condition, split, like, batch_size, max_examples):
        self.member = member
        self.condition = condition
        self.class_names = self.num_classes = None
        self.settings = {"dataset": condition.data, "split": split, "version": None}
        self._builder_name = None
        self._value_range = like["value_range"]
        self._outputs = like.get("outputs") or {}
        self._coverage, self._image_shape = [], None
        limit = max_examples if member.max_examples is None else member.max_examples
        with self.naming():
            data = self._open(like, batch_size) if member.is_named else member.dataset
            self.source = ExampleSource(data, batch_size, limit, with_coverage=True)
        self.settings.update(
            max_examples=limit, choice=self.source.choice, class_names=self.class_names
        )

    def _open(self, like, batch_size):
        from keras_patchmix.occlusion.named_set import open_named_set

        size = self.member.image_size or like["image_size"]
        data, builder = open_named_set(
            self.member, self.settings["split"], {**like, "image_size": size}, batch_size
        )
        self.class_names = [printable(name) for name in data.info.class_names]
        self.num_classes = data.info.num_classes
        self.settings["dataset"] = printable(self.member.dataset)
        if builder is not None:
            self._builder_name, self.settings["version"] = builder.name, builder.info.full_name
        return data

    @contextlib.contextmanager
    def naming(self):
        """Returns a context in which a ValueError becomes a `SetError`."""
        try:
            yield
        except ValueError as error:
            raise SetError(self.condition.name, str(error)) from error

    def map_for(self, forward):
        """Finds the map from the set's classes to a model's outputs, with one batch of images.

        Args:
            forward: A `Scorer`.

        Returns:
            A `ClassMap`; None if output i is class i.

        Raises:
            SetError: The model's outputs do not fit the classes, or its input the images; or the
                set has the classes of the benchmark's own images in another order.

        Warns:
            UserWarning: Output i is taken for class i and the classes have other names; or pixels
                fall outside the range of the benchmark's own images.
        """
        with self.naming():
            batch = next(iter(self.source))
            mismatch = range_mismatch(batch.images, self._value_range)
            if mismatch:
                warnings.warn(
                    f"The images of the set {self.condition.name!r} {mismatch}: a model that "
                    "expects that range scores them wrongly. Labeled images that are given as "
                    "data must come in the benchmark's range.",
                    UserWarning,
                    stacklevel=2,
                )
            scores = forward.scores(forward(batch.images, check=True), len(batch))
            class_map = self._class_map(scores.shape[1])
            if class_map is None:
                self._check_names()
            else:
                scores = class_map.select(scores)
            judge(scores, batch.labels, np.zeros(len(batch), np.int64))
        return class_map

    def _class_map(self, outputs):
        given, classes = self.member.class_map, self.num_classes
        if given == "auto":
            given = None
            if self._builder_name is not None and has_known_map(self._builder_name, outputs):
                given = importlib.import_module(_IMAGENET_MAPS[self._builder_name]).class_map()
        if given is not None:
            class_map = ClassMap(given)
            if classes not in (None, len(class_map.outputs)):
                raise ValueError(
                    f"`class_map` must hold the outputs of each of the set's {classes} classes. "
                    f"Received: a map of {len(class_map.outputs)} classes"
                )
            return class_map
        if classes not in (None, outputs):
            raise ValueError(
                f"the set has {classes} classes, and the model {outputs} outputs: say with "
                "`class_map` which outputs stand for each class. Received: "
                f"class_map={self.member.class_map!r}"
            )
        return None

    def _check_names(self):
        """Raises or warns if output i is class i, and the names contradict that."""
        names = self.class_names or self.source.class_names
        differing = None if names is None else difference(self._outputs, names)
        if differing is None:
            return
        pair, is_reordered = differing
        if is_reordered:
            raise ValueError(
                "the set has the classes of the benchmark's own images in another order: say with "
                f"`class_map` which outputs stand for each class. Received: {pair}, "
                f"class_map={self.member.class_map!r}"
            )
        if self.member.class_map == "auto":  # None states that output i is class i
            warnings.warn(
                f"The classes of the set {self.condition.name!r} have other names than those of "
                f"the benchmark's own images: {pair}. Outputs are taken for classes in their "
                "order: say with `class_map` which they are; None says that this is meant.",
                UserWarning,
                stacklevel=3,
            )

    def pass_with(self, class_map, source, title, worker):
        """Returns the `Pass` over a source: this split, or a part of it."""
        return Pass(
            source,
            [self.condition.name],
            self._as_they_are,
            title,
            class_map,
            self.class_names,
            worker,
            self.naming,
        )

    def __iter__(self):
        """Yields the `Batch`es of the source, and records their coverage."""
        self._coverage = []
        return self._recorded(self.source)

    @property
    def batch_size(self):
        """Images a forward pass."""
        return self.source.batch_size

    def order(self):
        """Returns `ExampleSource.order`, and forgets the coverage of earlier passes."""
        self._coverage = []
        with self.naming():
            return self.source.order()

    def part(self, positions):
        """Yields the `Batch`es of some examples, and records their coverage too."""
        return self._recorded(self.source.part(positions))

    def _recorded(self, batches):
        for batch in batches:
            self._image_shape = batch.images.shape[1:]
            self._coverage.append(batch.coverage)
            yield batch

    def num_examples(self):
        """Returns the approximate number of examples, or None."""
        return self.source.num_examples()

    def _as_they_are(self, batch):
        if batch.coverage is None:
            pixels = np.zeros(len(batch), np.int64)
        else:
            pixels = np.rint(batch.coverage * np.prod(batch.images.shape[1:3])).astype(np.int64)
        yield self.condition, batch.images, pixels, None

    def result(self, tally, class_map):
        """Makes the row of the split from the counts.

        Args:
            tally: The `Tally` of all examples.
            class_map: What `map_for` returned.

        Returns:
            Tuple of a `Row` and an `OccludedSet`.
        """
        outcomes = tally.outcomes()
        (row,) = make_rows([self.condition], tally, self._image_shape)
        share = coverage_sha256 = None
        if any(values is None for values in self._coverage):
            outcomes = dataclasses.replace(outcomes, pixels={})
        else:
            # The set's own shares, not those of whole pixels of the resized images.
            coverage = np.concatenate(self._coverage)
            share = float(np.mean(coverage))
            coverage_sha256 = hashlib.sha256(coverage.astype("<f4").tobytes()).hexdigest()
        settings = {
            **self.settings,
            "class_map": None if class_map is None else class_map.outputs,
            "image_size": list(self._image_shape[:2]),
            "num_classes": tally.classes,
            "n": len(outcomes),
            "labels_sha256": digest(outcomes.labels),
            "index_sha256": digest(outcomes.index),
            "coverage_sha256": coverage_sha256,
            **({} if tally.sequential is None else {"sequential": tally.sequential}),
        }
        row = dataclasses.replace(row, share=share)
        return row, OccludedSet(settings, outcomes, self.source.skipped)


def names_of_outputs(class_names, class_map):
    """Returns a dict from a model's outputs to the names of the classes that they stand for.

    Args:
        class_names: Names of the classes of the data set that the model is scored on, or None.
        class_map: Its `ClassMap`; None if output i is class i.
    """
    names = class_names or ()
    outputs = [[k] for k in range(len(names))] if class_map is None else class_map.outputs
    return {k: name for name, own in zip(names, outputs, strict=False) for k in own}


def difference(known, class_names):
    """Compares class names where output i is class i, ignoring case and word separators.

    Args:
        known: Dict as of `names_of_outputs`.
        class_names: Names of the classes of a set.

    Returns:
        None if all names agree; else a tuple of the first pair in words, and whether the names are
        the same in another order.
    """
    ours = {k: _normalized(name) for k, name in known.items()}
    theirs = list(map(_normalized, class_names))
    for k, name in enumerate(theirs):
        if k in ours and ours[k] != name:
            pair = f"class {k} is {quoted(class_names[k])}, and output {k} {quoted(known[k])}"
            return pair, set(theirs) == set(ours.values())
    return None


def _normalized(name):
    return re.sub(r"[\s_-]+", "_", str(name).strip().casefold())
