"""Where published archives are: in TFDS' folder for manual downloads, or on the network."""

import warnings

from keras_patchmix.base.optional import require
from keras_patchmix.datasets.archives import ArchiveError


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
