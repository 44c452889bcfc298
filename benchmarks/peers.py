"""Patch Mixing beside its peers, a table of which every cell is measured in the run.

    python benchmarks/peers.py
    python benchmarks/peers.py --torch-python PATH --json peers.json --markdown docs/peers.md

Columns: PatchMixing, CutMix and MixUp of keras and of keras_cv, timm's Mixup (as CutMix) and
torchvision's v2.CutMix. The last two are measured by this script in another process, run by the
interpreter `--torch-python`, which needs PyTorch and timm or torchvision, and neither Keras nor
TensorFlow. Without it, or where a package is missing, the column says "not measured". A case
that raises becomes a cell with the first line of the error.

Labels are not smoothed; other arguments are the defaults, unless `ROWS` says otherwise. The last
line printed is RESULT and a JSON object.
"""

import argparse
import functools
import gc
import hashlib
import importlib.metadata
import json
import os
import pickle
import platform
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

OURS = "PatchMixing"
COLUMNS = (OURS, "keras CutMix", "keras MixUp", "keras_cv CutMix", "keras_cv MixUp")
COLUMNS += ("timm CutMix", "torchvision CutMix")
PACKAGES = ("keras-patchmix", "keras", "tensorflow", "keras-cv", "torch", "timm", "torchvision")
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
        "workers that mix. PatchMixing through `map_seeded`; a plain `map` of it in brackets.",
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


# Measures: NumPy in, numbers out.


def pasted_shares(images):
    """Share of pixels of each source, `(batch, batch)`, where image j had the value j all over."""
    values = np.asarray(images)[..., 0].reshape(len(images), 1, -1)
    return (values == np.arange(len(images))[:, None]).mean(-1)


def blended_shares(images):
    """Weight of each source, `(batch, batch)`, where image j had 255 at pixel j and 0 elsewhere."""
    return np.asarray(images, "float64")[..., 0].reshape(len(images), -1)[:, : len(images)] / 255


def label_errors(labels, shares):
    """`(batch,)`: how much of a label's weight is on the wrong sources.

    Where an image holds one other, that is the difference between label weight and share.
    """
    return np.abs(np.asarray(labels, "float64") - shares).sum(-1) / 2


def self_pairs(labels, shares):
    """Bool `(batch,)`: whether neither label nor pixels hold anything of another image."""
    others = np.maximum(labels, shares) * (1 - np.eye(len(shares)))
    return others.max(-1) <= 1e-6


def rate_ids(labels, shares, ids):
    """The cell of integer labels: were they made rows that follow the pixels?"""
    labels = np.asarray(labels)
    if labels.shape != (len(ids), CLASSES):
        return Cell(f"wrong without a word: {np.shape(ids)} becomes {labels.shape}", 0)
    error = label_errors(labels, shares @ np.eye(CLASSES)[ids]).mean()
    return Cell("encoded", 1) if error < 0.3 else Cell(f"wrong by {error:.2f} without a word", 0)


def rate_masks(images, masks, before):
    """The cell of masks, whose value was that of their image everywhere."""
    if masks.shape != before.shape:
        return Cell(f"no: {before.shape} becomes {masks.shape}", 0)
    if not np.isin(masks, before).all():
        return Cell("no: class ids are blended", 0)
    if (masks[..., 0] != images[..., 0]).any():
        left = (masks == before).all()
        return Cell("no: left as they were" if left else "no: not as the images", 0)
    kept = masks.dtype == before.dtype
    return Cell("yes" if kept else f"yes, as {masks.dtype}", 1 if kept else 0.5)


def error_text(error):
    """The line of an error that says most, without places in files, at most 120 characters."""
    text = str(error)
    # Keras puts the message of what a layer raised in bold, between its own words.
    bold = re.search("\x1b\\[1m(.+?)\x1b\\[0m", text, re.DOTALL)
    raised = re.search(r"^ *\w*(?:Error|Exception): (.+)$", text, re.MULTILINE)
    if bold or (raised and text.startswith("in user code")):
        text = (bold or raised)[1]
    line = next((line for line in text.splitlines() if line.strip()), "")
    line = re.sub(r"""\{\{.*?\}\}|graph __\S+ |(?<![\w.])/\S+""", "", line).replace("|", "/")
    line = " ".join(line.split())
    line = f"{type(error).__name__}: {line}"
    return line if len(line) <= 120 else line[:117] + "..."


def digest(batches):
    """A text that tells batches apart which differ in any bit."""
    state = hashlib.sha256()
    for batch in batches:
        for name in sorted(batch):
            state.update(np.ascontiguousarray(batch[name]).tobytes())
    return state.hexdigest()


def measure_turns(turns, repeats):
    """Seconds a batch, taken in turn in another order each time: dict of arrays `(repeats,)`."""
    times = {name: [] for name in turns}
    for turn in turns.values():
        turn()
    gc.disable()
    order = random.Random(0)
    for _ in range(repeats):
        for name in order.sample(list(turns), len(turns)):
            times[name].append(turns[name]())
    gc.enable()
    return {name: np.array(values) for name, values in times.items()}


def seconds(call):
    """How long a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


# Rows that every peer is measured by. `peer.map(arrays, ...)` gives mixed batches, a list of dicts.


def batch_of(peer, count, size=(33, 47), batch_size=None, dtype="float32"):
    """Arrays of `count` images from which `shares_of` reads what was mixed, and their labels."""
    batch_size = batch_size or count
    number = np.arange(count) % batch_size
    images = np.zeros((count, *size, 3), dtype)
    if peer.blends:
        images.reshape(count, -1, 3)[np.arange(count), number] = 255
    else:
        images[:] = number[:, None, None, None]
    return {"images": images, "labels": np.eye(batch_size, dtype="float32")[number]}


def shares_of(peer, batch):
    """The share of each source image in each image of a mixed batch."""
    return (blended_shares if peer.blends else pasted_shares)(batch["images"])


def exactness(peer):
    """The error of the label weight."""
    batches = peer.map(batch_of(peer, 640, batch_size=64), 64)
    errors = np.concatenate([label_errors(b["labels"], shares_of(peer, b)) for b in batches])
    return Cell(f"{errors.mean():.3f} / {errors.max():.3f}", -round(float(errors.mean()), 4))


def self_pairing(peer):
    """How often an image is its own partner."""
    batches = peer.map(batch_of(peer, 4000, (16, 16), 8), 8, **peer.visible)
    share = np.mean([self_pairs(b["labels"], shares_of(peer, b)) for b in batches])
    return Cell(f"{share:.3f}", -float(share))


def digest_of_run(peer, **how):
    """The digest of 32 batches that the peer makes from the seed 1."""
    peer.set_global_seeds()
    return digest(peer.map(batch_of(peer, 256, (16, 16), 8), 8, seed=1, **how))


def _equal(runs):
    return len(set(runs)) == 1


def sequential(peer):
    """Whether two runs are equal."""
    equal = _equal([digest_of_run(peer) for _ in range(2)])
    return Cell("yes" if equal else "no", equal)


def parallel(peer):
    """Whether three runs are equal that mix eight batches at a time."""
    equal = _equal([digest_of_run(peer, parallel=8) for _ in range(3)])
    text = "yes" if equal else "no"
    if peer.name == OURS:
        plain = _equal([digest_of_run(peer, parallel=8, plain=True) for _ in range(3)])
        text += f" (plain map: {'yes' if plain else 'no'})"
    return Cell(text, equal)


def dtypes(peer):
    """Which dtypes the images keep."""
    found = {}
    for dtype in ("uint8", "int32", "float16", "float32"):
        try:
            found[dtype] = str(peer.map(batch_of(peer, 8, dtype=dtype), 8)[0]["images"].dtype)
        except Exception as error:
            found[dtype] = type(error).__name__
    changed = [f"{dtype} → {out}" for dtype, out in found.items() if out != dtype]
    return Cell(", ".join(changed) or "all", 4 - len(changed))


def batch_of_one(peer):
    """Whether an image alone comes back as it was."""
    arrays = batch_of(peer, 1)
    arrays["images"] += 1  # a lost image would be all zeros too
    (out,) = peer.map(arrays, 1)
    same = all(np.allclose(out[name], arrays[name], atol=1e-5) for name in arrays)
    return Cell("yes" if same else "no: changed", same)


def odd_batch(peer):
    """Whether a shorter last batch is mixed."""
    batches = peer.map(batch_of(peer, 21, batch_size=8), 8)
    sizes = [len(batch["images"]) for batch in batches]
    # A batch that was cut short, or labels of other images, would be off by about 1.
    errors = [
        label_errors(b["labels"][:, :n], shares_of(peer, b)).mean()
        for b, n in zip(batches, sizes, strict=True)
    ]
    good = sizes == [8, 8, 5] and max(errors) < 0.3
    return Cell("yes" if good else f"no: batches of {sizes}", good)


def integer_labels(peer):
    """What becomes of class ids."""
    ids = np.array([3, 1, 4, 1, 5, 9, 2, 6], "int32")
    arrays = {**batch_of(peer, 8), "labels": ids}
    (out,) = peer.map(arrays, 8, **peer.with_classes)
    return rate_ids(out["labels"], shares_of(peer, out), ids)


def masks(peer):
    """What becomes of segmentation masks."""
    arrays = batch_of(peer, 8)
    values = np.arange(8, dtype="uint8")[:, None, None, None]
    arrays["segmentation_masks"] = np.broadcast_to(values, (8, 33, 47, 1)).copy()
    (out,) = peer.map(arrays, 8, **peer.visible)
    return rate_masks(out["images"], out["segmentation_masks"], arrays["segmentation_masks"])


COMMON = (exactness, self_pairing, sequential, parallel, dtypes, batch_of_one, odd_batch)
COMMON += (integer_labels, masks)
OWN = ("float16_policy", "unknown_shapes", "xla", "saving")


# The two frameworks.


class KerasPeer:
    """A layer of Keras in `tf.data`."""

    def __init__(self, name, make, visible, other):
        self.name, self.make, self.visible, self.other = name, make, visible, other
        self.blends = "MixUp" in name
        self.with_classes = {"num_classes": CLASSES} if name == OURS else {}

    def set_global_seeds(self):
        """Seeds all that the program can seed."""
        import keras

        keras.utils.set_random_seed(1)

    def map(self, arrays, batch_size, parallel=None, plain=False, **arguments):
        """Mixes batches of arrays: a list of dicts."""
        import tensorflow as tf

        data = tf.data.Dataset.from_tensor_slices(arrays).batch(batch_size)
        layer = self.make(**arguments)
        if self.name == OURS and parallel and not plain:
            import keras_patchmix as kpm

            mixed = kpm.layers.map_seeded(data, layer, seed=1, num_parallel_calls=parallel)
        else:
            call = functools.partial(layer, training=True)
            mixed = data.map(lambda batch: call(batch), num_parallel_calls=parallel)
        return list(mixed.as_numpy_iterator())

    def float16_policy(self):
        """The dtypes that come back under the policy mixed_float16."""
        import keras

        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy("mixed_float16")
        try:
            (out,) = self.map(batch_of(self, 8), 8)
        finally:
            keras.config.set_dtype_policy(before)
        found = [str(out[name].dtype) for name in ("images", "labels")]
        text = "images {}, labels {}".format(*found)
        return Cell(text, (found[0] == "float32") + (found[1] == "float32"))

    def unknown_shapes(self):
        """Whether images of unknown size can be mixed."""
        import tensorflow as tf

        arrays = batch_of(self, 8)
        spec = {
            "images": tf.TensorSpec((None, None, None, 3)),
            "labels": tf.TensorSpec((None, None)),
        }
        data = tf.data.Dataset.from_generator(lambda: iter([arrays]), output_signature=spec)
        layer = self.make()
        out = next(data.map(lambda batch: layer(batch, training=True)).as_numpy_iterator())
        same = out["images"].shape == arrays["images"].shape
        return Cell("yes" if same else "no", same)

    def xla(self):
        """Whether XLA compiles the layer."""
        import tensorflow as tf

        layer = self.make()
        call = tf.function(lambda batch: layer(batch, training=True), jit_compile=True)
        out = call({name: tf.constant(value) for name, value in batch_of(self, 8).items()})
        whole = np.allclose(out["labels"].numpy().sum(-1), 1, atol=1e-3)
        return Cell("yes" if whole else "no", whole)

    def saving(self):
        """Whether config and file bring the layer back, with arguments that are no defaults."""
        import keras

        layer = self.make(**self.other)
        config = json.loads(json.dumps(layer.get_config()))
        again = json.loads(json.dumps(type(layer).from_config(config).get_config()))
        if again != config or set(self.other) - set(config):
            return Cell("no: the config changes", 0)
        arrays = {"images": np.zeros((8, 32, 32, 3), "float32"), "labels": np.eye(8, CLASSES)}
        arrays["labels"] = arrays["labels"].astype("float32")
        model = keras.Sequential([self.make(**self.with_classes)])
        model(arrays)
        with tempfile.TemporaryDirectory() as folder:
            model.save(Path(folder) / "model.keras")
            loaded = keras.saving.load_model(Path(folder) / "model.keras")
        same = loaded.layers[0].get_config() == model.layers[0].get_config()
        return Cell("yes" if same else "no: the loaded layer differs", same)


class TorchPeer:
    """A transform of PyTorch, called on batches."""

    blends = False

    def __init__(self, name, make, visible):
        self.name, self.make, self.visible = name, make, visible
        self.with_classes = {"num_classes": CLASSES}

    def set_global_seeds(self):
        """Seeds PyTorch's and NumPy's generators: these transforms have none of their own."""
        import torch

        torch.manual_seed(1)
        np.random.seed(1)  # noqa: NPY002, timm draws from it

    def map(self, arrays, batch_size, parallel=0, seed=None, **arguments):
        """Mixes batches of arrays: a list of dicts; images are channels-last outside."""
        import torch
        from torch.utils.data import DataLoader, TensorDataset, default_collate

        del seed
        mixer = self.make(arrays["labels"], **arguments)
        parts = {name: torch.from_numpy(value) for name, value in arrays.items()}
        parts["images"] = parts["images"].permute(0, 3, 1, 2).contiguous()
        if parts["labels"].ndim == 1:
            parts["labels"] = parts["labels"].long()

        def mix(samples):
            values = dict(zip(parts, default_collate(samples), strict=True))
            if "segmentation_masks" in values and self.name.startswith("torchvision"):
                from torchvision import tv_tensors

                values["segmentation_masks"] = tv_tensors.Mask(values["segmentation_masks"])
            return mixer(*values.values())

        loader = DataLoader(
            TensorDataset(*parts.values()), batch_size, num_workers=parallel or 0, collate_fn=mix
        )
        batches = [dict(zip(parts, (p.numpy() for p in out), strict=True)) for out in loader]
        return [{**b, "images": b["images"].transpose(0, 2, 3, 1)} for b in batches]

    def float16_policy(self):
        """Not a matter of PyTorch, as the two below."""
        return Cell("n/a")

    unknown_shapes = xla = float16_policy

    def saving(self):
        """Whether pickle brings the transform back."""
        mixer = self.make(np.eye(CLASSES))
        again = pickle.loads(pickle.dumps(mixer))
        return Cell("yes (pickle)" if type(again) is type(mixer) else "no", 1)


def keras_peers():
    """The layers of Keras, keras-cv among them where it is installed."""
    import keras

    import keras_patchmix as kpm

    last = {"data_format": "channels_last"}
    other = {"grid_size": (5, 6), "alpha": 0.4, "probability": 0.7, "mode": "batch", "seed": 3}
    other.update(num_classes=9, label_smoothing=0.2, data_format="channels_first")
    ours = functools.partial(kpm.PatchMixing, **{"label_smoothing": 0.0, **last})
    first = {"seed": 3, "data_format": "channels_first"}
    cut_mix = functools.partial(keras.layers.CutMix, **last)
    mix_up = functools.partial(keras.layers.MixUp, **last)
    peers = [
        KerasPeer(OURS, ours, {"ratio": 0.5}, other),
        KerasPeer("keras CutMix", cut_mix, {"factor": (1.0, 1.0)}, {"factor": (0.2, 0.5), **first}),
        KerasPeer("keras MixUp", mix_up, {"alpha": 1.0}, {"alpha": 0.5, **first}),
    ]
    try:
        import keras_cv
    except ImportError:
        return peers
    for name in ("CutMix", "MixUp"):
        make = getattr(keras_cv.layers, name)
        peers.append(
            KerasPeer(f"keras_cv {name}", make, {"alpha": 50.0}, {"alpha": 0.5, "seed": 3})
        )
    return peers


def torch_peers():
    """CutMix of timm and of torchvision, those of them that can be imported."""
    import torch

    try:
        import torchvision
    except RuntimeError:
        # A torchvision built for CUDA beside a PyTorch that is not: its compiled operators do not
        # load, and importing it fails where it describes two of them. CutMix needs none.
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        torch_peers.library = library  # lives as long as the process
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        import torchvision
    except ImportError:
        torchvision = None
    peers = []
    try:
        from timm.data.mixup import Mixup

        def timm_mixer(labels, num_classes=None, **arguments):
            arguments = {
                "mixup_alpha": 0.0,
                "cutmix_alpha": 1.0,
                "label_smoothing": 0.0,
            } | arguments
            dense = labels.ndim == 2
            classes = labels.shape[1] if dense else num_classes
            return Mixup(num_classes=classes, multi_label=dense, **arguments)

        peers.append(TorchPeer("timm CutMix", timm_mixer, {"cutmix_alpha": 50.0}))
    except ImportError:
        pass
    if torchvision is not None:
        from torchvision.transforms import v2

        peers.append(
            TorchPeer("torchvision CutMix", lambda labels, **kw: v2.CutMix(**kw), {"alpha": 50.0})
        )
    return peers


def keras_turns(peers, dtype, shape, batches):
    """Functions that time some batches out of `tf.data`, which makes two at a time."""
    import tensorflow as tf

    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype="uint8").astype(dtype)
    batch = {"images": tf.constant(pixels), "labels": tf.one_hot(np.arange(len(pixels)) % 10, 10)}
    options = tf.data.Options()
    options.experimental_optimization.inject_prefetch = False
    options.autotune.enabled = False

    def make_turn(mix):
        data = tf.data.Dataset.from_tensors(batch).repeat()
        iterator = iter(data.map(mix, num_parallel_calls=2).with_options(options))

        def take(count):
            for _ in range(count):
                next(iterator)

        def turn():
            take(2)  # made in the last turn; as they are taken, the calls for the next two start
            time_of_batch = seconds(lambda: take(batches)) / batches
            time.sleep(4 * time_of_batch)  # two calls are under way: not in another one's turn
            return time_of_batch

        return turn

    def copy(batch):
        order = tf.range(tf.shape(batch["images"])[0])
        return {**batch, "images": tf.gather(batch["images"], order)}

    layers = {peer.name: peer.make(seed=1) for peer in peers}
    turns = {
        name: make_turn(lambda batch, layer=layer: layer(batch, training=True))
        for name, layer in layers.items()
    }
    return {"copy": make_turn(copy), **turns}


def torch_turns(peers, dtype, shape, batches):
    """Functions that time mixing a batch in memory some times."""
    import torch

    torch.set_num_threads(2)
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype="uint8").astype(dtype)
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()
    labels = torch.eye(10)[torch.arange(len(images)) % 10]

    def make_turn(mix):
        def mix_all():
            for _ in range(batches):
                mix(images, labels)

        return lambda: seconds(mix_all) / batches

    turns = {peer.name: make_turn(peer.make(labels)) for peer in peers}
    kept = torch.empty_like(images)
    copies = {
        "copy": make_turn(lambda x, y: (x.clone(), y)),
        "copy into kept memory": make_turn(lambda x, y: (kept.copy_(x), y)),
    }
    return {**copies, **turns}


def speeds(peers, make_turns, dtype, options):
    """Cells of images/s and of time over the copy's, for each peer; and copies' times as text."""
    size = options.image_size
    turns = make_turns(peers, dtype, (options.batch_size, size, size, 3), options.batches)
    times = measure_turns(turns, options.repeats)
    cells = {}
    for peer in peers:
        rate = options.batch_size / np.median(times[peer.name])
        low, ratio, high = np.quantile(times[peer.name] / times["copy"], [0.25, 0.5, 0.75])
        text = f"{rate:,.0f}; {ratio:.2f} copies ({low:.2f}..{high:.2f})"
        cells[peer.name] = Cell(text, -round(float(ratio), 2))
    copies = [f"{n} {1e3 * np.median(t):.1f} ms" for n, t in times.items() if n not in cells]
    return cells, f"{options.framework}, {dtype}: {', '.join(copies)}"


def guarded(measure):
    """The cell of a case, whether it raises or not."""
    try:
        text, score = measure()
        return Cell(text, None if score is None else float(score))  # no NumPy bool, for JSON
    except Exception as error:  # whatever a peer raises is what the table is about
        return Cell(f"no: {error_text(error)}", -9)


def versions():
    """Versions of the packages that are installed here."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def digests_of_new_processes(framework):
    """The digest of every peer's sequential batches, by each of two new processes."""
    command = [sys.executable, __file__, "--framework", framework, "--digests"]
    runs = []
    for _ in range(2):
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    return runs


def measure_framework(options):
    """All cells of the peers of one framework, with versions and the times of the copies."""
    with_torch = options.framework == "torch"
    peers = torch_peers() if with_torch else keras_peers()
    if options.digests:
        return {p.name: guarded(lambda p=p: Cell(digest_of_run(p), 1)) for p in peers}
    table = {peer.name: {} for peer in peers}
    processes = digests_of_new_processes(options.framework)
    for peer in peers:
        print(f"measuring {peer.name}", file=sys.stderr, flush=True)
        cells = table[peer.name]
        for measure in COMMON:
            cells[measure.__name__] = guarded(functools.partial(measure, peer))
        for row in OWN:
            cells[row] = guarded(getattr(peer, row))
        first, second = (Cell(*run[peer.name]) for run in processes)
        equal = first == second
        raised = first.score != 1
        cells["processes"] = first if raised else Cell("yes" if equal else "no", equal)
    copies = []
    for dtype in ("float32", "uint8"):
        turns = torch_turns if with_torch else keras_turns
        cells, text = speeds(peers, turns, dtype, options)
        copies.append(text)
        for name, cell in cells.items():
            table[name][f"speed_{dtype}"] = cell
    return {"versions": versions(), "table": table, "copies": copies}


def measure_torch(options):
    """What the same script finds in the environment of `--torch-python`."""
    command = [options.torch_python, __file__, "--framework", "torch"]
    for name in ("batch_size", "image_size", "batches", "repeats"):
        command += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result = json.loads(done.stdout.splitlines()[-1].removeprefix("RESULT "))
    found = {name: result[name] for name in ("versions", "table", "copies")}
    found["versions"]["python (PyTorch)"] = found["versions"].pop("python")
    return found


# The table.


def standing(row, table):
    """Whether no cell of a row is better than ours: "yes", "shared" or "no"."""
    scores = {name: Cell(*cells[row]).score for name, cells in table.items() if row in cells}
    ours = scores.pop(OURS)
    others = [score for score in scores.values() if score is not None]
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
        first = standing(name, table)
        lines.append(f"| {row.title} ({number}) | " + " | ".join(cells) + f" | {first} |")
        why_not = f" **Not first:** {row.why_not or 'no reason is known.'}" if first == "no" else ""
        notes.append(f"{number}. *{row.title}.* {row.how}{why_not}")
    found = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    where = f"{result['processor']}, {result['cores']} cores. {found}."
    notes += ["", f"Times of a plain copy: {'; '.join(result['copies'])}."]
    return "\n".join([*lines, "", *notes, "", f"Measured on {result['date']}: {where}", ""])


def write_markdown(path, text):
    """Puts the text between the marks of a page, or makes the page of it."""
    marks = ("<!-- table -->\n", "<!-- /table -->")
    path = Path(path)
    page = path.read_text() if path.exists() else "".join(marks)
    before, _, rest = page.partition(marks[0])
    _, mark, after = rest.partition(marks[1])
    if not mark:
        raise SystemExit(f"{path} has no line '{marks[0].strip()}' followed by '{marks[1]}'")
    path.write_text(f"{before}{marks[0]}\n{text}\n{marks[1]}{after}")


def main():
    """Measures all peers and prints the table."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--torch-python", metavar="PATH", help="interpreter that has PyTorch")
    parser.add_argument("--markdown", metavar="FILE", help="put the table into this page")
    parser.add_argument("--json", metavar="FILE", help="also write the result to this file")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--batches", type=int, default=6, help="of a turn")
    parser.add_argument("--repeats", type=int, default=9, help="turns of each, for the speed")
    parser.add_argument(
        "--framework", choices=["tensorflow", "torch"], default="tensorflow", help="of this process"
    )
    parser.add_argument("--digests", action="store_true", help="print only digests of batches")
    options = parser.parse_args()

    others = measure_torch(options) if options.torch_python else {}
    result = measure_framework(options)
    if options.digests:
        print(json.dumps(result))
        return
    for name, values in others.items():
        result[name] = [*result[name], *values] if name == "copies" else {**values, **result[name]}
    result |= {"date": time.strftime("%Y-%m-%d"), "cores": os.cpu_count()}
    result["processor"] = platform.machine()
    if options.framework == "tensorflow":
        text = as_markdown(result)
        print(text)
        if options.markdown:
            write_markdown(options.markdown, text)
    if options.json:
        Path(options.json).write_text(json.dumps(result, indent=1) + "\n")
    print("RESULT " + json.dumps(result))


if __name__ == "__main__":
    main()
