"""Sets of occluded images by name: TFDS sets, folders, shapes, the Realistic Occlusion Dataset."""

import importlib

import keras
import numpy as np
import pytest

from keras_patchmix import datasets
from keras_patchmix.datasets import images
from keras_patchmix.occlusion import DatasetOcclusion, PatchDrop, evaluate, occluded_split
from tests.occlusion.closed_form import SIZE
from tests.occlusion.occluded_data import NAMES, three_class_reader, write_set

pytestmark = pytest.mark.needs("tensorflow", "tensorflow_datasets")

SPLITS = ("coverage_20", "coverage_40")


def own_data(dtype="uint8", count=12, size=SIZE):
    labels = np.arange(count) % 3
    images = np.broadcast_to((80 * labels + 20)[:, None, None, None], (count, size, size, 3))
    return images.astype(dtype), labels


def run(suite, model=three_class_reader, data=None, **settings):
    suite = [suite] if isinstance(suite, DatasetOcclusion) else suite
    return evaluate(model, data or own_data(), suite=suite, **{"batch_size": 4, **settings})


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tfds")
    write_set(folder, splits=SPLITS)
    write_set(folder, "plain", ("test",), size=40, extras=False)
    return folder


@pytest.fixture(scope="module")
def report(prepared):
    return run([PatchDrop(2, 0.5), DatasetOcclusion("hidden", SPLITS, data_dir=prepared)])


def test_each_split_is_a_row_with_the_mean_coverage(report):
    rows = report.rows[2:]
    assert [row.name for row in rows] == [f"hidden_{split}" for split in SPLITS]
    assert [row.data for row in rows] == [f"hidden:{split}" for split in SPLITS]
    assert [(row.n, row.top1) for row in rows] == [(9, 1.0)] * 2
    shares = [np.mean(np.float32((np.arange(9) + s) / SIZE), dtype=np.float64) for s in (0, 1)]
    assert [row.share for row in rows] == pytest.approx(shares, abs=1e-9)
    assert report.summary[-1].corruption == "hidden"
    assert report.summary[-1].mean == 1.0


def test_index_classes_and_version_are_the_sets_own(report):
    found = report.datasets["hidden_coverage_40"]
    assert found.outcomes.index.tolist() == list(range(100, 109))
    assert found.outcomes.pixels["hidden_coverage_40"].tolist() == [
        SIZE * (i + 1) for i in range(9)
    ]
    settings = found.settings
    assert settings["class_names"] == list(NAMES)
    assert settings["version"] == "hidden/1.0.0"
    assert (settings["dataset"], settings["split"]) == ("hidden", "coverage_40")
    assert {
        row.class_name for row in report.class_rows() if row.name == found.settings["dataset"]
    } <= {*NAMES}


def test_the_coverage_is_read_without_decoding_images_again(prepared, monkeypatch):
    decoded = []
    whole = images.decode
    monkeypatch.setattr(images, "decode", lambda data: (decoded.append(data), whole(data))[1])
    run(DatasetOcclusion("hidden", SPLITS[0], data_dir=prepared))
    assert len(decoded) == 1  # traced once


def test_images_come_in_the_size_range_and_dtype_of_the_other_data(prepared):
    seen = []

    def watching(images):
        seen.append((images.shape[1:], str(images.dtype), float(images.min()), float(images.max())))
        return three_class_reader(255 * images)

    floats = own_data("float32", size=20)[0] / 255, own_data()[1]
    report = run(DatasetOcclusion("plain", data_dir=prepared), watching, floats, value_range=(0, 1))
    assert report.row("plain").top1 == 1.0
    assert report.row("plain").share is None
    low, high = float(np.float32(20) / np.float32(255)), float(np.float32(180) / np.float32(255))
    assert set(seen) <= {
        ((20, 20, 3), "float32", a, b) for a in (low, low * 5, high) for b in (low, low * 5, high)
    }
    assert report.datasets["plain"].settings["image_size"] == [20, 20]
    own = run(DatasetOcclusion("plain", image_size=(16, 24), data_dir=prepared))
    assert own.datasets["plain"].settings["image_size"] == [16, 24]


@pytest.mark.parametrize(("low", "high"), [(-1, 1), (0, 1), (0, 255)])
def test_the_range_is_the_same_as_ones_own_scaling(prepared, low, high):
    seen = []

    def watching(images):
        seen.append(np.unique(images))
        return np.ones((len(images), 3))

    scaled = np.float32(own_data()[0]) / 255 * (high - low) + low
    member = DatasetOcclusion("plain", data_dir=prepared)
    run(member, watching, (scaled, own_data()[1]), value_range=(low, high))
    np.testing.assert_allclose(
        np.unique(np.concatenate(seen)), np.unique(scaled), rtol=0, atol=2e-5
    )


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ({"dataset": "nowhere"}, "DatasetOcclusion 'nowhere': `name` must be"),
        ({"dataset": "hidden"}, r"DatasetOcclusion 'hidden': `split` must be one of .*coverage_20"),
        ({"dataset": "folder:/no/where"}, "DatasetOcclusion 'where': `name` must be"),
        (
            {"dataset": "plain", "class_map": [0, 1]},
            "'plain': `class_map` must hold .* set's 3 classes.* a map of 2 classes",
        ),
    ],
)
def test_what_is_not_there_or_does_not_fit_is_named(prepared, member, message):
    with pytest.raises(ValueError, match=message):
        run(DatasetOcclusion(data_dir=prepared, **member))


def test_a_model_of_other_outputs_is_told_the_sets_classes(prepared):
    def five(images):
        return np.ones((len(images), 5))

    message = "'plain': the set has 3 classes, and the model 5 outputs: say with `class_map`"
    with pytest.raises(ValueError, match=message):
        run(DatasetOcclusion("plain", data_dir=prepared), five)
    member = DatasetOcclusion("plain", data_dir=prepared, class_map=[0, 4, 2])
    assert run(member, five).row("plain").top1 == pytest.approx(1 / 3)


def test_the_names_of_a_set_are_held_against_those_of_the_data(prepared):
    member = DatasetOcclusion("plain", data_dir=prepared)
    with pytest.warns(UserWarning, match=r"'plain' .*class 2 is 'owl', and output 2 'fox'"):
        run(member, class_names=["cat", "dog", "fox"])
    with pytest.raises(ValueError, match=r"'plain': the set has the classes .* in another order"):
        run(member, class_names=["owl", "dog", "cat"])
    with pytest.raises(ValueError, match=r"'plain': the set has the classes .* in another order"):
        run(member, class_names=NAMES, class_map=[2, 1, 0])
    same = DatasetOcclusion("plain", data_dir=prepared, class_map=[0, 1, 2])
    assert run(same, class_names=["owl", "dog", "cat"]).row("plain").top1 == 1.0


def test_names_that_the_data_brings_count_too(prepared, tmp_path):
    for name in ("ant", "bee", "fox"):
        (tmp_path / name).mkdir()
        image = np.full((SIZE, SIZE, 3), 20, np.uint8)
        keras.utils.save_img(tmp_path / name / "0.png", image, scale=False)
    data = datasets.load_for_scoring(f"folder:{tmp_path}", "all")
    with pytest.warns(UserWarning, match="class 0 is 'cat', and output 0 'ant'"):
        run(DatasetOcclusion("plain", data_dir=prepared), data=data)


def test_the_class_map_of_a_known_set_is_used_for_imagenet_models_alone(prepared, monkeypatch):
    class Classes:
        @staticmethod
        def class_map():
            return [[7], [5, 9], [999]]

    whole = importlib.import_module
    monkeypatch.setattr(occluded_split, "_IMAGENET_MAPS", {"plain": "classes of plain"})
    monkeypatch.setattr(
        importlib,
        "import_module",
        lambda name: Classes if name == "classes of plain" else whole(name),
    )

    def thousand(images):
        scores = np.full((len(images), 1000), 0.5)
        scores[:, [7, 9, 999]] = three_class_reader(images) / 1000
        scores[:, 5] = -1
        return scores

    member = DatasetOcclusion("plain", data_dir=prepared)
    report = run(member, thousand)
    assert report.row("plain").top1 == 1.0
    assert report.datasets["plain"].settings["class_map"] == [[7], [5, 9], [999]]
    assert run(member).datasets["plain"].settings["class_map"] is None
    asked = DatasetOcclusion("plain", data_dir=prepared, class_map=None)
    with pytest.raises(ValueError, match="the set has 3 classes, and the model 1000 outputs"):
        run(asked, thousand)


def test_broken_files_of_a_folder_are_counted_and_named(tmp_path):
    for label, name in enumerate(NAMES):
        (tmp_path / name).mkdir()
        for i in range(4):
            image = np.full((SIZE, SIZE, 3), 80 * label + 20, np.uint8)
            keras.utils.save_img(tmp_path / name / f"{i}.png", image, scale=False)
    (tmp_path / "cat" / "1.png").write_bytes(b"no image")
    member = DatasetOcclusion(f"folder:{tmp_path}", "all", name="photos")
    report = run(member)
    row = report.row("photos")
    assert (row.n, row.top1, row.share) == (11, 1.0, None)
    (entry,) = report.all_skipped
    assert entry["name"] == "photos: cat/1.png"
    assert "no image" in entry["reason"]
    for path in tmp_path.rglob("*.png"):
        path.write_bytes(b"no image")
    with pytest.raises(ValueError, match="DatasetOcclusion 'photos': None of the 12 images"):
        run(member)


def test_shapes_with_occluders_are_scored_with_their_coverage(tmp_path):
    import tensorflow_datasets as tfds

    from keras_patchmix.datasets.shapes import builder, generate

    tfds.disable_progress_bar()
    config = builder.ShapesConfig(
        name="few", image_size=32, num_examples={"test": 20}, coverage=("20", "60")
    )
    made = builder.Shapes(config=config, data_dir=tmp_path)
    made.download_and_prepare()
    images, labels = generate(range(20), "test", image_size=32)
    splits = ["coverage_20", "coverage_60"]
    member = DatasetOcclusion(f"records:{made.data_dir}", splits, name="shapes")
    report = run(member, lambda x: np.tile(np.eye(10)[3], (len(x), 1)), (images, labels))
    rows = report.rows[1:]
    assert [row.name for row in rows] == ["shapes_coverage_20", "shapes_coverage_60"]
    for row, share in zip(rows, (0.2, 0.6), strict=True):
        assert row.share == pytest.approx(share, abs=0.02)
        own = report.datasets[row.name].outcomes
        assert sorted(own.index) == list(range(20))
        # The index is the position in the test split, and so the label is the one there.
        np.testing.assert_array_equal(own.labels, labels[own.index])
        assert row.top1 == np.mean(labels == 3)
        assert row.share == pytest.approx(np.mean(own.pixels[row.name]) / 32**2, abs=1e-6)


def test_the_realistic_occlusion_dataset_is_scored_on_models_of_imagenet(tmp_path, monkeypatch):
    import tensorflow_datasets as tfds

    pytest.importorskip("keras_patchmix.datasets.realistic_occlusion_dataset")
    tarballs = pytest.importorskip("tests.datasets.test_realistic_occlusion_dataset")
    from keras_patchmix.datasets.realistic_occlusion_dataset import builder, class_map

    folder = tarballs.write_archives(tmp_path / "manual")
    for name in list(builder.SIZES):
        monkeypatch.setitem(builder.SIZES, name, (folder / name).stat().st_size)
    tfds.disable_progress_bar()
    tarballs.prepare(tmp_path, folder)
    outputs = class_map()
    says = outputs[builder.CLASS_NAMES.index("cowboy hat")][-1]

    def hats(images):
        scores = np.zeros((len(images), 1000))
        scores[:, says] = 1
        return scores

    member = DatasetOcclusion("realistic_occlusion_dataset", data_dir=tmp_path, name="rod")
    labels = np.arange(4)
    report = run(member, hats, (np.zeros((4, 16, 16, 3), np.uint8), labels), batch_size=2)
    expected = [label == "cowboy hat" for _, _, _, label, _ in tarballs.PHOTOS]
    row = report.row("rod")
    assert (row.n, row.top1, row.share) == (len(expected), np.mean(expected), None)
    assert report.datasets["rod"].settings["class_map"] == outputs
