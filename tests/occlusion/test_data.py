import keras
import ml_dtypes
import numpy as np
import pytest

from keras_patchmix.occlusion import PatchDrop, evaluate
from keras_patchmix.occlusion.choice import spread
from keras_patchmix.occlusion.data import ExampleSource
from keras_patchmix.occlusion.labels import class_ids
from tests.arrays import BACKEND, as_kind, to_numpy
from tests.occlusion.closed_form import scores_of

N, K = 23, 30
IMAGES = np.arange(N * 6 * 5 * 3, dtype=np.float32).reshape(N, 6, 5, 3)
LABELS = (np.arange(N) * 7 % K).astype(np.int64)
ONE_HOT = np.eye(K, dtype=np.float32)[LABELS]


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 5

    def __getitem__(self, step):
        part = slice(5 * step, 5 * step + 5)
        return IMAGES[part], LABELS[part]


FORMS = {
    "arrays": lambda: (IMAGES, LABELS),
    "arrays with weights": lambda: (IMAGES, LABELS[:, None], np.ones(N)),
    "dict of arrays": lambda: {"images": IMAGES, "labels": ONE_HOT},
    "tensors": lambda: (as_kind(IMAGES, BACKEND), as_kind(LABELS.astype("int32"), BACKEND)),
    "list of batches": lambda: [(IMAGES[:9], LABELS[:9]), (IMAGES[9:], LABELS[9:])],
    "list of batches of tensors": lambda: [
        [as_kind(IMAGES[part], BACKEND), as_kind(ONE_HOT[part], BACKEND)]
        for part in (slice(9), slice(9, None))
    ],
    "list of examples": lambda: list(zip(IMAGES, LABELS, strict=True)),
    "PyDataset": Batches,
}


def forms_of_tensorflow():
    """Returns forms as above, out of `tf.data`."""
    import tensorflow as tf

    def weighted(images, labels):
        return images, labels, tf.ones(tf.shape(labels)[:1])

    def as_dict(images, labels):
        return {"images": images, "labels": labels, "name": "x"}

    tuples = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS))
    batched = tuples.batch(4)
    return {
        "unbatched": tuples,
        "unbatched one-hot": tf.data.Dataset.from_tensor_slices((IMAGES, ONE_HOT)),
        "unbatched dicts": tuples.map(as_dict),
        "batched": batched,
        "batched, unknown length": tuples.filter(lambda x, y: True).batch(4),
        "batched column labels": batched.map(lambda x, y: (x, y[:, None])),
        "batched with weights": batched.map(weighted),
        "batched dicts": batched.map(as_dict),
        "one-hot int32": batched.map(lambda x, y: (x, tf.one_hot(y, K, 1, 0))),
        "one-hot bfloat16": batched.map(lambda x, y: (x, tf.one_hot(y, K, dtype="bfloat16"))),
        "float ids": batched.map(lambda x, y: (x, tf.cast(y, "float32"))),
    }


def forms_of_torch():
    """Returns forms as above, out of PyTorch's loaders."""
    import torch

    images, labels = torch.from_numpy(IMAGES), torch.from_numpy(LABELS)
    examples = torch.utils.data.TensorDataset(images, labels)

    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            return iter(examples)

    def with_gradient(batch):
        images, labels = torch.utils.data.default_collate(batch)
        return images.requires_grad_(), labels

    loader = torch.utils.data.DataLoader
    return {
        "data set of examples": examples,
        "loader": loader(examples, 4),
        "loader of unknown length": loader(Stream(), 4),
        "loader of tensors with gradients": loader(examples, 4, collate_fn=with_gradient),
    }


def expected_positions(choice, count):
    """Returns the positions of the examples that a source of N should take."""
    return np.arange(count) if choice != "spread" else spread(count, N)


def assert_gives_the_examples(dataset, batch_size, limit):
    source = ExampleSource(dataset, batch_size, limit)
    count = limit or N
    for _ in range(2):
        batches = list(source)
        images, labels, index = (
            np.concatenate([getattr(batch, name) for batch in batches])
            for name in ("images", "labels", "index")
        )
        expected = expected_positions(source.choice, count)
        np.testing.assert_array_equal(images, IMAGES[expected])
        np.testing.assert_array_equal(labels, LABELS[expected])
        np.testing.assert_array_equal(index, expected)
        assert labels.dtype == index.dtype == np.int64
        sizes = [len(batch) for batch in batches]
        assert set(sizes[:-1]) <= {source.batch_size}
        assert sizes[-1] <= source.batch_size
        if batch_size is not None:
            assert source.batch_size == batch_size
    return source.num_examples()


SIZES = pytest.mark.parametrize(
    ("batch_size", "limit"), [(None, None), (1, 3), (5, None), (5, 12), (64, 20)]
)


@pytest.mark.parametrize("form", FORMS)
@SIZES
def test_every_form_gives_the_same_examples(form, batch_size, limit):
    known = assert_gives_the_examples(FORMS[form](), batch_size, limit)
    assert (limit or N) <= known <= (limit or N) + 5


@pytest.mark.needs("tensorflow")
@SIZES
def test_every_form_of_tf_data_gives_the_same_examples(batch_size, limit):
    for name, dataset in forms_of_tensorflow().items():
        known = assert_gives_the_examples(dataset, batch_size, limit)
        if name != "batched, unknown length":
            assert (limit or N) <= known <= (limit or N) + 5


@pytest.mark.needs("torch")
@SIZES
def test_every_form_of_torch_gives_the_same_examples(batch_size, limit):
    for dataset in forms_of_torch().values():
        assert_gives_the_examples(dataset, batch_size, limit)


def test_dtype_is_kept():
    for dtype in (np.uint8, np.float16, np.int32):
        (batch,) = ExampleSource((IMAGES.astype(dtype), LABELS))
        assert batch.images.dtype == dtype
    images = as_kind(IMAGES.astype(ml_dtypes.bfloat16), BACKEND)
    (batch,) = ExampleSource((images, LABELS))
    assert batch.images.dtype == ml_dtypes.bfloat16
    np.testing.assert_array_equal(
        batch.images.astype("float32"), to_numpy(images).astype("float32")
    )


def test_the_index_key_is_the_index():
    index = np.arange(N)[::-1] * 100
    whole = {"images": IMAGES, "labels": LABELS, "index": index}
    batches = [{key: x[part] for key, x in whole.items()} for part in (slice(6), slice(6, None))]
    examples = [{key: x[i] for key, x in whole.items()} for i in range(N)]
    for form in (whole, batches, examples):
        found = np.concatenate([batch.index for batch in ExampleSource(form, 4)])
        np.testing.assert_array_equal(found, index)


@pytest.mark.needs("tensorflow")
def test_the_index_key_of_tf_data_is_the_index():
    import tensorflow as tf

    index = np.arange(N)[::-1] * 100
    dataset = tf.data.Dataset.from_tensor_slices(
        {"images": IMAGES, "labels": LABELS, "index": index}
    )
    for form in (dataset, dataset.batch(6)):
        found = np.concatenate([batch.index for batch in ExampleSource(form, 4)])
        np.testing.assert_array_equal(found, index)


class Endless(Batches):
    """Has no number of batches, as `None` says."""

    num_batches = None

    def __getitem__(self, step):
        return super().__getitem__(step % 5)


@pytest.mark.needs("tensorflow")
def test_an_endless_data_set_of_tensorflow_needs_max_examples():
    import tensorflow as tf

    assert_needs_max_examples(tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).repeat())


def test_an_endless_data_set_needs_max_examples():
    assert_needs_max_examples(Endless())


def assert_needs_max_examples(endless):
    with pytest.raises(ValueError, match="never ends: set `max_examples`"):
        ExampleSource(endless)
    assert sum(len(batch.labels) for batch in ExampleSource(endless, max_examples=50)) == 50


def with_value(values, place, value):
    """Returns a copy with another value at one place."""
    values = values.copy()
    values[place] = value
    return values


@pytest.mark.parametrize("rows", [np.ones((3, K)), np.zeros((3, K)), [[0, 1, 1], [1, 0, 0]]])
def test_rows_without_a_single_greatest_entry_are_refused(rows):
    rows = np.asarray(rows, np.float32)
    with pytest.raises(ValueError, match=r"`labels` must have one greatest .*position 0"):
        class_ids(rows)
    with pytest.raises(ValueError, match=r"`labels` must have one greatest .*position 4"):
        list(ExampleSource((IMAGES[:5], np.r_[np.eye(rows.shape[1])[[1] * 4], rows[:1]])))


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.5, 2.0**60, "1"])
@pytest.mark.parametrize("batched", [True, False])
def test_an_index_that_is_no_whole_number_is_refused(value, batched):
    index = np.array([value if i == 3 else np.arange(N)[i] for i in range(N)])
    whole = {"images": IMAGES, "labels": LABELS, "index": index}
    singles = [{key: x[i] for key, x in whole.items()} for i in range(N)]
    with pytest.raises(ValueError, match=r'"index" must hold .*Received: '):
        list(ExampleSource(whole if batched else singles))


def test_whole_floats_are_an_index():
    whole = {"images": IMAGES, "labels": LABELS, "index": np.arange(N, dtype=np.float32) - 2}
    found = np.concatenate([batch.index for batch in ExampleSource(whole, 4)])
    np.testing.assert_array_equal(found, np.arange(N) - 2)


@pytest.mark.parametrize(
    ("labels", "columns"),
    [(LABELS, None), (LABELS[:, None], None), (ONE_HOT, K), (0.9 * ONE_HOT + 0.1 / K, K)],
)
def test_a_batch_says_how_many_columns_its_labels_had(labels, columns):
    for form in ((IMAGES, labels), list(zip(IMAGES, labels, strict=True))):
        for size in (None, 5):
            batches = list(ExampleSource(form, size))
            assert {batch.columns for batch in batches} == {columns}
            np.testing.assert_array_equal(np.concatenate([b.labels for b in batches]), LABELS)
    assert batches[0].rows([1, 0]).columns == columns


class Counted:
    """What can be asked for by number and has a length, and no `__iter__`, nor an end for one."""

    def __init__(self, size=None):
        self.size = size

    def __len__(self):
        return N if self.size is None else -(-N // self.size)

    def __getitem__(self, step):
        part = step if self.size is None else slice(self.size * step, self.size * (step + 1))
        return IMAGES[part], LABELS[part]


class Flow(keras.utils.PyDataset):
    """Keras' old iterators: their `__iter__` is themselves, and never ends."""

    def __init__(self):
        super().__init__()
        self.counted = Counted(5)

    def __len__(self):
        return len(self.counted)

    def __getitem__(self, step):
        return self.counted[step]

    def __iter__(self):
        return self

    def __next__(self):
        raise AssertionError("asked for a next batch")


@SIZES
def test_what_is_asked_for_by_number_gives_the_same_examples(batch_size, limit):
    for dataset in (Counted(), Counted(5), Flow()):
        assert_gives_the_examples(dataset, batch_size, limit)


def test_dicts_may_have_the_keys_of_tensorflow_datasets():
    (batch,) = ExampleSource([{"image": IMAGES, "label": LABELS, "mask": IMAGES[..., :1]}])
    np.testing.assert_array_equal(batch.images, IMAGES)
    np.testing.assert_array_equal(batch.labels, LABELS)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (iter([(IMAGES, LABELS)]), "iterated only once"),
        (7, "`dataset` must be"),
        ("images", "`dataset` must be"),
        ([], "empty data set"),
        ([IMAGES], r"Received: an element of type ndarray, shape \(23, 6, 5, 3\)"),
        ([(IMAGES,)], "an element tuple of 1"),
        ([{"picture": IMAGES, "labels": LABELS}], r"keys \['labels', 'picture'\]"),
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
        ([(IMAGES, with_value(LABELS.astype(float), 7, np.inf))], "ids.* inf .*position 7"),
        ([(IMAGES, with_value(LABELS.astype(float), 7, np.nan))], "ids.* nan .*position 7"),
        ([(IMAGES, with_value(LABELS.astype(float), 7, 1e300))], r"ids.* 1e\+300 .*position 7"),
        ([(IMAGES, with_value(LABELS.astype("uint64"), 7, 2**64 - 1))], "ids.*position 7"),
        ([(IMAGES, with_value(ONE_HOT, 7, np.inf))], "`labels` must be class ids.*position 7"),
        ([(IMAGES[:5], LABELS[:5]), (IMAGES[5:], LABELS[5:] - 9)], "ids.*position 5"),
        ([(x, -y) for x, y in zip(IMAGES, LABELS + 1, strict=True)], "ids.*position 0"),
        ([(IMAGES[:5], ONE_HOT[:5]), (IMAGES, ONE_HOT[:, :9])], "greatest entry.*position 7"),
        (
            [(IMAGES[:5], ONE_HOT[:5]), (IMAGES, np.eye(40)[LABELS])],
            "30 columns, then labels of 40",
        ),
        ([(IMAGES[:5], ONE_HOT[:5]), (IMAGES, LABELS)], "30 columns, then class ids"),
        (list(zip(IMAGES, [*ONE_HOT[:9], *np.eye(40)[LABELS[9:]]], strict=True)), r"\(30,\), \(40"),
        ((IMAGES, np.r_[LABELS, LABELS]), "23 images, 46 labels"),
        ((IMAGES, LABELS[:-1]), "23 images, 22 labels"),
        ((IMAGES, np.int64(3)), "23 images, a single value under labels"),
        ({"images": IMAGES, "labels": LABELS, "index": np.arange(24)}, "23 labels, 24 index"),
        ([(IMAGES, np.r_[LABELS, 1])], "23 images, 24 labels"),
        ((IMAGES[..., 0], LABELS), r"shape \(23, 6, 5\).*axis of channels.*expand_dims"),
        ([(IMAGES[..., 0], LABELS)], r"shape \(23, 6, 5\).*axis of channels.*expand_dims"),
        (list(zip(IMAGES[..., 0], LABELS, strict=True)), r"shape \(6, 5\).*axis of channels"),
        ({"images": IMAGES[..., 0], "labels": LABELS}, r"shape \(23, 6, 5\).*axis of channels"),
        ((list(IMAGES), LABELS), "an element list of 23"),
        ({"images": list(IMAGES), "labels": LABELS}, "`images` must be one array"),
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


@pytest.mark.parametrize("size", [None, 4])
def test_the_saliency_key_comes_with_its_images(size):
    maps = np.arange(N * 30, dtype=np.float32).reshape(N, 6, 5)
    whole = {"images": IMAGES, "labels": LABELS, "saliency": maps[..., None]}
    single = [{key: x[i] for key, x in whole.items()} for i in range(N)]
    for form in (whole, single):
        found = np.concatenate([batch.saliency for batch in ExampleSource(form, size)])
        np.testing.assert_array_equal(found, maps)
    with pytest.raises(ValueError, match=r'"saliency" must hold a map.*\(23, 5, 5\)'):
        list(ExampleSource({**whole, "saliency": maps[:, 1:]}))


def test_class_names_of_a_directory_are_in_the_report_if_they_are_those_of_the_scores(tmp_path):
    pytest.importorskip("tensorflow")
    pytest.importorskip("PIL")
    for number, name in enumerate(("cat", "dog")):
        (tmp_path / name).mkdir()
        for i in range(4):
            image = np.full((16, 16, 3), 40 * number + 10, np.uint8)
            keras.utils.save_img(tmp_path / name / f"{i}.png", image, scale=False)
    settings = {"image_size": (16, 16), "shuffle": False, "verbose": False}
    data = keras.utils.image_dataset_from_directory(tmp_path, **settings)
    suite = [PatchDrop(4, 0.5)]
    for outputs, names in ((2, ["cat", "dog"]), (3, None)):
        report = evaluate(lambda x, n=outputs: scores_of(x[:, 0, 0, 0])[:, :n], data, suite=suite)
        assert report.settings["class_names"] == names
        assert report.class_rows()[0].class_name == (names and "cat")
        assert report.rows[0].top1 == 1
