"""Arrays of the kinds that mixing takes, for tests that hold on all of them."""

import keras
import numpy as np

BACKEND = keras.backend.backend()
# NumPy arrays need no backend; on the backend that is called "numpy" there is nothing else.
KINDS = ["numpy"] if BACKEND == "numpy" else ["numpy", BACKEND]


def to_numpy(x):
    """A tensor of any kind as a NumPy array; bfloat16 as float32 where it comes from PyTorch."""
    if isinstance(x, np.ndarray):
        return x
    if type(x).__module__.startswith("tensorflow"):
        return x.numpy()
    return keras.ops.convert_to_numpy(x)


def as_kind(x, kind):
    """A NumPy array as an array of the given kind."""
    return np.asarray(x) if kind == "numpy" else keras.ops.convert_to_tensor(x)


def dtype_name(x):
    """The dtype of an array of any kind, such as "uint8"."""
    return str(x.dtype).removeprefix("torch.").split("'")[-2 if "'" in str(x.dtype) else -1]
