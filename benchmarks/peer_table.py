"""The table of the comparison with peers: its rows and columns, and its page."""

from pathlib import Path
from typing import Any, NamedTuple

OURS = "PatchMixing"
FAMILY = (OURS, "CutMix", "MixUp")  # of this package
COLUMNS = (*FAMILY, "keras CutMix", "keras MixUp", "keras_cv CutMix", "keras_cv MixUp")
COLUMNS += ("timm CutMix", "torchvision CutMix")
CLASSES = 10


class Cell(NamedTuple):
    """What the table shows, and a score that is larger for better cells (`None`: not compared)."""

    text: str
    score: Any = None


class Row(NamedTuple):
    """A row: its title, how it is measured, and why we are not first where we are not."""

    title: str
    how: str
    why_not: str = ""


ROWS = {
    "exactness": Row(
        "label error, mean / max",
        "|label weight - share of pixels really pasted| over 640 images of 33x47 pixels, each of "
        "one value, in batches of 64; for MixUp |label weight - weight in the blend|.",
    ),
    "self_pairing": Row(
        "paired with itself",
        "Share of 4,000 images, in batches of 8, of which neither pixels nor label hold another "
        "image. A ratio of 0.5 or a large alpha is asked for, where it can be, so that a "
        "partner shows.",
    ),
    "sequential": Row(
        "same seed, sequential",
        "32 batches twice, by two layers with one seed (the program's global seeds set too): are "
        "they bit-identical?",
    ),
    "parallel": Row(
        "same seed, 8 in parallel",
        "The same with `map(num_parallel_calls=8)`, three times; PyTorch: a DataLoader with 8 "
        "workers that mix. Ours through `map_seeded`; a plain `map` in brackets.",
    ),
    "processes": Row("same seed, two processes", "The sequential batches of two new processes."),
    "dtypes": Row("dtypes kept", "Of images of uint8, int32, float16, float32."),
    "float16_policy": Row(
        "mixed_float16 policy", "In `tf.data`: float32 images and labels come back as which dtype?"
    ),
    "batch_of_one": Row("batch of 1", "Image and label come back as they were."),
    "odd_batch": Row(
        "last batch of 5 after 8, 8", "Every batch comes out whole, its labels follow its pixels."
    ),
    "unknown_shapes": Row("unknown shapes", "`tf.data`; batch, height and width are None."),
    "integer_labels": Row(
        "class ids as labels",
        "int32 `(8,)` in `tf.data`, the number of classes told to those that ask for it.",
    ),
    "masks": Row(
        "segmentation masks",
        "uint8 `(8, 33, 47, 1)` of class ids: is each pixel's class that of the image it is from?",
    ),
    "xla": Row("XLA", "`tf.function(jit_compile=True)`, on the CPU."),
    "saving": Row(
        "save and load",
        "Config round trip, and a model with the layer as `.keras`; PyTorch: pickled.",
    ),
}
SPEED = (
    "128 images of 224x224x3, in turns; median images/s, and time over that of a plain copy by "
    "the same framework (median, quartiles). TensorFlow: `map(num_parallel_calls=2)`; PyTorch: "
    "called on a batch in memory, 2 threads, so compare the second number there."
)
WHY_SLOWER = (
    "timm and torchvision reverse or roll the whole batch and paste one box, the same for all of "
    "it; PatchMixing moves every line of every patch by its index. That is not because each image "
    "has a mask of its own: one for the batch is hardly faster (`mixing_speed.py`)."
)
ROWS["speed_float32"] = Row(
    "images/s, float32",
    SPEED,
    "Look at images/s too: where PyTorch's copy takes several times as long as "
    "its copy into kept memory (below the notes), most of it is new memory from the system, which "
    f"each batch of PyTorch needs and beside which mixing looks cheap. {WHY_SLOWER}",
)
ROWS["speed_uint8"] = Row("images/s, uint8", SPEED, WHY_SLOWER)


def standing(row, table):
    """Whether no cell of others is better than PatchMixing's: "yes", "shared" or "no"."""
    scores = {name: Cell(*cells[row]).score for name, cells in table.items() if row in cells}
    ours = scores.pop(OURS)
    others = [x for name, x in scores.items() if x is not None and name not in FAMILY]
    if any(score > ours for score in others):
        return "no"
    return "shared" if any(score == ours for score in others) else "yes"


def as_markdown(result):
    """The table, then the notes of its rows, then the versions."""
    table = result["table"]
    lines = ["| | " + " | ".join(COLUMNS) + " | ours first |", "|---" * (len(COLUMNS) + 2) + "|"]
    notes = []
    for number, (name, row) in enumerate(ROWS.items(), 1):
        cells = [table.get(column, {}).get(name, ["not measured"])[0] for column in COLUMNS]
        # An error's text is no table and no link.
        cells = [cell.replace("|", "/").replace("](", "] (") for cell in cells]
        first = standing(name, table)
        lines.append(f"| {row.title} ({number}) | " + " | ".join(cells) + f" | {first} |")
        why_not = f" **Not first:** {row.why_not or 'no reason is known.'}" if first == "no" else ""
        notes.append(f"{number}. *{row.title}.* {row.how}{why_not}")
    found = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    where = f"{result['processor']}, {result['cores']} cores. {found}."
    notes += ["", f"Times of a plain copy: {'; '.join(result['copies'])}."]
    return "\n".join([*lines, "", *notes, "", f"Measured on {result['date']}: {where}", ""])


def write_markdown(path, text, name="table"):
    """Puts the text between the marks of a page, or makes the page of it."""
    marks = (f"<!-- {name} -->\n", f"<!-- /{name} -->")
    path = Path(path)
    page = path.read_text() if path.exists() else "".join(marks)
    before, _, rest = page.partition(marks[0])
    _, mark, after = rest.partition(marks[1])
    if not mark:
        raise SystemExit(f"{path} has no line '{marks[0].strip()}' followed by '{marks[1]}'")
    path.write_text(f"{before}{marks[0]}\n{text}\n{marks[1]}{after}")
