"""Names from anywhere, in a form that a line of a file or of a terminal can hold."""

from keras_patchmix.datasets.image_files import printable


def one_line(text):
    """Returns a text with escapes for what is not printable, such as line ends, at most one line.

    Args:
        text: String, such as a file name as the file system gives it.
    """
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in printable(text))


def label_names(class_names):
    """Returns class names as TFDS' file of one name a line can hold them.

    Args:
        class_names: Sequence of strings, such as the names of folders.

    Raises:
        ValueError: Two names come out the same.
    """
    names = [one_line(name).strip() for name in class_names]
    if len(set(names)) != len(names) or not all(names):
        raise ValueError(
            "The names of classes must differ in more than white space at their ends. "
            f"Received: {names}"
        )
    return names
