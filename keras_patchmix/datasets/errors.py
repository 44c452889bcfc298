"""What is wrong with a data set, where code reacts to it."""


class EmptySplitError(ValueError):
    """A split of a data set holds no images."""
