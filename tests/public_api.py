"""Lists every public name with its signature, for tests/public_api.txt.

    python -m tests.public_api          writes the file: after a change that is meant

A line is a name with its arguments and their defaults, or an attribute with its default. Of classes
the public methods and properties are listed that this package defines. Annotations are left out, so
that the text is the same under every Python and Keras backend, and so is what a base of another
package brings, which is not ours to promise.
"""

import dataclasses
import inspect
from pathlib import Path

from tools.api_pages import ROOMS, public_names

FILE = Path(__file__).with_suffix(".txt")


def listing(room):
    """Returns the lines of the public names of a room: a package or a module by its dotted name."""
    names = public_names(room)
    return [line for name in sorted(names) for line in _lines(f"{room}.{name}", names[name])]


def _lines(name, value):
    if inspect.ismodule(value):
        return [f"{name}: module"]
    if inspect.isclass(value):
        return [*_constructor(name, value), *_members(name, value)]
    if callable(value):
        return [name + _arguments(value)]
    return [f"{name} = {value!r}"]


def _constructor(name, value):
    fields = _own_fields(value)
    if fields is not None:
        return [
            f"{name}: dataclass",
            *(f"{name}.{field.name}{_default(field)}" for field in fields),
        ]
    definer = next(one for one in value.__mro__ if "__init__" in vars(one) or one is object)
    if _is_ours(value) and (_is_ours(definer) or issubclass(value, tuple)):
        return [name + _arguments(value)]
    return [f"{name}: class"]


def _own_fields(value):
    if not dataclasses.is_dataclass(value):
        return None
    bases = [one for one in value.__mro__ if dataclasses.is_dataclass(one) and not _is_ours(one)]
    # A field of a base that is given another default is ours.
    theirs = {
        (field.name, repr(field.default)) for base in bases for field in dataclasses.fields(base)
    }
    return [
        field
        for field in dataclasses.fields(value)
        if (field.name, repr(field.default)) not in theirs
    ]


def _default(field):
    if field.default is not dataclasses.MISSING:
        return f" = {field.default!r}"
    if field.default_factory is not dataclasses.MISSING:
        return " = a new one"
    return ""


def _members(name, value):
    members = {}
    for one in reversed(value.__mro__):
        if _is_ours(one):
            members.update(vars(one))
    for member in sorted(members):
        found = members[member]
        function = getattr(found, "fget", getattr(found, "__func__", found))
        # Bases of other packages put functions of theirs into a class, too.
        if member.startswith("_") or not inspect.isfunction(function) or not _is_ours(function):
            continue
        if isinstance(found, property):
            yield f"{name}.{member}: property"
        else:
            yield f"{name}.{member}" + _arguments(getattr(value, member))


def _is_ours(value):
    return value.__module__.partition(".")[0] == "keras_patchmix"


def _arguments(function):
    signature = inspect.signature(function)
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in signature.parameters.values()
    ]
    bare = signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty)
    return str(bare)


def main():
    """Writes the file."""
    lines = [line for room in ROOMS for line in listing(room)]
    FILE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{FILE}: {len(lines)} lines")


if __name__ == "__main__":
    main()
