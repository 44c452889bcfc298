"""Drawn data sets in drawn forms, read by `ExampleSource` and by a slow definition."""

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


def expected_positions(form, count, limit, after_all):
    if limit is None:
        return np.arange(count)
    if form is Endless:
        return np.arange(limit)
    known = form is not Unsized or after_all
    return spread(limit, count) if known else np.arange(min(limit, count))


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
    if all_first:
        read = np.arange(limit) if form is Endless else np.arange(count)
        assert_holds(list(source.everything()), whole, ids, read, form)
    positions = expected_positions(form, count, limit, all_first)
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
