"""What the comparison with peers measures, each measure a function of a peer.

`peer.map(arrays, batch_size, ...)` gives mixed batches, a list of dicts of NumPy arrays.
"""

import hashlib
import re

import numpy as np
from peer_table import CLASSES, FAMILY, Cell


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
    if peer.name in FAMILY:
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


def guarded(measure):
    """The cell of a case, whether it raises or not."""
    try:
        text, score = measure()
        return Cell(text, None if score is None else float(score))  # no NumPy bool, for JSON
    except Exception as error:  # whatever a peer raises is what the table is about
        return Cell(f"no: {error_text(error)}", -9)
