import dataclasses
import io
import multiprocessing
import socket

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
tfds = pytest.importorskip("tensorflow_datasets")

from keras_patchmix import datasets  # noqa: E402
from keras_patchmix.datasets import shapes  # noqa: E402

tfds.disable_progress_bar()


class PatchmixFake(tfds.core.GeneratorBasedBuilder):
    """Constant images whose value and label follow from their number."""

    VERSION = tfds.core.Version("1.0.0")
    shape = (6, 4, 1)
    extra = {}  # noqa: RUF012

    def _info(self):
        features = {
            "picture": tfds.features.Image(shape=self.shape),
            "kind": tfds.features.ClassLabel(names=["even", "odd"]),
            **self.extra,
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(20), "test": self._generate_examples(6)}

    def _generate_examples(self, count):
        height, width, channels = self.shape
        for k in range(count):
            # Where sizes are free, they vary.
            size = (height or 5 + k, width or 7, channels)
            extra = {key: np.zeros((2, 2, 1), np.uint8) for key in self.extra}
            yield k, {"picture": np.full(size, 10 * k, np.uint8), "kind": k % 2, **extra}


class PatchmixFakeRgba(PatchmixFake):
    shape = (6, 4, 4)


class PatchmixFakeAnySize(PatchmixFake):
    shape = (None, None, 3)


class PatchmixFakeAnimated(PatchmixFake):
    """Animated WebP files, of which TensorFlow's decoder ends the process."""

    shape = (40, 30, 3)

    def _generate_examples(self, count):
        from tests.datasets.image_bombs import differing_webp

        data = differing_webp(lossless=True)
        for k in range(count):
            yield k, {"picture": io.BytesIO(data), "kind": k % 2}


class PatchmixFakeTwoImages(PatchmixFake):
    extra = {"other": tfds.features.Image(shape=(2, 2, 1))}  # noqa: RUF012


def prepare(name, data_dir, count):
    config = tfds.download.DownloadConfig(max_examples_per_split=count, try_download_gcs=False)
    tfds.builder(name, data_dir=data_dir).download_and_prepare(download_config=config)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    path = tmp_path_factory.mktemp("tfds")
    prepare("shapes", path, 30)
    return path


def test_shapes_come_with_their_labels_and_info(data_dir):
    dataset, info = datasets.load("shapes", "test", data_dir=data_dir, with_info=True)
    assert dataset.element_spec == (
        tf.TensorSpec((32, 32, 3), tf.uint8),
        tf.TensorSpec((), tf.int64),
    )
    assert int(dataset.cardinality()) == 30
    assert info == datasets.DatasetInfo(
        "shapes", "test", 10, shapes.CLASS_NAMES, num_examples=30, image_shape=(32, 32, 3)
    )
    with pytest.raises(dataclasses.FrozenInstanceError):
        info.name = "other"
    images, labels = shapes.generate(range(30), "test")
    expected = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    assert {image.tobytes(): label for image, label in dataset.as_numpy_iterator()} == expected


def test_the_order_is_the_same_on_every_run(data_dir):
    first, second = (
        [
            image.tobytes()
            for image, _ in datasets.load("shapes", data_dir=data_dir).as_numpy_iterator()
        ]
        for _ in range(2)
    )
    assert first == second
    assert len(set(first)) == 30


def test_split_strings_part_a_split(data_dir):
    parts = []
    for split, count in (("train[:90%]", 27), ("train[90%:]", 3)):
        dataset, info = datasets.load("shapes", split, data_dir=data_dir, with_info=True)
        assert info.num_examples == count == int(dataset.cardinality())
        parts.append({image.tobytes() for image, _ in dataset.as_numpy_iterator()})
    assert [len(part) for part in parts] == [27, 3]
    assert not parts[0] & parts[1]


def test_prepared_data_needs_no_network(data_dir, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert len(list(datasets.load("shapes", "test", data_dir=data_dir))) == 30


@pytest.mark.parametrize("name", ["patchmix_fake", "patchmix_fake_rgba"])
def test_a_tfds_set_is_prepared_on_first_use_and_becomes_rgb(tmp_path, name):
    dataset, info = datasets.load(name, "train", data_dir=tmp_path, with_info=True)
    assert info.class_names == ("even", "odd")
    assert info.image_shape == (6, 4, 3)
    seen = set()
    for image, label in dataset.as_numpy_iterator():
        assert image.shape == (6, 4, 3)
        assert image.dtype == np.uint8
        assert np.ptp(image) == 0
        assert label == image[0, 0, 0] // 10 % 2
        seen.add(int(image[0, 0, 0]))
    assert seen == set(range(0, 200, 10))


@pytest.mark.needs("PIL")
def test_of_animations_in_a_tfds_set_the_first_frame_is_read(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (3, 40, 30, 3), np.uint8)
    for image, _ in datasets.load("patchmix_fake_animated", "test", data_dir=tmp_path):
        np.testing.assert_array_equal(image, noise[0])


def test_images_of_varying_size_need_image_size(tmp_path):
    with pytest.raises(ValueError, match=r"no common size.*Received: image_size=None"):
        datasets.load("patchmix_fake_any_size", data_dir=tmp_path)
    dataset, info = datasets.load(
        "patchmix_fake_any_size", image_size=(4, 8), data_dir=tmp_path, with_info=True
    )
    assert info.image_shape == (4, 8, 3)
    assert {image.shape for image, _ in dataset.as_numpy_iterator()} == {(4, 8, 3)}


def _prepare_in_process(path, barrier, results):
    barrier.wait()
    results.put(len(list(datasets.load("patchmix_fake", "test", data_dir=path))))


@pytest.mark.slow
def test_two_processes_may_prepare_at_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(2, timeout=120), context.Queue()
    other = context.Process(target=_prepare_in_process, args=(str(tmp_path), barrier, results))
    other.start()
    barrier.wait()
    assert len(list(datasets.load("patchmix_fake", "test", data_dir=tmp_path))) == 6
    assert results.get(timeout=120) == 6
    other.join()
    assert other.exitcode == 0


def test_the_second_of_two_that_prepare_reads_what_the_first_wrote(tmp_path, monkeypatch):
    original = PatchmixFake.download_and_prepare

    def overtaken(self, **kwargs):
        original(tfds.builder("patchmix_fake", data_dir=tmp_path), **kwargs)
        raise OSError("Directory not empty")

    monkeypatch.setattr(PatchmixFake, "download_and_prepare", overtaken)
    assert len(list(datasets.load("patchmix_fake", "test", data_dir=tmp_path))) == 6


def test_a_failed_preparation_is_raised(tmp_path, monkeypatch):
    def fail(self, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(PatchmixFake, "download_and_prepare", fail)
    with pytest.raises(OSError, match="disk full"):
        datasets.load("patchmix_fake", data_dir=tmp_path)


def test_splits_are_asked_of_a_name():
    with pytest.raises(ValueError, match=r"`name` must be .*Received: name=None"):
        datasets.split_names(None)


def test_a_folder_without_its_prefix_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    with pytest.raises(ValueError, match=r"Received: name='photos'.*mean 'folder:photos'\?"):
        datasets.load("photos")
    (tmp_path / "photos" / "dataset_info.json").touch()
    with pytest.raises(ValueError, match=r"Did you mean 'records:photos'\?"):
        datasets.load("photos")
    with pytest.raises(ValueError, match="`name` must be") as error:
        datasets.load("pictures")
    assert "mean 'folder" not in str(error.value)


def test_a_misspelled_name_is_asked_for(data_dir):
    with pytest.raises(ValueError, match=r"Received: name='cifarr10'.* Did you mean 'cifar10'\?"):
        datasets.load("cifarr10", data_dir=data_dir)
    with pytest.raises(ValueError, match="Received: name='no_such_set'") as error:
        datasets.load("no_such_set", data_dir=data_dir)
    assert "Did you mean" not in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "no_such_set"}, "`name` must be .*Received: name='no_such_set'"),
        ({"name": "shapes/48px"}, "`name` must be .*Received: name='shapes/48px'"),
        ({"name": ""}, "`name` must be .*Received: name=''"),
        ({"split": "dev"}, r"`split` must be one of \['test', 'train', 'validation'\].*'dev'"),
        ({"split": "train[:0]"}, "`split` holds no images.*Received: split='train.:0.'"),
        ({"split": None}, "`split` must be a string. Received: split=None"),
        ({"image_size": 0}, "`image_size` must be .*Received: image_size=0"),
        ({"image_size": (8, 8, 3)}, r"`image_size` must be .*Received: image_size=\(8, 8, 3\)"),
        ({"name": "patchmix_fake", "download": False}, "is not prepared in .*download=False"),
        ({"name": "patchmix_fake_two_images"}, r"exactly one image.*images \['picture', 'other'\]"),
    ],
)
def test_errors_name_the_argument_and_what_arrived(data_dir, arguments, message):
    with pytest.raises(ValueError, match=message):
        datasets.load(**{"name": "shapes", "data_dir": data_dir, **arguments})
