"""`harden`: more accuracy under occlusion, at a bounded cost of clean accuracy."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

import keras
import numpy as np

from keras_patchmix.base.types import FilePath, Size
from keras_patchmix.corruptions.patch_drop import PatchDrop
from keras_patchmix.corruptions.patch_replacement import PatchReplacement
from keras_patchmix.occlusion.benchmark import Benchmark
from keras_patchmix.occlusion.chance import at_chance
from keras_patchmix.occlusion.panels import row_title
from keras_patchmix.occlusion.suite import default_suite
from keras_patchmix.training.fine_tuning import FineTuneSettings, FineTuning, FineTuningBackup
from keras_patchmix.training.hardened import Hardened
from keras_patchmix.training.patch_occlusion import PatchOcclusion
from keras_patchmix.training.training_batches import TrainingBatches
from keras_patchmix.training.weight_line import (
    choose,
    compiled_copy_of,
    copy_of,
    point_of,
    weights_between,
)

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def harden(
    model: Any,
    train: Any,
    validation: Any,
    test: Any = None,
    *,
    max_clean_drop: float = 0.5,
    confident: bool = False,
    epochs: int = 3,
    minutes: float | None = None,
    learning_rate: float = 3e-4,
    weight_decay: float = 0.05,
    batch_size: int | None = None,
    mixing: Callable[[Any], Any] | None = None,
    distillation: float = 0.0,
    freeze_batch_norm: bool = True,
    suite: str | Sequence[Any] | None = None,
    max_examples: int | None = 1000,
    preprocess: Callable[[Any], Any] | None = None,
    value_range: Sequence[float] = (0, 255),
    from_logits: bool | None = None,
    seed: int = 0,
    backup: FilePath | None = None,
    verbose: bool | Literal["auto", 2] = "auto",
) -> Hardened:
    """Fine-tunes a copy of a classifier with Patch Mixing, and interpolates with the original.

    A copy is fine-tuned on images with patches of other images (Lee et al. 2023, arXiv 2306.17848).
    Then points on the line between the weights before and after (Wortsman et al. 2022, arXiv
    2109.01903) are scored on validation data, clean and occluded. Of the points that cost at most
    `max_clean_drop` points of clean accuracy, the best one under occlusion is kept. The original
    is such a point, so that the result is never worse by this measure.

    Args:
        model: A `keras.Model` from images to logits or probabilities, of one input and one output,
            compiled or not. It is not changed.
        train: Training data, as `keras_patchmix.occlusion.evaluate` takes data. Arrays are
            shuffled; a data set is read in its own order, with its own augmentation. It must not
            mix images, which is done here. Of soft labels the greatest entry counts.
        validation: Data to choose the point on, which the model was not trained on, in the same
            order in each pass: `keras.utils.image_dataset_from_directory` needs `shuffle=False`.
        test: Data for the reports before and after; or None, see `Hardened.report`.
        max_clean_drop: Allowed drop of clean top-1 on validation data, in percentage points.
        confident: Whether the lower bound of the change's 95 % interval has to be within the
            allowed drop, rather than the change itself.
        epochs: Passes over the training data.
        minutes: Minutes for the whole call, in place of `epochs`. The number of steps then depends
            on the machine.
        learning_rate: Peak of AdamW's schedule: a linear warm-up over a tenth of the training, then
            a cosine decay.
        weight_decay: Of AdamW, for kernels.
        batch_size: Images a step. The data set's own batch size when None, or 64.
        mixing: A `PatchOcclusion`, or a layer of this package, whose plans follow from `seed` and
            the step. Any other callable takes a dict with `"images"` and `"labels"`
            `(batch, classes)` float32, returns such a dict, and draws by itself, as
            layers of Keras do. None is `PatchOcclusion` on the coarser grid of
            `default_suite`: half of the images get patches of other images, a quarter black ones.
        distillation: Weight in [0, 1] of the original's answer to the unmixed image in the label.
        freeze_batch_norm: Whether batch normalization stays in inference mode, so that its
            statistics stay those of unmixed images.
        suite: Occlusions that the line is scored under, see `evaluate`. None is three rows: patch
            replacement at 30 and 50 %, patch drop at 40 %.
        max_examples: Validation images that each point is scored on; all when None.
        preprocess: Function of a batch of images between mixing and the model. None is the model's
            own preprocessing, or nothing.
        value_range: (black, white) of the images.
        from_logits: Whether the model returns logits; None asks its last layer, or the loss that it
            is compiled with.
        seed: Integer, of the mixing and of the order of arrays.
        backup: Directory of the state after each epoch, from which the same call resumes. It is
            deleted at the end.
        verbose: Whether to show a progress bar with the time left; `"auto"` in terminals and
            notebooks. 2 is for logs: a line for each epoch and each scoring.

    Returns:
        A `Hardened`.

    Raises:
        ValueError: An argument is out of range; the model cannot be copied, is no classifier, or no
            better than chance on the validation data; or the data do not fit it, or are shuffled.

    Warns:
        UserWarning: Rows of labels in `train` are soft, as of a pipeline that mixes images.

    Example:
    ```python
    result = keras_patchmix.training.harden(model, train, validation)
    result.model.save("hardened.keras")
    before, after = result.report(test)
    ```
    """
    _check(model, max_clean_drop, epochs, minutes)
    batches = TrainingBatches(train, batch_size, seed)
    if mixing is None:
        mixing = PatchOcclusion(default_grid(batches.shape[:2]), value=value_range[0])
    settings = FineTuneSettings(
        epochs=epochs,
        minutes=minutes,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        batch_size=batches.batch_size,
        mixing=mixing,
        distillation=distillation,
        freeze_batch_norm=freeze_batch_norm,
        seed=seed,
    )
    scoring: dict[str, Any] = {
        "preprocess": preprocess,
        "value_range": value_range,
        "from_logits": from_logits,
        "seed": seed,
    }
    suite = line_suite(batches.shape[:2]) if suite is None else suite
    benchmark = Benchmark(
        validation, suite, max_examples=max_examples, batch_size=batches.batch_size, **scoring
    )
    hardening = Hardening(model, batches, benchmark, settings, scoring, backup, verbose)
    result = hardening.run(max_clean_drop, confident)
    if test is not None:
        result.report(test, verbose=verbose)
    hardening.forget()
    return result


class Hardening:
    """One hardening: the original is scored, a copy trained, the line scored, a point chosen.

    Args:
        model: The original.
        batches: `TrainingBatches`, or an object with the same attributes and `one_pass`.
        benchmark: A `Benchmark` of validation data.
        settings: `FineTuneSettings`.
        scoring: Dict with the arguments of `evaluate` that say how images reach the model.
        backup: Directory of the state, or None.
        verbose: Whether to show progress bars.
    """

    def __init__(self, model, batches, benchmark, settings, scoring, backup, verbose):
        self._model, self._batches, self._benchmark = model, batches, benchmark
        self._settings, self._scoring, self._verbose = settings, scoring, verbose
        self._backup = None if backup is None else FineTuningBackup(backup, settings, model)

    def run(self, max_clean_drop, confident):
        """Returns the `Hardened`; see `harden` for the arguments and errors."""
        started = time.monotonic()
        original = self._score(self._model, "scoring the original")
        _check_chance(original)
        if not self._benchmark.is_of_the_same_examples(original, read_again=True):
            raise ValueError(
                "`validation` must give the same images in the same order in each pass, since the "
                "points of the line are compared image by image. "
                "`keras.utils.image_dataset_from_directory` needs `shuffle=False` for data to "
                "choose on. Received: validation whose labels came in another order, or were "
                "others, when they were read again"
            )
        copy, deadline = copy_of(self._model), None
        if self._settings.minutes is not None:
            line = (len(SHARES) - 1) * (time.monotonic() - started)
            deadline = started + 60 * self._settings.minutes - line
        tuning = FineTuning(
            copy,
            self._model,
            self._settings,
            original.settings["num_classes"],
            self._scoring["preprocess"],
            self._scoring["from_logits"],
        )
        tuning.run(self._batches, self._backup, deadline, self._verbose)
        before, after = self._model.get_weights(), copy.get_weights()
        points = [point_of(0.0, original, original)]
        for share in SHARES[1:]:
            copy.set_weights(weights_between(before, after, share))
            report = self._score(copy, f"scoring {100 * share:.0f} % of the way")
            points.append(point_of(share, report, original))
        points = choose(points, max_clean_drop, confident)
        share = next(one.share for one in points if one.chosen)
        hardened = compiled_copy_of(self._model)  # without the optimizer of this training
        hardened.set_weights(weights_between(before, after, share))
        described = {
            **self._settings.to_dict(),
            "max_clean_drop": max_clean_drop,
            "confident": confident,
            "titles": {row.name: row_title(row) for row in original.rows[1:]},
            "skipped": original.skipped,
            **{
                key: original.settings[key]
                for key in ("n", "choice", "suite", "preprocess", "versions")
            },
        }
        return Hardened(hardened, self._model, points, described, self._scoring)

    def forget(self):
        """Deletes the state in the backup directory."""
        if self._backup is not None:
            self._backup.remove()

    def _score(self, model, title):
        return self._benchmark.run(model, self._verbose, title=title)


def line_suite(image_size: Size) -> list[Any]:
    """Returns the suite of three rows that the line is scored on, for a `(height, width)`."""
    grids = {type(member): member.grid_size for member in reversed(default_suite(image_size)[:-1])}
    return [
        PatchReplacement(grids[PatchReplacement], (0.3, 0.5)),
        PatchDrop(grids[PatchDrop], 0.4),
    ]


def default_grid(image_size: Size) -> Any:
    """Returns the coarser grid of `default_suite`, on which images are mixed by default."""
    return default_suite(image_size)[0].grid_size


def _check(model, max_clean_drop, epochs, minutes):
    if not isinstance(model, keras.Model) or not model.built:
        raise ValueError(f"`model` must be a built keras.Model. Received: model={model!r}")
    if not _is_number(max_clean_drop) or max_clean_drop < 0:
        raise ValueError(
            "`max_clean_drop` must be a number of points of at least 0. "
            f"Received: max_clean_drop={max_clean_drop!r}"
        )
    if isinstance(epochs, bool) or not isinstance(epochs, int) or epochs < 1:
        raise ValueError(f"`epochs` must be an integer of at least 1. Received: epochs={epochs!r}")
    if minutes is not None and not (_is_number(minutes) and minutes > 0):
        raise ValueError(f"`minutes` must be a number above 0. Received: minutes={minutes!r}")


def _check_chance(original):
    chance = at_chance(original)
    if chance is not None:
        raise ValueError(
            "`model` must be better than chance on `validation`, of which it has "
            f"{100 * original.rows[0].top1:.1f} % right: check `preprocess`, `value_range` and the "
            f"order of the classes. Received: a model that is not above {100 * chance:.3g} %"
        )


def _is_number(value):
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)
