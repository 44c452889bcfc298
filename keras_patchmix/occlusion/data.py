"""Reads examples out of the forms a data set comes in, as NumPy batches of one fixed size."""

import copy

import numpy as np

from keras_patchmix.occlusion.batches import (
    FORMS,
    Batch,
    as_array,
    check_whole,
    checked,
    fields_of,
    length_of,
    stacked,
)
from keras_patchmix.occlusion.choice import EVERY, spread, within

_DEFAULT_BATCH = 64


class ExampleSource:
    """Examples of a data set as batches of one size, whatever the batches of the data set.

    With `max_examples`, and a data set of known length, examples are chosen that are spread over
    it, see `keras_patchmix.occlusion.choice.spread`; they keep their index. The number of examples
    is that of the arrays, of unbatched elements, or what the data set says of itself in an
    attribute `num_examples`; batches of known number are counted, in one pass over the data set.
    Where the length is not known, or has no end, the first examples are taken.

    Args:
        dataset: A `tf.data.Dataset`, a `keras.utils.PyDataset`, a `torch.utils.data.DataLoader`,
            any other iterable that can be iterated more than once, an object with `__len__` and
            `__getitem__`, or a tuple or dict of whole arrays. Elements are `(images, labels)`, with
            a sample weight, which is ignored, as a third; or dicts with the keys "images", "labels"
            and, optionally, "index" and "saliency". They hold NumPy arrays or the tensors of any
            framework; labels may be numbers in lists. Images are channels-last. Labels are class
            ids of shape (B,) or (B, 1), or one-hot or soft (B, K), each row with one largest entry,
            which counts.
        batch_size: Examples a batch; the data set's own first batch decides when None, or 64 where
            it has no batches.
        max_examples: Take this many.
        with_coverage: Whether to read the key "coverage" of dicts too.

    Attributes:
        choice: How examples are chosen: "spread", "first", or None where all are taken. No pass
            over the data set changes it.

    Raises:
        ValueError: It is no data set, or one that can be read only once or never ends, or whole
            arrays that do not fit together; while it is read, elements that are not as above, or
            another number of examples than `num_examples` says, where the choice depends on it.
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
        self._counted = None  # the number of examples, once a pass has met them all
        self._is_single = False  # whether an element is an example, once one was seen
        self._arrays = fields_of(dataset) if _is_arrays(dataset) else None
        if self._arrays is None:
            self._check_iterable()
        else:
            check_whole(self._arrays)
        self.choice = self._choice()

    def __deepcopy__(self, memo):
        # Data sets of tf.data cannot be copied, and those that can are large. They are only read.
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
        """Whether elements are asked for by their number, as those of a `PyDataset` are."""
        dataset = self._dataset
        if hasattr(dataset, "num_batches"):
            return True
        # What iterates by itself knows better how; old iterators of Keras return themselves.
        by_itself = hasattr(dataset, "__iter__") and not hasattr(dataset, "__next__")
        return hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__") and not by_itself

    def has_arrays(self):
        """Whether the data set is whole arrays."""
        return self._arrays is not None

    def _length(self):
        """Returns the number of elements, `np.inf`, or None where it is unknown."""
        dataset = self._dataset
        if hasattr(dataset, "num_batches"):
            return np.inf if dataset.num_batches is None else dataset.num_batches
        if hasattr(dataset, "cardinality"):
            length = int(np.asarray(dataset.cardinality()))
            return {-1: np.inf, -2: None}.get(length, length)
        try:
            return len(dataset)
        except TypeError:  # it has no length, or, as some loaders do, only then says so
            return None

    def _choice(self):
        if self.max_examples is None:
            return None
        if self._arrays is not None:
            return "spread"
        length = self._length()
        known = length is not None or self._declared() is not None
        return "spread" if known and length != np.inf else "first"

    def _known(self):
        """Returns the number of examples, or None where they have to be counted."""
        if self._arrays is not None:
            return len(self._arrays.images)
        declared = self._declared()
        return self._counted if declared is None else declared

    def _declared(self):
        """Returns the number of examples that the data set says it has, or None."""
        declared = getattr(self._dataset, "num_examples", None)
        return int(declared) if isinstance(declared, int | np.integer) else None

    def _total(self):
        """Returns the number of examples of a data set of known length."""
        if self._known() is None:
            count = 0
            for _, element in self._elements(EVERY):
                length = length_of(*_arrays_of(fields_of(element)))
                if length is None:
                    self._is_single, count = True, self._length()
                    break
                count += length
            self._counted = count
        return self._known()

    def _positions(self):
        """Returns the ascending positions of the examples that are chosen."""
        if self.max_examples is None:
            return EVERY
        if self.choice == "first":
            return range(self.max_examples)
        return spread(self.max_examples, self._total())

    def chosen(self, values):
        """Picks what belongs to the examples that are chosen.

        Args:
            values: Array of which the first axis is that of the examples of `population`.
        """
        return values[within(self._positions(), 0, len(values))]

    @property
    def skipped(self):
        """Dict from name to reason: what the data set says that it could not read."""
        return dict(getattr(self._dataset, "skipped", None) or {})

    @property
    def left_out(self):
        """String: what the data set says that it holds beside its examples, or ""."""
        return str(getattr(self._dataset, "left_out", ""))

    def num_examples(self, everything=False):
        """Returns about how many examples there are, or None; known once iteration has begun.

        Args:
            everything: Whether those count that are not chosen.
        """
        total = self._known()
        if total is None:
            length = self._length()
            total = None if length in (None, np.inf) else length * self._per_element
        limit = None if everything and total is not None else self.max_examples
        return min((value for value in (total, limit) if value is not None), default=None)

    def __iter__(self):
        """Yields a `Batch` of `batch_size` examples at a time, the last one of fewer."""
        return self._rebatched(self._positions())

    def population(self):
        """Yields batches of all examples, chosen or not; where the first are taken, of these alone.

        The rest of a data set of unknown length may never end.
        """
        return self._rebatched(self._positions() if self.choice == "first" else EVERY)

    def _rebatched(self, positions):
        held, count, first = [], 0, None
        for batch in self._batches(positions):
            first = batch if first is None else first
            first.check_alike(batch)
            held.append(batch)
            count += len(batch)
            while count >= self.batch_size:
                whole = Batch.joined(held)
                yield whole.rows(slice(self.batch_size))
                count -= self.batch_size
                held = [whole.rows(slice(self.batch_size, None))] if count else []
        if held:
            yield Batch.joined(held)
        if first is None:
            raise ValueError("`dataset` must hold examples. Received: an empty data set")

    def _batches(self, positions):
        """Yields checked batches of the examples at some positions, as the data set has them."""
        position, single, start = 0, [], None
        declared = self._declared() if self.choice == "spread" else None
        stack = min(self.batch_size or _DEFAULT_BATCH, self.max_examples or _DEFAULT_BATCH)
        for start, element in self._elements(positions):
            position = position if start is None else start
            fields = fields_of(element)
            images, labels = _arrays_of(fields)
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
                wanted = within(positions, position, length)
                self._per_element = max(self._per_element, length)
                self._take_size(length)
                if len(wanted):
                    batch = checked(fields, position + np.arange(length))
                    yield batch if len(wanted) == length else batch.rows(wanted)
                position += length
            if declared is not None:
                if position > declared:
                    raise _not_declared(declared, f"at least {position}")
            elif not len(positions) or position > positions[-1]:
                break
        if single:
            yield self._stacked(single)
        if positions is EVERY:
            self._counted = position
        # What was skipped may count or not. Where examples are asked for by number, `len` agrees.
        if declared is not None and start is None and position + len(self.skipped) < declared:
            raise _not_declared(declared, position)

    def _stacked(self, single):
        parts, positions = zip(*single, strict=True)
        self._take_size(len(parts))
        return checked(stacked(parts), np.array(positions))

    def _take_size(self, size):
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
        """Yields the stretches of whole arrays that hold examples at some positions."""
        arrays = {key: value for key, value in self._arrays._asdict().items() if value is not None}
        count = len(self._arrays.images)
        size = self.batch_size or min(_DEFAULT_BATCH, count)
        for start in range(0, count, size):
            if len(within(positions, start, size)):
                yield start, {key: value[start : start + size] for key, value in arrays.items()}


def unlike_range(images, value_range):
    """Returns a remark if pixels fall outside `value_range`, else None.

    Args:
        images: Array of shape (B, H, W, C).
        value_range: (low, high).
    """
    low, high = value_range
    least, most = float(images.min()), float(images.max())
    shrunk = images.dtype.kind not in "ui" and high - low > 2 and 0 < most <= 1
    if low <= least and most <= high and not shrunk:
        return None
    return f"span {least:g} to {most:g}, which does not look like value_range=({low:g}, {high:g})"


def _is_arrays(dataset):
    if isinstance(dataset, dict):
        return True
    return (
        isinstance(dataset, tuple | list)
        and len(dataset) in (2, 3)
        and hasattr(dataset[0], "shape")
    )


def _not_declared(declared, found):
    return ValueError(
        "The attribute `num_examples` of `dataset` must be the number of its examples, over which "
        f"`max_examples` are spread. Received: num_examples={declared}, and {found} examples"
    )


def _arrays_of(fields):
    return as_array(fields.images, "images"), as_array(fields.labels, "labels")
