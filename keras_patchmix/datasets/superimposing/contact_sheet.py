"""A picture of some images of a superimposed data set, read back from its files."""

import io
import itertools

import numpy as np

from keras_patchmix import _atomic
from keras_patchmix._optional import require
from keras_patchmix.datasets.superimposing.naming import label_names

ROWS = 6
# Rows are chosen among these, so that little has to be read.
_FIRST = 64
# Pixels: of the shorter side of a cell at least, of a longer side at most, between cells, of text.
_SMALLEST, _LARGEST = 160, 320
_GAP, _TITLE = 8, 18
_OUTLINE = (255, 42, 212)


def write_contact_sheet(file, source, path, coverage):
    """Draws images in rows and coverages in columns, the masks outlined.

    The first column shows images of the source, of as many classes as there are rows; the others
    what the data set holds at their index. Titles say the true coverage.

    Args:
        file: Where to write a PNG file.
        source: The `Source`.
        path: Directory of the data set.
        coverage: Sequence of `Coverage`s.
    """
    chosen = _chosen(source)
    names = label_names(source.info.class_names)
    columns = [_read(path, one.split, {item.index for item in chosen}) for one in coverage]
    height, width = _fitted(chosen[0].image).shape[:2]
    step = np.array([height + _TITLE + _GAP, width + _GAP])
    rows, places = len(chosen), len(columns) + 1
    pillow = require("PIL.Image", "the contact sheet")
    sheet = pillow.new("RGB", (places * step[1] + _GAP, rows * step[0] + _GAP), "white")
    draw = require("PIL.ImageDraw", "the contact sheet").Draw(sheet)
    font = require("PIL.ImageFont", "the contact sheet").load_default(12)

    def show(row, column, image, title):
        top, left = (np.array([row, column]) * step + _GAP).tolist()
        while draw.textlength(title, font) > width:
            title = title[:-2] + "…"
        draw.text((left, top), title, "black", font)
        sheet.paste(pillow.fromarray(image), (left, top + _TITLE))

    for row, item in enumerate(chosen):
        show(row, 0, _fitted(item.image), f"{item.index}: {names[item.label]}")
        for column, (one, examples) in enumerate(zip(coverage, columns, strict=True), start=1):
            example = examples[item.index]
            title = f"{one} %: {100 * example['coverage']:.1f} %"
            show(row, column, _outlined(example["image"], example["mask"]), title)
    data = io.BytesIO()
    sheet.save(data, format="png")
    _atomic.write_bytes(file, data.getvalue())


def _chosen(source):
    """Returns up to `ROWS` items, the first of each class before others, in order."""
    good = (item for item in source.items() if item.image is not None)
    first = list(itertools.islice(good, _FIRST))
    of_class = {}
    for item in first:
        of_class.setdefault(item.label, item)
    firsts = list(of_class.values())
    others = [item for item in first if of_class[item.label] is not item]
    return sorted((firsts + others)[:ROWS], key=lambda item: item.index)


def _read(path, split, indices):
    """Returns a dict from indices to the examples of a split that have them."""
    tfds = require("tensorflow_datasets", "the contact sheet")
    builder = tfds.builder_from_directory(path)
    count = min(builder.info.splits[split].num_examples, _FIRST)
    dataset = builder.as_dataset(split=f"{split}[:{count}]")
    return {int(e["index"]): e for e in tfds.as_numpy(dataset) if int(e["index"]) in indices}


def _fitted(array):
    """Enlarges a picture by whole pixels, or thins it out, to the size of a cell."""
    shorter, longer = sorted(array.shape[:2])
    times = max(min(-(-_SMALLEST // shorter), _LARGEST // longer), 1)
    thin = -(-longer // _LARGEST)
    return array[::thin, ::thin].repeat(times, 0).repeat(times, 1)


def _outlined(image, mask):
    """Draws the inner edge of a mask into a picture of the size of a cell."""
    image, inside = _fitted(image), _fitted(mask[..., 0]) > 0
    around = np.pad(inside, 1)
    core = inside & around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
    image[inside & ~core] = _OUTLINE
    return image
