"""Packs a data set into one small file, for machines without TensorFlow and without a network.

    python benchmarks/pack_images.py imagenette/160px-v2 images.zip --image-size 64 --data-dir DIR

The file is a ZIP of JPEG files in the folders `train/CLASS` and `validation/CLASS`: unpacked, it is
a data set for `folder:PATH`. Packing needs what `keras_patchmix.datasets.load` needs; `unpack`,
which returns arrays, needs NumPy and Pillow alone. A file above `--most` MB is an error. The last
line is RESULT and a JSON object.
"""

import argparse
import io
import json
import zipfile
from pathlib import Path

import numpy as np

SPLITS = ("train", "validation")


def pack(path, splits, class_names, quality=90):
    """Writes images to a ZIP file of JPEG files.

    Args:
        path: The file.
        splits: Dict from the name of a split to an iterable of (image, label): uint8 of shape
            (height, width, 3), and an integer.
        class_names: Names of the classes, in the order of their ids.
        quality: Quality of JPEG.

    Returns:
        Dict from the name of a split to its number of images.

    Raises:
        ValueError: The names are not in the order of the alphabet, in which they are read.
    """
    from PIL import Image

    if list(class_names) != sorted(class_names):
        raise ValueError(
            f"`class_names` must be sorted. Received: class_names={list(class_names)!r}"
        )
    counts = {}
    with zipfile.ZipFile(path, "w") as archive:  # stored: JPEG does not shrink any more
        for split, examples in splits.items():
            counts[split] = 0
            for image, label in examples:
                file = io.BytesIO()
                Image.fromarray(np.asarray(image)).save(
                    file, "JPEG", quality=quality, subsampling=0
                )
                name = f"{split}/{class_names[int(label)]}/{counts[split]:06}.jpg"
                archive.writestr(name, file.getvalue())
                counts[split] += 1
    return counts


def unpack(path):
    """Reads what `pack` has written.

    Args:
        path: The file.

    Returns:
        Tuple of a dict from the name of a split to (images, labels), uint8 of shape (N, H, W, 3)
        and int64 of shape (N,), in the order in which they were packed; and the list of classes.
    """
    from PIL import Image

    with zipfile.ZipFile(path) as archive:
        names = [Path(name).parts for name in archive.namelist()]
        classes = sorted({parts[1] for parts in names})
        found = {}
        for parts, member in zip(names, archive.infolist(), strict=True):
            with Image.open(io.BytesIO(archive.read(member))) as image:
                images, labels = found.setdefault(parts[0], ([], []))
                images.append(np.asarray(image))
                labels.append(classes.index(parts[1]))
    return {split: tuple(map(np.stack, pair)) for split, pair in found.items()}, classes


def main():
    """Packs the data set that is named on the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", help="as `keras_patchmix.datasets.load` takes it")
    parser.add_argument("output", type=Path, metavar="FILE")
    parser.add_argument("--image-size", type=int, default=64, metavar="N")
    parser.add_argument("--quality", type=int, default=90, metavar="N", help="of JPEG")
    parser.add_argument("--most", type=float, default=40, metavar="MB", help="size of the file")
    parser.add_argument("--data-dir", metavar="DIR", help="of TensorFlow Datasets")
    options = parser.parse_args()

    import keras_patchmix as kpm

    splits = {}
    for split in SPLITS:
        data, info = kpm.datasets.load(
            options.name,
            split,
            image_size=options.image_size,
            data_dir=options.data_dir,
            with_info=True,
        )
        splits[split] = data.as_numpy_iterator()
    counts = pack(options.output, splits, info.class_names, options.quality)
    megabytes = options.output.stat().st_size / 1e6
    if megabytes > options.most:
        raise SystemExit(
            f"{options.output} has {megabytes:.1f} MB, more than --most: lower --image-size or "
            "--quality"
        )
    result = {"images": counts, "megabytes": round(megabytes, 1), "classes": info.class_names}
    print("RESULT " + json.dumps({**vars(options), "output": options.output.name, **result}))


if __name__ == "__main__":
    main()
