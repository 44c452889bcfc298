"""Batches of images that are not kept decoded: the same ones, and gone on with exactly."""

import dataclasses
import functools
import os
import re
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_patchmix.datasets import DatasetInfo
from tests.datasets.photos import encoded, smooth, write_folder

tf = pytest.importorskip("tensorflow")
tfds = pytest.importorskip("tensorflow_datasets")

from keras_patchmix import datasets  # noqa: E402
from keras_patchmix.cli.train.options import TrainOptions  # noqa: E402
from keras_patchmix.datasets import encoded as encoded_sets  # noqa: E402
from keras_patchmix.devices.batches import LocalBatches  # noqa: E402
from keras_patchmix.training import augmentation, caching, pipeline, training_data  # noqa: E402
from keras_patchmix.training.augmentation import _crop  # noqa: E402

COUNT, BATCH = 40, 8
PER_PASS = COUNT // BATCH
OPTIONS = TrainOptions(
    image_size=16, batch_size=BATCH, grid_size=4, train_split="train", test_split="train", seed=3
)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """The same photographs as a folder and as records in three files."""
    root = tmp_path_factory.mktemp("photos")
    write_folder(root / "folder", COUNT)
    for split in ("validation", "test"):
        for name in ("ant", "bee", "cat", "dog"):
            (root / "folder" / split / name).mkdir(parents=True)
            (root / "folder" / split / name / "0.jpg").write_bytes(encoded(smooth(0, 16, 16)))
    datasets.write_records(f"folder:{root / 'folder'}", root / "records", shards=3)
    return {"folder": f"folder:{root / 'folder'}", "records": f"records:{root / 'records'}"}


@functools.cache
def load(source, cache, **arguments):
    return training_data.load(
        dataclasses.replace(OPTIONS, dataset=source, cache=cache, **arguments)
    )


@functools.cache
def batches(source, cache, steps, first_step=0, local=None, **arguments):
    """The first so many batches from a step on. Making a stream takes long, so tests share them."""
    options = dataclasses.replace(OPTIONS, dataset=source, cache=cache, **arguments)
    stream = pipeline.training_batches(load(source, cache), options, 100, first_step, local)
    return [(x.numpy(), y.numpy()) for x, y in stream.take(steps)]


def assert_equal(first, second):
    for (x, y), (x2, y2) in zip(first, second, strict=True):
        assert x.dtype == x2.dtype
        np.testing.assert_array_equal(x, x2)
        np.testing.assert_array_equal(y, y2)


@pytest.mark.parametrize(
    ("source", "cache"), [("folder", "encoded"), ("folder", "none"), ("records", "encoded")]
)
def test_batches_are_those_of_images_kept_decoded(sources, source, cache):
    arguments = {"augmentation": "flip-shift", "mixing": "patchmix"}
    decoded = batches(sources[source], "decoded", 7, **arguments)
    assert decoded[0][0].dtype == "uint8"
    assert_equal(decoded, batches(sources[source], cache, 7, **arguments))


CROPPED = {"augmentation": "flip-crop", "mixing": "none"}
STREAMS = [("folder", "none"), ("folder", "encoded"), ("records", "none"), ("records", "encoded")]


@pytest.mark.parametrize(
    ("source", "cache", "first_step"),
    [(*stream, PER_PASS + 2) for stream in STREAMS[:3]] + [("records", "encoded", 3)],
)
def test_a_stream_that_begins_later_goes_on_with_the_same_batches(
    sources, source, cache, first_step
):
    whole = batches(sources[source], cache, 9, **CROPPED)
    later = batches(sources[source], cache, 9 - first_step, first_step, **CROPPED)
    assert_equal(whole[first_step:], later)


def test_another_seed_gives_other_batches(sources):
    first = batches(sources["records"], "none", 9, **CROPPED)
    other = batches(sources["records"], "none", 3, seed=4, **CROPPED)
    assert all((x != x2).any() for (x, _), (x2, _) in zip(first, other, strict=False))


@pytest.mark.parametrize(("source", "cache"), STREAMS[1:3])
def test_workers_have_their_rows_of_the_batch_of_one(sources, source, cache):
    one = batches(sources[source], cache, 9, **CROPPED)[:4]
    halves = [
        batches(sources[source], cache, 4, local=LocalBatches(BATCH, 4, shard, 2), **CROPPED)
        for shard in range(2)
    ]
    for (x, y), first, second in zip(one, *halves, strict=True):
        assert_equal([(x, y)], [tuple(map(np.concatenate, zip(first, second, strict=True)))])


def pictures(stream):
    """Which photographs a list of unmixed, unaugmented batches holds, in their order."""
    return [image.tobytes() for images, _ in stream for image in images]


PLAIN = {"augmentation": "none", "mixing": "none"}


@pytest.mark.parametrize("buffer", [None, 6])
def test_a_pass_holds_every_image_once_in_an_order_of_its_own(sources, buffer):
    stream = batches(sources["records"], "none", 2 * PER_PASS, shuffle_buffer=buffer, **PLAIN)
    first, second = pictures(stream[:PER_PASS]), pictures(stream[PER_PASS:])
    assert len(set(first)) == COUNT
    assert set(first) == set(second)
    assert first != second


def test_a_buffer_of_one_leaves_the_order_of_the_files(sources):
    stream = batches(sources["records"], "encoded", PER_PASS, shuffle_buffer=1, **PLAIN)
    stored = [x.tobytes() for x, _ in load(sources["records"], "decoded").train.as_numpy_iterator()]
    assert pictures(stream) == stored


@pytest.mark.parametrize("source", ["folder", "records"])
def test_the_fast_order_holds_every_image_too(sources, source):
    stream = batches(sources[source], "none", PER_PASS, order="fast", **PLAIN)
    # Decoded as they come, some images of the next pass overtake the last ones of this.
    assert len(set(pictures(stream))) >= COUNT - BATCH
    parts = [
        {
            (name.numpy(), content.numpy())
            for name, content, _ in load(sources[source], "none").encoded.shuffled(
                COUNT, [5, 6], False, (shard, 2)
            )
        }
        for shard in range(2)
    ]
    assert len(parts[0]) == len(parts[1]) == COUNT // 2
    assert not parts[0] & parts[1]


@pytest.mark.parametrize("source", ["folder", "records"])
def test_in_the_fast_order_each_worker_has_its_part(sources, source):
    local = [LocalBatches(BATCH, BATCH // 2, shard, 2) for shard in range(2)]
    settings = {"order": "fast", **PLAIN}
    seen = [
        set(pictures(batches(sources[source], "none", PER_PASS - 2, local=one, **settings)))
        for one in local
    ]
    # Of the 12 images of each, hardly one is of the next pass, whose parts are others.
    assert min(map(len, seen)) >= 10
    assert len(seen[0] & seen[1]) <= 2


@pytest.mark.parametrize("files_a_worker", [1, 8])
def test_workers_divide_files_or_the_images_of_too_few_of_them(
    sources, monkeypatch, files_a_worker
):
    monkeypatch.setattr(encoded_sets, "_FILES_A_WORKER", files_a_worker)
    source = load(sources["records"], "none").encoded
    parts = [
        [content for _, content, _ in source.shuffled(COUNT, [5, 6], False, (shard, 2))]
        for shard in range(2)
    ]
    # three files of 13, 13 and 14 images
    counts = sorted(len(part) for part in parts)
    assert counts == [20, 20] if files_a_worker == 8 else counts in ([13, 27], [14, 26])
    assert len({content.numpy() for part in parts for content in part}) == COUNT


class Noting:
    """Encoded images that note the labels of those that are decoded, in their order."""

    def __init__(self, source):
        self.source, self.decoded_labels = source, []

    def __getattr__(self, name):
        return getattr(self.source, name)

    def decoded(self, example, decoder):
        def note(content, label):
            self.decoded_labels.append(int(label))
            return content

        content = tf.numpy_function(note, [example[1], example[2]], tf.string)
        content = tf.ensure_shape(content, ())
        return self.source.decoded((example[0], content, example[2]), decoder)


@pytest.mark.parametrize("cache", ["none", "encoded"])
def test_nothing_is_decoded_of_what_is_skipped(tmp_path, cache):
    classes = [f"{number:02d}" for number in range(COUNT)]
    write_folder(tmp_path / "photos", COUNT, classes)
    source = f"folder:{tmp_path / 'photos'}"
    datasets.write_records(source, tmp_path / "records", ["train"], shards=2)
    source = f"records:{tmp_path / 'records'}"
    count = len(list(datasets.load(source, image_size=16)))
    data = load(source, cache, validation_split="train", batch_size=4)
    noting = dataclasses.replace(data, encoded=Noting(data.encoded))
    options = dataclasses.replace(OPTIONS, dataset=source, cache=cache, batch_size=4, **PLAIN)
    whole = [y.numpy().argmax(1) for _, y in pipeline.training_batches(data, options, 9).take(9)]
    skipped = set(np.concatenate(whole[: count // 4 - 2]))
    for _ in pipeline.training_batches(noting, options, 9, count // 4 - 2).take(1):
        pass
    first = noting.encoded.decoded_labels[:4]
    assert first
    assert not skipped & set(first)


@pytest.mark.parametrize("cache", ["none", "encoded"])
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:300]), r"damaged, or cut off$"),
        (lambda path: path.unlink(), "cannot be read: No such file"),
    ],
    ids=["cut off", "gone"],
)
def test_a_file_that_cannot_be_read_is_replaced_and_named(tmp_path, cache, damage, reason):
    paths = write_folder(tmp_path / "photos", COUNT)
    source = f"folder:{tmp_path / 'photos'}"
    data = load(source, cache)
    broken = next(path for path in paths if os.fsencode(path) in data.encoded._paths)
    damage(broken)
    assert data.num_train % BATCH == 0  # so that a pass reads all of them
    stream = batches(source, cache, data.num_train // BATCH, **PLAIN)
    assert len(stream) == data.num_train // BATCH
    assert len(set(pictures(stream))) == data.num_train - 1
    assert list(data.broken) == [f"{broken.parent.name}/{broken.name}"]
    assert re.match(reason, *data.broken.values())


@pytest.mark.parametrize(("height", "width"), [(375, 500), (500, 375), (400, 400), (90, 700)])
def test_crops_lie_in_the_photograph_with_areas_and_aspects_of_their_law(height, width):
    draws = np.random.default_rng(0).random((400, 4)).astype("float32")
    window = tf.function(lambda one: augmentation.crop_window(height, width, one))
    top, left, tall, wide = np.stack([window(one) for one in draws]).T
    assert (np.minimum(top, left) >= 0).all()
    assert (top + tall <= height).all()
    assert (left + wide <= width).all()
    aspect, rounding = wide / tall, 1.1 / np.minimum(tall, wide)
    assert (aspect <= 4 / 3 + rounding).all()
    assert (aspect >= 3 / 4 - rounding).all()
    asked = (0.08 + 0.92 * draws[:, 0]) * height * width
    stretch = np.exp((2 * draws[:, 1] - 1) * np.log(4 / 3))
    fits = (np.sqrt(asked / stretch) < height) & (np.sqrt(asked * stretch) < width)
    np.testing.assert_allclose((tall * wide)[fits], asked[fits], rtol=0.04)
    np.testing.assert_allclose(aspect[fits], stretch[fits], rtol=0.04)
    # a corner is anywhere that leaves the crop inside
    room = fits & (height - tall > 20)
    where = top[room] / (height - tall[room])
    assert abs(where.mean() - 0.5) < 4 * 0.29 / np.sqrt(room.sum())


def test_crops_of_squares_are_those_of_images_in_memory():
    side = 256
    draws = np.random.default_rng(1).random((50, 4)).astype("float32")
    ramp = np.stack(np.broadcast_arrays(*np.ogrid[0:side, 0:side], 0), -1).astype("float32")
    in_memory = _crop(tf, np.broadcast_to(ramp, (50, *ramp.shape)), tf.unstack(draws, axis=1))
    corners = in_memory.numpy()[:, 0, 0, :2], in_memory.numpy()[:, -1, -1, :2]
    for one, first, last in zip(draws, *corners, strict=True):
        top, left, tall, wide = augmentation.crop_window(side, side, one).numpy()
        np.testing.assert_allclose((top, left), first, atol=1.6)
        np.testing.assert_allclose((top + tall, left + wide), last, atol=2.1)


WHOLE = np.array([1.0, 1.0, 0.5, 0.0, 0.0], "float32")  # of a square, not flipped


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF"])
def test_a_crop_shrinks_by_the_mean_of_its_pixels(form):
    arguments = {"quality": 100, "subsampling": 0} if form == "JPEG" else {}
    pixels = np.kron(smooth(2, 16, 16), np.ones((4, 4, 1), "uint8"))
    small = augmentation.decode_crop(encoded(pixels, form, **arguments), WHOLE, (16, 16)).numpy()
    tolerance = {"JPEG": 5, "PNG": 0, "GIF": 12}[form]
    np.testing.assert_allclose(small.astype(int), smooth(2, 16, 16), atol=tolerance)
    # a checkerboard finer than the result becomes gray, and no pattern
    fine = 255 * (np.indices((64, 64)).sum(0) % 2)[..., None].repeat(3, -1).astype("uint8")
    gray = augmentation.decode_crop(encoded(fine, form, **arguments), WHOLE, (16, 16)).numpy()
    np.testing.assert_allclose(gray, 127.5, atol=8 if form == "JPEG" else 1)


def test_a_crop_that_grows_is_interpolated():
    pixels = np.zeros((2, 2, 3), "uint8")
    pixels[:, 1] = 200
    large = augmentation.decode_crop(encoded(pixels, "PNG"), WHOLE, (8, 8)).numpy()
    np.testing.assert_array_equal(large[3, :, 0], [0, 0, 25, 75, 125, 175, 200, 200])


def test_some_crops_are_flipped_and_none_by_itself(tmp_path):
    ramp = np.arange(48, dtype="uint8")[None, :, None].repeat(48, 0).repeat(3, 2) * 5
    for name in ("ant", "bee"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(20):
            (tmp_path / "photos" / name / f"{number}.png").write_bytes(encoded(ramp, "PNG"))
    stream = batches(
        f"folder:{tmp_path / 'photos'}", "none", 10, augmentation="flip-crop", mixing="none"
    )
    images = np.concatenate([x for x, _ in stream]).astype(int)
    flipped = images[:, 0, 0, 0] > images[:, 0, -1, 0]
    assert abs(flipped.mean() - 0.5) < 4 * 0.5 / np.sqrt(len(flipped))
    slopes = np.diff(images[..., 0], axis=2)
    assert (np.where(flipped[:, None, None], -slopes, slopes) >= 0).all()


INFO = DatasetInfo("x", "train", 2, ("a", "b"), 100, (10, 10, 3))  # 30,000 bytes decoded


@pytest.mark.parametrize(
    ("memory", "size", "cache"),
    [
        (120_000, 0, "decoded"),
        (119_999, 29_999, "encoded"),
        (119_999, 30_000, "none"),
    ],
)
def test_images_are_kept_in_the_first_form_that_takes_a_quarter_of_the_memory(memory, size, cache):
    class Encoded:
        num_bytes = size

    assert caching.choose_cache(INFO, Encoded, memory) == cache


def test_memory_is_that_of_the_container_where_it_has_less(tmp_path, monkeypatch):
    machine = caching.total_memory()
    assert machine > 2**28
    (tmp_path / "limit").write_text(str(machine // 2))
    (tmp_path / "none").write_text("max\n")
    monkeypatch.setattr(caching, "_LIMITS", (tmp_path / "none", tmp_path / "limit"))
    assert caching.total_memory() == machine // 2


def test_loading_says_where_images_are_kept(sources, capsys, monkeypatch):
    load.cache_clear()
    load(sources["records"], "auto")
    assert "kept in memory decoded, 30 KiB\n" in capsys.readouterr().out
    assert load(sources["records"], "auto").encoded is None
    monkeypatch.setattr(caching, "total_memory", lambda: 4)
    load.cache_clear()
    data = load(sources["records"], "auto", shuffle_buffer=7)
    assert data.cache == "none"
    said = capsys.readouterr().out
    files = sum(part.stat().st_size for part in _files(sources["records"]))
    assert f"are not kept in memory: {files / 1024:.3g} KiB are read in each pass, 7 " in said


def _files(name):
    return Path(name.removeprefix("records:")).glob("*-train.*")


def test_a_part_of_a_split_is_streamed_alone(sources):
    data = load(sources["records"], "none", train_split="train[25%:]")
    assert data.num_train == 30
    seen = list(data.encoded.shuffled(30, [1, 2]).as_numpy_iterator())
    stored = [content for _, content, _ in data.encoded.in_order().as_numpy_iterator()]
    assert len({content for _, content, _ in seen}) == 30
    assert sorted(content for _, content, _ in seen) == sorted(stored)
    whole = load(sources["records"], "none").encoded
    assert data.encoded.num_bytes == pytest.approx(0.75 * whole.num_bytes, rel=0.05)


@pytest.mark.parametrize(
    ("source", "cache"), [("folder", "decoded"), ("folder", "encoded"), ("records", "none")]
)
def test_a_global_seed_of_0_is_as_good_as_another(sources, source, cache):
    keras.utils.set_random_seed(0)
    try:
        options = dataclasses.replace(OPTIONS, dataset=sources[source], cache=cache, seed=0)
        stream = pipeline.training_batches(load(sources[source], cache), options, 100, 0, None)
        first, again = ([x.numpy() for x, _ in stream.take(2)] for _ in range(2))
    finally:
        keras.utils.set_random_seed(3)
    np.testing.assert_array_equal(first, again)
    assert len(np.unique(np.concatenate(first).sum((1, 2, 3)))) > BATCH
