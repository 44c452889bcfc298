"""A superimposed data set, made by the command of a folder in which two files are broken."""

import collections
import contextlib
import io

import numpy as np
from PIL import Image

from keras_patchmix.datasets.image_files import read_image
from tests.command_line import subcommand
from tests.datasets.listing import list_images

SIZE, COUNT = 24, 30
CLASSES = ("cat", "dog", "$\\owl$\n")
Made = collections.namedtuple("Made", "photos occluders flags output path out")


def write_photos(root, count=COUNT, size=SIZE, names=CLASSES):
    rng = np.random.default_rng(0)
    for k in range(count):
        folder = root / names[k % len(names)]
        folder.mkdir(parents=True, exist_ok=True)
        image = rng.integers(0, 150, (size, size, 3)).astype(np.uint8)  # darker than outlines
        Image.fromarray(image).save(folder / f"{k}.png")
    return root


def write_occluders(root):
    root.mkdir()
    for k in range(3):
        image = np.zeros((30, 30, 4), np.uint8)
        image[3 + k : 27 - k, 5:25] = (50 * k, 90, 255 - 50 * k, 255)
        Image.fromarray(image).save(root / f"{k}.png")
    return root


def make(capsys, photos, output, *flags):
    """Returns exit status, standard output and standard error of the command."""
    asked = ["--dataset", f"folder:{photos}", "--split", "all", "--output", output, *flags]
    status = subcommand("occlude")([str(part) for part in asked])
    said = capsys.readouterr()
    return status, said.out, said.err


def listed(photos):
    """Returns index -> (image, label) of the files that can be read, and names of the others."""
    good, broken = {}, []
    for index, (name, label, path) in enumerate(list_images(photos, "all")[1]):
        try:
            good[index] = (read_image(path), label)
        except ValueError:
            broken.append(name)
    return good, broken


def make_data_set(root):
    """Makes a data set, called "mine", of a folder in which two files are broken: a `Made`."""
    photos, occluders = write_photos(root / "photos"), write_occluders(root / "cut outs")
    (photos / "cat" / "0.png").write_bytes(b"no image")
    (photos / "dog" / "broken.jpg").write_bytes(b"")
    flags = ["--occluders", occluders, "--coverage", "20", "50", "10-60", "--seed", "3"]
    flags += ["--progress", "off", "--name", "mine"]
    output = root / "data"
    asked = ["--dataset", f"folder:{photos}", "--split", "all", "--output", output, *flags]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert subcommand("occlude")([str(part) for part in asked]) == 0
    return Made(photos, occluders, flags, output, output / "mine" / "1.0.0", out.getvalue())
