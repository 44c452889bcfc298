"""Any call that can be drawn gives a right answer or an error that names the argument.

    HYPOTHESIS_PROFILE=long python -m pytest tests/layers/test_patch_mixing_drawn.py

draws 2,000 of them. "Right" is read from the pixels: image i has the value i everywhere, so that
the pixels of a mixed image tell what its label must be.
"""

import collections
import warnings

import numpy as np
import pytest
from hypothesis import event, given

import keras_patchmix as kpm
from tests.arrays import dtype_name, to_numpy
from tests.layers.drawn import calls

try:
    import tensorflow as tf
except ImportError:
    tf = None

COUNTS = collections.Counter()


def check(call, result):
    """The result of a valid call is right."""
    batch, first = len(call.images), call.arguments.get("data_format") == "channels_first"
    mixed = to_numpy(result["images"])
    assert mixed.shape == call.images.shape
    assert dtype_name(result["images"]) == dtype_name(call.images)
    mixed = (np.moveaxis(mixed, 1, -1) if first else mixed).astype("float32")
    assert (mixed == mixed[..., :1]).all()
    sources = mixed[..., 0].astype(int)
    rows, columns = call.edges()
    for i in range(len(rows) - 1):
        for j in range(len(columns) - 1):
            patch = sources[:, rows[i] : rows[i + 1], columns[j] : columns[j + 1]]
            assert (patch == patch[:, :1, :1]).all()
    shares = oracle_shares(sources, batch)
    own = np.eye(batch, dtype=bool)
    assert ((shares > 0) & ~own).sum(1).max() <= 1  # one partner each
    if not call.training or batch == 1:
        np.testing.assert_array_equal(shares, own)
    if call.masks is not None:
        masks = to_numpy(result["segmentation_masks"])
        assert masks.shape == call.masks.shape
        np.testing.assert_array_equal(masks.reshape(sources.shape), sources)
    if call.labels is not None:
        check_labels(call, result, shares)
    for key, value in call.others.items():
        assert result[key] is value


def oracle_shares(sources, batch):
    flat = sources.reshape(batch, -1)
    return np.stack([np.bincount(row, minlength=batch) for row in flat]) / flat.shape[1]


def check_labels(call, result, shares):
    weights = np.ones(len(shares))
    if call.sample_weight is not None:
        weights = call.sample_weight.reshape(-1)
        assert result["sample_weight"].shape == call.sample_weight.shape
        assert dtype_name(result["sample_weight"]) == "float32"
        np.testing.assert_allclose(
            to_numpy(result["sample_weight"]).reshape(-1), shares @ weights, rtol=1e-5
        )
    expected = (shares * weights) @ call.rows / (shares @ weights)[:, None]
    if call.training:
        smoothing = call.arguments["label_smoothing"]
        expected = (1 - smoothing) * expected + smoothing * expected.mean(1, keepdims=True)
    assert dtype_name(result["labels"]) == "float32"
    np.testing.assert_allclose(to_numpy(result["labels"]), expected, atol=2e-6)


def layer_of(call):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "PatchMixing will never replace")
        return kpm.PatchMixing(**call.arguments)


def mix(call):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "PatchMixing will never replace")
        return call.run(layer_of(call))


@given(calls())
def test_a_right_answer_or_an_error_that_names_the_argument(drawn):
    call, fault = drawn
    event("valid" if fault is None else f"faulty {fault}")
    COUNTS["valid" if fault is None else "faulty"] += 1
    if fault is None:
        check(call, mix(call))
        return
    with pytest.raises((ValueError, TypeError)) as error:
        mix(call)
    assert fault in str(error.value)
    assert "Received: " in str(error.value)


@pytest.mark.skipif(tf is None, reason="is about graphs of TensorFlow")
@given(calls())
def test_in_graphs_that_know_no_sizes_too(drawn):
    call, fault = drawn
    COUNTS["for graphs"] += 1
    if fault is not None or call.others or isinstance(call.labels, list):
        return
    COUNTS["graph"] += 1
    layer = layer_of(call)
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
