"""Tensors of any framework as NumPy arrays."""

import sys

import ml_dtypes
import numpy as np


def to_numpy(value):
    """Returns a tensor of any framework and device as a NumPy array of its dtype."""
    # If `value` is a tensor of a package, that package is already imported.
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(value, torch.Tensor):
        return np.asarray(value)
    value = value.detach().cpu()
    if value.dtype == torch.bfloat16:
        return value.float().numpy().astype(ml_dtypes.bfloat16)
    return value.numpy()
