"""What SMD and ROD share: where their archives are, and how they become TFDS data sets.

Both are data sets of Lee et al. 2023, arXiv 2306.17848.
"""

import warnings

from keras_patchmix.base.optional import require
from keras_patchmix.datasets import image_files
from keras_patchmix.datasets.archives import ArchiveError, MemberError, read_members

ARCHIVE_SUFFIXES = (".png", ".jpg", ".jpeg")
_CITATION = (
    "Lee, Bargal, Kasera, Sclaroff, Saenko, Ruiz: Hardwiring ViT Patch Selectivity into CNNs using "
    "Patch Mixing. arXiv 2306.17848, 2023."
)


def published_info(builder, description, page, class_names, features=()):
    """Returns what a builder says of its data set.

    Args:
        builder: A `tfds.core.DatasetBuilder` of images with one label each.
        description: String.
        page: Address of the page that holds the archives.
        class_names: Sequence of strings.
        features: Dict of further features, beside "image", "label" and "file_name". Defaults to
            none.

    Returns:
        A `tfds.core.DatasetInfo`, whose metadata has a dict "skipped".
    """
    tfds = require("tensorflow_datasets", "Published data sets")
    return builder.dataset_info_from_configs(
        description=description,
        features=tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(None, None, 3)),
                "label": tfds.features.ClassLabel(names=class_names),
                "file_name": tfds.features.Text(),
                **dict(features),
            }
        ),
        supervised_keys=("image", "label"),
        homepage=page,
        citation=_CITATION,
        metadata=tfds.core.MetadataDict(skipped={}),
    )


def hugging_face(data_set):
    """Returns the addresses of a data set's files and of its page.

    Args:
        data_set: String, its name on Hugging Face.

    Returns:
        Tuple of address patterns, best first, with "{}" for the name of a file, and the address of
        the page. The account was renamed after publication; the old name is the second pattern.
    """
    root = "https://huggingface.co/datasets"
    patterns = tuple(
        f"{root}/{account}/{data_set}/resolve/main/{{}}" for account in ("arielnlee", "ariellee")
    )
    return patterns, f"{root}/arielnlee/{data_set}"


def locate(dl_manager, names, patterns, page, hint=""):
    """Finds archives in the folder for manual downloads, and downloads those that are not there.

    Args:
        dl_manager: A `tfds.download.DownloadManager`.
        names: Sequence of the archives' file names.
        patterns: Sequence of addresses with "{}" for a name. The next one is tried for archives
            that the server does not have under the one before.
        page: Address of the page that holds the archives, for messages.
        hint: String, what the message about missing archives ends with.

    Returns:
        Dict from name to path, in the order of `names`.

    Raises:
        ArchiveError: An archive is neither there nor to be had.
    """
    tfds = require("tensorflow_datasets", "Published data sets")
    folder, found, failed = _manual_folder(dl_manager), {}, {}
    if folder is not None:
        found = {name: folder / name for name in names if (folder / name).exists()}
    for pattern in patterns:
        missing = [name for name in names if name not in found]
        if not missing:
            break
        if found and not failed:
            warnings.warn(
                f"{len(found)} of {len(names)} archives are in {str(folder)!r}; the other "
                f"{len(missing)}, such as {missing[0]!r}, are downloaded.",
                UserWarning,
                stacklevel=2,
            )
        got, errors = _download(dl_manager, {name: pattern.format(name) for name in missing})
        found.update(got)
        for name, error in errors.items():
            failed[name] = f"{failed[name]}; {error}" if name in failed else str(error)
        # Both addresses are on one server: where it did not answer it will not answer again.
        if not any(isinstance(error, tfds.download.DownloadError) for error in errors.values()):
            break
    missing = [name for name in names if name not in found]
    if missing:
        raise ArchiveError(f"{_message(missing, names, dl_manager, failed, page)} {hint}".rstrip())
    return {name: found[name] for name in names}


def check_size(name, path, size, hint=""):
    """Compares the size of an archive with the published one.

    Args:
        name: String, the archive's file name.
        path: Its path.
        size: Integer, bytes.
        hint: String, what the message ends with.

    Raises:
        ArchiveError: It has another size.
    """
    tf = require("tensorflow", "Published data sets")
    received = tf.io.gfile.stat(str(path)).length
    if received != size:
        what = "the download is not complete" if received < size else "it is another file"
        message = (
            f"The archive {name!r} ({str(path)!r}) has {received:,} bytes, {size:,} are published: "
            f"{what}. Delete it and get it again. {hint}"
        )
        raise ArchiveError(message.rstrip())


def _manual_folder(dl_manager):
    try:
        return dl_manager.manual_dir
    except AssertionError:  # what TFDS raises where the folder is missing or empty
        return None


def _download(dl_manager, urls):
    """Returns a dict of paths and a dict of errors, by name."""
    try:
        return dict(dl_manager.download(urls)), {}
    except Exception:
        # TFDS reports the first failure while the others go on; asked one by one, what is there or
        # on its way is not downloaded again.
        paths, errors = {}, {}
        for name, url in urls.items():
            try:
                paths[name] = dl_manager.download(url)
            except Exception as error:
                errors[name] = error
        return paths, errors


def _message(missing, names, dl_manager, failed, page):
    folder = _manual_folder(dl_manager)
    if folder is None:
        looked = "there is no folder of manual downloads, or it is empty"
    else:
        looked = f"not in the folder of manual downloads, {str(folder)!r}"
    listed = ", ".join(map(repr, missing[:5])) + (" and more" if len(missing) > 5 else "")
    return (
        f"{len(missing)} of {len(names)} archives are missing: {listed}. Looked for: {looked}; "
        f"and the download failed: {failed[missing[0]]}. Get them from {page} and give their "
        "folder: download_config=tfds.download.DownloadConfig(manual_dir=FOLDER), or put them "
        f"into {str(dl_manager.download_dir / 'manual')!r}."
    )


def decode_image(data):
    """Decodes a PNG or JPEG image to RGB, as TFDS does when it reads it back.

    The size is read off the head before anything is decoded, so that a small file which claims to
    be a huge image costs no memory.

    Args:
        data: Bytes of the file.

    Returns:
        uint8 array of shape (height, width, 3). An alpha channel is dropped; a tag that says how
        the camera was held (EXIF) is not applied.

    Raises:
        MemberError: It is no PNG or JPEG image, is damaged, or exceeds 100 million pixels.
    """
    if not data:
        raise MemberError("the file is empty")
    if not data.startswith((image_files.PNG, image_files.JPEG)):
        raise MemberError("no PNG or JPEG image")
    try:
        return image_files.decode(data)
    except image_files.ImageFileError as error:
        raise MemberError(str(error)) from error


def read_examples(archives, to_example, skipped):
    """Yields (key, example) for every image of some archives that can be used.

    Args:
        archives: Dict from the name of an archive to its path.
        to_example: Function of a `Member` that returns an example, or raises `MemberError`.
        skipped: Dict that takes up what is left out: "archive:name" to the reason.

    Yields:
        Pairs of "archive:name" and what `to_example` returned.

    Raises:
        ArchiveError: See `read_members`; or none of the images of an archive can be used.

    Warns:
        UserWarning: Some images were left out; at the end, with their number and the first of them.
    """
    total = 0
    for archive, path in archives.items():
        seen, before = set(), len(skipped)
        for member in read_members(path, ARCHIVE_SUFFIXES, archive):
            key = f"{archive}:{member.name}"
            try:
                if member.name in seen:
                    raise MemberError("its name comes twice; the first is kept")
                if member.problem:
                    raise MemberError(member.problem)
                example = to_example(member)
            except MemberError as error:
                skipped[key] = str(error)
                continue
            seen.add(member.name)
            yield key, example
        total += len(seen)
        if not seen:
            raise ArchiveError(_nothing(archive, dict(list(skipped.items())[before:])))
    if skipped:
        first, reason = next(iter(skipped.items()))
        warnings.warn(
            f"{len(skipped)} of {total + len(skipped)} images are left out; the first is "
            f"{first!r}: {reason}. All are named in `builder.info.metadata['skipped']`.",
            UserWarning,
            stacklevel=2,
        )


def _nothing(archive, skipped):
    if not skipped:
        return f"The archive {archive!r} holds no images ({', '.join(ARCHIVE_SUFFIXES)})."
    first, reason = next(iter(skipped.items()))
    return (
        f"None of the {len(skipped)} images of the archive {archive!r} can be used; the first is "
        f"{first!r}: {reason}."
    )
