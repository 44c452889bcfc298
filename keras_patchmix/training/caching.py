"""Where training images are cached between passes, by their size and the memory."""

import os
import sys
from pathlib import Path

CACHES = ("auto", "decoded", "encoded", "none")
SHARE = 0.25  # of the memory that cached images may take
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def choose_cache(info, encoded, memory=None):
    """Chooses the form in which training images are cached in memory.

    The whole memory counts, not the free part: a resumed run and all workers must choose the same.

    Args:
        info: A `keras_patchmix.datasets.DatasetInfo` of the training images.
        encoded: Function that opens them encoded, see `keras_patchmix.datasets.encoded`; called
            only if they do not fit decoded.
        memory: Integer, bytes. Defaults to those of this machine or container.

    Returns:
        "decoded" or "encoded", if that takes at most a quarter of the memory; else "none".
    """
    limit = SHARE * (total_memory() if memory is None else memory)
    if decoded_bytes(info) <= limit:
        return "decoded"
    return "encoded" if encoded().num_bytes <= limit else "none"


def decoded_bytes(info):
    """Returns the bytes of all decoded images of a `keras_patchmix.datasets.DatasetInfo`."""
    height, width, channels = info.image_shape
    return info.num_examples * height * width * channels


def total_memory():
    """Returns the bytes of memory of this machine, or of the container if that is less."""
    try:
        amounts = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    except (AttributeError, ValueError):  # not a Unix
        amounts = [sys.maxsize]
    for path in _LIMITS:
        try:
            amounts.append(int(Path(path).read_text()))
        except (OSError, ValueError):  # not Linux, or no limit
            continue
    return min(amounts)


def describe(cache, info, encoded_bytes, buffer):
    """Returns a line that says where the training images are cached."""
    if cache == "decoded":
        return f"Training images are kept in memory decoded, {_size(decoded_bytes(info))}"
    if cache == "encoded":
        return (
            f"Training images are kept in memory as they are encoded, {_size(encoded_bytes)}, and "
            "decoded for every batch"
        )
    return (
        f"Training images are not kept in memory: {_size(encoded_bytes)} are read in each pass, "
        f"{buffer} shuffled among each other"
    )


def _size(count):
    units = ("bytes", "KiB", "MiB", "GiB", "TiB")
    power = 0
    while count >= 1024 and power < len(units) - 1:
        count, power = count / 1024, power + 1
    return f"{count:.3g} {units[power]}"
