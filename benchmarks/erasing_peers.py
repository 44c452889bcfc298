"""Patch drop beside augmentations that erase, a table of which every cell is measured in the run.

    python benchmarks/erasing_peers.py --markdown docs/peers.md

Each is asked to erase 30 % of 224x224 pixels. A peer whose package is not installed has no row:
keras-cv, albumentations, timm and torchvision are no dependencies of this package. The last line
printed is RESULT and a JSON object.
"""

import argparse
import importlib.metadata
import math
import os
import random
import time

import numpy as np
from peer_layers import import_torchvision
from peer_table import write_markdown
from turns import print_result, shown, take_turns

GRID = 7
COLUMNS = {
    "pixels erased, %": "mean, least and most of 200 images.",
    "nested, %": "of the pixels erased at 20 %, those erased at 40 % too, with the same seed.",
    "seed repeats": "two that are made with one seed erase the same pixels; global seeds are set.",
    "same anywhere": "the last of 32 images erases alike when it comes alone, with the same seed.",
    "dtypes kept": "of uint8 and float32.",
    "time, copies": "a batch of 32 images in uint8, over the time of a copy (median, quartiles).",
}
PACKAGES = ("keras-patchmix", "keras", "keras-cv", "albumentations", "timm", "torchvision")


def patch_drop(share, seed):
    """The corruption of this package, on a 7x7 grid."""
    from keras_patchmix import occlusion

    drop = occlusion.PatchDrop(GRID, share)

    def erase(images, first=0):
        return next(iter(drop(images, index=first + np.arange(len(images)), seed=seed)))[1]

    return erase


def of_keras(layer):
    """A layer of Keras or keras-cv as a function of arrays."""
    return lambda images, first=0: np.asarray(layer(images, training=True))


def keras_random_erasing(share, seed):
    """One rectangle. A single `factor` of 1 would be a probability drawn from 0..1."""
    import keras

    scale = (share, share)
    return of_keras(keras.layers.RandomErasing((1.0, 1.0), scale, fill_value=0, seed=seed))


def keras_cv_random_cutout(share, seed):
    """One square."""
    import keras_cv

    side = (math.sqrt(share), math.sqrt(share))
    return of_keras(keras_cv.layers.RandomCutout(side, side, seed=seed))


def keras_cv_grid_mask(share, seed):
    """Squares of a regular grid, rotated."""
    import keras_cv

    side = (math.sqrt(share), math.sqrt(share))
    return of_keras(keras_cv.layers.GridMask(side, seed=seed))


def albumentations_coarse_dropout(share, seed):
    """As many squares as patch drop has, of the same size."""
    import albumentations

    holes = (round(share * GRID**2),) * 2
    sides = {f"hole_{side}_range": (1 / GRID, 1 / GRID) for side in ("height", "width")}
    return of_albumentations(albumentations.CoarseDropout(holes, **sides, p=1.0), seed)


def albumentations_grid_dropout(share, seed):
    """Squares of a regular grid, which is shifted."""
    import albumentations

    dropout = albumentations.GridDropout(math.sqrt(share), holes_number_xy=(GRID, GRID), p=1.0)
    return of_albumentations(dropout, seed)


def of_albumentations(transform, seed):
    """A transform of single images as a function of batches."""
    transform.set_random_seed(seed)
    return lambda images, first=0: np.stack([transform(image=x)["image"] for x in images])


def timm_random_erasing(share, seed):
    """One rectangle."""
    import_torchvision()
    from timm.data.random_erasing import RandomErasing

    return of_torch(RandomErasing(1.0, share, share, device="cpu"), seed)


def torchvision_random_erasing(share, seed):
    """One rectangle, another one for each image."""
    import_torchvision()
    from torchvision.transforms import v2

    return of_torch(v2.RandomErasing(1.0, (share, share)), seed)


def of_torch(transform, seed):
    """A transform of single images of PyTorch as a function of batches."""
    import torch

    torch.manual_seed(seed)

    def erase(images, first=0):
        images = torch.from_numpy(images.copy()).permute(0, 3, 1, 2)
        return torch.stack([transform(x) for x in images]).permute(0, 2, 3, 1).numpy()

    return erase


PEERS = {
    "`occlusion.PatchDrop`": patch_drop,
    "`keras` RandomErasing": keras_random_erasing,
    "`keras_cv` RandomCutout": keras_cv_random_cutout,
    "`keras_cv` GridMask": keras_cv_grid_mask,
    "`albumentations` CoarseDropout": albumentations_coarse_dropout,
    "`albumentations` GridDropout": albumentations_grid_dropout,
    "`timm` RandomErasing": timm_random_erasing,
    "`torchvision` RandomErasing": torchvision_random_erasing,
}


def made(make, share, seed=1):
    """An eraser, after everything was seeded that the program can seed."""
    import keras

    keras.utils.set_random_seed(seed)
    random.seed(seed)
    return make(share, seed)


def erased(make, share, start, stop):
    """Bool `(stop - start, 224, 224)`: which pixels of images of 255 are another value."""
    images = np.full((stop - start, 224, 224, 3), 255, "uint8")
    return (made(make, share)(images, start) != 255).any(-1)


def cells_of(make):
    """The cells of a peer, but for its speed."""
    shares = 100 * erased(make, 0.3, 0, 200).mean((1, 2))
    few, many = (erased(make, share, 0, 64) for share in (0.2, 0.4))
    first, again = (erased(make, 0.3, 0, 32) for _ in range(2))
    alone = erased(make, 0.3, 31, 32)
    kept = [
        str(made(make, 0.3)(np.ones((2, 224, 224, 3), dtype)).dtype) == dtype
        for dtype in ("uint8", "float32")
    ]
    return [
        f"{shares.mean():.1f} ({shares.min():.1f} to {shares.max():.1f})",
        f"{100 * (few & many).sum() / few.sum():.0f}",
        "yes" if (first == again).all() else "no",
        "yes" if (first[31:] == alone).all() else "no",
        "yes" if all(kept) else "no",
    ]


def speeds(peers, repeats):
    """Text of the times of peers over the time of a copy."""
    images = np.random.default_rng(0).integers(0, 256, (32, 224, 224, 3), "uint8")

    def turn_of(call):
        def turn():
            start = time.perf_counter()
            call(images)
            return time.perf_counter() - start

        return turn

    turns = {name: turn_of(made(make, 0.3)) for name, make in peers.items()}
    times = take_turns({"copy": turn_of(np.copy), **turns}, shown(repeats))
    texts = {}
    for name in peers:
        low, ratio, high = np.quantile(times[name] / times["copy"], [0.25, 0.5, 0.75])
        texts[name] = f"{ratio:.1f} ({low:.1f} to {high:.1f})"
    return texts


def versions():
    """Versions of the packages that are installed here, as text."""
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


def as_markdown(rows):
    """The table, its notes and the versions."""
    lines = ["| | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    lines += [f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows.items()]
    lines += ["", *(f"- *{title}*: {how}" for title, how in COLUMNS.items())]
    where = f"{time.strftime('%Y-%m-%d')}: {os.cpu_count()} CPU cores, {versions()}."
    return "\n".join([*lines, "", f"Measured on {where}", ""])


def main():
    """Measures the peers that are installed and prints the table."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--markdown", metavar="FILE", help="put the table into this page")
    parser.add_argument("--json", metavar="FILE", help="also write the result to this file")
    parser.add_argument("--repeats", type=int, default=15, help="turns of each, for the speed")
    options = parser.parse_args()

    rows = {}
    for name, make in PEERS.items():
        try:
            rows[name] = cells_of(make)
        except ImportError as error:
            print(f"{name}: not measured, {error}")
    for name, text in speeds({name: PEERS[name] for name in rows}, options.repeats).items():
        rows[name].append(text)
    text = as_markdown(rows)
    print(text)
    if options.markdown:
        write_markdown(options.markdown, text, "erasing")
    print_result({"columns": list(COLUMNS), "rows": rows, "versions": versions()}, options.json)


if __name__ == "__main__":
    main()
