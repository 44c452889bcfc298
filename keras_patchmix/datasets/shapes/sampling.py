"""What a shapes image holds, drawn from (seed, split, index) and nothing else.

Numbers come from an integer hash (SplitMix64, Steele et al. 2014) and angles from a table rounded
to 2^-20, so that an image is the same to the last bit on every machine: NumPy's own `sin` and
`cos` differ in the last place between processors.
"""

import math

import numpy as np

OUTLINES = ("disc", "triangle", "cross", "bar")
TEXTURES = ("striped", "checked", "ringed", "spotted")
LIMBS = ("spikes", "knobs", "legs", "wings")

# Ten words of the Latin square limb = (outline + texture) mod 4. Any outline, texture or kind of
# limb occurs in two or three classes, so that no single part tells the class; any two parts do.
CLASSES = (
    ("disc", "striped", "spikes"),
    ("disc", "checked", "knobs"),
    ("disc", "ringed", "legs"),
    ("triangle", "checked", "legs"),
    ("triangle", "ringed", "wings"),
    ("triangle", "spotted", "spikes"),
    ("cross", "striped", "legs"),
    ("cross", "spotted", "knobs"),
    ("bar", "striped", "wings"),
    ("bar", "ringed", "knobs"),
)
CLASS_NAMES = tuple(f"{texture}_{outline}_{limb}" for outline, texture, limb in CLASSES)

SPLITS = ("train", "validation", "test")
NUM_EXAMPLES = {  # by image size and split
    32: {"train": 10_000, "validation": 1_000, "test": 2_000},
    64: {"train": 8_000, "validation": 1_000, "test": 2_000},
    96: {"train": 5_000, "validation": 500, "test": 1_000},
}

_GOLDEN = 0x9E3779B97F4A7C15
_WORD = (1 << 64) - 1
_ANGLES = 4096
_TURN = 1 / 16
_COSINES = tuple(round(math.cos(2 * math.pi * k / _ANGLES) * 2**20) / 2**20 for k in range(_ANGLES))


def mix64(word):
    """The output function of SplitMix64.

    Args:
        word: Non-negative integer below 2^64.

    Returns:
        Integer below 2^64, its bits well mixed.
    """
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 & _WORD
    word = (word ^ (word >> 27)) * 0x94D049BB133111EB & _WORD
    return word ^ (word >> 31)


class Stream:
    """A stream of random numbers for one image, a pure function of its key.

    Args:
        *key: Integers, such as seed, split and index. Another key is another stream.
    """

    def __init__(self, *key):
        self._state = 0
        for part in key:
            self._state = mix64(self._state + (part + 1) * _GOLDEN & _WORD)

    def uniform(self, low=0.0, high=1.0):
        """Returns a float in [low, high)."""
        self._state = self._state + _GOLDEN & _WORD
        return low + (high - low) * ((mix64(self._state) >> 11) * 2.0**-53)

    def integer(self, high):
        """Returns an int in [0, high)."""
        return int(self.uniform(0, high))

    def choice(self, values):
        """Returns one of `values`."""
        return values[self.integer(len(values))]

    def direction(self):
        """Returns (cos, sin) of a random angle."""
        return direction(self.uniform())

    def array(self, *shape):
        """Returns a float32 array of numbers in [0, 1) with 24 random bits each."""
        count = math.prod(shape)
        words = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(_GOLDEN)
        words += np.uint64(self._state)
        self._state = self._state + count * _GOLDEN & _WORD
        words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        words = (words ^ (words >> np.uint64(31))) >> np.uint64(40)
        return (words.astype(np.float32) * np.float32(2.0**-24)).reshape(shape)


def direction(turns):
    """Returns (cos, sin) of an angle given in turns, from the rounded table."""
    k = int(turns * _ANGLES)
    return _COSINES[k % _ANGLES], _COSINES[(k - _ANGLES // 4) % _ANGLES]


def _color(hue, saturation, value):
    """Returns an RGB triple in 0..1 from a hue in turns, a saturation and a value in 0..1."""
    channels = []
    for offset in (0, 4, 2):
        ramp = (hue * 6 + offset) % 6
        channels.append(value * (1 - saturation + saturation * _trapezoid(ramp)))
    return tuple(channels)


def _trapezoid(ramp):
    return min(max(abs(ramp - 3) - 1, 0), 1)


def _paint(stream):
    """Returns the two tones of a body, one dark and one light, and the color of its limbs."""
    hue = stream.uniform()
    dark = _color(hue, stream.uniform(0.4, 0.9), stream.uniform(0.05, 0.3))
    hue = (hue + stream.uniform(-0.15, 0.15)) % 1.0
    light = _color(hue, stream.uniform(0.3, 0.8), stream.uniform(0.75, 1.0))
    hue = (hue + stream.uniform(0.2, 0.8)) % 1.0
    # Limbs are lighter or darker than the ground at random: else they would stand in the mean image
    # of their class, where a linear model finds them.
    value = stream.choice((stream.uniform(0.0, 0.1), stream.uniform(0.8, 1.0)))
    return (dark, light), _color(hue, stream.uniform(0.2, 0.8), value)


def _pose(stream, center, radius):
    """Returns the center, the radius and the 2x2 matrix from image to object coordinates."""
    cos, sin = direction(stream.uniform(-_TURN, _TURN))
    stretch = stream.uniform(0.9, 1.1)
    shear = stream.uniform(-0.15, 0.15)
    mirror = 1.0 if stream.uniform() < 0.5 else -1.0
    # Rotation, then shear, stretch and mirror; its determinant keeps the object's area.
    return {
        "center": center,
        "radius": radius,
        "matrix": (
            ((cos + shear * -sin) * stretch, (sin + shear * cos) * stretch),
            (-sin * mirror / stretch, cos * mirror / stretch),
        ),
    }


def sample_plan(label, seed, split, index):
    """Draws everything about one image.

    Args:
        label: Integer, position in `CLASSES`.
        seed: Non-negative integer.
        split: One of `SPLITS`.
        index: Non-negative integer, position of the image in its split.

    Returns:
        Dict with "outline", "texture", "limb" and the numbers that `painting.paint` needs. Lengths
        are in units of the image side; colors are RGB triples in 0..1.
    """
    stream = Stream(seed, SPLITS.index(split), index)
    outline, texture, limb = CLASSES[label]
    hue = stream.uniform()
    value = stream.uniform(0.3, 0.5)
    ground = {
        "colors": [
            _color(shifted % 1.0, stream.uniform(0.1, 0.6), value + change)
            for shifted, change in ((hue, -0.1), (hue + stream.uniform(-0.15, 0.15), 0.1))
        ],
        "texture": stream.choice(TEXTURES),
        "texture_weight": stream.uniform(0.0, 0.5),
        "pose": _pose(stream, (stream.uniform(), stream.uniform()), stream.uniform(0.15, 0.3)),
        "phase": (stream.uniform(), stream.uniform()),
        "noise": [stream.array(n, n) for n in (4, 9)],
    }
    radius = stream.uniform(0.21, 0.255)
    slack = 0.45 - 1.6 * radius
    center = tuple(0.5 + stream.uniform(-slack, slack) for _ in range(2))
    body = _part(stream, outline, texture, limb, center, radius)
    clutter = [_fragment(stream) for _ in range(2 + stream.integer(2))]
    return {
        **body,
        "ground": ground,
        "clutter": clutter,
        "light": (stream.direction(), stream.uniform(0.05, 0.3), stream.uniform(0.28, 0.4)),
        "shadow": (stream.direction(), stream.uniform(0.01, 0.03), stream.uniform(0.2, 0.5)),
        "grain": stream.uniform(0.01, 0.04),
        "stream": stream,
    }


def _part(stream, outline, texture, limb, center, radius):
    tones, limb_color = _paint(stream)
    return {
        "outline": outline,
        "texture": texture,
        "limb": limb,
        "pose": _pose(stream, center, radius),
        "tones": tones,
        "limb_color": limb_color,
        "period": stream.uniform(0.68, 0.82),
        "phase": (stream.uniform(), stream.uniform()),
        "turn": stream.uniform(-0.03, 0.03),
        "reach": stream.uniform(0.6, 0.75),
    }


def _fragment(stream):
    """Draws a piece of some object: part of a textured body, or loose limbs."""
    # Attributes are drawn apart, whatever the class of the image: they say nothing about it.
    center = (stream.uniform(0.02, 0.98), stream.uniform(0.02, 0.98))
    part = _part(
        stream,
        stream.choice(OUTLINES),
        stream.choice(TEXTURES),
        stream.choice(LIMBS),
        center,
        stream.uniform(0.13, 0.2),
    )
    part["kind"] = stream.choice(("body", "limbs"))
    cos, sin = stream.direction()
    part["cut"] = (cos, sin, stream.uniform(0.1, 0.5))
    return part
