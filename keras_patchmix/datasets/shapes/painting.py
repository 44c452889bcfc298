"""Paints the plan of a shapes image: signed distances, textures and layers, in plain NumPy.

Only additions, products, quotients, roots, minima and maxima in float32 are used, each of which
IEEE 754 rounds in one way, so that the bytes do not depend on the processor.
"""

import math

import numpy as np

from keras_patchmix.datasets.shapes.sampling import direction

# Every outline has about the area of a disc of radius 1.
_BOX_CROSS = (1.145, 0.42)
_BOX_BAR = (1.45, 0.54)
_TRIANGLE = 0.78
_TRIANGLE_NORMALS = tuple(direction(t) for t in (1 / 4, 7 / 12, 11 / 12))
_HALF = math.sqrt(0.5)
_SUPERSAMPLE = 2
# Objects reach no further than this from their center, in units of their radius.
_EXTENT = 2.3
_BODY_EXTENT = 1.85


def _length(x, y):
    return np.sqrt(x * x + y * y)


def _box(x, y, a, b):
    return np.maximum(np.abs(x) - a, np.abs(y) - b)


def outline_distance(outline, x, y):
    """Signed distance to the outline of a body of radius 1, negative inside.

    Args:
        outline: One of `sampling.OUTLINES`.
        x: float32 array, first object coordinate.
        y: float32 array of the same shape, second object coordinate.

    Returns:
        float32 array of the same shape; near corners a lower bound of the distance.
    """
    if outline == "disc":
        return _length(x, y) - 1
    if outline == "triangle":
        sides = [x * cos + y * sin for cos, sin in _TRIANGLE_NORMALS]
        return np.maximum(np.maximum(sides[0], sides[1]), sides[2]) - _TRIANGLE
    if outline == "cross":
        a, b = _BOX_CROSS
        x, y = np.abs(x + y) * _HALF, np.abs(x - y) * _HALF
        return np.maximum(np.maximum(x, y) - a, np.minimum(x, y) - b)
    return _box(x, y, *_BOX_BAR)


def _boundary(outline, cos, sin):
    """Distance from the center to the outline in a direction."""
    if outline == "disc":
        return 1.0
    if outline == "triangle":
        return _TRIANGLE / max(cos * c + sin * s for c, s in _TRIANGLE_NORMALS)
    if outline == "cross":
        a, b = _BOX_CROSS
        low, high = sorted((abs(cos + sin) * _HALF, abs(cos - sin) * _HALF))
        return min(a / high, b / max(low, 1e-6))
    a, b = _BOX_BAR
    return min(a / max(abs(cos), 1e-6), b / max(abs(sin), 1e-6))


def texture_mask(texture, x, y, period, phase, width):
    """The share of the second tone in a two-tone texture.

    Args:
        texture: One of `sampling.TEXTURES`.
        x: float32 array, first object coordinate.
        y: float32 array of the same shape, second object coordinate.
        period: Float, period of the texture in object units.
        phase: Two floats in [0, 1), offsets in periods.
        width: Float, size of a sample in object units, over which edges are blended.

    Returns:
        float32 array of the same shape in [0, 1].
    """
    if texture == "ringed":
        return _waves(_length(x, y), period, phase[0], width)
    if texture == "striped":
        return _waves(y, period, phase[0], width)
    if texture == "checked":
        a = _waves(x, period * 1.3, phase[0], width)
        b = _waves(y, period * 1.3, phase[1], width)
        return a + b - 2 * a * b
    period = period * 1.05
    u = x * (1 / period) + phase[0]
    v = y * (1 / period) + phase[1]
    u = u - np.floor(u) - 0.5
    v = v - np.floor(v) - 0.5
    return _cover((_length(u, v) - 0.3) * period, width)


def _waves(x, period, phase, width):
    """Two tones that alternate along x, each for half a period."""
    x = x * (1 / period) + phase
    x -= np.floor(x)
    return _cover((np.abs(x - 0.5) - 0.25) * period, width)


def _cover(distance, width):
    """Turns a signed distance into the covered share of a sample."""
    cover = distance * (-1 / width)
    cover += 0.5
    return np.minimum(np.maximum(cover, 0, out=cover), 1, out=cover)


def limb_distance(limb, outline, x, y, turn, reach, count=None):
    """Signed distance to the limbs of an object with a body of radius 1, negative inside.

    Args:
        limb: One of `sampling.LIMBS`.
        outline: One of `sampling.OUTLINES`: limbs start at its edge.
        x: float32 array, first object coordinate.
        y: float32 array of the same shape, second object coordinate.
        turn: Float, the turn of all limbs about the body.
        reach: Float, how far limbs stand out from the body.
        count: Number of limbs, the first ones, or None for all.

    Returns:
        float32 array of the same shape.
    """
    shape, turns, offsets = _LIMBS[limb]
    distance = None
    for place, offset in list(zip(turns, offsets, strict=True))[:count]:
        cos, sin = direction(place + turn)
        start = 0.0 if shape is _leg else _boundary(outline, cos, sin)
        along = x * cos + y * sin - start
        across = y * cos - x * sin - offset
        one = shape(along, across, reach)
        distance = one if distance is None else np.minimum(distance, one, out=distance)
    return distance


def _spike(along, across, reach):
    # A wedge: 0.3 wide on each side at the edge of the body, nothing at the tip.
    slope = 0.3 / reach
    scale = 1 / math.sqrt(1 + slope * slope)
    side = np.abs(across) * scale + (along - reach) * (slope * scale)
    return np.maximum(side, -along - 0.6)


def _knob(along, across, reach):
    ball = _length(along - reach * 0.8, across) - 0.3
    stick = _box(along - reach * 0.2, across, reach * 0.6, 0.11)
    return np.minimum(ball, stick)


def _leg(along, across, reach):
    return _box(along - 0.6, across, 0.95 + reach * 0.4, 0.13)


def _wing(along, across, reach):
    # An ellipse across the direction: as long as the body is wide.
    x = (along - reach * 0.35) * (1 / (reach * 0.75))
    y = across * (1 / 0.85)
    return (_length(x, y) - 1) * (reach * 0.75)


# The shape of one limb, and of every limb its turn about the body and its shift to the side.
_LIMBS = {
    "spikes": (_spike, [k / 7 + 0.25 for k in range(7)], [0.0] * 7),
    "knobs": (_knob, [k / 4 + 0.125 for k in range(4)], [0.0] * 4),
    "legs": (_leg, [0.75] * 3, [-0.72, 0.0, 0.72]),
    "wings": (_wing, [0.25, 0.75], [0.0, 0.0]),
}


class _Canvas:
    """A float32 picture with `_SUPERSAMPLE` samples along each side of a pixel."""

    def __init__(self, size):
        self.side = size * _SUPERSAMPLE
        self.pixels = np.empty((3, self.side, self.side), np.float32)
        self.axis = (np.arange(self.side, dtype=np.float32) + 0.5) / (self.side)

    def window(self, pose, extent):
        """Returns slices of the rows and columns that an object may touch."""
        x, y = pose["center"]
        reach = pose["radius"] * extent
        return tuple(
            slice(max(int((at - reach) * self.side), 0), max(int((at + reach) * self.side) + 2, 0))
            for at in (y, x)
        )

    def coordinates(self, pose, window):
        """Returns object coordinates x and y of a window and the size of a sample in them."""
        rows, columns = window
        radius = pose["radius"]
        (a, b), (c, d) = pose["matrix"]
        dx = (self.axis[columns] - pose["center"][0]) / radius
        dy = (self.axis[rows] - pose["center"][1]) / radius
        dx, dy = dx[None, :], dy[:, None]
        x = dx * a + dy * b
        y = dx * c + dy * d
        # Edges are blended over a pixel and a half of a sample: soft enough not to alias.
        return x, y, 1.5 / (self.side * radius)

    def blend(self, window, color, cover):
        """Lays a color (three floats, or three arrays over the window) over the picture."""
        for channel, plane in zip(color, self.pixels, strict=True):
            area = plane[window]
            layer = channel - area
            layer *= cover
            area += layer


def _two_tone(colors, mask):
    return [mask * (second - first) + first for first, second in zip(*colors, strict=True)]


def _upsample(noise, side):
    """Bilinear upsampling of an (n, n) array to (side, side)."""
    n = noise.shape[0]
    at = (np.arange(side, dtype=np.float32) + 0.5) * ((n - 1) / side)
    low = np.minimum(at.astype(np.int64), n - 2)
    share = (at - low.astype(np.float32)).astype(np.float32)
    rows = noise[low] + (noise[low + 1] - noise[low]) * share[:, None]
    return rows[:, low] + (rows[:, low + 1] - rows[:, low]) * share[None, :]


def _ground(canvas, ground):
    window = slice(None), slice(None)
    x, y, width = canvas.coordinates(ground["pose"], window)
    pattern = texture_mask(ground["texture"], x, y, 0.75, ground["phase"], width)
    coarse, fine = (_upsample(noise, canvas.side) for noise in ground["noise"])
    cloud = coarse * 0.6 + fine * 0.4
    weight = ground["texture_weight"]
    mask = cloud + (pattern - cloud) * weight
    for plane, channel in zip(canvas.pixels, _two_tone(ground["colors"], mask), strict=True):
        plane[...] = channel


def _body(canvas, part, window, x, y, width, cover):
    mask = texture_mask(part["texture"], x, y, part["period"], part["phase"], width)
    shade = 1 - (x * x + y * y) * 0.12
    canvas.blend(window, [tone * shade for tone in _two_tone(part["tones"], mask)], cover)


def _fragment(canvas, part):
    if part["kind"] == "body":
        window = canvas.window(part["pose"], _BODY_EXTENT)
        x, y, width = canvas.coordinates(part["pose"], window)
        cos, sin, offset = part["cut"]
        cut = offset - x * cos - y * sin
        distance = np.maximum(outline_distance(part["outline"], x, y), cut)
        _body(canvas, part, window, x, y, width, _cover(distance, width))
    else:
        window = canvas.window(part["pose"], _EXTENT)
        x, y, width = canvas.coordinates(part["pose"], window)
        kind, outline, turn, reach = (part[key] for key in ("limb", "outline", "turn", "reach"))
        distance = limb_distance(kind, outline, x, y, turn, reach, count=2)
        canvas.blend(window, part["limb_color"], _cover(distance, width))


def _object(canvas, plan):
    window = canvas.window(plan["pose"], _EXTENT)
    x, y, width = canvas.coordinates(plan["pose"], window)
    outline = plan["outline"]
    limbs = limb_distance(plan["limb"], outline, x, y, plan["turn"], plan["reach"])
    body = outline_distance(outline, x, y)
    (cos, sin), offset, strength = plan["shadow"]
    shadow = _cover(np.minimum(limbs, body), 3 * width) * strength
    canvas.blend(window, (0.0, 0.0, 0.0), _shift(shadow, offset * cos, offset * sin, canvas.side))
    canvas.blend(window, plan["limb_color"], _cover(limbs, width))
    _body(canvas, plan, window, x, y, width, _cover(body, width))


def _shift(mask, dx, dy, side):
    """Moves a mask by whole samples; what comes in at the border is empty."""
    moved = np.zeros_like(mask)
    to, start = zip(*(_overlap(round(shift * side)) for shift in (dy, dx)), strict=True)
    moved[to] = mask[start]
    return moved


def _overlap(shift):
    if shift > 0:
        return slice(shift, None), slice(None, -shift)
    return slice(None, shift or None), slice(-shift, None)


def paint(plan, size):
    """Paints one image.

    Args:
        plan: Dict as returned by `sampling.sample_plan`.
        size: Integer, height and width of the image in pixels.

    Returns:
        uint8 array of shape (size, size, 3).
    """
    canvas = _Canvas(size)
    _ground(canvas, plan["ground"])
    for part in plan["clutter"]:
        _fragment(canvas, part)
    _object(canvas, plan)
    s = _SUPERSAMPLE
    image = canvas.pixels[:, ::s, ::s].copy()
    for k in range(1, s * s):
        image += canvas.pixels[:, k // s :: s, k % s :: s]
    # The mean is set to a number drawn without regard to the class, which limbs and textures of
    # different extent would otherwise give away. Integers add up to the same sum in any order.
    (cos, sin), slope, brightness = plan["light"]
    total = int((image * 65536).astype(np.int64).sum())
    gain = brightness * image.size * 65536 / total
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    light = axis[None, :] * cos + axis[:, None] * sin
    light = (light * (2 * slope) + 1) * gain
    image *= light
    image += (plan["stream"].array(3, size, size) - 0.5) * (2 * plan["grain"])
    image = np.minimum(np.maximum(image, 0), 1)
    return (image * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0).copy()
