"""Values of pixels in the dtype of an image."""

import numpy as np


def to_dtype(values, dtype):
    """Casts numbers to a dtype: rounded, half to even, and clipped where it is an integer type."""
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        values = np.clip(np.rint(values), limits.min, limits.max)
    return values.astype(dtype)
