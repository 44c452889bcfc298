"""Writes mixing.npz: plans, batches, and what they must become, by loops in NumPy alone.

    python -m tests.golden.make

The file holds what every backend must reproduce. It shares no code with the package: patches, and
pixels of boxes, are copied one by one, and labels are blended one number at a time in float32, in
the order of the formulas, so that one rounding follows each operation.
"""

from pathlib import Path

import numpy as np

from tests.mixing import oracle

FILE = Path(__file__).parent / "mixing.npz"
BATCH, CLASSES = 5, 7
SMOOTHING = 0.1
CASES = {
    "divides": {"size": (14, 21), "count": (7, 7), "dtype": "uint8"},
    "columns differ": {"size": (11, 23), "count": (5, 6), "dtype": "float32"},
    "columns repeat": {"size": (12, 16), "count": (3, 6), "dtype": "float16"},
    "patches in pixels": {"size": (12, 20), "patch": (5, 8), "dtype": "int32"},
    "one patch": {"size": (6, 9), "count": (1, 1), "dtype": "uint8"},
    "a patch each pixel": {"size": (5, 6), "patch": (1, 1), "dtype": "float32"},
}
# Of boxes and of blends: a size and a dtype.
OTHERS = {
    "boxes, uint8": ((14, 21), "uint8"),
    "boxes, float32": ((11, 23), "float32"),
    "boxes, int32": ((6, 9), "int32"),
    "blends, uint8": ((14, 21), "uint8"),
    "blends, int16": ((5, 7), "int16"),
    "blends, float32": ((11, 23), "float32"),
    "blends, float16": ((6, 9), "float16"),
}


def edges(case):
    """Boundaries of the rows and of the columns."""
    if "patch" in case:
        return [oracle.edges(s, patch=p) for s, p in zip(case["size"], case["patch"], strict=True)]
    return [oracle.edges(s, count=c) for s, c in zip(case["size"], case["count"], strict=True)]


def pixels(case, rng):
    """A batch of any values that the dtype has, infinities and NaN left out."""
    shape = (BATCH, *case["size"], 3)
    if np.issubdtype(case["dtype"], np.integer):
        info = np.iinfo(case["dtype"])
        return rng.integers(info.min, info.max, shape, case["dtype"], endpoint=True)
    return (rng.standard_normal(shape) * 300).astype(case["dtype"])


def label_rows(rng):
    """One-hot, soft and multi-hot rows."""
    return {
        "one-hot": np.eye(CLASSES, dtype="float32")[rng.integers(0, CLASSES, BATCH)],
        "soft": rng.dirichlet(np.ones(CLASSES), BATCH).astype("float32"),
        "multi-hot": rng.integers(0, 2, (BATCH, CLASSES)).astype("float32"),
    }


def blend(labels, partner, share, weights=None):
    """Rows and weights of the blend, one float32 operation at a time."""
    one = np.float32(1)
    rows = np.empty_like(labels)
    mixed_weights = np.ones(len(labels), "float32")
    for a, b in enumerate(partner):
        own, foreign = one - share[a], share[a]
        if weights is not None:
            own, foreign = own * weights[a], foreign * weights[b]
            mixed_weights[a] = own + foreign
            own, foreign = own / mixed_weights[a], foreign / mixed_weights[a]
        for k in range(CLASSES):
            rows[a, k] = own * labels[a, k] + foreign * labels[b, k]
    return rows, mixed_weights


def smooth(rows):
    """(1 - e) y + (e / K) sum(y), one float32 operation at a time."""
    keep, spread = np.float32(1 - SMOOTHING), np.float32(SMOOTHING / CLASSES)
    result = np.empty_like(rows)
    for row, out in zip(rows, result, strict=True):
        total = add_up(list(row))
        for k, value in enumerate(row):
            out[k] = keep * value + spread * total
    return result


def add_up(values):
    """The sum, the first half added to the second again and again."""
    if len(values) == 1:
        return values[0]
    half = len(values) // 2
    pairs = [values[i] + values[half + i] for i in range(half)]
    return add_up(pairs + values[2 * half :])


def boxes(size, rng):
    """Boxes (top, left, bottom, right), among them an empty one and the whole image."""
    height, width = size
    corners = [np.sort(rng.integers(0, side + 1, (BATCH, 2)), axis=1) for side in size]
    found = np.stack([corners[0][:, 0], corners[1][:, 0], corners[0][:, 1], corners[1][:, 1]], 1)
    found[0], found[1] = (2, 3, 2, 3), (0, 0, height, width)
    return found.astype("int32")


def paste(images, partner, box):
    """Every image with the box of its partner, pixel by pixel."""
    mixed = images.copy()
    for a, (top, left, bottom, right) in enumerate(box):
        for i in range(top, bottom):
            for j in range(left, right):
                mixed[a, i, j] = images[partner[a], i, j]
    return mixed


def mixed_up(images, partner, share):
    """Blends in float64, rounded once."""
    weight = share.astype("float64")[:, None, None, None]
    blended = (1 - weight) * images.astype("float64") + weight * images[partner].astype("float64")
    if np.issubdtype(images.dtype, np.integer):
        return np.round(blended).astype(images.dtype)
    return blended.astype(images.dtype)


def make_others():
    """Dict of the arrays of boxes and blends."""
    rng = np.random.default_rng(1905)
    arrays = {}
    for name, (size, dtype) in OTHERS.items():
        images = pixels({"size": size, "dtype": dtype}, rng)
        partner = np.roll(rng.permutation(BATCH), 1).astype("int32")
        arrays |= {f"{name}/images": images, f"{name}/partner": partner}
        if name.startswith("boxes"):
            box = boxes(size, rng)
            area = (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1])
            share = (area / (size[0] * size[1])).astype("float32")
            arrays |= {f"{name}/box": box, f"{name}/mixed images": paste(images, partner, box)}
        else:
            share = ((rng.integers(0, 4096, BATCH) + 0.5) / 4096).astype("float32")
            share[0] = 0
            arrays[f"{name}/mixed images"] = mixed_up(images, partner, share)
        labels = np.eye(CLASSES, dtype="float32")[rng.integers(0, CLASSES, BATCH)]
        weights = rng.uniform(0.1, 2, BATCH).astype("float32")
        weighted, mixed_weights = blend(smooth(labels), partner, share, weights)
        arrays |= {
            f"{name}/share": share,
            f"{name}/labels": labels,
            f"{name}/weights": weights,
            f"{name}/mixed labels": blend(smooth(labels), partner, share)[0],
            f"{name}/weighted labels": weighted,
            f"{name}/mixed weights": mixed_weights,
        }
    return arrays


def make():
    """Dict of all arrays in the file."""
    rng = np.random.default_rng(2306)
    arrays = make_others()
    for name, case in CASES.items():
        rows, columns = edges(case)
        mask = rng.random((BATCH, len(rows) - 1, len(columns) - 1)) < rng.random((BATCH, 1, 1))
        area = np.diff(rows)[:, None] * np.diff(columns)
        share = ((mask * area).sum((1, 2)) / area.sum()).astype("float32")
        partner = np.roll(rng.permutation(BATCH), 1).astype("int32")
        images = pixels(case, rng)
        plan = oracle.Plan(partner, mask, share)
        arrays |= {
            f"{name}/partner": partner,
            f"{name}/mask": mask,
            f"{name}/share": share,
            f"{name}/images": images,
            f"{name}/mixed images": oracle.mix_images(images, plan, rows, columns),
        }
        weights = rng.uniform(0.1, 2, BATCH).astype("float32")
        arrays[f"{name}/weights"] = weights
        for form, labels in label_rows(rng).items():
            smoothed = smooth(labels)
            plain, _ = blend(smoothed, partner, share)
            weighted, mixed_weights = blend(smoothed, partner, share, weights)
            arrays |= {
                f"{name}/{form}/labels": labels,
                f"{name}/{form}/mixed labels": plain,
                f"{name}/{form}/weighted labels": weighted,
                f"{name}/mixed weights": mixed_weights,
            }
    return arrays


if __name__ == "__main__":
    np.savez_compressed(FILE, **make())
    print(f"{FILE}: {FILE.stat().st_size} bytes")
