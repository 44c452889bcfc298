"""Suites as JSON values, and back."""

import importlib
import inspect
import json
from collections.abc import Mapping, Sequence
from typing import Any

from keras_patchmix import corruptions
from keras_patchmix.base.schema import Mismatch
from keras_patchmix.base.state_files import parse_json
from keras_patchmix.corruptions.member import Member
from keras_patchmix.occlusion.dataset_occlusion import DatasetOcclusion


def serialize(suite: Sequence[Any]) -> list[dict[str, Any]]:
    """Turns a suite into JSON values.

    Args:
        suite: List or tuple of corruptions and `DatasetOcclusion`s.

    Returns:
        List of dicts, in the order of the suite, with the keys "class_name" and "config", the dict
        of the member's `get_config`. `json.dumps` of it is what `deserialize` reads.

    Raises:
        ValueError: Not a list of members, or one that cannot be written as JSON, such as a
            `DatasetOcclusion` of images that were given as an object.
    """
    for member in members_of(suite):
        if isinstance(member, DatasetOcclusion) and not member.is_named:
            raise ValueError(
                "A `DatasetOcclusion` can be written as JSON if its data set is given by name. "
                f"Received: {member.name!r}, whose images were given as an object"
            )
    return described(suite)


def described(suite):
    """Returns what `serialize` does, with None for images that were given as an object."""
    return [_entry(member) for member in members_of(suite)]


def deserialize(
    suite: str | Sequence[Any], custom_objects: Mapping[str, type] | None = None
) -> list[Any]:
    """Makes a suite from JSON values.

    Args:
        suite: What `serialize` returned, or the JSON text of that.
        custom_objects: Dict from class name to class, for corruptions of your own. They take
            precedence over classes of this package with the same name.

    Returns:
        A list of corruptions and `DatasetOcclusion`s, equal to those that were serialized.

    Raises:
        ValueError: The values or the text are not as described, a class is unknown, or it does not
            take the arguments.

    Example:
        >>> text = json.dumps(serialize([PatchDrop(7, 0.5)]))
        >>> deserialize(text)
        [PatchDrop(grid_size=[7, 7], levels=[0.5], fill='black', order='random')]
    """
    if isinstance(suite, str):
        try:
            suite = parse_json(suite)
        except Mismatch as error:
            raise ValueError(
                f"`suite` must be JSON, as `json.dumps(serialize(suite))` gives it ({error}). "
                f"Received: suite={suite[:80]!r}"
            ) from error
    return list(members_of(suite, custom_objects))


def members_of(suite, custom_objects=None):
    """Returns the members of a suite, making those that are given as dicts.

    Args:
        suite: List or tuple of `Member`s and of dicts as `serialize` makes them.
        custom_objects: See `deserialize`.

    Returns:
        A tuple of `Member`s.

    Raises:
        ValueError: The suite is empty or something else, or a dict describes no member.
    """
    members = tuple(suite) if isinstance(suite, list | tuple) else ()
    if not members or not all(isinstance(member, Member | dict) for member in members):
        raise ValueError(
            "`suite` must be a list or tuple of corruptions and `DatasetOcclusion`s, such as "
            f"[PatchReplacement(7), PatchDrop(14)]. Received: suite={suite!r}"
        )
    return tuple(
        _member(member, custom_objects or {}) if isinstance(member, dict) else member
        for member in members
    )


def _entry(member):
    entry = {"class_name": type(member).__name__, "config": member.get_config()}
    try:
        json.dumps(entry, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"`get_config` of each member of `suite` must return JSON values ({error}). "
            f"Received: {entry}"
        ) from error
    return entry


def _member(entry, custom_objects):
    if (
        set(entry) != {"class_name", "config"}
        or not isinstance(entry["class_name"], str)
        or not isinstance(entry["config"], dict)
    ):
        raise ValueError(
            'A dict in `suite` must have the keys "class_name", a string, and "config", a dict. '
            f"Received: {entry!r}"
        )
    cls = _class(entry["class_name"], custom_objects)
    _check_arguments(cls, entry["config"])
    return cls.from_config(entry["config"])


def _class(name, custom_objects):
    modules = corruptions.modules()
    known = {"DatasetOcclusion": DatasetOcclusion, **modules, **custom_objects}
    if name not in known:
        raise ValueError(
            f"`suite` holds an unknown corruption. Known: {', '.join(known)} (pass your own "
            f"classes to `deserialize` as `custom_objects`). Received: class_name={name!r}"
        )
    cls = known[name]
    if name in modules and name not in custom_objects:
        cls = getattr(importlib.import_module(f"{corruptions.__name__}.{modules[name]}"), name)
    if not (isinstance(cls, type) and issubclass(cls, Member)):
        raise ValueError(
            "`custom_objects` must hold subclasses of `keras_patchmix.occlusion.Corruption`. "
            f"Received: {name}={cls!r}"
        )
    return cls


def _check_arguments(cls, config):
    """Raises if the constructor does not take a config that it is given as it is."""
    if cls.from_config.__func__ is not Member.from_config.__func__:
        return
    signature = inspect.signature(cls)
    try:
        signature.bind(**config)
    except TypeError as error:
        raise ValueError(
            f"{cls.__name__} takes the arguments {', '.join(signature.parameters)} ({error}). "
            f"Received: config={config!r}"
        ) from error
