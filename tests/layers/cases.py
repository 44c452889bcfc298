"""Batches and checks that the tests of the layers share."""

import functools

import numpy as np

import keras_patchmix as kpm
from tests.arrays import to_numpy
from tests.mixing import oracle

BATCH = 8
IDS = np.arange(BATCH)
LABELS = {
    "ids": IDS,
    "ids int32": IDS.astype("int32"),
    "ids uint8": IDS.astype("uint8"),
    "ids of shape (batch, 1)": IDS[:, None],
    "ids as whole floats": IDS.astype("float32"),
    "one-hot int32": np.eye(BATCH, dtype="int32"),
    "one-hot uint8": np.eye(BATCH, dtype="uint8"),
    "one-hot bool": np.eye(BATCH, dtype="bool"),
    "one-hot float64": np.eye(BATCH, dtype="float64"),
    "one-hot float32": np.eye(BATCH, dtype="float32"),
    "one-hot float16": np.eye(BATCH, dtype="float16"),
}


METHODS = {
    "patches": kpm.PatchMixing,
    "boxes": kpm.layers.CutMix,
    "blends": functools.partial(kpm.layers.MixUp, alpha=1.0),
}


def layer(method="patches", **arguments):
    return METHODS[method](
        **{
            "num_classes": BATCH,
            "probability": 1.0,
            "label_smoothing": 0.0,
            "seed": 1,
            **arguments,
        }
    )


def colored(size=(28, 28)):
    """Image i is 1 in channel i and 0 in the others, so that its mean pixel is its label."""
    channels = np.eye(BATCH, dtype="float32")[:, None, None, :]
    return np.broadcast_to(channels, (BATCH, *size, BATCH)).copy()


def mean_pixel(mixed):
    return to_numpy(mixed).astype("float64").mean((1, 2))


def assert_fits(mixed, labels):
    """Colored images show what their labels say, of two images each, and something was mixed."""
    np.testing.assert_allclose(mean_pixel(mixed), to_numpy(labels), atol=1e-6)
    assert ((to_numpy(labels) > 0).sum(1) <= 2).all()
    assert (to_numpy(labels).max(1) < 1).any()


def images(dtype="uint8", size=(28, 28)):
    """Image i has the value i everywhere."""
    return oracle.constant_images(BATCH, *size, dtype=dtype)


def assert_exact(mixed, labels, batch=BATCH):
    """Label weights are the shares of pixels, and something was mixed."""
    shares = oracle.pixel_shares(to_numpy(mixed), batch)
    np.testing.assert_allclose(to_numpy(labels), shares, atol=1e-6)
    assert (shares.max(1) < 1).any()
