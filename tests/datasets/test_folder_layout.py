"""Which folders are splits and which are classes, and what contradicts itself."""

import os

import pytest

from keras_patchmix.datasets import DatasetInfo
from keras_patchmix.datasets.errors import EmptySplitError
from keras_patchmix.datasets.folder_layout import FolderError, read_layout
from tests.datasets.listing import list_images


def make(root, *names):
    """Makes empty files, and folders where names end in "/"; returns the root."""
    for name in names:
        path = root / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.touch()
    return root


def labeled(root, split="train"):
    """Returns the class names, and a dict from names to class ids."""
    layout = read_layout(root)
    return layout.classes, {name: class_id for name, class_id, _ in layout.images[split]}


@pytest.mark.parametrize("train", ["train", "Training", "TRAIN"])
@pytest.mark.parametrize("validation", ["val", "valid", "Validation", "dev"])
@pytest.mark.parametrize("test", ["test", "Testing", "eval"])
def test_splits_are_known_by_their_usual_names_in_any_case(tmp_path, train, validation, test):
    make(tmp_path, f"{train}/cat/1.png", f"{train}/dog/2.png", f"{validation}/dog/3.png")
    make(tmp_path, f"{test}/cat/4.png", f"{validation}/cat/", f"{test}/dog/")
    layout = read_layout(tmp_path)
    assert layout.parted
    assert layout.classes == ("cat", "dog")
    found = {split: [(n, k) for n, k, _ in images] for split, images in layout.images.items()}
    assert found == {
        "train": [("cat/1.png", 0), ("dog/2.png", 1)],
        "validation": [("dog/3.png", 1)],
        "test": [("cat/4.png", 0)],
    }
    assert {name for name, _, _ in list_images(tmp_path, "all")[1]} == {
        f"{train}/cat/1.png", f"{train}/dog/2.png", f"{validation}/dog/3.png", f"{test}/cat/4.png",
    }  # fmt: skip


def test_a_split_that_lacks_a_class_keeps_the_ids(tmp_path):
    make(tmp_path, "train/a/1.png", "train/b/1.png", "train/c/1.png", "test/c/1.png", "test/b/")
    assert labeled(tmp_path, "test") == (("a", "b", "c"), {"c/1.png": 2})
    assert read_layout(tmp_path).remarks == [
        "1 of 3 classes of 'test' without images, which keep their class ids: 'b'"
    ]


def test_a_split_with_a_class_of_its_own_is_refused(tmp_path):
    make(tmp_path, "train/cat/1.png", "train/dog/1.png", "test/ant/1.png", "test/cat/1.png")
    with pytest.raises(FolderError, match=r"than 'train'; 'test' has 'ant' too\. Received: name="):
        read_layout(tmp_path)


def test_a_class_of_another_case_is_refused_with_the_name_that_was_meant(tmp_path):
    make(tmp_path, "train/Cat/1.png", "train/dog/1.png", "test/cat/1.png")
    with pytest.raises(FolderError, match=r"'test' has 'cat' too \(there it is 'Cat'\)"):
        read_layout(tmp_path)


def test_classes_that_differ_in_case_alone_are_two_and_named(tmp_path):
    make(tmp_path, "Cat/1.png", "cat/2.png")
    if len(os.listdir(tmp_path)) < 2:
        pytest.skip("this file system does not tell them apart")
    assert labeled(tmp_path) == (("Cat", "cat"), {"Cat/1.png": 0, "cat/2.png": 1})
    assert read_layout(tmp_path).remarks == ["'Cat', 'cat' are two classes"]


def test_classes_of_one_printable_name_are_told_apart(tmp_path):
    names = (os.fsdecode(b"a\xe9"), r"a\xe9")
    make(tmp_path, *(f"{name}/1.png" for name in names))
    layout = read_layout(tmp_path)
    assert layout.classes == (r"a\xe9", r"a\xe9 (2)")
    ids = {name: class_id for name, class_id, _ in layout.images["train"]}
    assert ids == {f"{name}/1.png": place for place, name in enumerate(sorted(names))}
    info = DatasetInfo("x", "train", 2, names, 2, (8, 8, 3))
    assert info.class_names == (r"a\xe9", r"a\xe9 (2)")


def test_a_name_that_is_printable_is_shown_as_it_is_in_reports(tmp_path):
    make(tmp_path, "a/1.png", "b/1.png", r"b/x\xe9.heic", r"train\xe9/")
    assert r"1 .heic ('b/x\xe9.heic')" in read_layout(tmp_path).left_out
    assert any(r"'train\xe9'" in remark for remark in read_layout(tmp_path).remarks)


def test_a_class_called_like_a_split_among_others_is_a_class(tmp_path):
    make(tmp_path, "bus/1.png", "car/2.png", "train/3.png")
    assert labeled(tmp_path)[1] == {"bus/1.png": 0, "car/2.png": 1, "train/3.png": 2}
    assert read_layout(tmp_path).remarks == ["'train' is taken for a class, not for a split"]


@pytest.mark.parametrize("bus", ["bus/1.png", "bus/old/1.png"])
def test_splits_beside_classes_contradict_each_other(tmp_path, bus):
    make(tmp_path, bus, "train/old/2.png", "train/new/3.png")
    with pytest.raises(FolderError, match=r"'train' there, .* and 'bus' contradict each other"):
        read_layout(tmp_path)


def test_a_folder_without_images_beside_splits_is_named(tmp_path):
    make(tmp_path, "train/a/1.png", "train/b/1.png", "notes/1.txt", "train.csv", "test/b/2.png")
    make(tmp_path, "test/a/3.png", "test/logs/1.txt")
    assert labeled(tmp_path)[0] == ("a", "b")
    assert read_layout(tmp_path).left_out == "2 without images ('notes', ...)"


@pytest.mark.parametrize("files", [("test/1.png", "test/2.png"), ("test/",)])
def test_a_test_folder_without_labels_is_not_replaced_by_training_images(tmp_path, files):
    make(tmp_path, *(f"train/{kind}/{k}.png" for kind in "ab" for k in range(40)), *files)
    with pytest.raises(FolderError, match=r"`split` must have labels: the folder 'test' must hold"):
        list_images(tmp_path, "test")
    train, validation = (list_images(tmp_path, split)[1] for split in ("train", "validation"))
    assert len(train) + len(validation) == 80
    assert validation
    left_out = "2 in no class folder ('test/1.png', ...)" if "test/" not in files else ""
    assert read_layout(tmp_path).left_out == left_out


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("train/a/1.png", "Training/b/1.png"), "'Training' and 'train' both hold the train"),
        (("train/a/1.png", "val/a/1.png", "valid/a/1.png"), "'val' and 'valid' both hold"),
        (("test/a/1.png", "val/b/1.png"), "there is no folder train beside 'test', 'val'"),
        (("train/1.png", "test/a/1.png", "test/b/2.png"), "'train' holds no folders"),
        (("train/1.png", "test/2.png"), "'train' holds no folders"),
        (("Train/1.png",), "'Train' holds no folders"),
        (("train/a/1.png", "test/a/2.png"), "at least two classes; 'a' is the only one"),
        (("a/1.heic", "b/"), r"there are no such images, but 1 .heic \('a/1.heic'\)"),
        (("1.png",), r"there are no such images, but 1 in no class folder \('1.png'\)"),
        ((), "there are no such images"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path, names, message):
    with pytest.raises(FolderError, match=message) as error:
        read_layout(make(tmp_path, *names))
    assert f'Received: name="folder:{tmp_path}"' in str(error.value)


@pytest.mark.parametrize(
    "splits", [("training_set", "test_set"), ("seg_test", "seg_train"), ("1", "2", "3")]
)
def test_splits_of_unknown_names_are_not_taken_for_classes(tmp_path, splits):
    make(tmp_path, *(f"{one}/{kind}/1.png" for one in splits for kind in ("cats", "dogs")))
    make(tmp_path, f"{splits[0]}/readme.txt", f"{splits[1]}/empty/", "notes/1.txt")
    with pytest.raises(FolderError, match="as each holds 'cats', 'dogs'") as error:
        read_layout(tmp_path)
    for known in ("look like splits", "training, validation, valid", repr(splits[0]), "rename"):
        assert known in str(error.value)
    assert read_layout(tmp_path / splits[0]).classes == ("cats", "dogs")


@pytest.mark.parametrize(
    "more",
    [
        "car/new/2.png",  # another folder
        "car/3.png",  # an image of its own
        "dog/3.png",  # a class that holds no folders
    ],
)
def test_classes_whose_folders_differ_are_classes(tmp_path, more):
    make(tmp_path, "bus/old/1.png", "bus/red/1.png", "car/old/1.png", "car/red/1.png", more)
    assert read_layout(tmp_path).classes[:2] == ("bus", "car")


def test_classes_with_one_folder_each_are_classes(tmp_path):
    make(tmp_path, "bus/images/1.png", "car/images/1.png")
    assert labeled(tmp_path)[1] == {"bus/images/1.png": 0, "car/images/1.png": 1}


@pytest.mark.parametrize("place", ["", "train/"])
def test_images_beside_text_files_of_labels_are_no_classes(tmp_path, place):
    make(tmp_path, f"{place}images/1.png", f"{place}Labels/1.txt", f"{place}Labels/old.cache")
    with pytest.raises(FolderError, match="'images', 'Labels' look like images beside"):
        read_layout(tmp_path)
    make(tmp_path, f"{place}Labels/1.png")
    assert read_layout(tmp_path).classes == ("Labels", "images")


def test_an_empty_split_has_an_error_of_its_own(tmp_path):
    make(tmp_path, "train/a/1.png", "train/b/1.png", "test/a/")
    with pytest.raises(EmptySplitError, match="`split` holds no images"):
        list_images(tmp_path, "test")


def test_links_are_followed_and_loops_end(tmp_path):
    root = make(tmp_path / "root", "a/1.png", "b/2.png", "b/deep/3.png")
    make(tmp_path, "elsewhere/4.png", "elsewhere/more/5.png")
    (root / "a" / "far").symlink_to(tmp_path / "elsewhere")
    (root / "a" / "up").symlink_to(root / "a")
    (root / "b" / "deep" / "root").symlink_to(root)
    (tmp_path / "elsewhere" / "back").symlink_to(root / "a")
    (root / "b" / "self.png").symlink_to("self.png")
    (root / "all").symlink_to(root)
    classes, found = labeled(root)
    assert classes == ("a", "all", "b")
    assert found == {
        "a/1.png": 0, "a/far/4.png": 0, "a/far/more/5.png": 0, "b/2.png": 2, "b/deep/3.png": 2,
    }  # fmt: skip

    assert read_layout(root).left_out == "1 that are no files ('b/self.png')"


def test_links_do_not_multiply_what_they_lead_to(tmp_path):
    # Each of thirty folders leads to the next one twice: a billion paths.
    make(tmp_path, "a/0/1.png", "b/1.png", *(f"chain/{k}/" for k in range(30)), "chain/30/x.png")
    for k in range(30):
        for name in ("left", "right"):
            (tmp_path / "chain" / str(k) / name).symlink_to(tmp_path / "chain" / str(k + 1))
    (tmp_path / "a" / "0" / "chain").symlink_to(tmp_path / "chain" / "0")
    _, found = labeled(tmp_path)
    assert sum(name.endswith("x.png") for name in found) == 2  # below a, and below chain


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root opens all")
def test_a_folder_that_cannot_be_opened_is_named(tmp_path):
    make(tmp_path, "a/1.png", "b/1.png", "b/closed/2.png")
    (tmp_path / "b" / "closed").chmod(0)
    try:
        left_out = read_layout(tmp_path).left_out
    finally:
        (tmp_path / "b" / "closed").chmod(0o700)
    assert left_out == "1 that cannot be opened ('b/closed')"


def test_a_class_may_be_a_link_to_a_folder_and_so_may_a_split(tmp_path):
    make(tmp_path / "root", "train/a/1.png", "train/b/2.png", "validation/a/3.png")
    make(tmp_path, "c/4.png")
    (tmp_path / "root" / "test").symlink_to("validation")
    (tmp_path / "root" / "train" / "c").symlink_to(tmp_path / "c")
    assert labeled(tmp_path / "root")[1]["c/4.png"] == 2
    assert labeled(tmp_path / "root", "test")[1] == {"a/3.png": 0}
