"""Draws how data flows through the package, for the page on its architecture.

python docs/make_flow_picture.py
"""

from pathlib import Path

IMAGES = Path(__file__).parent / "images"
WIDTH, HEIGHT, BOX = 670, 260, (120, 52)
# Room: center of its box, a line below its name.
ROOMS = {
    "datasets": ((80, 40), "images, labels"),
    "layers": ((250, 40), "mixed, soft labels"),
    "models": ((420, 40), "logits"),
    "occlusion": ((590, 120), "hidden, scored"),
    "report": ((590, 220), "rows, page, data"),
    "occluders": ((250, 220), "things in front"),
    "callbacks": ((420, 120), "every epoch"),
    "explain": ((420, 220), "maps, selectivity"),
    "mixing": ((250, 120), "plan, apply"),
}
ARROWS = (
    ("datasets", "layers"),
    ("layers", "models"),
    ("models", "occlusion"),
    ("occlusion", "report"),
    ("mixing", "layers"),
    ("callbacks", "occlusion"),
    ("occluders", "occlusion"),
    ("occlusion", "explain"),
)
STYLE = """
  text { font: 15px system-ui, sans-serif; text-anchor: middle; fill: #12312f; }
  .below { font-size: 12px; fill: #4a6664; }
  rect { fill: #e3f2f1; stroke: #0b5d5b; stroke-width: 1.5; }
  line { stroke: #b3541e; stroke-width: 2; marker-end: url(#head); }
"""


def box(name, center, below):
    """Returns a room as SVG."""
    (x, y), (width, height) = center, BOX
    return (
        f'<rect x="{x - width / 2:g}" y="{y - height / 2:g}" width="{width}" height="{height}" '
        f'rx="8"/><text x="{x}" y="{y - 2}">{name}</text>'
        f'<text class="below" x="{x}" y="{y + 16}">{below}</text>'
    )


def arrow(start, end):
    """Returns an arrow between the borders of two boxes as SVG."""
    (x1, y1), (x2, y2) = ROOMS[start][0], ROOMS[end][0]
    across, down = x2 - x1, y2 - y1
    # The share of the way at which the line leaves a box: through a side, or top or bottom.
    inside = min(BOX[0] / 2 / abs(across) if across else 1, (BOX[1] / 2) / abs(down) if down else 1)
    gap = 5 / (across**2 + down**2) ** 0.5
    near, far = inside, 1 - inside - gap
    return (
        f'<line x1="{x1 + near * across:.1f}" y1="{y1 + near * down:.1f}" '
        f'x2="{x1 + far * across:.1f}" y2="{y1 + far * down:.1f}"/>'
    )


def main():
    """Writes the picture."""
    parts = [arrow(*pair) for pair in ARROWS]
    parts += [box(name, center, below) for name, (center, below) in ROOMS.items()]
    head = (
        '<marker id="head" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="5" markerHeight="5" '
        'orient="auto"><path d="M0 0L8 4L0 8z" fill="#b3541e"/></marker>'
    )
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}"><style>{STYLE}</style><defs>{head}</defs>'
        f'<rect width="{WIDTH}" height="{HEIGHT}" style="fill:#fff;stroke:none"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )
    (IMAGES / "flow.svg").write_text(svg, encoding="utf-8")
    print(IMAGES / "flow.svg")


if __name__ == "__main__":
    main()
