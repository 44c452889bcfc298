"""Whose a stream of seeds is: a copy or another process goes on with a stream of its own."""

import collections
import hashlib
import multiprocessing
import os
import secrets
import sys
import threading

# One for all streams, so that a fork can wait for it: what a thread holds while another one forks
# stays locked in the child.
LOCK = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=LOCK.acquire, after_in_parent=LOCK.release, after_in_child=LOCK.release
    )

_in_loader = collections.Counter()  # streams that began in a worker of PyTorch, by what they follow


class Lineage:
    """Where the streams of a layer start, in the process that draws from them.

    A new one starts at the seed. In another process (a worker, a fork, whoever unpickles it) and in
    a copy it starts elsewhere, so that no two draw the same seeds:

    - a copy starts at a function of the original's start and of how many copies there were;
    - in a worker of PyTorch's `DataLoader` the start is a function of that of the layer and of the
      worker's seed, which PyTorch draws for every worker and epoch, and which repeats by
      `torch.manual_seed` or the loader's `generator`;
    - elsewhere it is drawn from the operating system: nothing says which process is which.

    Args:
        start: `(seed, offset)`, two integers.
    """

    def __init__(self, start):
        self._origin = self._start = start
        self._owner = _owner()
        self._copies = 0

    def start(self):
        """Returns `(seed, offset)`, another one once the process is another; call it locked."""
        owner = _owner()
        if owner != self._owner:
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
    """Whether this process only serves another one, as those of pools and loaders do."""
    return multiprocessing.current_process().daemon


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
    # Some processes learn what they are for after they have unpickled what they work with. Keras
    # then gives its workers another name.
    has_parent = multiprocessing.parent_process() is not None
    name = multiprocessing.current_process().name if has_parent else None
    return os.getpid(), name, _loader_seed()


def _loader_seed():
    # Whoever is a worker of PyTorch has imported it.
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
    """Another start: 61 bits of a hash, an offset that is not 0 and leaves room to count."""
    digest = hashlib.sha256(repr((*start, *parts)).encode()).digest()
    seed = int.from_bytes(digest[:4], "big") >> 1
    return seed, (int.from_bytes(digest[4:8], "big") >> 2) | 1
