"""Similar names for unknown ones."""

import difflib


def meant(name, known):
    """Returns a question such as `" Did you mean 'vit_tiny16'?"`, or `""` without a similar name.

    Args:
        name: What was given; only a string has similar names. Case does not matter.
        known: Iterable of the known names.
    """
    if not isinstance(name, str):
        return ""
    spelled = {known_name.lower(): known_name for known_name in known}
    similar = difflib.get_close_matches(name.lower(), spelled, n=1, cutoff=0.75)
    return f" Did you mean {spelled[similar[0]]!r}?" if similar else ""
