"""Settings of a run out of a JSON file: one of the published recipes, or the user's own."""

from pathlib import Path

from keras_patchmix.base import state_files

_PRESETS = Path(__file__).parent / "presets"
# What a run directory's config.json and the presets hold beside settings.
_NOT_SETTINGS = ("about", "source", "not_covered", "recipe", "files", "output")
# Settings of earlier versions, and what to use in their place.
_RETIRED = {"checkpoint_every": "steps_per_epoch, which makes epochs short: each is saved"}


def preset_names():
    """Returns the sorted names of the published recipes."""
    return sorted(path.stem for path in _PRESETS.glob("*.json"))


def arguments_of(name, fields):
    """Returns the settings of a file as command-line arguments, which are then checked as such.

    Args:
        name: One of `preset_names()`, or the path of a JSON file: an object of flags without
            dashes, such as `{"batch_size": 128}`. The config.json of a run is one. The strings
            "about", "source" and "not_covered" may stand there too.
        fields: Names of the settings there are.

    Returns:
        List of strings.

    Raises:
        ValueError: There is no such file, it is damaged or no JSON object, a key is unknown or of
            an earlier version, or a value is neither a number nor a string nor a list of such.
    """
    path = _PRESETS / f"{name}.json" if name in preset_names() else Path(name)
    try:
        settings = state_files.read_json(path, "a JSON file of settings")
    except OSError as error:
        raise ValueError(
            f"must be one of {', '.join(preset_names())} or a JSON file, got {name!r}: "
            f"{error.strerror}"
        ) from None
    if not isinstance(settings, dict):
        raise ValueError(f"{name!r} must hold a JSON object, got {type(settings).__name__}")
    settings = {key: value for key, value in settings.items() if key not in _NOT_SETTINGS}
    retired = [key for key in _RETIRED if settings.pop(key, None) is not None]
    if retired:
        raise ValueError(
            f"{name!r} holds keys of an earlier version: "
            + "; ".join(f"{key} (use {_RETIRED[key]})" for key in retired)
        )
    unknown = sorted(set(settings) - set(fields))
    if unknown:
        raise ValueError(
            f"{name!r} holds unknown keys: {', '.join(unknown)}. Known: {', '.join(sorted(fields))}"
        )
    arguments = []
    for key, value in settings.items():
        parts = value if isinstance(value, list) else [value]
        if not all(part is None or isinstance(part, str | int | float) for part in parts):
            raise ValueError(f"{name!r}: {key} must be a number, a string or a list of them")
    for key, value in settings.items():
        flag = "--" + key.replace("_", "-")
        if isinstance(value, list):
            arguments += [flag, *map(str, value)]
        elif value is not None:
            arguments.append(f"{flag}={value}")
    return arguments
