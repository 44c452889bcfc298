"""Drawn data sets in drawn forms, read by `ExampleSource` and by a slow definition."""

import contextlib

import keras
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from keras_patchmix.occlusion.choice import spread
from keras_patchmix.occlusion.data import ExampleSource

K = 5


class Unsized:
    def __init__(self, elements):
        self.elements = elements

    def __iter__(self):
        yield from self.elements


class Sized(Unsized):
    def __len__(self):
        return len(self.elements)


class ByNumber:
    """Has no end for `iter`: its elements repeat."""

    def __init__(self, elements):
        self.elements = elements

    def __len__(self):
        return len(self.elements)

    def __getitem__(self, number):
        return self.elements[number % len(self.elements)]


class Numbered(keras.utils.PyDataset):
    def __init__(self, elements):
        super().__init__()
        self.elements = elements

    def __len__(self):
        return len(self.elements)

    def __getitem__(self, number):
        return self.elements[number]


class Endless(ByNumber):
    num_batches = None
    __len__ = None


class Counted(Unsized):
    """Says how many examples it holds, and not in how many elements."""

    num_examples = None


FORMS = (list, Unsized, Sized, ByNumber, Numbered, Endless, Counted)
LABELS = {
    "ids": lambda ids: ids,
    "floats": lambda ids: ids.astype(np.float32),
    "column": lambda ids: ids[:, None],
    "one-hot": lambda ids: np.eye(K, dtype=np.int32)[ids],
    "soft": lambda ids: np.float32(0.5) * np.eye(K, dtype=np.float32)[ids] + np.float32(0.1),
}


@st.composite
def data_sets(draw):
    """Draws whole arrays, and a data set that holds them in some form."""
    count = draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    ids = rng.integers(0, K, count)
    whole = {
        "images": rng.integers(0, 256, (count, 2, 3, 3)).astype(np.uint8),
        "labels": LABELS[draw(st.sampled_from(sorted(LABELS)))](ids),
    }
    if draw(st.booleans()):
        whole["index"] = rng.permutation(count) * 3
    if draw(st.booleans()):
        whole["saliency"] = rng.random((count, 2, 3))
    shape = draw(st.sampled_from(["arrays", "single", "even", "ragged"]))
    if shape == "arrays":
        return ids, whole, whole, "arrays"
    if shape == "single":
        parts = list(range(count))
    else:
        size = draw(st.integers(1, 12))
        edges = (
            range(0, count, size)
            if shape == "even"
            else sorted({0, *draw(st.lists(st.integers(0, count - 1), max_size=6))})
        )
        parts = [slice(*pair) for pair in zip(edges, [*list(edges)[1:], count], strict=True)]
    elements = [{key: values[part] for key, values in whole.items()} for part in parts]
    if len(whole) == 2 and draw(st.booleans()):
        elements = [tuple(element.values()) for element in elements]
    form = draw(st.sampled_from(FORMS))
    dataset = form(elements)
    if form is Counted:
        dataset.num_examples = count
    return ids, whole, dataset, form


def expected_positions(form, count, limit):
    if limit is None:
        return np.arange(count)
    if form is Endless:
        return np.arange(limit)
    return np.arange(min(limit, count)) if form is Unsized else spread(limit, count)


@given(
    data_sets(),
    st.one_of(st.none(), st.integers(1, 50)),
    st.one_of(st.none(), st.integers(1, 20)),
    st.booleans(),
)
def test_what_is_read_is_what_the_definition_says(drawn, limit, batch_size, all_first):
    ids, whole, dataset, form = drawn
    count = len(ids)
    limit = (limit or 7) if form is Endless else limit
    source = ExampleSource(dataset, batch_size, limit)
    positions = expected_positions(form, count, limit)
    if all_first:
        read = positions if form in (Endless, Unsized) else np.arange(count)
        assert_holds(list(source.population()), whole, ids, read, form)
    for _ in range(2):
        batches = list(source)
        assert_holds(batches, whole, ids, positions, form)
        sizes = [len(batch) for batch in batches]
        assert set(sizes[:-1]) <= {source.batch_size}
        assert sizes[-1] <= source.batch_size == (batch_size or source.batch_size)


def assert_holds(batches, whole, ids, positions, form):
    rows = positions % len(ids)
    columns = K if whole["labels"].ndim == 2 and whole["labels"].shape[1] == K else None
    assert {batch.columns for batch in batches} == {columns}
    expected = {
        "images": whole["images"][rows],
        "labels": ids[rows],
        "index": whole["index"][rows] if "index" in whole else positions,
        "saliency": whole["saliency"][rows] if "saliency" in whole else None,
    }
    for name, values in expected.items():
        parts = [getattr(batch, name) for batch in batches]
        if values is None:
            assert parts == [None] * len(parts)
        else:
            np.testing.assert_array_equal(np.concatenate(parts), values)


ANYTHING = st.one_of(
    st.none(),
    st.sampled_from([np.nan, np.inf, -np.inf, -1, 0.5, 1e300, 2**63, 2**64, "a", b"a", 1j, True]),
    st.integers(-3, 9),
    st.builds(
        lambda shape, dtype: np.ones(shape, dtype),
        st.lists(st.integers(0, 4), max_size=5),
        st.sampled_from(["uint8", "int64", "float16", "float64", "bool", "U3", "O", "complex64"]),
    ),
    st.lists(st.integers(0, 5), max_size=4),
    st.dictionaries(st.sampled_from(["a", "labels"]), st.integers(0, 3)),
)


@contextlib.contextmanager
def refused_clearly():
    """Lets an error pass that says what was received."""
    try:
        yield
    except ValueError as error:
        if "Received: " not in str(error):
            raise


@given(data_sets(), st.data())
def test_what_is_broken_raises_a_clear_error_or_is_none(drawn, data):
    _, _, dataset, form = drawn
    elements = [dataset] if form == "arrays" else dataset if form is list else dataset.elements
    broken = [
        dict(zip(("images", "labels"), e, strict=True)) if isinstance(e, tuple) else dict(e)
        for e in elements
    ]
    element = data.draw(st.sampled_from(broken))
    key = data.draw(st.sampled_from([*element, "index", "saliency", "coverage"]))
    value = element.get(key)
    kind = data.draw(st.sampled_from(["replace", "one", "cut", "type"]))
    if kind == "replace" or not isinstance(value, np.ndarray) or not value.size:
        element[key] = data.draw(ANYTHING)
    elif kind == "one":
        element[key] = value.astype(np.float64)
        place = data.draw(st.integers(0, value.size - 1))
        element[key].flat[place] = data.draw(st.sampled_from([np.nan, np.inf, -1, 0.5, 1e300]))
    elif kind == "cut":
        axis = data.draw(st.integers(0, value.ndim - 1))
        element[key] = np.delete(value, 0, axis)
    else:
        element[key] = value.astype(data.draw(st.sampled_from(["U9", "O", "complex64", "bool"])))
    remade = broken[0] if form == "arrays" else broken if form is list else form(broken)
    size = data.draw(st.integers(1, 5))
    with refused_clearly():
        for batch in ExampleSource(remade, size, 30, with_coverage=True):
            count = len(batch)
            assert batch.images.ndim == 4
            assert batch.images.dtype.kind in "uif"
            for part in (batch.images, batch.labels, batch.index):
                assert len(part) == count > 0
            assert batch.labels.dtype == batch.index.dtype == np.int64
            assert batch.labels.min() >= 0
