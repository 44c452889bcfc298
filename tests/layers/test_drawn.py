"""Any call that can be drawn gives a right answer or an error that names the argument.

    HYPOTHESIS_PROFILE=long python -m pytest tests/layers/test_drawn.py

draws 2,000 of each method: of every structure, dtype and form of labels, under every policy,
through a choice and through a pipeline of Keras, with samples that are nan or infinite. "Right" is
read from the pixels. Image i has the value i everywhere, or, where images are blended, a peak at
pixel i, so that the pixels of a mixed image tell what its label must be.
"""

import collections
import warnings

import keras
import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

import keras_patchmix as kpm
from tests.arrays import BACKEND, dtype_name, to_numpy
from tests.layers.cases import METHODS
from tests.layers.drawn import PEAKS, calls

try:
    import tensorflow as tf
except ImportError:
    tf = None

COUNTS = collections.Counter()
# What rounding of the blend to a dtype leaves of a weight.
ROUNDED = {"uint8": 0.5 / 255, "int16": 0.5 / 2**14, "int32": 1e-6, "bfloat16": 2**-8}
ROUNDED |= {"float16": 2**-11}


def check(call, result):
    """The result of a valid call is right."""
    batch, first = len(call.images), call.arguments.get("data_format") == "channels_first"
    dtype = dtype_name(call.images)
    if BACKEND == "jax" and dtype == "float64":
        dtype = "float32"  # JAX makes it so
    assert dtype_name(result["images"]) == dtype
    mixed = to_numpy(result["images"])
    assert mixed.shape == call.images.shape
    mixed = np.moveaxis(mixed, 1, -1) if first else mixed
    blended = call.method == "blends"
    sources = None if blended else sources_of(call, mixed)
    shares = blended_shares(mixed, dtype) if blended else pasted_shares(sources)
    own = np.eye(batch, dtype=bool)
    assert ((shares > 0) & ~own).sum(1).max() <= 1  # one partner each
    if not call.mixes or batch == 1 or call.arguments["probability"] == 0:
        np.testing.assert_array_equal(shares, own)
    if call.masks is not None:
        masks = to_numpy(result["segmentation_masks"])
        assert masks.shape == call.masks.shape
        assert dtype_name(result["segmentation_masks"]) == dtype_name(call.masks)
        np.testing.assert_array_equal(as_sources(call, masks).reshape(sources.shape), sources)
    if call.labels is not None:
        check_labels(call, result, shares, 2e-6 + 2 * ROUNDED.get(dtype, 0) * blended)
    for key, value in call.others.items():
        assert result[key] is value


def sources_of(call, mixed):
    """`(batch, height, width)`: the image that each pixel comes from, in patches or in a box."""
    mixed = as_sources(call, mixed)
    assert (mixed == mixed[..., :1]).all()
    sources = mixed[..., 0]
    if call.method == "boxes":
        for i, image in enumerate(sources):
            rows, columns = np.nonzero(image != i)
            if len(rows):
                box = image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
                assert (box == box[0, 0]).all()
        return sources
    rows, columns = call.edges()
    for i in range(len(rows) - 1):
        for j in range(len(columns) - 1):
            patch = sources[:, rows[i] : rows[i + 1], columns[j] : columns[j + 1]]
            assert (patch == patch[:, :1, :1]).all()
    return sources


def as_sources(call, values):
    """Which image each value comes from: nan and infinity come from the strange one."""
    values = values.astype("float64")
    strange = -1 if call.strange is None else call.strange
    return np.where(np.isfinite(values), values, strange).astype(int)


def pasted_shares(sources):
    """`(batch, batch)`: the share of pixels of each image in each."""
    flat = sources.reshape(len(sources), -1)
    return np.stack([np.bincount(row, minlength=len(flat)) for row in flat]) / flat.shape[1]


def blended_shares(mixed, dtype):
    """The weight of each image in each, to the precision of the dtype."""
    batch = len(mixed)
    flat = mixed.astype("float64").reshape(batch, -1, mixed.shape[-1])
    assert (flat == flat[..., :1]).all()
    assert (flat[:, batch:] == 0).all()
    return flat[:, :batch, 0] / PEAKS.get(dtype, 1)


def check_labels(call, result, shares, tolerance):
    weights = np.ones(len(shares))
    if call.sample_weight is not None:
        weights = call.sample_weight.reshape(-1)
        assert result["sample_weight"].shape == call.sample_weight.shape
        assert dtype_name(result["sample_weight"]) == "float32"
        np.testing.assert_allclose(
            to_numpy(result["sample_weight"]).reshape(-1),
            shares @ weights,
            rtol=1e-5,
            atol=3 * (tolerance - 2e-6),
        )
    parts = shares * weights
    counts = parts.sum(1) > 0  # of two samples without weight any blend is right
    if call.sample_weight is not None and tolerance > 2e-6:
        # Where a small weight stands beside a large one, a small error of a share is no longer so.
        counts &= parts.sum(1) > 0.1
        tolerance *= 100
    # What has no part leaves no trace: 0 * nan is not 0.
    expected = np.zeros_like(call.rows)
    for part, row in zip(parts.T, call.rows, strict=True):
        expected[part > 0] += part[part > 0, None] * row
    expected = expected[counts] / parts[counts].sum(1, keepdims=True)
    if call.mixes:
        smoothing = call.arguments["label_smoothing"]
        if smoothing:
            mean = expected.mean(1, keepdims=True)
            expected = (1 - smoothing) * expected + smoothing * mean
    assert dtype_name(result["labels"]) == "float32"
    found = to_numpy(result["labels"])[counts]
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(np.isfinite(found), finite)
    np.testing.assert_allclose(found[finite], expected[finite], atol=tolerance)


def layer_of(call):
    arguments = dict(call.arguments)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "PatchMixing will never replace")
        make = METHODS[call.method]
        if call.way != "choice":
            return make(**arguments)
        names = ("num_classes", "label_smoothing", "seed", "data_format")
        own = {name: arguments.pop(name) for name in names if name in arguments}
        data_format = {name: own[name] for name in own if name == "data_format"}
        return kpm.layers.RandomChoice([make(**arguments, **data_format)], **own)


def mix(call):
    keras.config.set_dtype_policy(call.policy)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "PatchMixing will never replace")
            layer = layer_of(call)
            return call.run(keras.layers.Pipeline([layer]) if call.way == "pipeline" else layer)
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("method", METHODS)
@given(data=st.data())
def test_a_right_answer_or_an_error_that_names_the_argument(method, data):
    call, fault = data.draw(calls(method))
    event("valid" if fault is None else f"faulty {fault}")
    event(f"{call.way} under {call.policy}")
    COUNTS["valid" if fault is None else "faulty"] += 1
    if fault is None:
        check(call, mix(call))
        return
    with pytest.raises((ValueError, TypeError)) as error:
        mix(call)
    assert fault in str(error.value)
    assert "Received: " in str(error.value)


@pytest.mark.skipif(tf is None, reason="is about graphs of TensorFlow")
@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=settings.default.max_examples // 2)  # each traces a graph
@given(data=st.data())
def test_in_graphs_that_know_no_sizes_too(method, data):
    call, fault = data.draw(calls(method))
    COUNTS["for graphs"] += 1
    if fault is not None or call.others or isinstance(call.labels, list):
        return
    COUNTS["graph"] += 1
    keras.config.set_dtype_policy(call.policy)
    try:
        layer = layer_of(call)
    finally:
        keras.config.set_dtype_policy("float32")
    arrays = [
        a for a in (call.images, call.labels, call.masks, call.sample_weight) if a is not None
    ]
    unknown = [tf.TensorSpec([None] * a.ndim, a.dtype) for a in arrays]
    if call.labels is not None and call.labels.ndim == 2:
        unknown[1] = tf.TensorSpec([None, call.labels.shape[1]], call.labels.dtype)

    def graph(*tensors):
        tensors = iter(tensors)
        return call.run(layer, convert=lambda x: next(tensors))

    check(call, tf.function(graph, input_signature=unknown, autograph=False)(*arrays))


def test_most_of_the_calls_are_valid():
    total = COUNTS["valid"] + COUNTS["faulty"]
    assert total > 0, "runs after the drawn calls"
    # Hypothesis draws no fixed shares: a few dozen cases may hold more faults.
    assert COUNTS["valid"] >= (0.8 if total >= 500 else 0.5) * total
    assert COUNTS["graph"] >= 0.4 * COUNTS["for graphs"]
