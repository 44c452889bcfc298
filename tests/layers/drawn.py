"""Strategies that draw calls of PatchMixing, most of them valid, and what they must return."""

from dataclasses import dataclass, field
from typing import Any

import ml_dtypes
import numpy as np
from hypothesis import strategies as st

from tests import mixing_oracle as oracle

IMAGE_DTYPES = ["uint8", "int32", "float16", "bfloat16", "float32"]
LABEL_FORMS = ["ids", "ids column", "float ids", "one-hot", "bool one-hot", "soft", "multi-hot"]


@dataclass(repr=False)
class Call:
    """Arguments of a layer and of one call of it, as NumPy arrays, and how they are passed."""

    arguments: dict
    size: tuple
    images: np.ndarray
    labels: Any = None
    masks: Any = None
    sample_weight: Any = None
    structure: str = "arguments"
    training: bool = True
    rows: Any = None  # what the labels mean: (batch, classes)
    others: dict = field(default_factory=dict)

    def __repr__(self):
        parts = ("labels", "masks", "sample_weight")
        arrays = {name: getattr(self, name) for name in ("images", *parts)}
        described = ", ".join(
            f"{name} {value.dtype} {value.shape}" if hasattr(value, "shape") else f"{name} {value}"
            for name, value in arrays.items()
        )
        return f"{self.structure}({described}, training={self.training}), {self.arguments}"

    def edges(self):
        """Boundaries of the rows and of the columns."""
        kwargs = []
        for axis in range(2):
            if self.arguments.get("patch_size"):
                kwargs.append({"patch": np.broadcast_to(self.arguments["patch_size"], 2)[axis]})
            else:
                kwargs.append(
                    {"count": np.broadcast_to(self.arguments.get("grid_size", 7), 2)[axis]}
                )
        return [oracle.edges(s, **kwarg) for s, kwarg in zip(self.size, kwargs, strict=True)]

    def run(self, layer, convert=lambda x: x):
        """Calls the layer; returns a dict of the parts that come out."""
        parts = {
            "images": self.images,
            "labels": self.labels,
            "segmentation_masks": self.masks,
            "sample_weight": self.sample_weight,
        }
        parts = {name: convert(part) for name, part in parts.items() if part is not None}
        if self.structure == "dict":
            return layer({**self.others, **parts}, training=self.training)
        given = [parts[name] for name in ("images", "labels", "sample_weight") if name in parts]
        if self.structure == "arguments":
            result = layer(*given, training=self.training)
        else:
            wrap = {"tuple": tuple, "list": list}[self.structure]
            result = layer(wrap(given), training=self.training)
        result = result if isinstance(result, tuple) else (result,)
        return dict(zip(("images", "labels", "sample_weight"), result, strict=False))


@st.composite
def grids(draw, height, width):
    """Arguments that name a grid for images of the given size."""
    if draw(st.booleans()):
        rows, columns = draw(st.integers(1, min(height, 8))), draw(st.integers(1, min(width, 8)))
        square = draw(st.booleans())
        return {"grid_size": min(rows, columns) if square else draw(pairs(rows, columns))}
    patch = draw(st.integers(1, min(height, 9))), draw(st.integers(1, min(width, 9)))
    return {"patch_size": min(patch) if draw(st.booleans()) else draw(pairs(*patch))}


def pairs(a, b):
    return st.sampled_from([(a, b), [a, b]])


RATIOS = st.one_of(
    st.none(),
    st.floats(0.3, 1),
    st.tuples(st.floats(0, 0.4), st.floats(0.5, 1)),
)


@st.composite
def valid_calls(draw):
    """A call that the layer must serve."""
    batch = draw(st.integers(1, 9))
    size = draw(st.integers(2, 16)), draw(st.integers(2, 16))
    channels = draw(st.integers(1, 4))
    classes = draw(st.integers(2, 6))
    dtype = draw(st.sampled_from(IMAGE_DTYPES))
    form = draw(st.sampled_from(LABEL_FORMS))
    arguments = {
        **draw(grids(*size)),
        "alpha": draw(st.floats(0.05, 5)),
        "ratio": draw(RATIOS),
        "probability": draw(st.sampled_from([1.0, 0.5, 1])),
        "mode": draw(st.sampled_from(["sample", "batch"])),
        "label_smoothing": draw(st.sampled_from([0, 0.1, 0.5])),
        "seed": draw(st.integers(0, 2**31 - 1)),
    }
    if "ids" in form or draw(st.booleans()):
        arguments["num_classes"] = classes
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows = {
        "soft": lambda: rng.dirichlet(np.ones(classes), batch),
        "multi-hot": lambda: rng.integers(0, 2, (batch, classes)),
    }.get(form, lambda: np.eye(classes)[rng.integers(0, classes, batch)])()
    labels = {
        "ids": lambda: rows.argmax(1).astype(draw(st.sampled_from(["uint8", "int32", "int64"]))),
        "ids column": lambda: rows.argmax(1)[:, None],
        "float ids": lambda: rows.argmax(1).astype("float32"),
        "bool one-hot": lambda: rows.astype(bool),
    }.get(form, lambda: rows.astype(draw(st.sampled_from(["float32", "float16"]))))()
    if form == "soft":
        rows = labels.astype("float64")
    if draw(st.integers(0, 9)) == 0:
        labels = labels.tolist()
    images = oracle.constant_images(batch, *size, channels, dtype="int32")
    call = Call(arguments, size, images.astype(_dtype(dtype)), labels, rows=rows)
    call.structure = draw(st.sampled_from(["arguments", "tuple", "list", "dict"]))
    call.training = draw(st.integers(0, 9)) > 0
    if draw(st.booleans()):
        call.sample_weight = rng.uniform(0.1, 3, (batch, 1) if draw(st.booleans()) else batch)
    if call.structure == "dict":
        _into_dict(draw, call, images)
    if draw(st.booleans()):
        arguments["data_format"] = "channels_first"
        call.images = np.moveaxis(call.images, -1, 1)
        if call.masks is not None and call.masks.ndim == 4:
            call.masks = np.moveaxis(call.masks, -1, 1)
    return call


def _into_dict(draw, call, images):
    if draw(st.booleans()):
        call.others = {"id": np.arange(3), "meta": {"split": np.array(["a", "b"])}}
    if draw(st.booleans()):
        call.masks = images[..., 0] if draw(st.booleans()) else images[..., :1]
        if draw(st.booleans()):
            call.labels = call.sample_weight = None


def _dtype(name):
    return ml_dtypes.bfloat16 if name == "bfloat16" else name


def set_argument(name, *values):
    """A fault in an argument of the layer."""

    def fault(draw, call):
        call.arguments[name] = draw(st.sampled_from(values))
        for one, other in (("patch_size", "grid_size"), ("grid_size", "patch_size")):
            if name == one:
                call.arguments.pop(other, None)

    return name, fault


def set_part(attribute, name, make):
    """A fault in a part of the batch."""

    def fault(draw, call):
        call.structure, call.training = "arguments", True
        call.masks, call.others = None, {}
        if attribute == "masks":
            call.structure = "dict"
        setattr(call, attribute, make(call))

    return name, fault


FAULTS = [
    set_argument("grid_size", 0, -1, 2.5, "7", (1, 2, 3), 99),
    set_argument("patch_size", 0, (3, -1), "4", True, 99),
    set_argument("alpha", 0, -1.0, float("nan"), "1", None),
    set_argument("ratio", -0.1, 1.5, (0.8, 0.2), "half", (0.1,)),
    set_argument("probability", -0.5, 2, None, True),
    set_argument("mode", "pixel", None, 3),
    set_argument("label_smoothing", -0.1, 1.5, None, "0.1"),
    set_argument("num_classes", 1, 0, 2.0, "10"),
    set_argument("seed", 0.5, "1", True),
    set_argument("data_format", "NHWC", 3),
    set_part("images", "images", lambda call: call.images[0]),
    set_part("images", "images", lambda call: call.images[None]),
    set_part("images", "images", lambda call: np.full(call.images.shape, "x")),
    set_part("labels", "labels", lambda call: np.ones((len(call.images) + 1, 3))),
    set_part("labels", "labels", lambda call: np.ones((len(call.images), 3, 3))),
    set_part("labels", "labels", lambda call: np.array(["cat"] * len(call.images))),
    set_part("labels", "labels", lambda call: np.int64(1)),
    set_part("labels", "labels", lambda call: {"a": np.arange(len(call.images))}),
    set_part("labels", "labels", lambda call: np.full(len(call.images), 77)),
    set_part("labels", "labels", lambda call: np.full(len(call.images), 0.5, "float32")),
    set_part("sample_weight", "sample_weight", lambda call: np.ones((len(call.images), 2))),
    set_part("sample_weight", "sample_weight", lambda call: np.ones(len(call.images) + 1)),
    set_part("sample_weight", "sample_weight", lambda call: np.array(["1"] * len(call.images))),
    set_part("masks", "segmentation_masks", lambda call: np.ones((len(call.images), 40, 3))),
]


@st.composite
def calls(draw):
    """`(call, name)`: a call and the name of its faulty argument, mostly `None`."""
    call = draw(valid_calls())
    if draw(st.integers(0, 15)):
        return call, None
    name, fault = draw(st.sampled_from(FAULTS))
    if name in ("labels", "sample_weight") and call.labels is None:
        call.labels = np.eye(len(call.images), 3)
        call.arguments.pop("num_classes", None)
    fault(draw, call)
    return call, name
