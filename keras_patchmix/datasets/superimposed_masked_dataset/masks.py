"""Occluder masks of SMD: `.npy` files of an archive."""

import io
import math
import zlib

import numpy as np

from keras_patchmix.datasets.archives import ArchiveError, MemberError, read_members

_SUFFIX = "_mask.npy"
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def picture_key(member, suffixes):
    """Returns what the names of an image and its mask share: the last folder and the bare name.

    Args:
        member: A `keras_patchmix.datasets.archives.Member`.
        suffixes: Endings to remove from its name, in this order, if it has them.

    Returns:
        String such as "n01440764/ILSVRC2012_val_00000293".
    """
    name = member.file_name
    for suffix in suffixes:
        if name.lower().endswith(suffix):
            name = name[: -len(suffix)]
    return f"{member.folder}/{name}"


def read_mask(data):
    """Reads a mask.

    Args:
        data: Bytes of a `.npy` file with booleans, integers or floats of shape (H, W), (H, W, 1) or
            (1, H, W).

    Returns:
        Boolean array of shape (H, W), True for the occluder: where the value is not 0.

    Raises:
        MemberError: The file is no such array.
    """
    file = io.BytesIO(data)
    try:
        read_header = _HEADERS[np.lib.format.read_magic(file)]
        shape, _, dtype = read_header(file)
    except Exception as error:  # the header is Python; what NumPy raises depends on the damage
        raise MemberError("its mask is no array of NumPy (.npy)") from error
    if dtype.kind not in "biuf":
        raise MemberError(f"its mask has values of type {dtype}")
    # The header is compared with the file first: NumPy would allocate whatever it claims.
    size = math.prod(shape) * dtype.itemsize
    if min(shape, default=1) < 0 or len(data) - file.tell() != size:
        raise MemberError(f"its mask is damaged: {len(data)} bytes do not hold {shape} values")
    file.seek(0)
    values = np.load(file, allow_pickle=False)
    if values.ndim == 3 and values.shape[-1] == 1:
        values = values[..., 0]
    elif values.ndim == 3 and values.shape[0] == 1:
        values = values[0]
    if values.ndim != 2:
        raise MemberError(f"its mask has the shape {shape}, not (height, width)")
    if not np.all(np.isfinite(values)):
        raise MemberError("its mask has values that are not finite")
    return values != 0


class MaskArchive:
    """All masks of an archive, to be read in any order.

    The archive has an order of its own, and a tar cannot be read out of order. So it is read once,
    and each mask kept as compressed bits, a few kilobytes.

    Args:
        path: The archive. Its masks are named like the images, "x_occluded.png", with the ending
            "_mask.npy": "x_mask.npy", "x_occluded_mask.npy" or "x_occluded.png_mask.npy".
        name: String, the archive's name in messages.

    Raises:
        ArchiveError: The archive cannot be read, or holds no masks.
    """

    def __init__(self, path, name):
        self._masks = {}  # by key: shape and bits, or why there are none
        for member in read_members(path, (_SUFFIX,), name):
            key = picture_key(member, (_SUFFIX, ".png", "_occluded"))
            if key in self._masks:
                self._masks[key] = "there are two masks for it"
                continue
            try:
                if member.problem:
                    raise MemberError(f"its mask has {member.problem}")
                mask = read_mask(member.data)
                self._masks[key] = mask.shape, zlib.compress(np.packbits(mask).tobytes(), 1)
            except MemberError as error:
                self._masks[key] = str(error)
        if not self._masks:
            raise ArchiveError(f"The archive {name!r} holds no masks (files named ...{_SUFFIX}).")

    def read(self, key):
        """Returns the mask of an image.

        Args:
            key: String, see `picture_key`.

        Returns:
            Boolean array of shape (H, W).

        Raises:
            MemberError: There is none, or it could not be read.
        """
        mask = self._masks.get(key, "there is no mask for it")
        if isinstance(mask, str):
            raise MemberError(mask)
        shape, packed = mask
        bits = np.frombuffer(zlib.decompress(packed), np.uint8)
        return np.unpackbits(bits, count=shape[0] * shape[1]).reshape(shape).astype(bool)
