"""Strategies that draw calls of mixing layers, most of them valid."""

from dataclasses import dataclass, field
from typing import Any

import ml_dtypes
import numpy as np
from hypothesis import strategies as st

from tests.mixing import oracle

POLICIES = ["float32", "mixed_bfloat16", "mixed_float16"]
IMAGE_DTYPES = ["uint8", "int16", "int32", "float16", "bfloat16", "float32", "float64"]
# Whole numbers that a float of so many bits tells apart, and numbers of classes around them.
EXACT = {"bfloat16": 256, "float16": 2048, "float32": 2**24, "float64": 2**53}
MANY_CLASSES = [200, 256, 257, 300, 2048, 2049, 3000]
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
    training: Any = None
    rows: Any = None  # what the labels mean: (batch, classes)
    others: dict = field(default_factory=dict)
    policy: str = "float32"
    way: str = "layer"  # or "choice", a RandomChoice of it, or "pipeline", one of Keras around it
    strange: Any = None  # a sample whose images, masks or labels are nan or infinite
    method: str = "patches"  # or "boxes" or "blends"

    def __repr__(self):
        parts = ("labels", "masks", "sample_weight")
        arrays = {name: getattr(self, name) for name in ("images", *parts)}
        described = ", ".join(
            f"{name} {value.dtype} {value.shape}" if hasattr(value, "shape") else f"{name} {value}"
            for name, value in arrays.items()
        )
        return (
            f"{self.method}, {self.way} under {self.policy}: {self.structure}({described}, "
            f"training={self.training}), strange={self.strange}, {self.arguments}"
        )

    @property
    def mixes(self):
        """Whether the call is one that mixes."""
        if self.training is None:
            return self.labels is not None or self.masks is not None
        return self.training

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
        training = {} if self.training is None else {"training": self.training}
        if self.structure == "dict":
            return layer({**self.others, **parts}, **training)
        given = [parts[name] for name in ("images", "labels", "sample_weight") if name in parts]
        if self.structure == "arguments":
            result = layer(*given, **training)
        else:
            wrap = {"tuple": tuple, "list": list}[self.structure]
            result = layer(wrap(given), **training)
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


# The value of image i at pixel i, of which the blend tells the weight of image i.
PEAKS = {"uint8": 255, "int16": 2**14, "int32": 2**20}


def peaks(batch, size, channels, dtype):
    """Image i has its peak at pixel i and is 0 elsewhere."""
    images = np.zeros((batch, size[0] * size[1], channels))
    images[np.arange(batch), np.arange(batch)] = PEAKS.get(dtype, 1)
    return images.reshape(batch, *size, channels)


@st.composite
def valid_calls(draw, method):
    """A call that a layer of the method must serve."""
    batch = draw(st.integers(1, 9))
    least = 3 if method == "blends" else 2
    size = draw(st.integers(least, 16)), draw(st.integers(least, 16))
    channels = draw(st.integers(1, 4))
    dtype = draw(st.sampled_from(IMAGE_DTYPES))
    form = draw(st.sampled_from(LABEL_FORMS))
    classes = draw(st.integers(2, 6))
    if "ids" in form and draw(st.integers(0, 2)) == 0:
        classes = draw(st.sampled_from(MANY_CLASSES))
    arguments = {
        **(draw(grids(*size)) if method == "patches" else {}),
        "alpha": draw(st.floats(0.05, 5)),
        "ratio": draw(RATIOS),
        "probability": draw(st.sampled_from([1.0, 0.5, 1, 0.0])),
        "mode": draw(st.sampled_from(["sample", "batch"])),
        "label_smoothing": draw(st.sampled_from([0, 0.1, 0.5])),
        "seed": draw(st.integers(0, 2**31 - 1)),
    }
    if "ids" in form or draw(st.booleans()):
        arguments["num_classes"] = classes
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels, rows = _labels(draw, form, batch, classes, rng)
    images = oracle.constant_images(batch, *size, channels, dtype="int32")
    if method == "blends":
        images = peaks(batch, size, channels, dtype)
    call = Call(arguments, size, images.astype(_dtype(dtype)), labels, rows=rows, method=method)
    call.policy = draw(st.sampled_from(POLICIES))
    call.way = draw(st.sampled_from(["layer", "layer", "choice", "pipeline"]))
    call.structure = draw(st.sampled_from(["arguments", "tuple", "list", "dict"]))
    if call.way == "pipeline":  # it takes one argument, and says by itself that it trains
        call.structure = draw(st.sampled_from(["tuple", "dict"]))
    call.training = draw(st.sampled_from([True, None, None, None, None, False]))
    if draw(st.booleans()):
        shape = (batch, 1) if draw(st.booleans()) else batch
        call.sample_weight = rng.uniform(0.1, 3, shape) * (rng.uniform(size=shape) < 0.8)
    if call.structure == "dict":
        _into_dict(draw, call, images)
    if draw(st.integers(0, 3)) == 0:
        _make_strange(draw, call)
    if draw(st.integers(0, 15)) == 0 and call.way != "pipeline":
        call.labels = call.sample_weight = call.masks = None
        call.training = draw(st.sampled_from([None, False]))
    if isinstance(call.labels, np.ndarray) and draw(st.integers(0, 9)) == 0 and call.way == "layer":
        call.labels = call.labels.tolist()
    if draw(st.booleans()):
        arguments["data_format"] = "channels_first"
        call.images = np.moveaxis(call.images, -1, 1)
        if call.masks is not None and call.masks.ndim == 4:
            call.masks = np.moveaxis(call.masks, -1, 1)
    return call


def _labels(draw, form, batch, classes, rng):
    """Labels of a form, and the rows that they mean."""
    ids = rng.integers(0, min(classes, 256) if form == "ids" else classes, batch)
    rows = np.zeros((batch, classes))
    rows[np.arange(batch), ids] = 1
    if form == "soft":
        rows = rng.dirichlet(np.ones(classes), batch)
    if form == "multi-hot":
        rows = rng.integers(0, 2, (batch, classes)).astype("float64")
    if form == "ids":
        return ids.astype(draw(st.sampled_from(["uint8", "int32", "int64"]))), rows
    if form == "ids column":
        return ids[:, None], rows
    if form == "float ids":
        dtype = draw(st.sampled_from(sorted(EXACT)))
        if classes > EXACT[dtype]:
            dtype = "float32"
        return ids.astype(_dtype(dtype)).reshape((batch, 1) if draw(st.booleans()) else batch), rows
    if form == "bool one-hot":
        return rows.astype(bool), rows
    labels = rows.astype(_dtype(draw(st.sampled_from(sorted(EXACT)))))
    return labels, labels.astype("float64")


def _make_strange(draw, call):
    """Makes one sample nan or infinite where its parts are floats."""
    call.strange = draw(st.integers(0, len(call.images) - 1))
    value = draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    # A blend with a strange image tells no weight.
    parts = ("labels",) if call.method == "blends" else ("images", "labels", "masks")
    for part in parts:
        array = getattr(call, part)
        rows = part != "labels" or getattr(array, "shape", None) == call.rows.shape
        if isinstance(array, np.ndarray) and "float" in array.dtype.name and rows:
            array = array.copy()
            array[call.strange] = value
            setattr(call, part, array)
            if part == "labels":
                call.rows = array.astype("float64")


def _into_dict(draw, call, images):
    if draw(st.booleans()):
        call.others = {"id": np.arange(3), "meta": {"split": np.array(["a", "b"])}}
    if call.method != "blends" and draw(st.booleans()):
        masks = images.astype(_dtype(draw(st.sampled_from(["int32", "float32", "float64"]))))
        call.masks = masks[..., 0] if draw(st.booleans()) else masks[..., :1]
        if draw(st.booleans()):
            call.labels = call.sample_weight = None


def _dtype(name):
    return ml_dtypes.bfloat16 if name == "bfloat16" else name


def set_argument(name, *values):
    """A fault in an argument of the layer."""

    def fault(draw, call):
        call.arguments[name] = draw(st.sampled_from(values))
        call.way = "layer"
        for one, other in (("patch_size", "grid_size"), ("grid_size", "patch_size")):
            if name == one:
                call.arguments.pop(other, None)

    return name, fault


def set_part(attribute, name, make):
    """A fault in a part of the batch."""

    def fault(draw, call):
        call.structure, call.training, call.way = "arguments", True, "layer"
        call.masks, call.others = None, {}
        if attribute == "masks":
            call.structure = "dict"
        setattr(call, attribute, make(call))

    return name, fault


def rounded_ids(dtype):
    """Class ids in a float that does not tell them apart."""

    def fault(draw, call):
        call.arguments["num_classes"] = EXACT[dtype] + draw(st.integers(1, 3))
        shape = (len(call.images), 1) if draw(st.booleans()) else len(call.images)
        call.labels = np.zeros(shape, _dtype(dtype))
        call.structure, call.masks, call.others = "arguments", None, {}
        if call.way == "pipeline":
            call.structure = "tuple"
        if np.ndim(call.sample_weight) and len(call.sample_weight) != len(call.images):
            call.sample_weight = None

    return "labels", fault


def alone(draw, call):
    """Images alone, in a call that says that it trains."""
    call.labels = call.masks = call.sample_weight = None
    call.structure, call.training, call.others = "dict", True, {}


FAULTS = [
    rounded_ids("bfloat16"),
    rounded_ids("float16"),
    ("labels", alone),
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
    set_part("sample_weight", "sample_weight", lambda call: np.full(len(call.images), -0.5)),
    set_part("sample_weight", "sample_weight", lambda call: np.full(len(call.images), np.inf)),
    set_part("sample_weight", "sample_weight", lambda call: np.full(len(call.images), np.nan)),
    set_part("masks", "segmentation_masks", lambda call: np.ones((len(call.images), 40, 3))),
]


OF_PATCHES = [
    set_argument("grid_size", 0, -1, 2.5, "7", (1, 2, 3), 99),
    set_argument("patch_size", 0, (3, -1), "4", True, 99),
]
OF_BLENDS = [
    set_part("masks", "segmentation_masks", lambda call: np.ones((len(call.images), *call.size))),
]
FAULTS_OF = {"patches": FAULTS + OF_PATCHES, "boxes": FAULTS, "blends": FAULTS + OF_BLENDS}


@st.composite
def calls(draw, method):
    """`(call, name)`: a call and the name of its faulty argument, mostly `None`."""
    call = draw(valid_calls(method))
    if draw(st.integers(0, 15)):
        return call, None
    name, fault = draw(st.sampled_from(FAULTS_OF[method]))
    if name in ("labels", "sample_weight") and call.labels is None:
        call.labels = np.eye(len(call.images), 3)
        call.arguments.pop("num_classes", None)
    fault(draw, call)
    return call, name
