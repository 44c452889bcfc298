"""Keeps streams of seeds apart: a copy or another process gets a stream of its own."""

import collections
import hashlib
import multiprocessing
import os
import secrets
import sys
import threading

# A fork waits for it: a lock that another thread holds at that moment stays locked in the child.
LOCK = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=LOCK.acquire, after_in_parent=LOCK.release, after_in_child=LOCK.release
    )

# How many streams a worker of PyTorch has started from each pair of a start and a worker's seed.
_in_loader = collections.Counter()


class Lineage:
    """The start of a layer's streams of seeds in the current process.

    The first start is given. Copies and other processes get others:

    - A copy starts at a hash of the original's start and of the number of copies before it.
    - A worker of PyTorch's `DataLoader` starts at a hash of the layer's start and of the worker's
      seed. PyTorch draws that for every worker and epoch, and `torch.manual_seed` repeats it.
    - Any other process, forked or unpickling, starts at random: it has no number that is its own
      and the same on the next run.

    Args:
        start: `(seed, offset)`, two integers.
    """

    def __init__(self, start):
        self._origin = self._start = start
        self._owner = _owner()
        self._copies = 0

    def start(self):
        """Returns `(seed, offset)`. The caller holds `LOCK`."""
        owner = _owner()
        if owner != self._owner:
            if self._owner is not None and owner[0] != self._owner[0]:
                self._origin = self._start  # a fork goes on from where its parent was
            self._owner = owner
            self._start = _derived(self._origin, *_of_process(self._origin, owner))
        return self._start

    def copy(self):
        """Returns the lineage of a copy."""
        with LOCK:
            start, number = self.start(), self._copies
            self._copies += 1
        return Lineage(_derived(start, "copy", number))

    def __reduce__(self):
        with LOCK:
            return _unpickled, (self.start(),)


def is_worker():
    """Whether `multiprocessing` has started this process, as it starts the workers of pools."""
    return multiprocessing.parent_process() is not None


def in_loader():
    """Whether this process is a worker of PyTorch's `DataLoader`."""
    return _loader_seed() is not None


def _unpickled(start):
    lineage = Lineage(start)
    lineage._owner = None
    with LOCK:
        lineage.start()
    return lineage


def _owner():
    # A worker unpickles its data before it is told what it is: then PyTorch sets the seed, and
    # Keras renames the process.
    name = multiprocessing.current_process().name if is_worker() else None
    return os.getpid(), name, _loader_seed()


def _loader_seed():
    # A worker of PyTorch has imported it.
    data = sys.modules.get("torch.utils.data")
    info = data.get_worker_info() if data is not None else None
    return None if info is None else info.seed


def _of_process(origin, owner):
    *_, seed = owner
    if seed is None:
        return (secrets.randbits(64),)
    number = _in_loader[origin, seed]
    _in_loader[origin, seed] += 1
    return "loader", seed, number


def _derived(start, *parts):
    """A start of 60 bits of a hash. Its offset is odd, so not 0, and leaves room to count."""
    digest = hashlib.sha256(repr((*start, *parts)).encode()).digest()
    seed = int.from_bytes(digest[:4], "big") >> 1
    return seed, (int.from_bytes(digest[4:8], "big") >> 2) | 1
