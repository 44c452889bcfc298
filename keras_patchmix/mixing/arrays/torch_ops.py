"""Array operations on PyTorch tensors."""

import keras
import numpy as np
import torch

from keras_patchmix.mixing.arrays import numpy_ops, seed_source
from keras_patchmix.mixing.arrays.lineage import in_loader

all = torch.all
broadcast_to = torch.broadcast_to
check = check_sizes = numpy_ops.check
clip = torch.clamp
in_function = numpy_ops.in_function
outer_and = numpy_ops.outer_and
round = torch.round
where = torch.where


def arange(count):
    """Int32 0..count-1."""
    return torch.arange(count, dtype=torch.int32)


def convert_to_tensor(x):
    """A tensor of `x`; what is none yet goes to the device that Keras works on, if it does."""
    if isinstance(x, torch.Tensor):
        return x
    if keras.backend.backend() != "torch" or in_loader():
        return torch.as_tensor(x)
    return keras.ops.convert_to_tensor(x)


def match(x, like):
    """A tensor of `x`, on the device of `like`."""
    if isinstance(x, np.ndarray) and not x.flags.writeable:
        x = x.copy()  # PyTorch would share the memory, and warns that it cannot protect it
    return torch.as_tensor(x, device=like.device)


def cast(x, dtype):
    """Converts to a dtype given by name."""
    return torch.as_tensor(x).to(getattr(torch, dtype))


def concat(tensors, axis):
    """Joins tensors along an axis."""
    return torch.cat(tensors, dim=axis)


def expand_dims(x, axis):
    """Adds an axis of size one."""
    return torch.unsqueeze(x, axis)


def dtype(x):
    """The name of the dtype, such as "uint8"."""
    return str(x.dtype).removeprefix("torch.")


def rank(x):
    """The number of axes."""
    return x.ndim


def repeat(x, count, axis):
    """Repeats every entry along an axis."""
    return torch.repeat_interleave(x, count, dim=axis)


def reshape(x, shape):
    """Another shape of the same values."""
    return torch.reshape(x, shape)


def shape(x):
    """The sizes of `x`, integers."""
    return tuple(x.shape)


def sum(x, axis, keepdims=False):
    """The sum along an axis, in the dtype of `x`."""
    return torch.sum(x, dim=axis, keepdim=keepdims, dtype=x.dtype)


def take(x, index, axis=0):
    """Gathers along an axis."""
    index = torch.as_tensor(index, device=x.device)
    shape = (*x.shape[:axis], *index.shape, *x.shape[axis + 1 :])
    return torch.index_select(x, axis, index.reshape(-1)).reshape(shape)


def multiply_no_nan(x, y):
    """The product, and 0 where `y` is 0, which nan * 0 is not."""
    return torch.where(y == 0, 0.0, x * y)


def prefers_selection(x, equal_columns):
    """Whether patches of `x` are better selected than gathered; see `_moving.move_patches`.

    On a CPU the gather was 2 to 8 times faster.
    """
    del x, equal_columns
    return False


@torch.compiler.disable
def random_uniform(shape, seed):
    """Uniform float32 multiples of 2^-24 in [0, 1), a pure function of `shape` and `seed`.

    Drawn on the CPU on every device, so that a seed means the same plan on all of them.
    """
    device = seed.device if isinstance(seed, torch.Tensor) else None
    words = [int(word) & (2**64 - 1) for word in seed]
    state = np.random.SeedSequence(words).generate_state(1, np.uint64)[0]
    # PyTorch takes seeds of 63 bits.
    generator = torch.Generator().manual_seed(int(state >> np.uint64(1)))
    return torch.rand(shape, generator=generator).to(device)


def argsort(x):
    """The order that sorts a vector, equal values in their own order."""
    return torch.argsort(x, stable=True)


def sort_descending(x):
    """Sorts the last axis, the largest first."""
    return torch.sort(x, dim=-1, descending=True).values


def searchsorted(table, x):
    """For each of the vector `x`, how many entries of the sorted vector `table` it reaches."""
    return torch.searchsorted(table, x.contiguous(), right=True, out_int32=True)


def take_along_rows(x, index):
    """`x[b, index[b]]` for each row b, shape `(rows,)`."""
    return torch.gather(x, 1, index[:, None].long())[:, 0]


class SeedSource(seed_source.KerasSeedSource):
    """A stream of seeds, int32 `(2,)`."""

    def __init__(self, lineage):
        super().__init__(lineage, backend="torch")

    @torch.compiler.disable
    def next(self):
        """Returns the next seed and advances the stream."""
        return super().next()
