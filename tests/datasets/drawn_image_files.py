"""Reads the bombs and image files that are drawn, in a process of its own.

    python -m tests.datasets.drawn_image_files FIRST NUMBER

reads the cases FIRST to FIRST + NUMBER - 1. Before each it prints what it is, so that the one that
ends the process is known; at the end a line of JSON. A file must be read as it was written, or be
refused.
"""

import collections
import contextlib
import json
import resource
import sys
import time

import numpy as np
from PIL import Image, features

from keras_patchmix.datasets.image_files import (
    MAX_PIXELS,
    ImageFileError,
    decode,
    open_image,
    rgb_of,
)
from tests.datasets.image_bombs import FALSE_FRAME, bombs, saved

MIB = 2**20
# Above what the process has before: of bombs, and of files that may be of 100 million pixels.
BOMB_LIMIT, LIMIT = 512 * MIB, 2048 * MIB
READ = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "MPO")
LOSSY = ("JPEG", "MPO")
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "I;16", "I", "F", "LAB")
SIZES = ((1, 1), (1, 9), (9, 1), (2, 2500), (2500, 3), (16, 16), (33, 47), (64, 48), (8, 1000))
TIFF_COMPRESSION = (None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "group4")


class Case:
    """A file that was drawn.

    Attributes:
        data: Bytes.
        whole: Bytes before anything was done to them.
        pixels: uint8 array of what it shows, or None where a reader may only refuse.
        lossy: Boolean, whether the pixels may differ by the loss of the format.
        mutated: None, or what was done to the bytes afterwards.
        text: Description.
    """

    def __init__(self, number):
        rng = np.random.default_rng([15, number])
        self.data = None
        while self.data is None:
            self._draw(rng)
        self.mutated, self.whole = None, self.data
        if rng.random() < 0.5:
            self._mutate(rng)
        self.text += f" {self.mutated or ''}"

    def _draw(self, rng):
        self.format = str(rng.choice([f for f in READ if f != "WEBP" or features.check("webp")]))
        if rng.random() < 0.1:
            self.format = str(rng.choice(sorted(set(Image.SAVE) - {"PDF", "PALM"})))
        mode = str(rng.choice(MODES))
        width, height = SIZES[rng.integers(len(SIZES))]
        frames = 1 if rng.random() < 0.6 else int(rng.integers(2, 6))
        pictures = [_picture(rng, mode, height, width) for _ in range(frames)]
        settings = {}
        if frames > 1 and self.format in Image.SAVE_ALL:
            settings = {"save_all": True, "append_images": [one for one, _ in pictures[1:]]}
        self.lossy = self.format in LOSSY
        self.smooth = min(width, height) >= 16 and mode not in ("P", "PA")
        self.rounding = 1 if mode == "YCbCr" else 0
        if self.format == "WEBP":
            settings["lossless"] = bool(rng.random() < 0.5)
            settings["exact"] = True
            self.lossy = not settings["lossless"]
        if self.format == "TIFF":
            settings["compression"] = TIFF_COMPRESSION[rng.integers(len(TIFF_COMPRESSION))]
            self.lossy = settings["compression"] == "jpeg"
        if self.format == "JPEG":
            settings |= {"progressive": bool(rng.random() < 0.5), "quality": 95}
        if rng.random() < 0.2 and self.format in ("JPEG", "PNG", "WEBP"):
            exif = Image.Exif()
            exif[0x0112] = 1
            settings["exif"] = exif
        image, self.pixels = pictures[0]
        try:
            self.data = saved(image, self.format, **settings)
        except Exception:  # Pillow does not write this mode in this format
            return
        shown = {key: settings[key] for key in settings if key not in ("append_images", "exif")}
        self.text = f"{self.format} {mode} {width}x{height} frames={frames} {shown}"
        if self.format not in READ:
            self.pixels = None
        # What Pillow changes as it writes: it quantises, cuts off what is above 255, and clears
        # what cannot be seen.
        hidden = (frames > 1 and "A" in mode) or "transparency" in image.info
        if (self.format == "GIF" and mode not in ("1", "L", "P")) or (
            self.format == "WEBP" and (hidden or mode == "I;16")
        ):
            self.pixels = None

    def _mutate(self, rng):
        data = bytearray(self.data)
        kind = rng.choice(["cut", "flip", "head", "many", "marker", "twice", "tail"])
        if kind == "cut":
            data = data[: rng.integers(len(data))]
        elif kind == "flip":
            data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        elif kind == "head":  # numbers near the beginning, where sizes are
            place, width = rng.integers(min(len(data), 64)), int(rng.choice([1, 2, 4]))
            value = int(rng.choice([0, 1, 255, 256, 4097, 16383, 65535, 2**31 - 1, 2**32 - 1]))
            order = "little" if rng.random() < 0.5 else "big"
            number = (value & (256**width - 1)).to_bytes(width, order)
            data[place : place + width] = number
        elif kind == "many":
            for _ in range(rng.integers(2, 30)):
                data[rng.integers(len(data))] = rng.integers(256)
        elif kind == "marker":
            place = int(rng.choice([2, 20, rng.integers(len(data))]))
            data[place:place] = FALSE_FRAME
        elif kind == "twice":
            place = rng.integers(len(data))
            data[place:place] = data[: rng.integers(len(data))]
        else:
            data += rng.integers(0, 256, rng.integers(1, 100), np.uint8).tobytes()
        self.data, self.mutated = bytes(data), str(kind)


def _picture(rng, mode, height, width):
    """Returns an image of Pillow of some mode, and the RGB pixels that it shows."""
    corners = rng.integers(0, 256, (2, 2, 4), np.uint8)
    smooth = np.asarray(
        Image.fromarray(corners, "RGBA").resize((width, height), Image.Resampling.BILINEAR)
    )
    gray, color = smooth[..., 0], smooth[..., :3]
    if mode == "1":
        bits = gray >= 128
        return Image.fromarray(bits), np.repeat(bits[..., None] * np.uint8(255), 3, -1)
    if mode == "L":
        return Image.fromarray(gray), np.repeat(gray[..., None], 3, -1)
    if mode == "LA":
        image = Image.fromarray(np.ascontiguousarray(smooth[..., :2]), "LA")
        return image, np.repeat(gray[..., None], 3, -1)
    if mode in ("P", "PA"):
        palette = rng.integers(0, 256, (256, 3), np.uint8)
        image = Image.fromarray(gray, "P")
        image.putpalette(palette.tobytes())
        if mode == "PA":
            image = image.convert("PA")
        elif rng.random() < 0.3:
            image.info["transparency"] = int(gray[0, 0])
        return image, palette[gray]
    if mode == "RGB":
        return Image.fromarray(np.ascontiguousarray(color)), color
    if mode == "RGBA":
        return Image.fromarray(smooth, "RGBA"), color
    if mode == "I;16":
        values = gray.astype(np.uint16) * 256 + rng.integers(0, 256, gray.shape, np.uint16)
        return Image.fromarray(values), np.repeat(gray[..., None], 3, -1)
    if mode in ("I", "F"):
        return Image.fromarray(gray).convert(mode), None
    image = Image.fromarray(np.ascontiguousarray(color)).convert("RGB")
    if mode == "LAB":
        return Image.frombytes("LAB", image.size, image.tobytes()), None
    image = image.convert(mode)
    return image, np.asarray(image.convert("RGB"))


def by_pillow(data):
    """Decodes a file as `explain` does."""
    return np.asarray(rgb_of(open_image(data), upright=True))


def check(case, shown, reader):
    """Raises AssertionError where pixels are neither those written nor those of damage.

    Args:
        case: A `Case`.
        shown: The pixels.
        reader: The function that has read them.

    Returns:
        String, what they were compared with.
    """
    assert shown.dtype == np.uint8
    assert shown.ndim == 3
    assert shown.shape[2] == 3
    assert 0 < shown.shape[0] * shown.shape[1] <= MAX_PIXELS
    if case.mutated in ("cut", "tail"):  # what is left is all that is needed
        np.testing.assert_array_equal(shown, reader(case.whole))
        return "right pixels"
    exact = case.mutated is None
    exact |= case.mutated == "flip" and case.data.startswith(b"\x89PNG")  # it has checksums
    if not exact or case.pixels is None:
        return "other pixels" if case.mutated else "read, not compared"
    assert shown.shape == case.pixels.shape, (shown.shape, case.pixels.shape)
    difference = np.abs(shown.astype(int) - case.pixels)
    if not case.lossy:
        assert difference.max() <= case.rounding, difference.max()
    else:  # colors of 2x2 pixels are stored together, so thin images are far from what was written
        assert not case.smooth or difference.mean() < 16, difference.mean()
        difference = np.abs(shown.astype(int) - by_pillow(case.data))
        assert difference.max() <= 16, difference.max()
    return "right pixels"


def graph_functions():
    """Returns the functions of `tf.data` pipelines: one decodes, one resizes and crops."""
    import tensorflow as tf

    from keras_patchmix.datasets import images
    from keras_patchmix.training.augmentation import decode_crop

    content, pixels = tf.TensorSpec((), tf.string), tf.TensorSpec((None, None, 3), tf.uint8)
    draws = [0.7, 0.5, 0.5, 0.5, 0.5]

    @tf.function(input_signature=[pixels, content], autograph=False)
    def small(image, content):
        cropped = decode_crop(content, tf.constant(draws), (224, 224))
        return images.resize(image, (224, 224)), cropped

    return tf.function(images.decode, input_signature=[content], autograph=False), small


def read(data, in_graph, small):
    """Reads a file in every way that the package has.

    Returns:
        Pair of the pixels, None where it is refused, and the reason.
    """
    import tensorflow as tf

    try:
        shown, reason = decode(data), None
    except ImageFileError as error:
        shown, reason = None, str(error)
    try:
        again = in_graph(data).numpy()
    except tf.errors.OpError:
        again = None
    assert (shown is None) == (again is None), "the graph refuses something else"
    if shown is not None:
        np.testing.assert_array_equal(again, shown)
        assert all(one.shape == (224, 224, 3) for one in small(shown, data))
    return shown, reason


def main(first, number):
    """Reads the cases and prints what came of them."""
    functions = graph_functions()
    warm = np.zeros((40, 30, 3), np.uint8)
    for form in ("PNG", "JPEG", "BMP"):
        read(saved(Image.fromarray(warm), form), *functions)
    before = _peak()
    with open("/proc/self/statm") as file:
        mapped = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + 2 * LIMIT, resource.RLIM_INFINITY))
    results = {"bombs": {}}
    for name, data in bombs().items():
        print(name, flush=True)
        shown, reason = read(data, *functions)
        assert name.startswith("read" if reason is None else "refused"), reason
        results["bombs"][name] = reason or shown.shape
    results["peak of bombs, MiB"] = (_peak() - before) // MIB
    assert _peak() - before < BOMB_LIMIT, results
    counts, slowest = collections.Counter(), (0, "")
    for place in range(first, first + number):
        case, start = Case(place), time.monotonic()
        print(place, case.text, flush=True)
        shown, reason = read(case.data, *functions)
        if shown is None:
            known = case.format not in READ or reason.startswith("values of the kind")
            assert case.mutated or known, f"refused: {reason}"
        kind = "refused" if shown is None else check(case, shown, decode)
        counts[f"{case.mutated or 'whole'}: {kind}"] += 1
        with contextlib.suppress(ImageFileError):
            check(case, by_pillow(case.data), by_pillow)
        slowest = max(slowest, (round(time.monotonic() - start, 2), f"{place} {case.text}"))
        assert _peak() - before < LIMIT, f"{(_peak() - before) // MIB} MiB"
    results["drawn"] = dict(sorted(counts.items()))
    results["peak, MiB"], results["slowest"] = (_peak() - before) // MIB, slowest
    print(json.dumps(results))


def _peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
