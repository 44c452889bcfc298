"""Patch selectivity in the logs of epochs."""

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from keras_patchmix.base.types import FilePath, Size
from keras_patchmix.callbacks.epoch_benchmark import EpochBenchmark
from keras_patchmix.callbacks.epoch_plot import plot_selectivity
from keras_patchmix.explain.arguments import MaskSettings
from keras_patchmix.explain.benchmark import measure, scores_of
from keras_patchmix.explain.class_scores import SLACK, NonFiniteScoresError
from keras_patchmix.explain.figure import plot_saliency
from keras_patchmix.explain.masks import RandomMasks
from keras_patchmix.explain.mixed_images import MixedImages
from keras_patchmix.explain.selectivity import SelectivityReport
from keras_patchmix.scoring.class_map import check_columns
from keras_patchmix.scoring.logits import returns_logits

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from keras_patchmix.corruptions.base import Corruption

_SUM_SLACK = 0.01  # of half precision over 1,000 classes
_NAME = "val_patch_selectivity"


class SelectivityBenchmark(EpochBenchmark):
    """Measures patch selectivity on a few images at the end of epochs and writes it into `logs`.

    The result of `keras_patchmix.explain.selectivity_benchmark` becomes `val_patch_selectivity`,
    the mean over the images, higher being better and 0.5 blind to what belongs;
    `val_patch_selectivity_low` and `_high`, its 95 % interval over further images; and
    `val_patch_selectivity_epoch`, the epoch in which it was measured. Epochs that are not scored
    repeat the last values. If the model's scores are not finite, all but the epoch are 0, worse
    than any other value, with one warning.

    The images with their foreign parts are drawn once, before training, and kept: all epochs have
    the same images and masks, even if the data set is shuffled. So differences between epochs are
    of the model only; yet the interval is of few images, and wide.

    For its place in the list, `mode="max"`, errors and copies see
    `keras_patchmix.callbacks.OcclusionBenchmark`. Scoring changes nothing in training. Malformed
    data, and scores that do not fit `from_logits`, raise before the first epoch. If several hosts
    train together, each measures all the images, which are few; only the chief writes files, and
    all must see the same `directory`.

    It costs `max_examples * num_masks` images through the model, 8,000 by default: measure the time
    of that and choose `frequency`. With a `keras.callbacks.TensorBoard` in the list, TensorBoard
    shows the values as scalars, and the first images with their maps as an image in the run
    "selectivity".

    Args:
        dataset: Validation data, as `x` of `keras_patchmix.occlusion.evaluate`.
        frequency: Runs every `frequency` epochs, including the first. Defaults to `5`.
        max_examples: Integer: the number of images, chosen as in
            `keras_patchmix.occlusion.evaluate`. Defaults to `16`.
        num_masks: Integer: the number of masks an image. Maps of fewer masks are noisier, and noise
            draws the result towards 0.5. Defaults to `500`.
        seed: Integer, of the foreign parts and of the masks. Defaults to `0`.
        directory: Directory of `selectivity.jsonl`, one line an epoch; `selectivity.json`, the last
            report, with its epoch in the settings; and, after training, `selectivity.png`, the
            values over the epochs, and `selectivity_maps.png`, the first images and their last
            maps. All are written atomically. A run that resumes loads its last values; epochs that
            are run again replace their lines. None writes no files.
        preprocess: Function of float32 images, after foreign parts and masks, before the model; or
            None.
        from_logits: Whether the model returns logits. None asks the model, see
            `keras_patchmix.explain.rise`.
        corruption: A corruption of one level that puts foreign parts into the images. Defaults to
            `keras_patchmix.occlusion.PatchReplacement(7, 0.4)`.
        scheme: How maps are estimated, see `keras_patchmix.explain.rise`. Defaults to
            `"control_variate"`.
        grid_size: Integer or (rows, columns): cells of a mask. Defaults to `7`.
        keep_probability: In (0, 1): the share of an image that masks show. Defaults to `0.5`.
        value_range: (black, white) of the data set's images, before `preprocess`. Defaults to
            `(0, 255)`.
        batch_size: Images a forward pass. Defaults to `64`.
        bank_size: Images kept, before training, to take foreign parts from. Defaults to `256`.
        num_kept: Images and maps kept of the last score, for pictures. Defaults to `4`.
        verbose: Whether to show a progress bar and, at the end, the result and the cost of scoring.
            `"auto"` follows `fit`.

    Raises:
        ValueError: An argument is out of range.

    Attributes:
        report: The last `keras_patchmix.explain.SelectivityReport`, or None.
        timeline: List of dicts, one for each epoch that was scored, as the lines of
            `selectivity.jsonl`: "epoch"; "values", as in the logs; "seconds" of scoring;
            "share_of_epoch", in [0, 1]; "n"; "finite", whether there was a score; "noise", the
            median of the maps', or None; "settings"; and "images_sha256".

    Example:
        >>> selectivity = SelectivityBenchmark(val, directory="run", from_logits=True)
        >>> model.fit(train, validation_data=val, callbacks=[selectivity])
    """

    topic, picture, report_class = "selectivity", "selectivity_maps", SelectivityReport
    _shared = ("_model", "_mixed", "_batches", "_settings")
    _mismatch = "are of other images, masks or settings"

    def __init__(
        self,
        dataset: Any,
        frequency: int = 5,
        max_examples: int = 16,
        num_masks: int = 500,
        seed: int = 0,
        directory: FilePath | None = None,
        preprocess: Callable[[Any], Any] | None = None,
        *,
        from_logits: bool | None = None,
        corruption: "Corruption | None" = None,
        scheme: Literal["control_variate", "independent"] = "control_variate",
        grid_size: Size = 7,
        keep_probability: float = 0.5,
        value_range: Sequence[float] = (0, 255),
        batch_size: int = 64,
        bank_size: int = 256,
        num_kept: int = 4,
        verbose: bool | Literal["auto"] = "auto",
    ):
        super().__init__(frequency, directory, verbose)
        self._mixed = MixedImages(
            dataset, corruption, max_examples, batch_size, bank_size, value_range, seed
        )
        self._num_kept = num_kept
        self._settings: dict[str, Any] = {
            "num_masks": num_masks,
            "scheme": scheme,
            "grid_size": grid_size,
            "keep_probability": keep_probability,
            "tolerance": None,
            "batch_size": batch_size,
            "from_logits": from_logits,
            "preprocess": preprocess,
            "value_range": value_range,
            "seed": seed,
        }
        MaskSettings(**self._settings)  # raises if one is out of range
        self._batches = None

    def plot(self, path: FilePath | None = None) -> "Figure":
        """Draws the mean and its interval over the epochs that were scored.

        Args:
            path: PNG, PDF or SVG file to write, atomically.

        Returns:
            A `matplotlib.figure.Figure`.
        """
        return plot_selectivity(self.timeline, path)

    def _check(self):
        if self._batches is None:
            batches = list(self._mixed)
            shape = batches[0].images.shape[1:3]
            settings = (self._settings[name] for name in ("grid_size", "keep_probability", "seed"))
            RandomMasks(shape, *settings)  # raises if a setting does not fit the images
            self._batches = batches
        for batch in self._batches:
            self._probe(batch)

    def _probe(self, batch):
        """Raises if the labels or `from_logits` do not fit the model's scores."""
        images = batch.images.astype(np.float32)
        scores = scores_of(self.model, self._settings).raw(images)
        check_columns(batch.columns, scores.shape[1])
        classes = [batch.labels] if batch.contrast is None else [batch.labels, batch.contrast]
        most = int(np.max(classes))
        if most >= scores.shape[1]:
            raise ValueError(
                f"The labels of `dataset` must be below {scores.shape[1]}, the number of the "
                f"model's outputs. Received: class {most}"
            )
        if not np.isfinite(scores).all():
            return  # training may begin so, and recover
        low, high, sums = scores.min(), scores.max(), scores.sum(1)
        within = low >= -SLACK and high <= 1 + SLACK
        from_logits = returns_logits(self.model, self._settings["from_logits"])
        if from_logits and within and np.abs(sums - 1).max() <= _SUM_SLACK:
            raise ValueError(
                "`from_logits` must be False where the model returns probabilities. Received: "
                f"from_logits=True, and scores from {low:.4g} to {high:.4g} that sum to 1"
            )
        if not from_logits and not within:
            raise ValueError(
                "`from_logits` must be True where the model returns logits. Received: "
                f"from_logits=False, and scores from {low:.4g} to {high:.4g}"
            )

    def _measure(self):
        try:
            return measure(
                self.model,
                self._batches,
                self._mixed.corruption,
                self._mixed.choice,
                num_kept=self._num_kept,
                verbose=self._progress(),
                **self._settings,
            )
        except NonFiniteScoresError:
            return None

    def _values_of(self, report, epoch):
        mean, low, high = (0.0, 0.0, 0.0) if report is None else (report.mean, *report.interval)
        return {_NAME: mean, f"{_NAME}_low": low, f"{_NAME}_high": high, f"{_NAME}_epoch": epoch}

    def _details(self, report):
        return {
            "n": sum(len(batch.labels) for batch in self._batches),
            "finite": report is not None,
            "noise": None if report is None else report.noise,
            **self._measured(),
        }

    def _measured(self):
        """Returns what must be the same for values to be comparable, as JSON values."""
        corruption = self._mixed.corruption
        settings = {
            name: self._settings[name]
            for name in (
                "num_masks",
                "scheme",
                "grid_size",
                "keep_probability",
                "value_range",
                "seed",
            )
        }
        settings["corruption"] = [type(corruption).__name__, corruption.get_config()]
        digest = hashlib.sha256()
        for batch in self._batches:
            for part in (batch.images, batch.labels):
                digest.update(np.ascontiguousarray(part).tobytes())
        measured = {"settings": settings, "images_sha256": digest.hexdigest()}
        return json.loads(json.dumps(measured))

    def _compare(self, report, entry, earlier):
        if report is None:
            self._warn_once(
                "nonfinite",
                f"After epoch {entry['epoch']}, counted from 0, the model's scores were not "
                "finite: patch selectivity is logged as 0. The model may have diverged; "
                "keras.callbacks.TerminateOnNaN stops training then.",
            )

    def _is_ours(self, entry):
        ours = self._measured()
        return all(entry.get(name) == value for name, value in ours.items())

    def _plot_report(self, report, path=None):
        return plot_examples(report, path)


def plot_examples(report, path=None):
    """Draws the first images of a report beside their maps.

    Args:
        report: A `keras_patchmix.explain.SelectivityReport`.
        path: PNG, PDF or SVG file to write, atomically.

    Returns:
        A `matplotlib.figure.Figure`, or None for a report without images, such as a loaded one.

    Raises:
        ImportError: matplotlib is not installed.
    """
    if not report.examples:
        return None
    images = report.examples["images"]
    captions = [
        f"image {row['index']}: class {row['label']}, foreign {row['contrast']}"
        for row in report.rows[: len(images)]
    ]
    epoch = report.settings.get("epoch")
    return plot_saliency(
        images,
        {"c-RISE" if epoch is None else f"epoch {epoch}": report.examples["maps"]},
        path,
        report.examples["masks"],
        captions,
        report.settings["value_range"],
        diverging=False,  # the number scales a map from its lowest value to its highest
    )
