"""The section of settings: how to reproduce the numbers."""

import json
import re

from keras_patchmix.report.page import Settings
from keras_patchmix.report.text import Table, TableRow

_LONG = 160  # longest value, in characters, that is not folded
_TITLES = {"suite": "Suite", "class_names": "Class names", "class_map": "Class map"}


def settings_of(reports):
    """Returns the `Settings` of a page."""
    settings = {name: _of(report) for name, report in reports.items()}
    keys = list(dict.fromkeys(key for values in settings.values() for key in values))
    long = [
        key
        for key in keys
        if key in _TITLES or any(len(values.get(key, "")) > _LONG for values in settings.values())
    ]
    shown = {
        key: {name: own.get(key, "–") for name, own in settings.items()}
        for key in keys
        if key not in long
    }
    rows = [TableRow([key, *dict(once(values)).values()]) for key, values in shown.items()]
    names = list(reports) if len(reports) > 1 else ["Value"]
    caption, title = "As report.json holds them", "All settings"
    table = Table(caption, ["Setting", *names], [rows], kind="settings", folded=title)
    given = [report.settings for report in reports.values()]
    calls = {}
    for name, values in zip(reports, given, strict=True):
        calls.setdefault(_call(values), []).append(name)
    digests = {values.get("labels_sha256") for values in given}
    return Settings(
        list(dict.fromkeys(filter(None, (values.get("command") for values in given)))),
        [(names, call) for call, names in calls.items()],
        digests.pop() if len(digests) == 1 else None,
        table,
        [
            (
                _TITLES.get(key, key),
                once({name: own[key] for name, own in settings.items() if key in own}),
                key == "suite",
            )
            for key in long
        ],
    )


def once(values):
    """Returns a dict from models to texts as a list of pairs: one without a model if all agree."""
    same = len(set(values.values())) == 1
    return [(None, next(iter(values.values())))] if same else list(values.items())


def _of(report):
    """Settings of a report as text; those of sets of occluded images follow the row's name."""
    settings = _written(report.settings)
    for name, each in report.datasets.items():
        settings |= {f"{name}: {key}": value for key, value in _written(each.settings).items()}
    return settings


def _call(settings):
    arguments = [f"seed={_python(settings.get('seed'))},"]
    for name in ("max_examples", "value_range"):
        if settings.get(name) is not None:
            arguments.append(f"{name}={_python(settings[name])},")
    for name in ("preprocess", "saliency"):
        by_itself = name == "preprocess" and settings.get("own_preprocess")
        if settings.get(name) is not None and not by_itself:
            arguments.append(_function(name, str(settings[name])))
    if settings.get("one_output"):
        arguments.append(f"from_logits={settings['one_output'] == 'logit'},")
    if settings.get("bank_images"):
        arguments.append(f"bank_size={settings['bank_images']},")
    if settings.get("sequential"):
        arguments.append(f"precision={_python(settings['sequential']['precision'])},")
        if settings["sequential"].get("compared_to"):
            arguments.append("compare_to=REPORT,")
    if settings.get("class_map"):
        arguments.append("class_map=CLASS_MAP,  # the JSON below")
    lines = "".join(f"    {argument}\n" for argument in arguments)
    return (
        "suite = keras_patchmix.occlusion.deserialize(SUITE)  # the JSON below\n"
        "report = keras_patchmix.occlusion.evaluate(\n"
        f"    model,\n    dataset,\n    suite=suite,\n{lines})"
    )


def _function(argument, name):
    """Returns an argument that is a function, by its name if that is a name in Python."""
    # The module that defines a function of Keras is private; the one that exports it is not.
    name = name.replace("keras.src.applications.", "keras.applications.").removeprefix("__main__.")
    if re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", name):
        return f"{argument}={name},"
    return f"{argument}={argument.upper()},  # was {' '.join(name.split())}"


def _python(value):
    return repr(tuple(value) if isinstance(value, list) else value)


def _written(settings):
    """Returns the settings as text, with an entry for each version."""
    flat = {}
    for key, value in settings.items():
        if key == "versions" and isinstance(value, dict):
            flat.update({f"version of {name}": _text(v) for name, v in value.items()})
        else:
            flat[key] = _lines(value) if key == "suite" else _text(value)
    return flat


def _text(value):
    if value is None or isinstance(value, str):
        return "none" if value is None else value
    return json.dumps(value, ensure_ascii=False, default=str)


def _lines(values):
    """Formats a list as JSON with one item a line."""
    if not isinstance(values, list) or not values:
        return _text(values)
    return "[\n " + ",\n ".join(map(_text, values)) + "\n]"
