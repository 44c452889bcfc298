"""Patch selectivity of a model on a data set."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from keras_patchmix.base.host import to_numpy
from keras_patchmix.base.progress import Progress
from keras_patchmix.base.types import FilePath, Size, Tensor
from keras_patchmix.corruptions.base import Corruption
from keras_patchmix.explain.arguments import (
    MaskSettings,
    standardize_class_ids,
    standardize_images,
    standardize_maps,
)
from keras_patchmix.explain.map_archive import PartialResults
from keras_patchmix.explain.mixed_images import MixedBatch, MixedImages
from keras_patchmix.explain.saliency import Explainer, Saliency, map_noise
from keras_patchmix.explain.selectivity import (
    SelectivityReport,
    SelectivityRow,
    patch_selectivity,
)
from keras_patchmix.occlusion.backup import Backup, digest_of
from keras_patchmix.occlusion.passes import MOST_DIFFERING
from keras_patchmix.occlusion.settings import function_name, model_name
from keras_patchmix.scoring.class_map import check_columns
from keras_patchmix.scoring.logits import returns_logits
from keras_patchmix.scoring.preprocessing import preprocessing_of

# Images explained together: few enough that little is lost with a process that is killed, and
# enough that an accelerator does not wait for the host.
_GROUP_SIZE = 8


def selectivity_benchmark(
    model: Any,
    dataset: Any,
    *,
    corruption: Corruption | None = None,
    max_examples: int = 50,
    num_masks: int = 2000,
    scheme: Literal["control_variate", "independent"] = "control_variate",
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
    saliency: Tensor | Callable[[Any, Any, Any], Any] | None = None,
) -> SelectivityReport:
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
        scheme: As in `rise`.
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
        saliency: Maps by another method than contrastive RISE: a function from float32 images with
            foreign parts, their class ids and the classes to contrast them with, int64 (B,), to
            maps of shape (B, h, w); or an array of the maps of all images in their order. Maps of
            another size than the images are scaled bilinearly, with a warning. The masks' settings
            are unused then, and the noise of such maps is told as 0. Defaults to `None`.

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
    images = MixedImages(
        dataset, corruption, max_examples, batch_size, bank_size, value_range, seed
    )
    return measure(
        model,
        images,
        images.corruption,
        images.choice,
        num_masks=num_masks,
        scheme=scheme,
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
        saliency=saliency,
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
    saliency=None,
    **settings,
):
    """Measures patch selectivity on images whose foreign parts are known.

    Args:
        model: As in `selectivity_benchmark`.
        batches: Iterable of `MixedBatch`, the same each time.
        corruption: The corruption, for the report.
        choice: How the images were chosen, for the report.
        num_kept: As in `selectivity_benchmark`.
        verbose: As in `rise`.
        backup: As in `selectivity_benchmark`.
        keep_backup: Whether the complete file is left for the caller to delete, once the report is
            saved. Defaults to `False`.
        title: The label of the progress bar.
        saliency: As in `selectivity_benchmark`.
        **settings: Arguments of `keras_patchmix.explain.arguments.MaskSettings`.

    Returns:
        A `SelectivityReport`.
    """
    settings = MaskSettings(**settings, data_format="channels_last")
    described = _describe(model, corruption, choice, settings)
    if saliency is not None:
        described["saliency"] = function_name(saliency) if callable(saliency) else "given maps"
    file = Backup(
        backup,
        {
            **described,
            "num_kept": num_kept,
            "batch_size": settings.batch_size,
            "weights_sha256": None if backup is None else digest_of(model),
            "saliency_sha256": None if backup is None else _digest_of_maps(saliency),
        },
    )
    results, seen, scores = None, 0, settings.scores(model)
    with Progress(verbose, title) as progress:
        for batch in _split(batches, min(_GROUP_SIZE, settings.masks_per_batch)):
            if results is None:
                results = _no_results(batch, num_kept)
                results = file.load(results.from_state, results.max_bytes) or results
                count = getattr(batches, "num_examples", lambda: None)()
                total = None if count is None else count * settings.num_masks
                progress.start(total, len(results.rows) * settings.num_masks)
            seen += len(batch.labels)
            if seen <= len(results.rows):
                rows = results.rows[seen - len(batch.labels) : seen]
                _check_same(rows, batch)
                if seen == len(batch.labels):
                    _check_same_model(rows, batch, scores)
                continue
            clean = scores.probabilities(standardize_images(batch.images)[0])
            check_columns(batch.columns, clean.shape[1])
            if saliency is None:
                explainer = Explainer(model, batch.images, settings)
                explained = explainer.explain(
                    batch.labels, batch.contrast, contrast=True, verbose=progress
                )
            else:
                explained = _given(saliency, batch, clean, seen - len(batch.labels))
            # Masks that an early stop saved are done too.
            progress.add(settings.num_masks * len(batch.labels) - int(explained.num_masks.sum()))
            arrays = {"images": batch.images, "masks": batch.masks, "maps": explained.maps}
            results.add(_rows(batch, explained, clean.argmax(1)), arrays)
            file.save_now_and_then(results)
    if not seen:
        raise ValueError("`dataset` must hold examples. Received: none")
    if seen < len(results.rows):
        raise _other_images(f"{seen} examples, of which {len(results.rows)} were measured")
    if saliency is not None and not callable(saliency) and len(saliency) != seen:
        raise ValueError(
            f"`saliency` must hold a map for each of the {seen} images. Received: {len(saliency)}"
        )
    if keep_backup:
        file.save(results)
    else:
        file.remove()
    described["n"] = len(results.rows)
    return SelectivityReport(results.rows, described, results.arrays())


def scores_of(model, settings):
    """Returns the `ClassScores` that `measure` uses, compiled once for both.

    Args:
        model: As in `rise`.
        settings: Dict with arguments of `keras_patchmix.explain.arguments.MaskSettings`.
    """
    return MaskSettings(**settings).scores(model)


def _digest_of_maps(saliency):
    """Returns the SHA-256 digest of maps that were given, else None."""
    if saliency is None or callable(saliency):
        return None
    maps = np.ascontiguousarray(to_numpy(saliency))
    return hashlib.sha256(f"{maps.dtype} {maps.shape}".encode() + maps.tobytes()).hexdigest()


def _given(saliency, batch, clean, start):
    """Returns maps of another method as a `Saliency` without masks and noise.

    Args:
        saliency: As in `selectivity_benchmark`.
        batch: The `MixedBatch`.
        clean: Array of shape (B, K), the model's probabilities for it.
        start: Number of images before the batch.
    """
    labels, contrast = (
        standardize_class_ids(name, ids, *clean.shape)
        for name, ids in (("class_ids", batch.labels), ("contrast_ids", batch.contrast))
    )
    if contrast is None:
        others = clean.copy()
        others[np.arange(len(others)), labels] = -np.inf
        contrast = others.argmax(1)
    if callable(saliency):
        maps = saliency(standardize_images(batch.images)[0], labels, contrast)
    else:
        maps = saliency[start : start + len(labels)]
    maps = standardize_maps(maps, batch.masks.shape).astype(np.float32)
    none = np.zeros(len(maps), np.int64)
    return Saliency(maps, np.zeros_like(maps), none, labels, contrast, np.float32(none))


def _no_results(batch, num_kept):
    size = batch.masks.shape[1:]
    specs = {
        "images": (batch.images.shape[1:], batch.images.dtype),
        "masks": (size, np.bool_),
        "maps": (size, np.float32),
    }
    return PartialResults(SelectivityRow, specs, num_kept)


def _split(batches, size):
    """Yields batches of at most `size` images."""
    for batch in batches:
        for start in range(0, len(batch.labels), size):
            part = slice(start, start + size)
            arrays = (None if values is None else values[part] for values in batch[:-1])
            yield MixedBatch(*arrays, batch.columns)


def _check_same(rows, batch):
    """Raises if the images are not those of the rows that a backup holds."""
    before = [(row["index"], row["label"]) for row in rows]
    now = list(zip(batch.index.tolist(), batch.labels.tolist(), strict=True))
    if before != now:
        raise _other_images(f"example {now[0][0]} of class {now[0][1]}, then {before[0]}")


def _check_same_model(rows, batch, scores):
    """Raises if a model predicts other classes than that of the rows that a backup holds."""
    predicted = scores.probabilities(standardize_images(batch.images)[0]).argmax(1)
    differing = sum(row["predicted"] != now for row, now in zip(rows, predicted, strict=True))
    if differing > MOST_DIFFERING * len(rows):
        raise ValueError(
            "`backup` must be of the same model. Received: a backup with another class predicted "
            f"for {differing} of the first {len(rows)} images"
        )


def _other_images(received):
    return ValueError(
        "`dataset` must hold the images that it held before the interruption, in the same order. "
        f"Received: {received}"
    )


def _rows(batch, saliency, predicted):
    values = patch_selectivity(saliency.maps, batch.masks)
    noise = map_noise(saliency)
    return [
        {
            "index": int(batch.index[number]),
            "label": int(batch.labels[number]),
            "contrast": int(saliency.contrast_ids[number]),
            "predicted": int(predicted[number]),
            "share": float(batch.masks[number].mean()),
            "num_masks": int(saliency.num_masks[number]),
            "noise": float(noise[number]),
            "selectivity": float(values[number]),
            "mean_score": float(saliency.mean_scores[number]),
        }
        for number in range(len(batch.labels))
    ]


def _describe(model, corruption, choice, settings):
    """Returns the settings of the report, a dict of JSON values."""
    grid_size = settings.grid_size
    return {
        "model": model_name(model),
        "corruption": {"class_name": type(corruption).__name__, "config": corruption.get_config()},
        "choice": choice,
        "n": None,
        "grid_size": grid_size if isinstance(grid_size, int) else list(grid_size),
        "value_range": list(settings.value_range),
        "preprocess": function_name(preprocessing_of(model, settings.preprocess)),
        "from_logits": bool(returns_logits(model, settings.from_logits)),
        "num_masks": settings.num_masks,
        "scheme": settings.scheme,
        "keep_probability": settings.keep_probability,
        "tolerance": settings.tolerance,
        "seed": settings.seed,
    }
