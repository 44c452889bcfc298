"""Makes the pictures of the pages on SMD and ROD: small stand-ins, read by the real builders.

No photograph of either data set is shown. Drawn images are put into archives of the published form,
read by `tfds.load`, and what comes back is shown.

python docs/make_data_set_pictures.py
"""

import io
import os
import tarfile
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from matplotlib.figure import Figure

from keras_patchmix import occluders
from keras_patchmix.datasets import realistic_occlusion_dataset as rod
from keras_patchmix.datasets import shapes

IMAGES = Path(__file__).parent / "images"
SIZE = 96


def main():
    """Makes both pictures."""
    tfds.disable_progress_bar()
    with tempfile.TemporaryDirectory() as folder:
        smd(Path(folder))
        realistic(Path(folder))
    print(f"Pictures are in {IMAGES}")


def smd(folder):
    """Images, masks and coverage of four examples in the form of SMD."""
    images, _ = shapes.generate(range(4), "test", SIZE)
    pictures, masks = [], []
    for k, (image, level) in enumerate(zip(images, (0.1, 0.2, 0.3, 0.5), strict=True)):
        image, mask = _occluded(image, level, np.random.default_rng(k))
        # The folders are the first four classes of ImageNet, since some have to be there.
        stem = f"{['n01440764', 'n01443537', 'n01484850', 'n01491361'][k]}/drawn_{k}"
        pictures.append((f"smd_1/{stem}_occluded.png", tf.io.encode_png(image).numpy()))
        masks.append((f"smd_1/{stem}_mask.npy", _npy(mask)))
    _write(folder / "manual" / "smd_1.tar.gz", pictures)
    _write(folder / "manual" / "SMD_masks.tar.gz", masks)
    examples = _read("superimposed_masked_dataset/first", folder)
    figure = Figure(figsize=(8.4, 4.4), layout="constrained")
    for column, example in zip(figure.subplots(2, 4).T, examples, strict=True):
        title = example["file_name"].decode().rpartition("/")[2]
        _picture(column[0], example["image"], title)
        _picture(column[1], example["mask"][..., 0], f"coverage {example['coverage']:.3f}")
    figure.savefig(IMAGES / "smd_features.png", dpi=110)


def realistic(folder):
    """Drawn objects behind a block that moves from the left to the right."""
    images, _ = shapes.generate((6, 7), "test", SIZE)
    archives = {name: [] for name in ("rod_0.tar.gz", "rod_1.tar.gz")}
    colors = {"red": (190, 40, 35), "blue": (35, 70, 180)}
    for (name, members), image, (color, rgb) in zip(
        archives.items(), images, colors.items(), strict=True
    ):
        for k in range(5):
            occluded = image.copy()
            left = 4 + 16 * k
            occluded[14:, left : left + 26] = rgb
            occluded[14:20, left : left + 26] = np.minimum(np.array(rgb) + 40, 255)
            data = tf.io.encode_png(occluded).numpy()
            members.append((f"{name[:5]}/vase/{color}_{k}.png", data))
        _write(folder / "manual" / name, members)
    config = rod.RodConfig(name="drawn", check_sizes=False)
    examples = _read("realistic_occlusion_dataset", folder, config=config)
    figure = Figure(figsize=(8.4, 3.7), layout="constrained")
    for axis, example in zip(figure.subplots(2, 5).flat, examples, strict=True):
        _picture(axis, example["image"], example["file_name"].decode())
    figure.savefig(IMAGES / "rod_features.png", dpi=110)


def _occluded(image, level, random):
    objects = occluders.drawn()

    def draw(number):
        return objects[random.integers(len(objects))], random.random(), *random.random(3)

    (layers,) = occluders.cover_to([level], image.shape[:2], draw)
    cover = occluders.assemble(layers, image.shape[:2])
    return occluders.blend(image, cover), cover[..., 3] >= 128


def _npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _write(path, members):
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def _read(name, folder, **kwargs):
    builder = tfds.builder(name, data_dir=folder / "data", **kwargs)
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(
            manual_dir=folder / "manual", try_download_gcs=False
        )
    )
    examples = tfds.as_numpy(builder.as_dataset(split="test"))
    return sorted(examples, key=lambda example: example["file_name"])


def _picture(axis, image, title):
    axis.imshow(image, cmap="gray", interpolation="nearest")
    axis.set_title(title, fontsize=8, pad=3, loc="left")
    axis.set_axis_off()


if __name__ == "__main__":
    main()
