"""Names of classes as TFDS stores them, and as lines of text with their ids."""

from keras_patchmix.base.printable import distinct, quoted

_FIRST, _LAST = 10, 2


def label_names(class_names):
    """Returns class names as TFDS stores them, a line each.

    Args:
        class_names: Sequence of strings, such as the names of folders.

    Raises:
        ValueError: Two names differ in white space at their ends only.
    """
    names = [name.strip() for name in distinct(class_names)]
    if len(set(names)) != len(names) or not all(names):
        raise ValueError(
            "The names of classes must differ in more than white space at their ends. "
            f"Received: {names}"
        )
    return names


def class_lines(class_names):
    """Returns the classes of a data set by their ids, shortened if they are many.

    Args:
        class_names: Sequence of names.

    Returns:
        List of lines. If the names are numbers but not in numerical order, a second line says so: a
        model whose outputs follow the numbers would be scored with the labels of other classes.
    """
    listed = [f"{class_id} {quoted(name)}" for class_id, name in enumerate(class_names)]
    if len(listed) > _FIRST + _LAST + 1:
        listed = [*listed[:_FIRST], "...", *listed[-_LAST:]]
    lines = [f"Classes: {', '.join(listed)}"]
    if all(name.isdecimal() for name in class_names):
        numbers = [int(name) for name in class_names]
        first = next((k for k, n in enumerate(sorted(numbers)) if n != numbers[k]), None)
        if first is not None:
            lines.append(
                f"The names are numbers in the order of text, as keras.utils."
                f"image_dataset_from_directory has them: class {first} is "
                f"{quoted(class_names[first])}. A model whose outputs follow the numbers needs a "
                "class map"
            )
    return lines
