"""Types of arguments that public functions share."""

import os
from collections.abc import Sequence
from typing import Any, TypeAlias

# An array of NumPy, TensorFlow, JAX or PyTorch, or a value that NumPy converts to one.
Tensor: TypeAlias = Any
FilePath: TypeAlias = str | os.PathLike[str]
# Of both sides, or (rows, columns), or (height, width).
Size: TypeAlias = int | Sequence[int]
