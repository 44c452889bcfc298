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
    """Returns the `tfds.core.DatasetInfo` of a builder.

    Args:
        builder: A `tfds.core.DatasetBuilder` of images with one label each.
        description: String.
        page: Address of the page that holds the archives.
        class_names: Sequence of strings.
        features: Dict of features beside "image", "label" and "file_name". Defaults to `()`.

    Returns:
        A `tfds.core.DatasetInfo` with a dict "skipped" in its metadata.
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
    """Returns the addresses of the files and of the page of a data set on Hugging Face.

    Args:
        data_set: String, its name there.

    Returns:
        Tuple of address patterns with "{}" for the name of a file, and the address of the page. The
        account was renamed after publication; the second pattern has the old name.
    """
    root = "https://huggingface.co/datasets"
    patterns = tuple(
        f"{root}/{account}/{data_set}/resolve/main/{{}}" for account in ("arielnlee", "ariellee")
    )
    return patterns, f"{root}/arielnlee/{data_set}"


def locate(dl_manager, names, patterns, page, hint=""):
    """Finds archives in TFDS' folder for manual downloads, and downloads those that are not there.

    Args:
        dl_manager: A `tfds.download.DownloadManager`.
        names: Sequence of the archives' file names.
        patterns: Sequence of addresses with "{}" for a name. The next one is tried where the server
            does not have the archives under the one before.
        page: Address of the page that holds the archives, for messages.
        hint: String, appended to the message about missing archives. Defaults to `""`.

    Returns:
        Dict from name to path, in the order of `names`.

    Raises:
        ArchiveError: Archives are neither there nor can be downloaded.

    Warns:
        UserWarning: The folder has some of the archives only.
    """
    tfds = require("tensorflow_datasets", "Published data sets")
    try:
        folder = dl_manager.manual_dir
        looked = f"not in the folder of manual downloads, {str(folder)!r}"
        paths = {name: folder / name for name in names if (folder / name).exists()}
    except AssertionError:  # what TFDS raises where the folder is missing or empty
        looked, paths = "there is no folder of manual downloads, or it is empty", {}
    missing, errors = [name for name in names if name not in paths], []
    if paths and missing:
        warnings.warn(
            f"{len(paths)} of {len(names)} archives are in {str(folder)!r}; the other "
            f"{len(missing)}, such as {missing[0]!r}, are downloaded.",
            UserWarning,
            stacklevel=2,
        )
    for pattern in patterns if missing else ():
        try:
            paths.update(dl_manager.download({name: pattern.format(name) for name in missing}))
            break
        except Exception as error:  # of any layer of the network
            errors.append(str(error))
            # Both addresses are on one server: if it did not answer, it does not answer again.
            if not isinstance(error, tfds.download.DownloadError):
                break
    if not set(names) <= set(paths):
        listed = ", ".join(map(repr, missing[:5])) + (" and more" if len(missing) > 5 else "")
        message = (
            f"{len(missing)} of {len(names)} archives are missing: {listed}. Looked for: {looked}; "
            f"and the download failed: {'; '.join(errors)}. Get them from {page} and give their "
            "folder: download_config=tfds.download.DownloadConfig(manual_dir=FOLDER), or put them "
            f"into {str(dl_manager.download_dir / 'manual')!r}. {hint}"
        )
        raise ArchiveError(message.rstrip())
    return {name: paths[name] for name in names}


def check_size(name, path, size, hint=""):
    """Raises an `ArchiveError` where an archive does not have the published size.

    Args:
        name: String, the archive's file name.
        path: Its path.
        size: Integer, bytes.
        hint: String, appended to the message. Defaults to `""`.
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


def decode_image(data):
    """Decodes the bytes of a PNG or JPEG image, see `keras_patchmix.datasets.image_files.decode`.

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
    """Yields (key, example) for every usable image of some archives.

    Args:
        archives: Dict from the name of an archive to its path.
        to_example: Function of a `Member` that returns an example, or raises `MemberError`.
        skipped: Dict to fill with what is left out: "archive:name" to the reason.

    Yields:
        Pairs of "archive:name" and an example.

    Raises:
        ArchiveError: See `read_members`; or none of the images of an archive can be used.

    Warns:
        UserWarning: Images were left out; at the end, with their number and the first of them.
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
            raise ArchiveError(_nothing_usable(archive, list(skipped.items())[before:]))
    if skipped:
        first, reason = next(iter(skipped.items()))
        warnings.warn(
            f"{len(skipped)} of {total + len(skipped)} images are left out; the first is "
            f"{first!r}: {reason}. All are named in `builder.info.metadata['skipped']`.",
            UserWarning,
            stacklevel=2,
        )


def _nothing_usable(archive, skipped):
    if not skipped:
        return f"The archive {archive!r} holds no images ({', '.join(ARCHIVE_SUFFIXES)})."
    first, reason = skipped[0]
    return (
        f"None of the {len(skipped)} images of the archive {archive!r} can be used; the first is "
        f"{first!r}: {reason}."
    )
