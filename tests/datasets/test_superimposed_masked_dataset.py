import json
import tracemalloc
import warnings

import numpy as np
import pytest

from tests.datasets.tarballs import jpg, noise, npy, png, png_that_claims, write_tar_gz

tfds = pytest.importorskip("tensorflow_datasets")

from keras_patchmix import datasets  # noqa: E402
from keras_patchmix.datasets import superimposed_masked_dataset as smd  # noqa: E402
from keras_patchmix.datasets.archives import ArchiveError, MemberError  # noqa: E402
from keras_patchmix.datasets.superimposed_masked_dataset.masks import (  # noqa: E402
    MaskArchive,
    read_mask,
)

tfds.disable_progress_bar()
# WordNet id, number of the picture in ImageNet's validation set, height, width.
PICTURES = [
    ("n01440764", 293, 12, 17),
    ("n01440764", 2138, 9, 20),
    ("n02123045", 51, 15, 11),
    ("n15075141", 3, 8, 8),
]


def stem(synset, number):
    return f"{synset}/ILSVRC2012_val_{number:08d}"


def image_of(k):
    return noise(*PICTURES[k][2:], seed=k)


def mask_of(k):
    height, width = PICTURES[k][2:]
    mask = np.zeros((height, width), bool)
    mask[: k + 2, 1 : 4 + k] = True
    return mask


def write_archives(folder):
    """Archives in the true form; every form that a mask's file may have is there."""
    images = [(f"smd_1/{stem(*PICTURES[k][:2])}_occluded.png", png(image_of(k))) for k in range(4)]
    masks = [
        (f"SMD_masks/{stem(*PICTURES[3][:2])}_mask.npy", npy(mask_of(3).astype(np.float32) * 0.5)),
        ("SMD_masks/n01440764/ILSVRC2012_val_00009999_mask.npy", npy(mask_of(0))),
        (f"smd_1/{stem(*PICTURES[2][:2])}_mask.npy", npy(mask_of(2)[..., None])),
        (f"smd_1/{stem(*PICTURES[1][:2])}_occluded_mask.npy", npy(mask_of(1) * np.uint8(255))),
        (f"smd_1/{stem(*PICTURES[0][:2])}_occluded.png_mask.npy", npy(mask_of(0))),
    ]
    write_tar_gz(folder / "smd_1.tar.gz", images)
    write_tar_gz(folder / "SMD_masks.tar.gz", masks)
    return folder


def prepare(data_dir, manual_dir, config="first"):
    """Returns a builder whose files were written, read from disk again."""
    made = tfds.builder("superimposed_masked_dataset", config=config, data_dir=data_dir)
    made.download_and_prepare(
        download_config=tfds.download.DownloadConfig(manual_dir=manual_dir, try_download_gcs=False)
    )
    return tfds.builder("superimposed_masked_dataset", config=config, data_dir=data_dir)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """A folder in which "superimposed_masked_dataset/first" is prepared."""
    root = tmp_path_factory.mktemp("smd")
    manual = write_archives(root / "manual")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing is left out
        prepare(root / "data", manual)
    return root / "data"


def test_every_image_comes_with_its_label_mask_and_coverage(data_dir):
    dataset, info = tfds.load(
        "superimposed_masked_dataset/first", split="test", data_dir=data_dir, with_info=True
    )
    examples = {example["file_name"].decode(): example for example in tfds.as_numpy(dataset)}
    assert len(examples) == 4
    names = info.features["label"].names
    for k, (synset, number, height, width) in enumerate(PICTURES):
        example = examples[f"smd_1/{stem(synset, number)}_occluded.png"]
        np.testing.assert_array_equal(example["image"], image_of(k))
        assert names[example["label"]] == synset
        assert example["mask"].dtype == np.uint8
        np.testing.assert_array_equal(example["mask"][..., 0], mask_of(k))
        assert example["coverage"] == np.float32((k + 2) * (3 + k) / (height * width))
    assert set(next(iter(examples.values()))) == {
        "image",
        "label",
        "mask",
        "coverage",
        "file_name",
    }
    assert info.metadata["skipped"] == {}


def test_labels_are_those_of_imagenet_in_the_order_of_keras(data_dir):
    names = (
        tfds.builder("superimposed_masked_dataset/first", data_dir=data_dir)
        .info.features["label"]
        .names
    )
    assert names == tfds.builder("imagenet2012").info.features["label"].names
    # Keras' models have tench, tabby, golden retriever, banana and toilet tissue at these outputs.
    known = {
        "n01440764": 0,
        "n02123045": 281,
        "n02099601": 207,
        "n07753592": 954,
        "n15075141": 999,
    }
    assert {name: names.index(name) for name in known} == known
    assert len(names) == 1000


def test_load_gives_images_and_labels_of_one_size(data_dir):
    pairs, info = datasets.load(
        "superimposed_masked_dataset/first",
        "test",
        image_size=(8, 8),
        data_dir=data_dir,
        with_info=True,
    )
    labels = [(image.shape, int(label)) for image, label in tfds.as_numpy(pairs)]
    assert sorted(labels) == [((8, 8, 3), label) for label in (0, 0, 281, 999)]
    assert (info.num_classes, info.num_examples) == (1000, 4)


def test_the_default_name_loads_all_archives(tmp_path):
    manual = tmp_path / "data" / "downloads" / "manual"
    write_archives(manual)
    for number in range(2, 41):
        name = f"smd_{number}/n01443537/x_{number}_occluded.png"
        write_tar_gz(manual / f"smd_{number}.tar.gz", [(name, png(noise(2, 2, number)))])
    masks = [(f"m/n01443537/x_{number}_mask.npy", npy(np.ones((2, 2)))) for number in range(2, 41)]
    masks += [(f"m/{stem(*PICTURES[k][:2])}_mask.npy", npy(mask_of(k))) for k in range(4)]
    write_tar_gz(manual / "SMD_masks.tar.gz", masks)
    pairs = datasets.load(
        "superimposed_masked_dataset", "test", image_size=4, data_dir=tmp_path / "data"
    )
    assert sorted(int(label) for _, label in pairs) == [0, 0, *[1] * 39, 281, 999]


def test_files_that_cannot_be_used_are_named_with_the_reason(tmp_path):
    picture, mask = png(noise(6, 5)), npy(np.ones((6, 5)))
    whole = {
        "n01440764/good": (picture, mask),
        "n01440764/photo": (jpg(noise(6, 5)), mask),
        "n00000000/stranger": (picture, mask),
        "n01440764/turned": (picture, npy(np.ones((5, 6)))),
        "n01440764/alone": (picture, None),
        "n01440764/broken": (picture[:-30], mask),
        "n01440764/bomb": (png_that_claims(50_000, 40_000), mask),
        "n01440764/pickled": (picture, npy(np.array([{}]), allow_pickle=True)),
    }
    images = [(f"{name}_occluded.png", data) for name, (data, _) in whole.items()]
    masks = [(f"{name}_mask.npy", data) for name, (_, data) in whole.items() if data]
    write_tar_gz(tmp_path / "smd_5.tar.gz", images)
    write_tar_gz(tmp_path / "SMD_masks.tar.gz", masks)
    with pytest.warns(UserWarning, match="6 of 8 images are left out"):
        made = prepare(tmp_path / "data", tmp_path, smd.SmdConfig(archives=(5,)))
    assert made.info.splits["test"].num_examples == 2
    reasons = {key: made.info.metadata["skipped"][key] for key in made.info.metadata["skipped"]}
    assert reasons == {
        f"smd_5.tar.gz:{name}_occluded.png": reason
        for name, reason in {
            "n00000000/stranger": "its folder 'n00000000' is no class of ImageNet-1K",
            "n01440764/turned": "its mask has 5 x 6 pixels (rows x columns), the image 6 x 5",
            "n01440764/alone": "there is no mask for it",
            "n01440764/broken": "damaged, or cut off",
            "n01440764/bomb": "50000 x 40000 pixels, above the limit of 100 million",
            "n01440764/pickled": "its mask has values of type object",
        }.items()
    }
    written = json.loads((made.data_path / "metadata.json").read_text("utf-8"))
    assert written["skipped"] == reasons
    # A config of one's own is found by the name that it was given.
    by_name = tfds.load(
        "superimposed_masked_dataset/smd_5", split="test", data_dir=tmp_path / "data"
    )
    assert sorted(bytes(one["file_name"].numpy()) for one in by_name) == [
        b"n01440764/good_occluded.png",
        b"n01440764/photo_occluded.png",
    ]


def test_an_archive_cut_off_raises_and_leaves_nothing_behind(tmp_path):
    manual = write_archives(tmp_path / "manual")
    whole = (manual / "smd_1.tar.gz").read_bytes()
    (manual / "smd_1.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ArchiveError, match=r"'smd_1\.tar\.gz'.*cut off or damaged"):
        prepare(tmp_path / "data", manual)
    assert not list((tmp_path / "data").rglob("*.tfrecord*"))


def test_without_masks_the_mask_archive_is_not_needed(tmp_path):
    manual = write_archives(tmp_path / "manual")
    (manual / "SMD_masks.tar.gz").unlink()
    made = prepare(tmp_path / "data", manual, "first_without_masks")
    assert set(made.info.features) == {"image", "label", "file_name"}
    assert made.info.splits["test"].num_examples == 4


def test_configs_are_named_after_their_archives():
    assert smd.SmdConfig(archives=[5, 1]).name == "smd_1_5"
    assert smd.SmdConfig(archives=range(2, 4), masks=False).name == "smd_2_3_without_masks"
    assert smd.SmdConfig(archives=(5, 1)).archives == (1, 5)
    assert smd.SuperimposedMaskedDataset.BUILDER_CONFIGS[0].archives == tuple(range(1, 41))


@pytest.mark.parametrize("wrong", [(), (0,), (41,), (1, 1), (1.0,), "1", 1, (True,)])
def test_archives_that_do_not_exist_are_refused(wrong):
    with pytest.raises(ValueError, match=r"`archives` must hold integers from 1 to 40.*Received"):
        smd.SmdConfig(archives=wrong)


@pytest.mark.parametrize(
    "values",
    [
        np.array([[True, False], [False, True], [False, False]]),
        np.array([[7, 0], [0, 255], [0, 0]], np.uint8),
        np.array([[-0.5, 0.0], [0.0, 1e-6], [0.0, -0.0]]),
        np.asfortranarray(np.array([[1, 0], [0, 1], [0, 0]], np.int64)),
    ],
)
def test_what_is_not_zero_is_occluder(values):
    for form in (values, values[..., None], values[None]):
        mask = read_mask(npy(form))
        assert mask.dtype == bool
        np.testing.assert_array_equal(mask, [[True, False], [False, True], [False, False]])


def test_masks_that_cannot_be_used_say_why():
    whole = npy(np.ones((30, 40), np.uint8))
    header = whole[:-1200]
    for data, reason in (
        (b"", "no array of NumPy"),
        (b"PK\x03\x04" + bytes(50), "no array of NumPy"),
        (header[:60], "no array of NumPy"),
        (whole[:-1], "damaged: 1327 bytes"),
        (header.replace(b"(30, 40)", b"(30, 40 ") + whole[-1200:], "no array of NumPy"),
        (whole.replace(b"(30, 40), ", b"(-30, -40)"), "no array of NumPy|damaged"),
        (header.replace(b"(30, 40)", b"(3" + b"0" * 5), "no array of NumPy"),
        (npy(np.zeros((2, 2, 3))), r"has the shape \(2, 2, 3\)"),
        (npy(np.zeros(4)), r"has the shape \(4,\)"),
        (npy(np.array([["a"]])), "values of type <U1"),
        (npy(np.array([[np.nan]])), "not finite"),
    ):
        with pytest.raises(MemberError, match=reason):
            read_mask(data)


def test_a_mask_gets_no_memory_because_its_header_claims_it():
    data = npy(np.zeros((30, 40), bool)).replace(b"(30, 40), }  ", b"(99999, 99999), }")
    tracemalloc.start()
    with pytest.raises(MemberError, match=r"do not hold \(99999, 99999\) values"):
        read_mask(data)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_masks_take_little_memory_and_are_read_in_any_order(tmp_path):
    random = np.random.default_rng(0)
    masks = [random.random((8, 8)).repeat(40, 0).repeat(40, 1) < 0.3 for _ in range(8)]
    path = write_tar_gz(
        tmp_path / "masks.tar.gz",
        [(f"n01440764/{k}_mask.npy", npy(masks[k % 8])) for k in range(400)],
    )
    tracemalloc.start()
    archive = MaskArchive(path, "masks.tar.gz")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    for k in (399, 0, 217, 8):
        np.testing.assert_array_equal(archive.read(f"n01440764/{k}"), masks[k % 8])
    with pytest.raises(MemberError, match="no mask"):
        archive.read("n01440764/400")
    # All masks together have 400 x 320 x 320 bytes, 41 MB.
    assert peak < 3 * 2**20


def test_two_masks_for_one_image_are_not_chosen_from(tmp_path):
    members = [(f"n01440764/x{end}_mask.npy", npy(np.ones((2, 2)))) for end in ("", "_occluded")]
    archive = MaskArchive(write_tar_gz(tmp_path / "m", members), "m")
    with pytest.raises(MemberError, match="two masks"):
        archive.read("n01440764/x")


def test_an_archive_without_masks_raises(tmp_path):
    path = write_tar_gz(tmp_path / "m", [("n01440764/x.png", b"")])
    with pytest.raises(ArchiveError, match=r"'SMD_masks\.tar\.gz' holds no masks"):
        MaskArchive(path, "SMD_masks.tar.gz")
