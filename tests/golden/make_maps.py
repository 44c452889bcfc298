"""Writes maps.npz: maps of independent masks, as version 0.1 made them.

    python -m tests.golden.make_maps

The file holds what `scheme="independent"` must go on to reproduce, early stops too.
"""

from pathlib import Path

import numpy as np

from keras_patchmix import explain

FILE = Path(__file__).parent / "maps.npz"
CASES = {
    "rise": ("rise", {"num_masks": 100, "grid_size": 3, "seed": 2}),
    "uneven": ("rise", {"num_masks": 90, "grid_size": (2, 5), "keep_probability": 0.3}),
    "c_rise": ("c_rise", {"num_masks": 100, "batch_size": 32, "value_range": (-20, 255)}),
    "early": ("c_rise", {"num_masks": 2000, "grid_size": 3, "tolerance": 0.12, "batch_size": 50}),
}


def images():
    """Returns two images, float32 of shape (2, 12, 14, 3)."""
    rows, columns, channels = np.ogrid[:12, :14, :3]
    first = (37 * rows + 11 * columns * columns + 53 * channels) % 256
    second = (5 * rows * columns + 90 * channels) % 256
    return np.stack([first, second]).astype(np.float32)


def model(batch):
    """Probabilities of three classes, of which each reads another part of an image."""
    shown = np.asarray(batch, np.float64).sum(-1) / 765
    parts = (shown[:, :6, :7], shown[:, 4:10, 5:], shown[:, 8:])
    scores = np.stack([part.mean((1, 2)) ** 2 for part in parts], axis=1)
    return (0.05 + scores) / (0.15 + scores.sum(1, keepdims=True))


def make(**settings):
    """Returns a dict with the maps, standard errors and numbers of masks of all cases."""
    arrays = {}
    for name, (method, arguments) in CASES.items():
        explained = getattr(explain, method)(
            model, images(), return_details=True, **arguments, **settings
        )
        for field in ("maps", "standard_errors", "num_masks"):
            arrays[f"{name}/{field}"] = getattr(explained, field)
    return arrays


if __name__ == "__main__":
    np.savez_compressed(FILE, **make(scheme="independent"))
