"""Damage to files: of their bytes, and of the JSON values that they hold."""

import copy
import json

import numpy as np

from keras_patchmix.base.state_files import sealed

_DEEP = json.loads("[" * 45 + "]" * 45)
_ODD = (
    *(None, True, False, 0, 1, -1, 2, 13, 2**31, 2**63, 2**70, 10**400),
    *(
        0.5,
        -0.5,
        1.5,
        1e308,
        -1e308,
        5e-324,
        "",
        "x",
        "clean",
        "\x1b",
        "\udce9",
        "int8:",
        "int32:AAAA",
    ),
    *([], {}, [None], [0], [0, 0], ["x"], [[]], {"x": 1}, {"": None}, _DEEP, "y" * 10_000),
)


def damaged_bytes(data, random):
    """Returns bytes with one to three places changed."""
    data = bytearray(data)
    for _ in range(random.randint(1, 3)):
        place = random.randrange(len(data) + 1)
        end = min(len(data), place + random.choice((1, 1, 2, 5, 100)))
        kind = random.randrange(6)
        if kind == 0 and place < len(data):
            data[place] ^= 1 << random.randrange(8)
        elif kind == 1:
            data[place:end] = random.randbytes(random.randint(1, 4))
        elif kind == 2:
            del data[place:end]
        elif kind == 3:
            data[place:place] = data[place:end]
        elif kind == 4:
            del data[place:]
        elif kind == 5:
            data[place:place] = random.choice((b"[", b"]", b",", b"\x00", b"\n", b"9", b"-", b'"'))
    return bytes(data)


def damaged_values(value, random):
    """Returns JSON values with one to three parts changed, the given ones left as they are."""
    value = copy.deepcopy(value)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        places = list(_places(value))
        if places:
            _damage(*random.choice(places), random)
    return value


def damaged_json(data, random):
    """Returns the bytes of a JSON file with damaged values, its checksum kept, dropped or made."""
    content = damaged_values(json.loads(data), random)
    kind = random.randrange(3)
    if isinstance(content, dict) and kind:
        content.pop("sha256", None)
        if kind == 2:
            content = sealed(content)
    return json.dumps(content).encode()


def _places(value):
    """Yields (container, key) of all parts; long lists by their first ones."""
    keys = list(value) if isinstance(value, dict) else range(min(len(value), 8))
    for key in keys:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


def _damage(container, key, random):
    kind = random.randrange(6)
    part = container[key]
    if kind == 0:
        del container[key]
    elif kind == 1 and isinstance(container, list):
        container.insert(key, copy.deepcopy(part))
    elif kind == 1:
        container[f"{key}x"] = copy.deepcopy(part)
    elif kind == 2 and len(container) > 1:
        other = random.choice(
            list(container) if isinstance(container, dict) else range(len(container))
        )
        container[key], container[other] = container[other], part
    elif kind == 3 and isinstance(part, str) and part:
        place = random.randrange(len(part))
        container[key] = part[:place] + random.choice(("", "A", "=", "\x00")) + part[place + 1 :]
    elif kind == 4 and isinstance(part, int | float):
        container[key] = part + random.choice((-1, 1, 0.5, 1e-9))
    else:
        container[key] = copy.deepcopy(random.choice(_ODD))


def damaged_arrays(arrays, random):
    """Returns a dict of arrays with one or two of them changed, or none, the given ones left."""
    arrays = dict(arrays)
    for _ in range(random.choice((0, 1, 1, 1, 2))):
        name = random.choice(sorted(arrays))
        kind, values = random.randrange(7), arrays.pop(name)
        if kind == 0:
            continue
        if kind == 1:
            name = random.choice(("images", "maps", "masks", "x", "../x", "\x1b", ""))
        elif kind == 2:
            values = random.choice(_CASTS)(values)
        elif kind == 3:
            values = random.choice(_RESHAPES)(values)
        elif kind == 4 and values.size and values.dtype.kind == "f":
            values = values.copy()
            values.flat[random.randrange(values.size)] = random.choice(_NUMBERS)
        elif kind == 5:
            values = random.choice(_OTHER_ARRAYS)
        elif kind == 6:
            # All of them, so that they still agree with one another.
            count = random.choice((0, 1, 2))
            arrays = {key: one[:count] if one.ndim else one for key, one in arrays.items()}
            values = values[:count] if values.ndim else values
        arrays[name] = values
        if not arrays:
            break
    return arrays or {"x": np.zeros(1)}


_NUMBERS = (np.nan, np.inf, -np.inf, 1e30, -1.0)
_CASTS = (
    *(lambda values, dtype=dtype: _cast(values, dtype) for dtype in ("U3", "S2", "O", "c16", "?")),
    *(
        lambda values, dtype=dtype: _cast(values, dtype)
        for dtype in (">f4", "f2", "f8", "u1", "i1", "M8[s]", "V4", [("a", "f4")])
    ),
)
_RESHAPES = (
    lambda values: values[None],
    lambda values: values[..., None],
    lambda values: values[..., :1] if values.ndim else values,
    lambda values: values.ravel(),
    lambda values: values.T,
    lambda values: values[:1] if values.ndim else values,
    lambda values: values[:0] if values.ndim else values,
    lambda values: np.concatenate([values, values]) if values.ndim else values,
    np.asfortranarray,
)
_OTHER_ARRAYS = (
    np.zeros(()),
    np.zeros((2, 3, 4), "U0"),
    np.zeros((2, 3, 4), "V0"),
    np.array([{}]),
    np.zeros((0, 3, 4), np.float32),
    np.array("text"),
)


def _cast(values, dtype):
    try:
        return values.astype(dtype)
    except (TypeError, ValueError):  # NumPy has no such conversion
        return np.zeros(values.shape, dtype)
