import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_patchmix.occlusion.data import ExampleSource, class_ids

N, K = 23, 30
IMAGES = np.arange(N * 6 * 5 * 3, dtype=np.float32).reshape(N, 6, 5, 3)
LABELS = (np.arange(N) * 7 % K).astype(np.int64)
ONE_HOT = np.eye(K, dtype=np.float32)[LABELS]


def tuples():
    return tf.data.Dataset.from_tensor_slices((IMAGES, LABELS))


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 5

    def __getitem__(self, step):
        part = slice(5 * step, 5 * step + 5)
        return IMAGES[part], LABELS[part]


def weighted(images, labels):
    return images, labels, tf.ones(tf.shape(labels)[:1])


def as_dict(images, labels):
    return {"images": images, "labels": labels, "name": "x"}


FORMS = {
    "arrays": lambda: (IMAGES, LABELS),
    "arrays with weights": lambda: (IMAGES, LABELS[:, None], np.ones(N)),
    "dict of arrays": lambda: {"images": IMAGES, "labels": ONE_HOT},
    "list of batches": lambda: [(IMAGES[:9], LABELS[:9]), (IMAGES[9:], LABELS[9:])],
    "unbatched": tuples,
    "unbatched one-hot": lambda: tf.data.Dataset.from_tensor_slices((IMAGES, ONE_HOT)),
    "unbatched dicts": lambda: tuples().map(as_dict),
    "batched": lambda: tuples().batch(4),
    "batched, unknown length": lambda: tuples().filter(lambda x, y: True).batch(4),
    "batched column labels": lambda: tuples().batch(4).map(lambda x, y: (x, y[:, None])),
    "batched with weights": lambda: tuples().batch(4).map(weighted),
    "batched dicts": lambda: tuples().batch(4).map(as_dict),
    "one-hot int32": lambda: tuples().batch(4).map(lambda x, y: (x, tf.one_hot(y, K, 1, 0))),
    "one-hot bfloat16": lambda: (
        tuples().batch(4).map(lambda x, y: (x, tf.one_hot(y, K, dtype="bfloat16")))
    ),
    "float ids": lambda: tuples().batch(4).map(lambda x, y: (x, tf.cast(y, "float32"))),
    "PyDataset": Batches,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("batch_size", "limit"), [(None, None), (1, 3), (5, None), (5, 12), (64, 20)]
)
def test_every_form_gives_the_same_examples(form, batch_size, limit):
    source = ExampleSource(FORMS[form](), batch_size, limit)
    for _ in range(2):
        batches = list(source)
        images, labels, index = (np.concatenate(parts) for parts in zip(*batches, strict=True))
        count = limit or N
        np.testing.assert_array_equal(images, IMAGES[:count])
        np.testing.assert_array_equal(labels, LABELS[:count])
        np.testing.assert_array_equal(index, np.arange(count))
        assert labels.dtype == index.dtype == np.int64
        sizes = [len(batch[0]) for batch in batches]
        assert set(sizes[:-1]) <= {source.batch_size}
        assert sizes[-1] <= source.batch_size
        if batch_size is not None:
            assert source.batch_size == batch_size
    if form != "batched, unknown length":
        assert count <= source.num_examples() <= count + 5


def test_dtype_is_kept():
    for dtype in (np.uint8, np.float16, np.int32):
        (images, _, _), *_ = ExampleSource((IMAGES.astype(dtype), LABELS))
        assert images.dtype == dtype
    (images, _, _), *_ = ExampleSource(
        tuples().batch(4).map(lambda x, y: (tf.cast(x, "bfloat16"), y))
    )
    assert images.dtype == tf.bfloat16.as_numpy_dtype


def test_the_index_key_is_the_index():
    index = np.arange(N)[::-1] * 100
    dataset = tf.data.Dataset.from_tensor_slices(
        {"images": IMAGES, "labels": LABELS, "index": index}
    )
    for form in (dataset, dataset.batch(6)):
        found = np.concatenate([batch[2] for batch in ExampleSource(form, 4)])
        np.testing.assert_array_equal(found, index)


def test_an_endless_data_set_needs_max_examples():
    endless = tuples().batch(4).repeat()
    with pytest.raises(ValueError, match="never ends: set `max_examples`"):
        ExampleSource(endless)
    assert sum(len(y) for _, y, _ in ExampleSource(endless, max_examples=50)) == 50


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (iter([(IMAGES, LABELS)]), "iterated only once"),
        (7, "`dataset` must be"),
        ("images", "`dataset` must be"),
        ([], "empty data set"),
        ([IMAGES], r"Received: an element of type ndarray, shape \(23, 6, 5, 3\)"),
        ([(IMAGES,)], "an element tuple of 1"),
        ([{"image": IMAGES, "labels": LABELS}], r"keys \['image', 'labels'\]"),
        ([((IMAGES, IMAGES), LABELS)], "`images` must be one array: models with several inputs"),
        ([(IMAGES[..., 0], LABELS)], r"Images must be .*shape \(23, 6, 5\)"),
        ([(IMAGES.astype(str), LABELS)], "Images must be numbers"),
        ([(IMAGES, LABELS[:-1])], "23 images, 22 labels"),
        ([(IMAGES, LABELS), (IMAGES[:, 1:], LABELS)], "must have one size"),
        ([(IMAGES[0], LABELS[0]), (IMAGES[0, 1:], LABELS[0])], "must have one size"),
        ([(IMAGES, LABELS - 1)], "`labels` must be class ids"),
        ([(IMAGES, LABELS + 0.5)], "`labels` must be class ids"),
        ([(IMAGES, ONE_HOT * np.nan)], "`labels` must be class ids"),
        ([(IMAGES, LABELS.astype(str))], "`labels` must be class ids"),
        ([(IMAGES, IMAGES[..., 0])], r"`labels` must be class ids.*shape \(23, 6, 5\)"),
    ],
)
def test_what_is_no_data_set_is_named(dataset, message):
    with pytest.raises(ValueError, match=message):
        list(ExampleSource(dataset))


@pytest.mark.parametrize("name", ["batch_size", "max_examples"])
@pytest.mark.parametrize("value", [0, -1, 2.5])
def test_wrong_counts_are_named(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be a positive integer.*{value}"):
        ExampleSource((IMAGES, LABELS), **{name: value})


def test_soft_labels_count_by_their_largest_entry():
    np.testing.assert_array_equal(class_ids(np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]])), [1, 0])
