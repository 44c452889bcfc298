"""Drawn folders against the rules, written down a second time and slowly."""

import collections
import tempfile
from pathlib import Path

import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st

from keras_patchmix.datasets.errors import EmptySplitError
from keras_patchmix.datasets.folder_layout import FolderError, read_layout
from tests.datasets.listing import list_images

COUNTS = collections.Counter()
SPLITS = {
    "train": ["train", "training"],
    "validation": ["val", "valid", "validation", "dev"],
    "test": ["test", "testing", "eval", "evaluation"],
}
TOP = ["train", "Training", "TEST", "test", "val", "valid", "bus", "car", "Car", ".git", "__MACOSX"]
TOGETHER = [["train"], ["train", "test"], ["Training", "val", "TEST"], ["bus", "car"]]
LOWER = ["a", "b", "B", "c", "train", ".hidden"]
FILES = ["1.png", "2.JPG", "3.gif", "4.txt", "5.HEIC", "6", ".DS_Store", "Thumbs.db", "._1.png"]


@st.composite
def trees(draw):
    """List of paths of files, and of folders, which end in "/"."""
    # Many layouts are like those that people have: the same classes in each split.
    if draw(st.booleans()):
        tops = draw(st.sampled_from(TOGETHER))
        names = st.sampled_from([*LOWER[:4], "images", "labels"])
        classes = draw(st.lists(names, min_size=1, max_size=4, unique=True))
        paths = [
            f"{top}/{name}/{draw(st.sampled_from([*FILES, '']))}"
            for top in tops
            for name in classes
            if draw(st.integers(0, 5))
        ]
    else:
        paths = []
    folders = st.lists(st.sampled_from(TOP), max_size=1).flatmap(
        lambda top: st.lists(st.sampled_from(LOWER), max_size=2).map(lambda rest: [*top, *rest])
    )
    for _ in range(draw(st.integers(0, 3 if paths else 8))):
        path = [*draw(folders), draw(st.sampled_from([*FILES, *FILES, ""]))]
        paths.append("/".join(path))
    return sorted(set(paths) - {""})


def of_split(name):
    return next((split for split, names in SPLITS.items() if name.lower() in names), None)


def hidden(path):
    return any(
        part.startswith(".") or part.lower() in ("__macosx", "thumbs.db", "desktop.ini")
        for part in path.split("/")
    )


def is_image(path):
    return path.lower().endswith((".png", ".jpg", ".gif"))


def by_the_rules(paths):
    """`(classes, images of each split, splits without labels, files left out)`, or None."""
    files = [path for path in paths if not path.endswith("/") and not hidden(path)]
    folders = {
        "/".join(path.split("/")[:depth])
        for path in paths
        for depth in range(1, path.count("/") + 1)
    }
    folders = {folder for folder in folders if not hidden(folder)}

    def below(place):
        return sorted(f.rpartition("/")[2] for f in folders if f.rpartition("/")[0] == place)

    def in_images(place):
        return any(file.startswith(f"{place}/") and is_image(file) for file in files)

    top = below("")
    holders = [name for name in top if of_split(name) and below(name)]
    if holders or (top and all(map(of_split, top))):
        if any(in_images(name) for name in top if not of_split(name)):
            return None  # classes beside splits
        places = {of_split(name): name for name in top if of_split(name)}
        if len(places) < sum(of_split(name) is not None for name in top):
            return None  # two folders for one split
        if places.get("train") not in holders:
            return None
    else:
        places = {"train": ""}
        holders = [""]
        tops = [name for name in top if in_images(name)]
        shared = [{one for one in below(name) if in_images(f"{name}/{one}")} for name in tops]
        direct = {file.rpartition("/")[0] for file in files if is_image(file)}
        alike = len(tops) > 1 and all(one == shared[0] for one in shared)
        if alike and len(shared[0]) > 1 and not direct & set(tops):
            return None  # splits of other names
    classes = below(places["train"])
    named = {name.lower(): f"{places['train']}/{name}".lstrip("/") for name in classes}
    if {"images", "labels"} <= set(named) and not in_images(named["labels"]):
        inside = [file for file in files if file.startswith(named["labels"] + "/")]
        if any(file.endswith(".txt") for file in inside):
            return None  # images beside text files of boxes
    images = {}
    for split, place in places.items():
        start = f"{place}/" if place else ""
        if place not in holders:
            continue
        if any(in_images(start + name) for name in below(place) if name not in classes):
            return None  # a class that the training images lack
        images[split] = {
            file.removeprefix(start): classes.index(file.removeprefix(start).split("/")[0])
            for file in files
            if file.startswith(start)
            and file.removeprefix(start).split("/")[0] in classes
            and "/" in file.removeprefix(start)
            and is_image(file)
        }
    if len(classes) < 2 or not any(images.values()):
        return None
    unlabeled = {split: place for split, place in places.items() if place not in holders}
    taken = {f"{places[s]}/{name}".lstrip("/") for s, found in images.items() for name in found}
    left_out = [file for file in files if is_image(file) and file not in taken]
    return tuple(classes), images, unlabeled, left_out


def built(root, paths):
    for path in paths:
        file = root / path
        (file if path.endswith("/") else file.parent).mkdir(parents=True, exist_ok=True)
        if not path.endswith("/"):
            file.touch()


@given(paths=trees())
@example([f"{top}/{kind}/1.png" for top in ("bus", "car") for kind in "ab"])  # seldom drawn
@example([f"{top}/{kind}/1.png" for top in ("bus", "car") for kind in "ab"] + ["bus/2.png"])
@example(
    [f"{top}/{file}" for top in ("train", "test") for file in ("images/1.png", "labels/4.txt")]
)
def test_a_folder_is_read_as_the_rules_say_or_refused_by_name(paths):
    expected = by_the_rules(paths)
    event("refused" if expected is None else "read")
    COUNTS["all"] += 1
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        built(root, paths)
        if expected is None:
            with pytest.raises(FolderError, match="Received: name=") as error:
                read_layout(root)
            assert str(root) in str(error.value)
            return
        layout = read_layout(root)
        COUNTS["read"] += 1
        classes, images, unlabeled, left_out = expected
        assert layout.classes == classes
        found = {s: {name: k for name, k, _ in listed} for s, listed in layout.images.items()}
        assert found == images
        assert all(path.is_file() for listed in layout.images.values() for _, _, path in listed)
        assert layout.unlabeled == unlabeled
        assert (f"{len(left_out)} in no class folder (" in layout.left_out) == bool(left_out)
        check_splits(root, layout, images)


def check_splits(root, layout, images):
    """Every image is in one split, and "all" holds each once."""
    parts = {}
    for split in SPLITS:
        try:
            parts[split] = [(name, k) for name, k, _ in list_images(root, split)[1]]
        except (FolderError, EmptySplitError):  # it has no labels, or no images
            assert split in layout.unlabeled or not images.get(split) or split == "train"
            continue
        if split in images and split != "train":
            assert dict(parts[split]) == images[split]
    everything = list_images(root, "all")[1]
    assert len({path for _, _, path in everything}) == len(everything)
    assert len(everything) == sum(map(len, images.values())) == sum(map(len, parts.values()))
    own = {name for split in SPLITS if split not in images for name, _ in parts.get(split, ())}
    trained = {name for name, _ in parts.get("train", ())}
    assert trained | own == set(images["train"])
    assert not trained & own


def test_folders_of_both_sorts_were_drawn():
    assert COUNTS["all"] > 0, "runs after the drawn folders"
    assert COUNTS["read"] >= 0.1 * COUNTS["all"]
    assert COUNTS["read"] <= 0.9 * COUNTS["all"]
