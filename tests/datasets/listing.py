"""The images of a folder by their names."""

from keras_patchmix.datasets.folder import FolderSource


def list_images(path, split):
    """Returns the class names and a list of (relative name, label, path) of a split."""
    return FolderSource(f"folder:{path}").listed(split)
