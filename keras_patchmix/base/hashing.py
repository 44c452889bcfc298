"""Random numbers as integer hashes: the same on every machine, backend and batch size.

A corruption must treat example 1234 alike in a batch of 1 or of 512, in this process or another. So
there is no state: a random number is a hash of a stream (the seed and its purpose) and of integers
such as the example's index.

The hash is the finaliser of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
generators", OOPSLA 2014, with Stafford's variant 13 of the constants), a bijection of the 64-bit
integers.
"""

import hashlib

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_C1 = np.uint64(0xBF58476D1CE4E5B9)
_C2 = np.uint64(0x94D049BB133111EB)


def stream(*parts):
    """Returns the key of a stream of random numbers, a Python integer in [0, 2**64).

    Args:
        *parts: Strings and integers of any size, such as `stream(seed, "patch_drop", 14, 14)`.
            Different parts give unrelated streams.
    """
    text = "\x1f".join(f"{type(part).__name__[0]}{part}" for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def mix(values):
    """Hashes a uint64 array of rank 1 or more (NumPy warns of overflow on scalars)."""
    z = values + _GOLDEN
    z ^= z >> np.uint64(30)
    z *= _C1
    z ^= z >> np.uint64(27)
    z *= _C2
    z ^= z >> np.uint64(31)
    return z


def hash_integers(key, *integers):
    """Hashes integers under the key of a stream.

    Args:
        key: Integer in [0, 2**64), see `stream`.
        *integers: Integers or integer arrays that broadcast together. Their order matters.

    Returns:
        uint64 array of the broadcast shape (at least rank 1), uniform over the 64-bit integers.
    """
    state = np.array([key], np.uint64)
    for values in integers:
        values = np.atleast_1d(np.asarray(values)).astype(np.uint64)
        state = mix(state ^ mix(values))
    return state


def integers_below(key, bounds, *integers):
    """Draws one integer in [0, bound) for each hashed entry.

    Args:
        key: See `hash_integers`.
        bounds: Positive integer, or integer array, below 2**32.
        *integers: See `hash_integers`.

    Returns:
        int64 array of the broadcast shape. No value is favored by more than bound / 2**32.
    """
    high = hash_integers(key, *integers) >> np.uint64(32)
    return ((high * np.asarray(bounds).astype(np.uint64)) >> np.uint64(32)).astype(np.int64)


def uniform(key, *integers):
    """Draws one float64 in [0, 1) for each hashed entry; arguments as in `hash_integers`."""
    return (hash_integers(key, *integers) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def permutations(key, index, size):
    """Draws a permutation of range(size) for each index, uniform over all of them.

    Args:
        key: See `hash_integers`.
        index: Integer array of shape (B,).
        size: Number of things to permute.

    Returns:
        int64 array of shape (B, size); each row is a permutation.
    """
    index = np.asarray(index).reshape(-1, 1)
    return np.argsort(hash_integers(key, index, np.arange(size)), axis=1, kind="stable")
