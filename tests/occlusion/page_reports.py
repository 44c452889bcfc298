"""Reports made by hand, whose every number is known, for the tests of pages and plots."""

import math

import numpy as np

from keras_patchmix.occlusion import Report, Row
from keras_patchmix.occlusion.outcomes import Outcomes
from keras_patchmix.occlusion.settings import digest

CONDITIONS = (
    ("clean", None, None, 0.0),
    ("patch_replacement", (7, 7), 0.1, 5 / 49),
    ("patch_replacement", (7, 7), 0.3, 15 / 49),
    ("patch_replacement", (7, 7), 0.5, 24 / 49),
    ("patch_drop", (14, 14), 0.2, 39 / 196),
    ("patch_drop", (14, 14), 0.4, 78 / 196),
    ("patch_drop", (14, 14), 0.8, 157 / 196),
    ("superimpose", None, 0.1, 0.1004),
    ("superimpose", None, 0.4, 0.3987),
    ("patch_permutation", (2, 2), None, 0.75),
    ("patch_permutation", (14, 14), None, 0.9949),
)


def row_name(corruption, grid, level):
    """The name that a report gives a row."""
    parts = [corruption]
    if grid is not None:
        parts.append(f"{grid[0]}x{grid[1]}")
    if level is not None:
        parts.append(f"{100 * level:.6g}")
    return "_".join(parts)


def make_report(
    name="convnext_tiny",
    skill=0.8,
    n=400,
    classes=10,
    conditions=CONDITIONS,
    silent=(),
    class_names=None,
    skipped=(),
    **settings,
):
    """A report with outcomes.

    Args:
        name: Name of the model.
        skill: Share of clean images that are right.
        n: Number of images.
        classes: Number of classes.
        conditions: Tuples of corruption, grid, level, share and perhaps family, clean first.
        silent: Names of rows without any finite output.
        class_names: List of names, or None.
        skipped: List of dicts with "name" and "reason".
        **settings: Override the settings.
    """
    draws = np.random.default_rng(len(name)).random(n)
    labels = np.arange(n) % classes
    rows, top1, pixels = [], {}, {}
    for corruption, grid, level, share, *family in conditions:
        key = row_name(corruption, grid, level)
        # The higher its class id, the more an image suffers.
        right = draws < skill * (1 - share * (0.5 + 0.5 * labels / classes))
        top1[key] = np.where(key in silent, -1, right).astype(np.int8)
        total = round(share * n * 224 * 224)
        pixels[key] = total // n + (np.arange(n) < total % n)
        scored = 0 if key in silent else n
        p = float(np.mean(right)) if scored else None
        rows.append(
            Row(
                name=key,
                corruption=corruption,
                grid=grid,
                level=level,
                share=share,
                n=scored,
                top1=p,
                top5=None if p is None or classes < 6 else min(1.0, p + 0.1),
                standard_error=math.sqrt(p * (1 - p) / n) if scored else None,
                n_nonfinite=n - scored,
                family=family[0] if family else None,
            )
        )
    defaults = {
        "model": name,
        "model_patch_size": [16, 16],
        "num_classes": classes,
        "class_names": class_names,
        "n": n,
        "labels_sha256": digest(labels),
        "image_size": [224, 224],
        "channels": 3,
        "image_dtype": "uint8",
        "value_range": [0.0, 255.0],
        "preprocess": None,
        "seed": 7,
        "max_examples": None,
        "batch_size": 64,
        "suite": [{"class_name": "PatchDrop", "config": {"grid_size": [14, 14]}}],
        "versions": {"keras_patchmix": "0.1", "keras": "3.15.1", "backend": "tensorflow"},
    }
    outcomes = Outcomes(labels=labels, index=np.arange(n), top1=top1, pixels=pixels)
    return Report(rows, {**defaults, **settings}, outcomes, skipped)


def make_examples(report, count=2, side=32, channels=3):
    """Examples as `Benchmark.examples` returns them, of noise."""
    random = np.random.default_rng(0)
    return [
        {
            "label": int(report.outcomes.labels[i]),
            "index": i,
            "images": {
                row.name: random.integers(0, 256, (side, side, channels), np.uint8)
                for row in report.rows
            },
        }
        for i in range(count)
    ]
