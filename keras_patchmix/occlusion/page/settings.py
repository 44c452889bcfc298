"""All settings of the reports, and how the numbers can be had again."""

import json
import re

from keras_patchmix.occlusion.page.markup import column, given, join, row_head, table, tag

_LONG = 160  # characters of a value that is folded away
_TITLES = {"suite": "Suite", "class_names": "Class names", "class_map": "Class map"}


def settings_section(reports):
    """Every setting: one table, the long ones as JSON that folds out."""
    settings = {name: _of(report) for name, report in reports.items()}
    keys = list(dict.fromkeys(key for values in settings.values() for key in values))
    long = [
        key
        for key in keys
        if key in _TITLES or any(len(values.get(key, "")) > _LONG for values in settings.values())
    ]
    body = [
        tag("tr", row_head(tag("code", key)), _cells([v.get(key, "–") for v in settings.values()]))
        for key in keys
        if key not in long
    ]
    names = [given(name) for name in reports] if len(reports) > 1 else ["Value"]
    head = [column("Setting"), *(column(name) for name in names)]
    folded = [_folded(key, {n: v[key] for n, v in settings.items() if key in v}) for key in long]
    return join(
        [
            _again(reports),
            tag(
                "details",
                tag("summary", "All settings"),
                table(
                    "As report.json holds them",
                    None,
                    [head],
                    [body],
                    "settings",
                ),
            ),
            folded,
        ]
    )


def _of(report):
    """All settings of a report, those of sets of occluded images with the row's name in front."""
    settings = _written(report.settings)
    for name, each in report.datasets.items():
        settings |= {f"{name}: {key}": value for key, value in _written(each.settings).items()}
    return settings


def _again(reports):
    """The command, where there was one, and the calls that make the numbers again."""
    settings = [report.settings for report in reports.values()]
    digest = settings[0].get("labels_sha256")
    commands = dict.fromkeys(filter(None, (values.get("command") for values in settings)))
    calls = {}
    for name, values in zip(reports, settings, strict=True):
        calls.setdefault(_call(values), []).append(given(name))
    parts = [
        tag(
            "p",
            "The corruptions are a function of the seed and of each image's index, the same on "
            "every machine, backend and batch size. The same images in the same order, scored "
            "as below, give these numbers up to the arithmetic of the model.",
        ),
        [tag("div", _code(command), class_="command") for command in commands],
        tag("p", "In Python:") if commands else None,
    ]
    for call, names in calls.items():
        if len(calls) > 1:
            parts.append(tag("h3", join(names, ", ")))
        parts.append(_code(call))
    if digest and all(values.get("labels_sha256") == digest for values in settings):
        parts.append(
            tag("p", "SHA-256 of the labels in their order: ", tag("code", digest), class_="small")
        )
    return join(parts)


def _code(text):
    return tag("pre", tag("code", text), tabindex="0")


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
    if settings.get("class_map"):
        arguments.append("class_map=CLASS_MAP,  # the JSON below")
    lines = "".join(f"    {argument}\n" for argument in arguments)
    return (
        "suite = keras_patchmix.occlusion.deserialize(SUITE)  # the JSON below\n"
        "report = keras_patchmix.occlusion.evaluate(\n"
        f"    model,\n    dataset,\n    suite=suite,\n{lines})"
    )


def _function(argument, name):
    """The argument that takes a function: its name where Python can find it by that."""
    # Where Keras defines it is private; where it exports it is not.
    name = name.replace("keras.src.applications.", "keras.applications.").removeprefix("__main__.")
    if re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", name):
        return f"{argument}={name},"
    return f"{argument}={argument.upper()},  # was {' '.join(name.split())}"


def _python(value):
    return repr(tuple(value) if isinstance(value, list) else value)


def _written(settings):
    """Flat text of each setting; the versions one by one."""
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
    """JSON of a list, an item a line."""
    if not isinstance(values, list) or not values:
        return _text(values)
    return "[\n " + ",\n ".join(map(_text, values)) + "\n]"


def _cells(values):
    """A cell each, or one for all where they agree."""
    if len(set(values)) == 1:
        return tag("td", values[0], colspan=len(values) if len(values) > 1 else None)
    return [tag("td", value) for value in values]


def _folded(key, values):
    title = _TITLES.get(key, key)
    if len(set(values.values())) == 1:
        parts = [tag("pre", tag("code", next(iter(values.values()))), tabindex="0")]
    else:
        parts = [
            [tag("h3", given(name)), tag("pre", tag("code", value), tabindex="0")]
            for name, value in values.items()
        ]
    return tag("details", tag("summary", title), parts, class_="long" if key != "suite" else None)
