"""The built-in occluders: objects outside the label spaces of photographs, drawn by formula."""

import functools
import math

import numpy as np

from keras_patchmix.occluders.canvas import Canvas, blend, ripples, rod, rotate, shade
from keras_patchmix.occluders.occluder import Occluder

_TAU = 2 * math.pi


@functools.cache
def drawn() -> "tuple[Occluder, ...]":
    """Returns the built-in occluders, which are painted once in a process.

    None of them is a class of ImageNet or of the built-in data set "shapes", or an everyday object:
    an amoeba, a bacteriophage, a bacterium, a crystal of ice, a drone, a gear, a gem, a molecule, a
    paper star and a torus. All are opaque but for their edges, and about 200 pixels a side.

    Returns:
        Tuple of `Occluder`s, sorted by name.
    """
    occluders = []
    for paint in _PAINTERS:
        canvas = Canvas()
        paint(canvas)
        occluders.append(Occluder(paint.__name__[1:], canvas.image()))
    return tuple(occluders)


def _point(turns, radius):
    return radius * math.cos(_TAU * turns), radius * math.sin(_TAU * turns)


def _amoeba(canvas):
    x, y = canvas.x, canvas.y
    angle, radius = np.arctan2(y, x), np.hypot(x, y)
    edge = 0.7 + 0.13 * np.sin(3 * angle + 0.7) + 0.09 * np.sin(5 * angle + 2.1)
    edge += 0.05 * np.sin(8 * angle + 0.4)
    inside = np.clip(1 - radius / edge, 0, 1)
    # The body is a dome that is steep at its edge, a little uneven.
    slope = np.maximum(1 - inside * 3.2, 0) ** 1.5
    bump = 0.14 * ripples(x, y, 17)
    nx, ny = np.cos(angle) * slope * 0.92 + bump, np.sin(angle) * slope * 0.92 - bump
    body = blend((0.33, 0.08, 0.42), (0.93, 0.42, 0.66), inside * 2.2 + 0.12 * ripples(x, y, 9, 2))
    body = blend((1.0, 0.72, 0.85), body, inside * 14)
    canvas.lay(shade(body, nx, ny, gloss=0.45), canvas.cover((radius - edge) * 0.8))
    for cx, cy, size in (
        (0.34, 0.22, 0.1), (-0.2, 0.42, 0.13), (0.12, -0.48, 0.09), (0.47, -0.16, 0.075),
        (-0.5, 0.12, 0.08), (0.08, 0.47, 0.06), (-0.46, -0.25, 0.06), (0.3, 0.5, 0.05),
    ):  # fmt: skip
        canvas.ball((cx, cy), size, (0.98, 0.79, 0.5), gloss=0.7)
    canvas.ball((-0.08, -0.06), 0.26, (0.36, 0.16, 0.62), gloss=0.35)
    canvas.ball((-0.03, -0.02), 0.1, (0.16, 0.06, 0.36), gloss=0.5)


def _bacteriophage(canvas):
    legs = []
    for k, reach in enumerate((0.78, 0.5, 0.22)):
        for side in (-1, 1):
            knee = (side * reach * 0.72, 0.2 + 0.12 * k)
            legs.append(((side * 0.07, 0.52), knee, (side * (reach + 0.1), 0.93 - 0.02 * k)))
    for hip, knee, foot in legs:
        canvas.stick(hip, knee, 0.046, (0.3, 0.66, 0.72))
        canvas.stick(knee, foot, 0.04, (0.3, 0.66, 0.72))
        canvas.ball(knee, 0.05, (0.4, 0.78, 0.8))
        canvas.ball(foot, 0.05, (0.95, 0.62, 0.25))
    # The tail is a pile of rings, its base a plate.
    window, x, y = canvas.window((-0.25, -0.2), (0.25, 0.62))
    ring = np.cos(_TAU * (y + 0.2) / 0.085)
    inside = np.maximum(np.abs(x) - 0.105 - 0.018 * ring, np.abs(y - 0.19) - 0.36)
    tail = shade((0.22, 0.55, 0.66), x / 0.15, -0.45 * np.sin(_TAU * (y + 0.2) / 0.085), gloss=0.5)
    canvas.lay(tail, canvas.cover(inside), window)
    plate = np.maximum(np.abs(x) - 0.2, np.abs(y - 0.54) - 0.045)
    surface = shade((0.14, 0.36, 0.5), x / 0.3, (y - 0.54) / 0.09)
    canvas.lay(surface, canvas.cover(plate), window)
    _capsid(canvas)


def _capsid(canvas):
    """The head of the phage: the half of an icosahedron that is seen."""
    center, tall, wide = (0.0, -0.52), 0.43, 0.38
    ring = [_point(k / 6 + 0.25, 1) for k in range(6)]
    outer = [(center[0] + wide * x, center[1] + tall * y) for x, y in ring]
    core = [_point(k / 3 + 0.25, 0.56) for k in range(3)]
    inner = [(center[0] + wide * x, center[1] + tall * y) for x, y in core]
    facets = [tuple(inner)]
    for k in range(3):
        near, far = inner[k], inner[(k + 1) % 3]
        a, b, c = (outer[(2 * k + j) % 6] for j in range(3))
        facets += [(near, a, b), (near, b, far), (far, b, c)]
    for corners in facets:
        mx, my = np.mean(corners, axis=0) - center
        light = 0.66 - 0.55 * mx - 0.62 * my
        color = np.array((0.30, 0.80, 0.84)) * light
        canvas.facet(corners, (color * 1.2 + 0.06, color * 0.86))


def _bacterium(canvas):
    tilt = 0.06
    window, x, y = canvas.window((-1, -0.9), (0.25, 0.3))
    x, y = rotate(x, y, tilt)
    for k in range(5):
        bend = 0.07 * np.sin(9 * x + 1.3 * k) + (k - 2) * (0.125 - 0.104 * x)
        distance = np.maximum(np.abs(y - bend) * 0.85 - 0.034, np.maximum(-0.95 - x, x))
        surface = (y - bend) / 0.045
        canvas.lay(shade((0.66, 0.82, 0.27), 0 * x, surface), canvas.cover(distance), window)
    x, y = rotate(canvas.x, canvas.y, tilt)
    # A bent sausage: the distance to an arc.
    radius, center = 0.9, (0.3, 0.94)
    dx, dy = x - center[0], y - center[1]
    length = np.hypot(dx, dy)
    swing = np.arctan2(dx, -dy)
    ends = np.clip(swing, -0.55, 0.47)
    px, py = center[0] + radius * np.sin(ends), center[1] - radius * np.cos(ends)
    distance = np.hypot(x - px, y - py)
    thick = 0.3
    nx, ny = (x - px) / thick, (y - py) / thick
    bump = 0.20 * ripples(swing * 16, length * 16, 2.1)
    inside = np.clip(1 - distance / thick, 0, 1)
    body = blend((0.12, 0.36, 0.12), (0.52, 0.86, 0.28), inside * 1.6 + 0.2 * ripples(x, y, 13))
    canvas.lay(shade(body, nx + bump, ny - bump, gloss=0.7), canvas.cover(distance - thick))


def _drone(canvas):
    tilt = 0.03
    hubs = [np.array(rotate(sx * 0.52, sy * 0.52, -tilt)) for sx in (-1, 1) for sy in (-1, 1)]
    for hub in hubs:
        canvas.stick((0, 0), hub, 0.075, (0.34, 0.36, 0.4))
    for k, hub in enumerate(hubs):
        window, x, y = canvas.window(hub - 0.39, hub + 0.39)
        x, y = x - hub[0], y - hub[1]
        radius = np.hypot(x, y)
        along, across = rotate(x, y, 0.11 + 0.19 * k)
        blade = np.maximum(np.abs(across) - 0.062 + 0.03 * np.abs(along), radius - 0.29)
        pitch = np.sign(along) * across / 0.06
        surface = shade((0.2, 0.21, 0.24), 0 * x, pitch, gloss=0.4)
        canvas.lay(surface, canvas.cover(blade), window)
        around = (radius - 0.335) / 0.05
        nx, ny = (part / np.maximum(radius, 1e-6) * around for part in (x, y))
        surface = shade((0.95, 0.45, 0.1), nx, ny, gloss=0.6)
        canvas.lay(surface, canvas.cover(np.abs(radius - 0.335) - 0.048), window)
        canvas.ball(hub, 0.09, (0.5, 0.52, 0.56), gloss=0.8)
    x, y = rotate(canvas.x, canvas.y, tilt)
    squared = (np.abs(x / 0.29) ** 3 + np.abs(y / 0.4) ** 3) ** (1 / 3)
    slope = squared**4
    norm = np.maximum(np.hypot(x, y), 1e-6)
    shell = blend((0.9, 0.91, 0.93), (0.7, 0.73, 0.78), np.abs(x) * 2.5)
    shell = blend(shell, (0.95, 0.45, 0.1), (0.035 - np.abs(np.abs(x) - 0.12)) * 120)
    canvas.lay(shade(shell, x / norm * slope, y / norm * slope), canvas.cover((squared - 1) * 0.28))
    canvas.ball(rotate(0.0, -0.25, -tilt), 0.09, (0.06, 0.08, 0.14), gloss=1.0)
    canvas.ball(rotate(0.0, 0.26, -tilt), 0.04, (0.1, 0.95, 0.4), gloss=0.9)


def _gear(canvas):
    x, y = canvas.x, canvas.y
    angle, radius = np.arctan2(y, x), np.hypot(x, y)
    teeth = np.clip(1.9 * np.sin(11 * angle + 0.4), -1, 1)
    outside = (radius - 0.83 - 0.105 * teeth) * 0.8
    windows = np.full(x.shape, np.inf)
    for k in range(5):
        cx, cy = _point(k / 5 + 0.07, 0.47)
        windows = np.minimum(windows, np.hypot(x - cx, y - cy) - 0.155)
    hole = np.minimum(windows, radius - 0.16)
    body = np.maximum(outside, -hole)
    # Turned metal shines in opposite sectors; edges are bevelled.
    sheen = 0.5 + 0.28 * np.cos(2 * (angle - 0.9)) + 0.1 * np.cos(6 * angle + 1)
    sheen += 0.035 * np.sin(radius * 190)
    metal = blend((0.42, 0.24, 0.1), (1.0, 0.83, 0.5), sheen)
    step = 2 / len(x)
    gy, gx = np.gradient(np.clip(body, -0.055, 0), step)
    rim = np.abs(radius - 0.68) - 0.014
    metal *= np.where((rim < 0) | (np.abs(radius - 0.26) < 0.014), 0.62, 1)[..., None]
    canvas.lay(shade(metal, 0.75 * gx, 0.75 * gy, gloss=0.35, ambient=0.45), canvas.cover(body))


def _gem(canvas):
    table = [_point(k / 8 + 0.02, 0.47) for k in range(8)]
    middle = [_point((k + 0.5) / 8 + 0.02, 0.73) for k in range(8)]
    girdle = [_point(k / 16 + 0.02, 0.95 if k % 2 else 0.92) for k in range(16)]
    facets = []
    for k in range(8):
        nxt = (k + 1) % 8
        facets.append((table[k], table[nxt], middle[k]))
        facets.append((table[nxt], middle[k], girdle[(2 * k + 2) % 16], middle[nxt]))
        facets.append((middle[k], girdle[2 * k], girdle[(2 * k + 1) % 16]))
        facets.append((middle[k], girdle[(2 * k + 1) % 16], girdle[(2 * k + 2) % 16]))
    dark, light = np.array((0.16, 0.05, 0.5)), np.array((0.5, 0.9, 1.0))
    for number, corners in enumerate(facets):
        mx, my = np.mean(corners, axis=0)
        # A facet shows the light or, by inner reflection, what lies opposite.
        share = 0.45 - 0.45 * mx - 0.5 * my + 0.36 * math.sin(number * 2.4)
        color = dark + (light - dark) * min(max(share, 0.03), 1)
        color = color + np.array((0.45, 0.0, 0.18)) * max(0, math.sin(number * 1.3 + 1))
        canvas.facet(corners, (np.minimum(color * 1.2 + 0.05, 1), color * 0.72))
    canvas.facet(table, ((0.42, 0.74, 1.0), (0.42, 0.74, 1.0)))
    star = [_point((k + 0.5) / 8 + 0.02, 0.22) for k in range(8)]
    for k in range(8):
        tone = 0.62 + 0.38 * math.sin(2.1 * k + 0.4)
        first = (np.array((0.55, 0.85, 1.0)) * tone + 0.12, np.array((0.4, 0.3, 0.9)) * tone)
        canvas.facet((star[k], table[k], table[(k + 1) % 8]), first)
        canvas.facet(((0, 0), star[k - 1], star[k]), ((0.95, 0.98, 1.0), first[1] + 0.15))
        canvas.facet((table[k], star[k - 1], star[k]), (first[0] * 0.9, first[1] * 0.6))


def _ice_crystal(canvas):
    x, y = rotate(canvas.x, canvas.y, 0.017)
    angle = np.arctan2(y, x)
    fold = np.abs((angle / _TAU * 6 + 0.5) % 1 - 0.5) * (_TAU / 6)
    radius = np.hypot(x, y)
    u, v = radius * np.cos(fold), radius * np.sin(fold)
    body = rod(u, v, 0.9, 0)[0] - 0.062
    for at, length in ((0.36, 0.2), (0.56, 0.26), (0.76, 0.15)):
        branch = rod(u - at, v, length * 0.5, length * 0.8660254)[0]
        body = np.minimum(body, branch - 0.048)
    body = np.minimum(body, u - 0.3)
    hollow = np.abs(u - 0.19) - 0.022
    step = 2 / len(x)
    gy, gx = np.gradient(np.clip(body, -0.05, 0), step)
    ice = blend((0.27, 0.62, 0.9), (0.88, 0.97, 1.0), 0.35 + 0.55 * radius + 0.15 * np.cos(8 * u))
    ice = blend(ice, (0.16, 0.45, 0.8), -hollow * 60)
    canvas.lay(shade(ice, 0.9 * gx, 0.9 * gy, gloss=0.6, ambient=0.55), canvas.cover(body))


def _molecule(canvas):
    ring = [(a - 0.16, b + 0.05) for a, b in (_point(k / 6 + 0.03, 0.34) for k in range(6))]
    arms = [(ring[k][0] * 2.05 + 0.2, ring[k][1] * 2.3 - 0.07) for k in (0, 1, 2, 4)]
    arms.append((ring[5][0] + 0.42, ring[5][1] - 0.34))
    pairs = [(ring[k], ring[(k + 1) % 6]) for k in range(6)]
    pairs += [(ring[k], arm) for k, arm in zip((0, 1, 2, 4, 5), arms, strict=True)]
    for start, end in pairs:
        canvas.stick(start, end, 0.075, (0.78, 0.78, 0.82))
    carbon, oxygen = (0.24, 0.25, 0.29), (0.9, 0.12, 0.12)
    nitrogen, sulphur = (0.16, 0.32, 0.92), (0.98, 0.82, 0.12)
    for k, place in enumerate(ring):
        canvas.ball(place, 0.185, nitrogen if k in (1, 4) else carbon, gloss=0.8)
    for place, color, size in zip(
        arms, (oxygen, sulphur, oxygen, carbon, sulphur), (0.2, 0.22, 0.2, 0.17, 0.18), strict=True
    ):
        canvas.ball(place, size, color, gloss=0.8)


def _paper_star(canvas):
    count = 7
    light, dark = np.array((1.0, 0.52, 0.36)), np.array((0.66, 0.1, 0.2))
    for k in range(count):
        tip = _point(k / count + 0.03, 0.96)
        left, right = (_point((k + side) / count + 0.03, 0.5) for side in (-0.5, 0.5))
        for valley, shift in ((left, 0.07), (right, -0.12)):
            mx, my = (tip[0] + valley[0]) / 2, (tip[1] + valley[1]) / 2
            share = 0.5 - 0.34 * mx - 0.4 * my + 3 * shift
            tone = dark + (light - dark) * min(max(share, 0.05), 1)
            canvas.facet(((0, 0), valley, tip), (tone * 0.8, tone * 1.1))
    # On top a flower of flaps, each over the one before, of the paper's other side.
    for k in range(count):
        near, far = _point(k / count + 0.03, 0.44), _point((k + 1) / count + 0.03, 0.44)
        share = 0.55 - 0.7 * near[0] - 0.7 * near[1]
        tone = blend((0.8, 0.62, 0.38), (1.0, 0.95, 0.8), np.array(share))
        canvas.facet(((0, 0), near, far), (tone * 0.72, tone))
        middle = _point((k + 0.9) / count + 0.03, 0.2)
        canvas.facet((near, middle, (0, 0)), (tone * 0.95, tone * 0.6))


def _torus(canvas):
    x, y = canvas.x, canvas.y
    angle, radius = np.arctan2(y, x), np.hypot(x, y)
    across = (radius - 0.62) / 0.33
    around = np.arcsin(np.clip(across, -1, 1))
    wave = np.sin(7 * angle + 2.5 * around + 0.5) + 0.35 * np.sin(14 * angle + 5 * around)
    color = blend((0.13, 0.1, 0.55), (0.98, 0.25, 0.6), 0.5 + 2.2 * wave)
    color = blend(color, (1.0, 0.85, 0.3), 1 - np.abs(wave - 0.9) * 9)
    nx, ny = (np.clip(across, -1, 1) * part / np.maximum(radius, 1e-6) for part in (x, y))
    canvas.lay(shade(color, nx, ny, gloss=0.8), canvas.cover(np.abs(radius - 0.62) - 0.33))


_PAINTERS = (
    _amoeba,
    _bacteriophage,
    _bacterium,
    _drone,
    _gear,
    _gem,
    _ice_crystal,
    _molecule,
    _paper_star,
    _torus,
)
