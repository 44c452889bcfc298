"""Examples of a data set of any form, as NumPy batches of one size."""

import copy
import sys

import numpy as np

from keras_patchmix.base.printable import distinct, printable
from keras_patchmix.occlusion.batches import (
    FORMS,
    Batch,
    as_array,
    check_arrays,
    fields_of,
    length_of,
    make_batch,
    stack_examples,
)
from keras_patchmix.occlusion.choice import EVERY, shuffled, spread, within

_DEFAULT_BATCH = 64


class ExampleSource:
    """Examples of a data set as batches of one size, whatever the batches of the data set.

    With `max_examples` and a data set of known length, the examples chosen are spread over it, see
    `keras_patchmix.occlusion.choice.spread`; they keep their index. The length is that of the
    arrays, the number of unbatched elements, or the attribute `num_examples` of the data set; the
    examples of batches are counted in one pass. If the length is unknown or infinite, the first
    examples are taken.

    Args:
        dataset: As `x` of `keras_patchmix.occlusion.evaluate`, of NumPy arrays or tensors of any
            framework. It can be iterated more than once, or has `__len__` and `__getitem__` as
            `keras.utils.PyDataset` does.
        batch_size: Examples a batch. None takes the size of the data set's first batch, or 64 if
            its elements are single examples.
        max_examples: Number of examples, or None for all.
        with_coverage: Whether to read the key "coverage" of dicts too.

    Attributes:
        choice: How examples are chosen: "spread", "first", or None if all are taken.

    Raises:
        ValueError: The data set is of another form, can be iterated only once, or never ends; while
            it is read, an element is malformed, or `num_examples` is wrong and the choice depends
            on it.
    """

    def __init__(self, dataset, batch_size=None, max_examples=None, with_coverage=False):
        for name, value in (("batch_size", batch_size), ("max_examples", max_examples)):
            if value is not None and (not isinstance(value, int | np.integer) or value < 1):
                raise ValueError(
                    f"`{name}` must be a positive integer or None. Received: {name}={value!r}"
                )
        self.batch_size = batch_size
        self.max_examples = max_examples
        self._dataset = dataset
        self._with_coverage = with_coverage
        self._per_element = 1
        self._counted = None  # the number of examples, after a complete pass
        self._is_single = False  # whether an element is an example, after the first element
        self._arrays = fields_of(dataset) if _is_arrays(dataset) else None
        if self._arrays is None:
            self._check_iterable()
        else:
            check_arrays(self._arrays)
        self.choice = self._choice()

    def __deepcopy__(self, memo):
        # A tf.data.Dataset cannot be copied, and data sets are only read.
        return copy.copy(self)

    def _check_iterable(self):
        dataset = self._dataset
        if isinstance(dataset, str | bytes) or not (
            hasattr(dataset, "__iter__") or hasattr(dataset, "__getitem__")
        ):
            raise ValueError(f"`dataset` must be {FORMS}. Received: dataset={dataset!r}")
        if len(getattr(dataset, "shape", ())) > 0:
            raise ValueError(
                "`dataset` must hold labels too: pass arrays as one tuple, (images, labels). "
                f"Received: an array of shape {tuple(dataset.shape)}"
            )
        if hasattr(dataset, "__next__") and not self._is_indexed():
            raise ValueError(
                "`dataset` can be iterated only once, and is needed more often: pass "
                f"{FORMS}. Received: dataset={dataset!r}"
            )
        if self.max_examples is None and self._length() == np.inf:
            raise ValueError(
                "`dataset` never ends: set `max_examples`, or drop its `repeat()`. "
                f"Received: dataset={dataset!r}, max_examples=None"
            )

    def _is_indexed(self):
        """Whether elements are read by their number, as those of a `PyDataset` are."""
        dataset = self._dataset
        if hasattr(dataset, "num_batches"):
            return True
        # A proper `__iter__` is preferred; old iterators of Keras return themselves.
        iterates = hasattr(dataset, "__iter__") and not hasattr(dataset, "__next__")
        return hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__") and not iterates

    def has_arrays(self):
        """Whether the data set consists of whole arrays."""
        return self._arrays is not None

    def _length(self):
        """Returns the number of elements, `np.inf`, or None if it is unknown."""
        dataset = self._dataset
        if hasattr(dataset, "num_batches"):
            return np.inf if dataset.num_batches is None else dataset.num_batches
        if hasattr(dataset, "cardinality"):
            length = int(np.asarray(dataset.cardinality()))
            return {-1: np.inf, -2: None}.get(length, length)
        try:
            return len(dataset)
        except TypeError:  # some loaders have `__len__`, and raise
            return None

    def _choice(self):
        if self.max_examples is None:
            return None
        if self._arrays is not None:
            return "spread"
        length = self._length()
        is_unknown = length is None and self._declared() is None
        return "first" if is_unknown or length == np.inf else "spread"

    def _known(self):
        """Returns the number of examples if it is known without reading them, or None."""
        if self._arrays is not None:
            return len(self._arrays.images)
        declared = self._declared()
        return self._counted if declared is None else declared

    def _declared(self):
        """Returns the attribute `num_examples` of the data set, or None."""
        declared = getattr(self._dataset, "num_examples", None)
        return int(declared) if isinstance(declared, int | np.integer) else None

    def _total(self):
        """Returns the number of examples of a data set of known length, counted if need be."""
        if self._known() is None:
            count = 0
            for _, element in self._elements(EVERY):
                length = length_of(*_images_and_labels(fields_of(element)))
                if length is None:
                    self._is_single, count = True, self._length()
                    break
                count += length
            self._counted = count
        return self._known()

    def _positions(self):
        """Returns the ascending positions of the examples chosen."""
        if self.max_examples is None:
            return EVERY
        if self.choice == "first":
            return range(self.max_examples)
        return spread(self.max_examples, self._total())

    def order(self):
        """Returns the positions of the examples chosen, in a random order, see `shuffled`.

        Raises:
            ValueError: The number of examples is not known.
        """
        if self._counted is None and self._declared() is not None:
            for _ in self.part(EVERY):  # `num_examples` may count what cannot be read
                pass
        total = None if self.choice == "first" else self._counted or self._total()
        if total is None:
            raise ValueError(
                "`precision` needs a data set whose number of examples is known (in tf.data: "
                "`assert_cardinality`). Received: a data set of unknown length"
            )
        positions = self._positions()
        positions = np.arange(total) if positions is EVERY else positions[positions < total]
        return positions[shuffled(len(positions))]

    def chosen(self, values, count=None):
        """Returns the values of the examples chosen.

        Args:
            values: Array. The first axis is that of the examples of `population`.
            count: Number of examples, the first ones in random order. None takes all.
        """
        if count is not None:
            return values[self.order()[:count]]
        return values[within(self._positions(), 0, len(values))]

    @property
    def class_names(self):
        """Tuple of the names of the classes that the data set brings, or None.

        They are in `dataset.info`, as of `load_for_scoring`, or in `dataset.class_names`, as of
        `keras.utils.image_dataset_from_directory`.
        """
        names = getattr(getattr(self._dataset, "info", None), "class_names", None)
        names = names or getattr(self._dataset, "class_names", None)
        return tuple(map(printable, names)) if isinstance(names, list | tuple) else None

    @property
    def skipped(self):
        """List of dicts with "name" and "reason", printable: files that could not be read.

        They are sorted by name. Names that print alike are numbered.
        """
        skipped = dict(getattr(self._dataset, "skipped", None) or {})
        names = sorted(skipped)
        return [
            {"name": shown, "reason": printable(skipped[name])}
            for shown, name in zip(distinct(names), names, strict=True)
        ]

    @property
    def left_out(self):
        """String: what a folder holds besides the examples, or ""."""
        return str(getattr(self._dataset, "left_out", ""))

    def num_examples(self, everything=False):
        """Returns the approximate number of examples, or None; known once iteration has begun.

        Args:
            everything: Whether to count the examples that are not chosen too.
        """
        total = self._known()
        if total is None:
            length = self._length()
            total = None if length in (None, np.inf) else length * self._per_element
        limit = None if everything and total is not None else self.max_examples
        return min((value for value in (total, limit) if value is not None), default=None)

    def __iter__(self):
        """Yields a `Batch` of `batch_size` examples at a time; the last one may be smaller."""
        return self.part(self._positions())

    def population(self):
        """Yields batches of all examples; only of the first ones if the length is unknown."""
        return self.part(self._positions() if self.choice == "first" else EVERY)

    def part(self, positions):
        """Yields `Batch`es of the examples at ascending positions."""
        pending, count, first = [], 0, None
        for batch in self._batches(positions):
            first = batch if first is None else first
            first.check_same_form(batch)
            pending.append(batch)
            count += len(batch)
            while count >= self.batch_size:
                joined = Batch.joined(pending)
                yield joined.rows(slice(self.batch_size))
                count -= self.batch_size
                pending = [joined.rows(slice(self.batch_size, None))] if count else []
        if pending:
            yield Batch.joined(pending)
        if first is None:
            raise ValueError("`dataset` must hold examples. Received: an empty data set")

    def _batches(self, positions):
        """Yields the examples at some positions, in batches of the data set's own sizes."""
        position, single, start = 0, [], None
        declared = self._declared() if self.choice == "spread" else None
        stack = min(self.batch_size or _DEFAULT_BATCH, self.max_examples or _DEFAULT_BATCH)
        for start, element in self._elements(positions):
            position = position if start is None else start
            fields = fields_of(element)
            images, labels = _images_and_labels(fields)
            fields = fields._replace(images=images, labels=labels)
            if not self._with_coverage:
                fields = fields._replace(coverage=None)
            length = length_of(images, labels)
            if length is None:
                self._is_single = True
                if len(within(positions, position, 1)):
                    single.append((fields, position))
                position += 1
                if len(single) == stack:
                    yield self._stacked(single)
                    single = []
            else:
                rows = within(positions, position, length)
                self._per_element = max(self._per_element, length)
                self._set_batch_size(length)
                if len(rows):
                    batch = make_batch(fields, position + np.arange(length))
                    yield batch if len(rows) == length else batch.rows(rows)
                position += length
            if declared is not None:
                if position > declared:
                    raise _wrong_number(declared, f"at least {position}")
            elif not len(positions) or position > positions[-1]:
                break
        if single:
            yield self._stacked(single)
        if positions is EVERY:
            self._counted = position
        # `num_examples` may include skipped files. Indexed elements were counted by `len`.
        if declared is not None and start is None and position + len(self.skipped) < declared:
            raise _wrong_number(declared, position)

    def _stacked(self, single):
        examples, positions = zip(*single, strict=True)
        self._set_batch_size(len(examples))
        return make_batch(stack_examples(examples), np.array(positions))

    def _set_batch_size(self, size):
        if self.batch_size is None and size:
            self.batch_size = min(size, self.max_examples or size)

    def _elements(self, positions):
        """Yields pairs of the position of an element's first example, or None, and the element."""
        if self._arrays is not None:
            yield from self._slices(positions)
        elif self._is_indexed():
            length = self._length()
            if self._is_single and positions is not EVERY and self._declared() in (None, length):
                steps = positions
            else:
                steps = EVERY if length == np.inf else range(length)
            for step in map(int, steps):
                yield step if self._is_single else None, self._dataset[step]
        else:
            for element in self._dataset:
                yield None, element

    def _slices(self, positions):
        """Yields the slices of whole arrays that hold examples at some positions."""
        arrays = {key: value for key, value in self._arrays._asdict().items() if value is not None}
        count = len(self._arrays.images)
        size = self.batch_size or min(_DEFAULT_BATCH, count)
        for start in range(0, count, size):
            if len(within(positions, start, size)):
                yield start, {key: value[start : start + size] for key, value in arrays.items()}


def _is_arrays(dataset):
    if isinstance(dataset, dict):
        return True
    is_tuple = isinstance(dataset, tuple | list) and len(dataset) in (2, 3)
    return is_tuple and hasattr(dataset[0], "shape")


def _wrong_number(declared, received):
    return ValueError(
        "The attribute `num_examples` of `dataset` must be the number of its examples, over which "
        f"`max_examples` are spread. Received: num_examples={declared}, and {received} examples"
    )


def _images_and_labels(fields):
    images, labels = as_array(fields.images, "images"), as_array(fields.labels, "labels")
    if _is_channels_first(fields.images, labels.ndim):
        images = np.ascontiguousarray(np.moveaxis(images, -3, -1))
    return images, labels


def _is_channels_first(images, label_rank):
    """Whether a tensor of PyTorch, which has its own order, holds an image or a batch of them."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(images, torch.Tensor):
        return False
    shape = images.shape
    is_batch = len(shape) == 4 or (len(shape) == 3 and label_rank == 0)
    return is_batch and shape[-3] in (1, 3) and shape[-1] > 4
