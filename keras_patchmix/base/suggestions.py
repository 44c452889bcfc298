"""Guesses at the name that was meant where one is unknown."""

import difflib


def meant(name, known):
    """Returns the question whether a similar name was meant.

    Args:
        name: What was given; only a string has similar names.
        known: Iterable of the names that there are.

    Returns:
        Such as `" Did you mean 'vit_tiny16'?"`, to be added to a message, or `""` where no name
        is similar. Upper and lower case count as the same.
    """
    if not isinstance(name, str):
        return ""
    spelled = {known_name.lower(): known_name for known_name in known}
    similar = difflib.get_close_matches(name.lower(), spelled, n=1, cutoff=0.75)
    return f" Did you mean {spelled[similar[0]]!r}?" if similar else ""
