"""Makes docs/images/explain.png: the maps of one model, as `keras-patchmix explain` draws them.

    keras-patchmix train --dataset shapes --seed 1 --output runs/shapes
    python docs/make_explain_picture.py runs/shapes/model.keras

The second image is half of one class and half of another, so what speaks for each is known.
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path

import keras

from keras_patchmix.cli.main import main
from keras_patchmix.datasets import shapes

IMAGES = Path(__file__).parent / "images"
SIZE = 32


def write(folder):
    """Writes two images and the names of the classes of "shapes"; returns their paths."""
    images, _ = shapes.generate(range(10), "test", image_size=SIZE)
    halves = images[4].copy()
    halves[:, SIZE // 2 :] = images[7][:, SIZE // 2 :]
    paths = [folder / "one.png", folder / "two halves.png"]
    for path, image in zip(paths, (images[1], halves), strict=True):
        keras.utils.save_img(path, image, scale=False)
    names = folder / "names.json"
    names.write_text(json.dumps({name: k for k, name in enumerate(shapes.CLASS_NAMES)}))
    return paths, names


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", metavar="FILE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        paths, names = write(Path(place))
        flags = ["--model", options.model, "--class-map", str(names), "--output", f"{place}/out"]
        for path in paths:
            flags += ["--image", str(path)]
        main(["explain", *flags])
        shutil.copy(f"{place}/out/explain.png", IMAGES / "explain.png")
