"""Patch selectivity of a model on a data set."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from keras_patchmix.base.progress import Progress
from keras_patchmix.base.types import FilePath, Size
from keras_patchmix.explain.arguments import checked_images
from keras_patchmix.explain.class_scores import ClassScores
from keras_patchmix.explain.measured import Measured
from keras_patchmix.explain.mixed_images import MixedImages
from keras_patchmix.explain.saliency import c_rise
from keras_patchmix.explain.selectivity import patch_selectivity
from keras_patchmix.explain.selectivity_report import SelectivityReport, SelectivityRow
from keras_patchmix.occlusion.backup import Backup, digest_of
from keras_patchmix.occlusion.settings import function_name
from keras_patchmix.scoring.class_map import check_columns
from keras_patchmix.scoring.preprocessing import preprocessing_of
from keras_patchmix.scoring.score_kind import returns_logits

if TYPE_CHECKING:
    from keras_patchmix.corruptions.base import Corruption

# Images of one call of `c_rise`: enough that an accelerator does not wait for the host, few enough
# that little is lost with a process that is killed.
_GROUP = 8


def selectivity_benchmark(
    model: Any,
    dataset: Any,
    *,
    corruption: "Corruption | None" = None,
    max_examples: int = 50,
    num_masks: int = 2000,
    grid_size: Size = 7,
    keep_probability: float = 0.5,
    tolerance: float | None = None,
    batch_size: int = 64,
    from_logits: bool | None = None,
    preprocess: Callable[[Any], Any] | None = None,
    value_range: Sequence[float] = (0, 255),
    bank_size: int = 256,
    num_kept: int = 4,
    seed: int = 0,
    verbose: bool | Literal["auto"] = "auto",
    backup: FilePath | None = None,
) -> "SelectivityReport":
    """Measures how much more a model looks at what belongs to an image than at what does not.

    A corruption of `keras_patchmix.occlusion` puts foreign parts into the images of a data set, so
    that it is known which pixels they are. Contrastive RISE between the image's class and that of
    the foreign image (the model's second choice, where a corruption has no such image) gives a map,
    and `patch_selectivity` a number for it. A pixel is out of context if the corruption leaves less
    than half of the image's own value in it.

    Args:
        model: As in `keras_patchmix.explain.rise`, of channels-last images.
        dataset: As in `keras_patchmix.occlusion.evaluate`.
        corruption: A corruption of one level. Defaults to `PatchReplacement(7, 0.4)`.
        max_examples: Integer: how many images. They are chosen as in
            `keras_patchmix.occlusion.evaluate`. Defaults to `50`.
        num_masks: As in `rise`. Defaults to `2000`.
        grid_size: As in `rise`. Maps are as coarse as their cells: cells larger than the foreign
            patches draw the number towards 0.5. Defaults to `7`.
        keep_probability: As in `rise`.
        tolerance: As in `rise`.
        batch_size: As in `rise`.
        from_logits: As in `rise`.
        preprocess: As in `rise`.
        value_range: As in `rise`.
        bank_size: Images kept to take foreign parts from. Defaults to `256`.
        num_kept: Images and maps kept in the report, to look at. Defaults to `4`.
        seed: Integer, of the foreign parts and of the masks. Defaults to `0`.
        verbose: As in `rise`.
        backup: Path of a file that keeps what has been measured while it runs, or None. A call with
            the same arguments, and the file that an interrupted one left, measures what is missing.
            It is deleted at the end. Defaults to `None`.

    Returns:
        A `SelectivityReport`.

    Raises:
        ValueError: An argument out of range, a corruption that leaves nothing or everything in
            context, labels that the model has no output for, a backup of another call.

    Example:
    ```python
    report = kpm.explain.selectivity_benchmark(model, test, from_logits=True)
    print(report.mean, report.interval)
    ```
    """
    mixed = MixedImages(dataset, corruption, max_examples, batch_size, bank_size, value_range, seed)
    return measure(
        model,
        mixed,
        mixed.corruption,
        mixed.choice,
        num_masks=num_masks,
        grid_size=grid_size,
        keep_probability=keep_probability,
        tolerance=tolerance,
        batch_size=batch_size,
        from_logits=from_logits,
        preprocess=preprocess,
        value_range=value_range,
        num_kept=num_kept,
        seed=seed,
        verbose=verbose,
        backup=backup,
    )


def measure(
    model,
    batches,
    corruption,
    choice,
    *,
    num_kept,
    verbose,
    backup=None,
    keep_backup=False,
    title="c-RISE",
    **settings,
):
    """Measures patch selectivity on images whose foreign parts are known.

    Args:
        model: As in `selectivity_benchmark`.
        batches: Iterable of `keras_patchmix.explain.mixed_images.MixedBatch`, the same each time.
        corruption: What mixed them, for the report.
        choice: How the images were chosen, for the report.
        num_kept: Images and maps kept in the report.
        verbose: As in `rise`.
        backup: As in `selectivity_benchmark`.
        keep_backup: Whether the file, complete, is left for the caller to delete, once the report
            is somewhere safe.
        title: What stands before the progress bar.
        **settings: The other arguments of `c_rise`, all of them.

    Returns:
        A `SelectivityReport`.
    """
    described = _settings(model, corruption, choice, settings)
    kept = Backup(backup, {**described, **_of_backup(backup, model, num_kept, settings)})
    measured, scores = None, scores_of(model, settings)
    seen = 0
    with Progress(verbose, title) as progress:
        for part in _groups(batches, settings):
            if measured is None:
                empty = _nothing_of(part, num_kept)
                measured = kept.load(empty.of_state, empty.most_bytes) or empty
            seen += len(part.labels)
            _start(progress, batches, len(measured.rows), settings)
            if seen <= len(measured.rows):
                _check_same(measured.rows[seen - len(part.labels) : seen], part)
                continue
            clean = scores.finish(scores.start(checked_images(part.images)[0]))
            check_columns(part.columns, clean.shape[1])
            found = c_rise(
                model,
                part.images,
                part.labels,
                part.contrast,
                data_format="channels_last",
                return_details=True,
                verbose=progress,
                **settings,
            )
            # What an early stop has left out is done too.
            progress.add(settings["num_masks"] * len(part.labels) - int(found.num_masks.sum()))
            arrays = {"images": part.images, "masks": part.masks, "maps": found.maps}
            measured.add(_rows(part, found, clean.argmax(1)), arrays)
            kept.save_now_and_then(measured)
    if not seen:
        raise ValueError("`dataset` must hold examples. Received: none")
    if seen < len(measured.rows):
        raise _other_images(f"{seen} examples, of which {len(measured.rows)} were measured")
    if keep_backup:
        kept.save(measured)
    else:
        kept.remove()
    described["n"] = len(measured.rows)
    return SelectivityReport(measured.rows, described, measured.stacked())


def _nothing_of(batch, num_kept):
    size = batch.masks.shape[1:]
    kinds = {
        "images": (batch.images.shape[1:], batch.images.dtype),
        "masks": (size, np.bool_),
        "maps": (size, np.float32),
    }
    return Measured(SelectivityRow, kinds, num_kept)


def _groups(batches, settings):
    """Yields batches of few images, after each of which what was measured can be saved."""
    size = min(_GROUP, settings["batch_size"], settings["num_masks"])
    for batch in batches:
        for start in range(0, len(batch.labels), size):
            part = slice(start, start + size)
            found = (None if field is None else field[part] for field in batch[:-1])
            yield type(batch)(*found, batch.columns)


def _start(progress, batches, done, settings):
    count = getattr(batches, "num_examples", lambda: None)()
    total = None if count is None else count * settings["num_masks"]
    progress.start(total, done * settings["num_masks"])


def scores_of(model, settings):
    """Returns the `ClassScores` of a model, in the batches of `c_rise`: compiled once for both.

    Args:
        model: As in `rise`.
        settings: Dict with the arguments of `c_rise`.
    """
    size = min(settings["batch_size"], settings["num_masks"])
    return ClassScores(model, size, settings["from_logits"], settings["preprocess"])


def _check_same(rows, part):
    there = [(row["index"], row["label"]) for row in rows]
    now = list(zip(part.index.tolist(), part.labels.tolist(), strict=True))
    if there != now:
        raise _other_images(f"example {now[0][0]} of class {now[0][1]}, then {there[0]}")


def _other_images(received):
    return ValueError(
        "`dataset` must hold the images that it held before the interruption, in the same order. "
        f"Received: {received}"
    )


def _rows(batch, found, predicted):
    values = patch_selectivity(found.maps, batch.masks)
    noise = noise_of(found)
    return [
        {
            "index": int(batch.index[number]),
            "label": int(batch.labels[number]),
            "contrast": int(found.contrast_ids[number]),
            "predicted": int(predicted[number]),
            "share": float(batch.masks[number].mean()),
            "num_masks": int(found.num_masks[number]),
            "noise": float(noise[number]),
            "selectivity": float(values[number]),
        }
        for number in range(len(batch.labels))
    ]


def noise_of(found):
    """Returns the greatest standard error of each map over the map's range.

    Args:
        found: A `Saliency`.

    Returns:
        float64 array of shape (B,), at most 1e9, for maps without any range.
    """
    height = np.maximum(np.ptp(found.maps, axis=(1, 2)), np.finfo(np.float32).tiny)
    return np.minimum(found.standard_errors.max((1, 2)) / height.astype(np.float64), 1e9)


def _settings(model, corruption, choice, settings):
    grid_size = settings["grid_size"]
    same = ("num_masks", "keep_probability", "tolerance", "seed")
    return {
        "model": getattr(model, "name", None) or type(model).__name__,
        "corruption": {"class_name": type(corruption).__name__, "config": corruption.get_config()},
        "choice": choice,
        "n": None,
        "grid_size": grid_size if isinstance(grid_size, int) else list(grid_size),
        "value_range": list(settings["value_range"]),
        "preprocess": function_name(preprocessing_of(model, settings["preprocess"])),
        "from_logits": bool(returns_logits(model, settings["from_logits"])),
        **{name: settings[name] for name in same},
    }


def _of_backup(path, model, num_kept, settings):
    """What else decides the rows and arrays of a backup."""
    return {
        "num_kept": num_kept,
        "batch_size": settings["batch_size"],
        "weights_sha256": None if path is None else digest_of(model),
    }
