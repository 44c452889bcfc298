"""The layout of a folder of images: its splits, classes and files, and what is left out."""

import collections
import dataclasses
import os
from pathlib import Path

from keras_patchmix.base.printable import distinct, printable, quoted
from keras_patchmix.datasets.image_files import IMAGE_SUFFIXES

SPLIT_FOLDERS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_SPLIT_OF = {name: split for split, names in SPLIT_FOLDERS.items() for name in names}
_OF_SYSTEMS = ("__macosx", "thumbs.db", "desktop.ini")  # in small letters
_NAMED = 5
_IMAGES, _LABELS = "images", "labels"  # folders of a data set with boxes, in the layout of YOLO
_ALLOWED = (
    "It must hold either a folder for each class, or the folders train, validation and test with "
    "those in each; a class that is named like a split must not hold folders"
)


class FolderError(ValueError):
    """A folder cannot be read as images with one label each; the message names it."""


@dataclasses.dataclass(frozen=True)
class FolderLayout:
    """The layout of a folder of images.

    Attributes:
        classes: Tuple of class names; class id i is `classes[i]`.
        images: Dict from each split with a folder (only "train" if there are no folders for splits)
            to a list of (name, class id, path). Names are relative to the folder that holds the
            class folders.
        parted: Boolean, whether there are folders for splits.
        unlabeled: Dict from each split whose folder has no class folders to that folder's name.
        left_out: String, the number and the first of each sort of other files, such as
            "12 .txt ('cat/notes.txt', ...)"; "" for none.
        remarks: List of sentences about what may not be intended.
    """

    classes: tuple
    images: dict
    parted: bool
    unlabeled: dict
    left_out: str
    remarks: list

    def has(self, split):
        """Returns whether a split has a folder, with labels or without."""
        return split in self.images or split in self.unlabeled


def read_layout(path):
    """Reads the layout of a folder of images, from names alone.

    Args:
        path: String or path of the folder.

    Returns:
        A `FolderLayout`.

    Raises:
        FolderError: There is no such folder, its layout is ambiguous, or it has fewer than two
            classes or no images.
    """
    root = Path(path).expanduser()
    received = f'Received: name="folder:{printable(path)}"'
    if not os.fspath(path) or not root.is_dir():
        raise FolderError(f'`name` must be "folder:PATH" with a folder that exists. {received}')
    try:
        return _Reader(root).layout()
    except FolderError as error:
        raise FolderError(f"{error}. {received}") from None


class _Reader:
    """Reads one folder, and records what it leaves out."""

    def __init__(self, root):
        self._root = root
        self._left_out = collections.defaultdict(dict)  # what it is: names, in their order

    def layout(self):
        folders, strays = self._visible(self._root)
        named = [folder for folder in folders if folder.name.casefold() in _SPLIT_OF]
        parting = [folder for folder in named if self._visible(folder)[0]]
        parted = bool(parting) or (bool(named) and len(named) == len(folders))
        splits, remarks = {"train": self._root}, []
        if parted:
            self._leave_out_images(strays)
            self._check_beside(folders, named, parting)
            splits = self._splits(named, parting)
        else:
            remarks += [f"{_some([one])} is taken for a class, not for a split" for one in named]
        labeled = {key: one for key, one in splits.items() if not parted or one in parting}
        classes = [folder.name for folder in self._visible(labeled["train"])[0]]
        self._check_classes(labeled)
        self._check_boxes(labeled["train"])
        if not parted:
            self._check_unknown_splits(folders)
        images = {key: self._images(one, classes) for key, one in labeled.items()}
        for folder in splits.values():
            self._leave_out_images(self._visible(folder)[1])
        left_out = "; ".join(
            f"{len(names)} {sort} ({quoted(next(iter(names)))}{', ...' if len(names) > 1 else ''})"
            for sort, names in sorted(self._left_out.items())
        )
        _check_enough(classes, images, left_out)
        remarks += _alike(classes)
        for key, found in images.items():
            missing = set(classes) - {classes[class_id] for _, class_id, _ in found}
            empty = [one for one in self._visible(labeled[key])[0] if one.name in missing]
            if empty:
                where = f" of {_some([labeled[key]])}" if parted else ""
                remarks.append(
                    f"{len(empty)} of {len(classes)} classes{where} without images, which keep "
                    f"their class ids: {_some(empty)}"
                )
        if left_out:
            remarks.append(f"Left out: {left_out}")
        unlabeled = {key: one.name for key, one in splits.items() if key not in labeled}
        return FolderLayout(tuple(distinct(classes)), images, parted, unlabeled, left_out, remarks)

    def _check_beside(self, folders, named, parting):
        """Raises a FolderError if there are classes beside splits."""
        others = [folder for folder in folders if folder not in named]
        beside = [folder for folder in others if self._holds_images(folder)]
        if beside:
            raise FolderError(
                f"`name` must be a folder of splits or of classes: {_some(parting)} there, named "
                f"like splits and holding folders, and {_some(beside)} contradict each other. "
                f"{_ALLOWED}"
            )
        for folder in others:
            self._leave_out("without images", folder)

    def _splits(self, named, parting):
        """Returns a dict from splits to their folders."""
        splits = {}
        for folder in named:
            other = splits.setdefault(_SPLIT_OF[folder.name.casefold()], folder)
            if other is not folder:
                one, two = quoted(other.name), quoted(folder.name)
                raise FolderError(
                    "`name` must be a folder with one folder for each split; the folders "
                    f"{one} and {two} both hold the {_SPLIT_OF[folder.name.casefold()]} split"
                )
        if splits.get("train") not in parting:
            what = f"there is no folder train beside {_some(named)}"
            if "train" in splits:
                what = f"{_some([splits['train']])} holds no folders"
            raise FolderError(
                "`name` must be a folder with a folder for each class, or a folder train with "
                f"these; {what}. To read one folder alone, name that folder and take the split all"
            )
        return splits

    def _check_classes(self, splits):
        """Raises a FolderError if a split has a class that the training images lack."""
        known = {folder.name for folder in self._visible(splits["train"])[0]}
        for split in splits.values():
            others = [one for one in self._visible(split)[0] if one.name not in known]
            unknown = [one for one in others if self._holds_images(one)]
            if unknown:
                close = [
                    one for one in sorted(known) if one.casefold() == unknown[0].name.casefold()
                ]
                raise FolderError(
                    f"`name` must be a folder whose splits have no other classes than "
                    f"{_some([splits['train']])}; {_some([split])} has {_some(unknown)} too"
                    + (f" (there it is {_some(close)})" if close else "")
                )
            for folder in others:
                self._leave_out("without images", folder)

    def _check_boxes(self, folder):
        """Raises a FolderError for images beside text files with their labels."""
        found = {one.name.casefold(): one for one in self._visible(folder)[0]}
        if _IMAGES in found and _LABELS in found:
            suffixes = {file.suffix.lower() for file in self._files(found[_LABELS])}
            if ".txt" in suffixes and suffixes.isdisjoint(IMAGE_SUFFIXES):
                both = [found[_IMAGES], found[_LABELS]]
                raise FolderError(
                    "`name` must be a folder with a folder of images for each class; "
                    f"{_some(both)} look like images beside text files with their labels (the "
                    f"layout of YOLO), not like classes. {_ALLOWED}"
                )

    def _check_unknown_splits(self, folders):
        """Raises a FolderError if all classes hold folders of the same names, as splits do."""
        inside = {}
        for folder in folders:
            below, files = self._visible(folder)
            if any(file.suffix.lower() in IMAGE_SUFFIXES for file in files):
                return
            names = tuple(one.name for one in below if self._holds_images(one))
            if names:
                inside[folder] = names
        shared = set(inside.values())
        if len(inside) > 1 and len(shared) == 1 and len(names := shared.pop()) > 1:
            known = ", ".join(name for names in SPLIT_FOLDERS.values() for name in names)
            raise FolderError(
                f"`name` must be a folder of splits or of classes: {_some(inside)} look like "
                f"splits, as each holds {_some(names)} and no images beside them. "
                f"Folders of splits must be called {known}: rename these, or give one of them as "
                "the folder and take the split all"
            )

    def _images(self, folder, classes):
        """Returns a list of (name, class id, path), without files that are no images."""
        found = []
        for class_id, name in enumerate(classes):
            for file in self._files(folder / name):
                suffix = file.suffix.lower()
                if suffix in IMAGE_SUFFIXES:
                    found.append((file.relative_to(folder).as_posix(), class_id, file))
                else:
                    self._leave_out(printable(suffix) or "without a suffix", file)
        return found

    def _files(self, folder):
        """Yields the files at any depth, those of a folder with several links once."""
        pending, seen = [folder] if folder.is_dir() else [], {_identity(self._root)}
        while pending:
            folder = pending.pop()
            identity = _identity(folder)
            if identity not in seen:
                seen.add(identity)
                folders, files = self._visible(folder)
                yield from files
                pending.extend(reversed(folders))

    def _holds_images(self, folder):
        return any(file.suffix.lower() in IMAGE_SUFFIXES for file in self._files(folder))

    def _visible(self, folder):
        """Returns the visible folders and files, each sorted by name."""
        folders, files = [], []
        try:
            with os.scandir(folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            self._leave_out("that cannot be opened", folder)
            return [], []
        for entry in found:
            path = folder / entry.name
            if entry.name.startswith(".") or entry.name.casefold() in _OF_SYSTEMS:
                continue
            # An entry avoids a look at the disk, but raises for a link to itself.
            asked = path if entry.is_symlink() else entry
            if asked.is_dir():
                folders.append(path)
            elif asked.is_file():
                files.append(path)
            else:
                self._leave_out("that are no files", path)
        return folders, files

    def _leave_out(self, what, path):
        self._left_out[what][printable(path.relative_to(self._root).as_posix())] = None

    def _leave_out_images(self, files):
        for file in files:
            if file.suffix.lower() in IMAGE_SUFFIXES:
                self._leave_out("in no class folder", file)


def _check_enough(classes, images, left_out):
    if not any(images.values()):
        but = f", but {left_out}" if left_out else ""
        raise FolderError(
            f"`name` must be a folder with a folder of images ({', '.join(IMAGE_SUFFIXES)}) for "
            f"each class; there are no such images{but}"
        )
    if len(classes) == 1:
        raise FolderError(
            f"`name` must be a folder with at least two classes; {_some(classes)} is the only one"
        )


def _alike(classes):
    """Returns a sentence for each class whose name differs from another only in case."""
    first, remarks = {}, []
    for name in classes:
        other = first.setdefault(name.casefold(), name)
        if other != name:
            remarks.append(f"{_some([other, name])} are two classes")
    return remarks


def _identity(folder):
    """Returns the identity of a folder, the same for each link to it."""
    try:
        status = os.stat(folder)
    except OSError:
        return folder
    return status.st_dev, status.st_ino


def _some(folders):
    """Returns the first few names of folders for a message."""
    names = [quoted(one.name if isinstance(one, Path) else one) for one in folders]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
