"""How many images a second `recipes/make_smd.py` makes on one core, and where the time goes.

    python benchmarks/superimposing_speed.py
    python benchmarks/superimposing_speed.py --dataset imagenette/160px-v2 --split validation

In rounds, over the same images: reading them (decoded and resized), putting occluders in front at
one level, encoding images and masks, and packing and writing records; then all of it as the recipe
does it in one process. The peer is PNG encoding alone, by Pillow at its default level and by
TensorFlow at its own. Times are of the process's CPU clock, so that other processes count little;
those of reading are of TensorFlow's threads too. The last line is RESULT and a JSON object.
"""

import argparse
import io
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
from PIL import Image

from keras_patchmix.datasets import shapes
from keras_patchmix.datasets.superimposing import Superimposer
from keras_patchmix.datasets.superimposing.encoding import Work, encode_image, encode_mask
from keras_patchmix.datasets.superimposing.features import make_features
from keras_patchmix.datasets.superimposing.naming import label_names
from keras_patchmix.datasets.superimposing.running import pack
from keras_patchmix.datasets.superimposing.source import Source


def write_photos(folder, count):
    """Writes images of "shapes" as JPEG files of 256 pixels, a stand-in for photographs."""
    images, labels = shapes.generate(range(count), "test", 256)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = Path(folder) / str(label) / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(path, quality=90)


def pillow_default(image):
    """PNG by Pillow, at the level that it takes by itself."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="png")
    return file.getvalue()


def main():
    """Prints a table of milliseconds and images a second."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", metavar="NAME", help="default: shapes as JPEG files")
    parser.add_argument("--split", default="all", metavar="SPLIT")
    parser.add_argument("--data-dir", metavar="DIR")
    parser.add_argument("--image-size", type=int, default=224, metavar="N")
    parser.add_argument("--coverage", default="30", metavar="PERCENT")
    parser.add_argument("--examples", type=int, default=96, metavar="N")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        name = options.dataset
        if name is None:
            write_photos(folder, options.examples)
            name = f"folder:{folder}"
        size, count = options.image_size, options.examples
        source = Source(name, options.split, size, options.data_dir, count)
        seconds, bytes_made = measure(options, source)
    medians = {stage: statistics.median(values) for stage, values in seconds.items()}
    print(
        f"{options.dataset or 'shapes as JPEG'}, {source.count} images of {size}x{size}, coverage "
        f"{options.coverage} %, {options.rounds} rounds, {bytes_made / source.count:.0f} bytes each"
    )
    for stage, median in medians.items():
        spread = f"{1e3 * min(seconds[stage]):.2f} to {1e3 * max(seconds[stage]):.2f}"
        print(f"{stage:30} {1e3 * median:7.2f} ms ({spread}) {1 / median:8.1f} images/s")
    peer = medians["peer: Pillow's own PNG"]
    ratio = medians["all, without reading"] / peer
    print(f"all, without reading / Pillow's own PNG: {ratio:.2f}")
    result = {
        "images_per_second": {stage: 1 / median for stage, median in medians.items()},
        "ratio_to_png": ratio,
    }
    print("RESULT " + json.dumps(result))


def measure(options, source):
    """Returns seconds an image of every stage and round, and the bytes of all images."""
    superimpose = Superimposer(coverage=(options.coverage,))
    config = {"coverage": (options.coverage,)}
    work = Work(config, "png", 95)
    features = make_features(
        source.info.image_shape[:2], label_names(source.info.class_names), "png"
    )
    pixels = int(np.prod(source.info.image_shape[:2]))
    items = [item for item in source.items() if item.image is not None]
    shown = [superimpose(item.image, item.index)[0] for item in items]
    made = [work(item.image, item.index) for item in items]

    def write():
        with tempfile.NamedTemporaryFile() as file, tf.io.TFRecordWriter(file.name) as writer:
            for item, (one,) in zip(items, made, strict=True):
                writer.write(pack(features, item, one, pixels))

    def everything():
        with tempfile.NamedTemporaryFile() as file, tf.io.TFRecordWriter(file.name) as writer:
            for item in items:
                (one,) = work(item.image, item.index)
                writer.write(pack(features, item, one, pixels))

    stages = {
        "reading": lambda: [None for _ in source.items()],
        "placing": lambda: [superimpose(item.image, item.index) for item in items],
        "encoding the image": lambda: [encode_image(one.image) for one in shown],
        "encoding the mask": lambda: [encode_mask(one.mask) for one in shown],
        "packing and writing": write,
        "all, without reading": everything,
        "peer: Pillow's own PNG": lambda: [pillow_default(one.image) for one in shown],
        "peer: TensorFlow's own PNG": lambda: [tf.io.encode_png(one.image) for one in shown],
    }
    seconds = {stage: [] for stage in stages}
    for number in range(options.rounds + 1):
        for stage, run in stages.items():
            start = time.process_time()
            run()
            if number:  # the first round warms up
                seconds[stage].append((time.process_time() - start) / len(items))
    return seconds, sum(len(image) for ((image, _, _),) in made)


if __name__ == "__main__":
    main()
