"""Validation of JSON values by types: dataclasses, typed dicts and their fields."""

import dataclasses
import functools
import math
import types
import typing

_hints = functools.cache(typing.get_type_hints)


class Mismatch(ValueError):
    """A value that is not of its type, or does not agree with another one.

    Args:
        place: Path to the value, such as "rows[2].n".
        reason: String.
    """

    def __init__(self, place, reason):
        super().__init__(f"{place}: {reason}" if place else reason)
        self.place, self.reason = place, reason


def conform(value, kind, place=""):
    """Returns JSON values as instances of a type.

    Args:
        value: JSON values.
        kind: A type: `bool`, `int`, `float` (finite, whole numbers too), `str`, `None`, `Any`, a
            union, `list[...]`, `dict[str, ...]`, `tuple[...]` (of a list), a dataclass (of a dict
            with its fields, and no others) or a `TypedDict` (a dict, which may hold more).
        place: Path to the value, for messages.

    Raises:
        Mismatch: The value is not of the type.
    """
    if kind is typing.Any:
        return value
    if dataclasses.is_dataclass(kind):
        return _of_dataclass(value, kind, place)
    if typing.is_typeddict(kind):
        fields = _fields(value, _hints(kind), kind.__required_keys__, place)
        return {**value, **fields}
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return _of_union(value, arguments, place)
    if origin is list:
        _check(isinstance(value, list), "a list", value, place)
        return [conform(one, arguments[0], f"{place}[{i}]") for i, one in enumerate(value)]
    if origin is tuple:
        return _of_tuple(value, arguments, place)
    if origin is dict:
        _check(isinstance(value, dict), "an object", value, place)
        return {key: conform(one, arguments[1], _at(place, key)) for key, one in value.items()}
    if kind is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        _check(number and _is_finite(value), "a finite number", value, place)
    elif kind in (None, types.NoneType):
        _check(value is None, "null", value, place)
    elif kind is int:
        _check(type(value) is int, "a whole number", value, place)
    else:
        _check(type(value) is kind, {str: "a string", bool: "true or false"}[kind], value, place)
    return value


def check(true, place, reason):
    """Raises `Mismatch` unless a condition is true."""
    if not true:
        raise Mismatch(place, reason)


def _of_dataclass(value, kind, place):
    fields = dataclasses.fields(kind)
    needed = {
        field.name
        for field in fields
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    values = _fields(value, _hints(kind), needed, place)
    unknown = sorted(set(value) - {field.name for field in fields})
    check(not unknown, place, f"unknown keys {_shown(unknown)}")
    return kind(**values)


def _fields(value, hints, needed, place):
    _check(isinstance(value, dict), "an object", value, place)
    missing = sorted(set(needed) - set(value))
    check(not missing, place, f"the keys {_shown(missing)} are missing")
    return {
        key: conform(value[key], hint, _at(place, key))
        for key, hint in hints.items()
        if key in value
    }


def _of_union(value, kinds, place):
    known = [kind for kind in kinds if kind is not types.NoneType]
    if value is None and len(known) < len(kinds):
        return None
    for kind in known[:-1]:
        try:
            return conform(value, kind, place)
        except Mismatch:
            continue
    return conform(value, known[-1], place)


def _of_tuple(value, kinds, place):
    _check(isinstance(value, list), "a list", value, place)
    if kinds[-1] is Ellipsis:
        kinds = kinds[:1] * len(value)
    _check(len(value) == len(kinds), f"a list of {len(kinds)}", value, place)
    return tuple(
        conform(one, kind, f"{place}[{i}]")
        for i, (one, kind) in enumerate(zip(value, kinds, strict=True))
    )


def _is_finite(value):
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond every float
        return False


def _at(place, key):
    return f"{place}.{key}" if place else str(key)


def _check(true, allowed, value, place):
    if not true:
        raise Mismatch(place, f"must be {allowed}. Received: {_shown(value)}")


def _shown(value):
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."
