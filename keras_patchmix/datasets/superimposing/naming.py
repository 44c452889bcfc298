"""Names of classes in a form that TFDS can keep."""

from keras_patchmix._names import distinct


def label_names(class_names):
    """Returns class names as TFDS' file of one name a line can hold them.

    Args:
        class_names: Sequence of strings, such as the names of folders.

    Raises:
        ValueError: Two names come out the same.
    """
    names = [name.strip() for name in distinct(class_names)]
    if len(set(names)) != len(names) or not all(names):
        raise ValueError(
            "The names of classes must differ in more than white space at their ends. "
            f"Received: {names}"
        )
    return names
