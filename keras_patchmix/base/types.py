"""Types of arguments that public functions share; shapes and ranges stand in their docstrings."""

import os
from collections.abc import Sequence
from typing import Any, TypeAlias

# An array of NumPy, TensorFlow, JAX or PyTorch, or what NumPy makes one of. These have no base in
# common, and none of the frameworks can be imported here.
Tensor: TypeAlias = Any
FilePath: TypeAlias = str | os.PathLike[str]
# Of both sides, or (rows, columns), or (height, width).
Size: TypeAlias = int | Sequence[int]
