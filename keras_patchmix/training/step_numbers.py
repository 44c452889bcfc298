"""Random numbers and orders that follow from a seed and a step, in NumPy.

They are those of `step_seeds` and of `tf.data.Dataset.shuffle`, so that a training meets its images
in the same order, flipped and shifted alike, with TensorFlow and without it. Both draw from Philox
(Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"), in the form of 4 x 32 bits,
which NumPy does not have.
"""

import numpy as np

# What draws at the same step draws from streams of its own. Runs that go on need the same numbers.
STREAMS = {"shuffle": 0, "augment": 1, "rand_augment": 6, "erasing": 7}
NUM_STREAMS = 8
NOT_ZERO = 87654321  # in place of a global seed of 0

_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
_ROUNDS = 10
_LOW = np.uint64(0xFFFFFFFF)
_WORD = np.uint64(32)
# What TensorFlow begins with to make a key and a counter of two seeds.
_SCRAMBLE_KEY, _SCRAMBLE_COUNTER = (0x3EC8F720, 0x02461E29), (0, 0)


def philox(key, counter, count):
    """Returns the first uint32 words of a stream of Philox 4x32-10.

    Args:
        key: Integer of 64 bits.
        counter: Integer of 128 bits, of the first block.
        count: Integer.

    Returns:
        uint32 array `(count,)`.
    """
    blocks = -(-count // 4)
    low, high = counter & (2**64 - 1), counter >> 64
    first = np.uint64(low) + np.arange(blocks, dtype=np.uint64)
    second = np.uint64(high) + (first < np.uint64(low)).astype(np.uint64)
    words = [first & _LOW, first >> _WORD, second & _LOW, second >> _WORD]
    keys = [np.uint32(key & 0xFFFFFFFF), np.uint32(key >> 32)]
    with np.errstate(over="ignore"):
        for _ in range(_ROUNDS):
            products = [_MULTIPLIERS[0] * words[0], _MULTIPLIERS[1] * words[2]]
            words = [
                (products[1] >> _WORD) ^ words[1] ^ keys[0],
                products[1] & _LOW,
                (products[0] >> _WORD) ^ words[3] ^ keys[1],
                products[0] & _LOW,
            ]
            keys = [part + step for part, step in zip(keys, _WEYL, strict=True)]
    return np.stack(words, axis=1).astype(np.uint32).reshape(-1)[:count]


def seed_of(seed, stream, step, draw=0):
    """Returns what `step_seeds.seed_of` does, a pair of integers."""
    words = _stateless(seed, STREAMS[stream] + NUM_STREAMS * draw, 4).astype(np.uint64)
    first, second = (words[0::2] | words[1::2] << _WORD) % np.uint64(2**31 - 1)
    return int(first), int(second) + step


def uniform(seed, shape):
    """Returns what `tf.random.stateless_uniform` does: float32 in [0, 1).

    Args:
        seed: Pair of integers.
        shape: Tuple of integers.
    """
    words = _stateless(*seed, int(np.prod(shape)))
    # 23 random bits after the point of a number in [1, 2).
    floats = ((words & np.uint32(0x7FFFFF)) | np.uint32(0x3F800000)).view(np.float32)
    return (floats - np.float32(1)).reshape(shape)


def shuffled(seed, number, count, buffer=None):
    """Returns the order in which `tf.data.Dataset.shuffle` gives the examples of a pass.

    Args:
        seed: Integer, the seed of the run, which is TensorFlow's global seed too.
        number: Integer, which pass over the data it is.
        count: Integer, the number of examples.
        buffer: Integer, the examples among which the next one is drawn. None is all.

    Returns:
        int64 array `(count,)` of positions.
    """
    buffer = min(buffer or count, count)
    words = philox(seed or NOT_ZERO, seed_of(seed, "shuffle", number)[1] << 64, count)
    waiting, order = list(range(buffer)), np.empty(count, np.int64)
    for place, word in enumerate(words.tolist()):
        # A ring: what is drawn makes room at the start for what comes in at the end.
        start, size = place % buffer, min(buffer, count - place)
        drawn = (place + word % size) % buffer
        order[place], waiting[drawn] = waiting[drawn], waiting[start]
        waiting[start] = place + buffer
    return order


def _stateless(first, second, count):
    key = [part & (2**64 - 1) for part in (first, second)]
    scrambled = philox(_SCRAMBLE_KEY[0] | _SCRAMBLE_KEY[1] << 32, key[0] | key[1] << 64, 4).tolist()
    return philox(scrambled[0] | scrambled[1] << 32, scrambled[2] << 64 | scrambled[3] << 96, count)
