"""Patch selectivity of the models that are scored, where it was asked for."""

import dataclasses

from keras_patchmix.base.printable import say
from keras_patchmix.cli.score_kind import score_kind
from keras_patchmix.explain import map_archive
from keras_patchmix.explain.benchmark import measure
from keras_patchmix.explain.mixed_images import MixedImages
from keras_patchmix.explain.selectivity import SelectivityReport
from keras_patchmix.report import text
from keras_patchmix.scoring.classifier import classifier

# As `keras_patchmix.explain.selectivity_benchmark`: recipes/explain.py is there for other settings.
_NUM_MASKS = 2000
_GRID_SIZE = 7
_KEEP_PROBABILITY = 0.5
_SHOWN = 4
_REPORT, _MAPS, _BACKUP = "selectivity.json", "selectivity.npz", "selectivity_backup.json"


class SelectivityWork:
    """The images with foreign parts, the same for all models, and what each model needs.

    Args:
        options: An `EvaluationOptions` with a number of images for selectivity.
        data: The data set, as of `open_data`.
        loaded: List of `LoadedModel`.
        maps: Their class maps, or None each.

    Raises:
        ValueError: A model or the images do not fit.
    """

    def __init__(self, options, data, loaded, maps):
        self._options, self._info = options, data.info
        try:
            self._mixed = MixedImages(
                data, None, options.selectivity, options.batch_size, seed=options.seed
            )
            images = next(iter(self._mixed)).images[:8]
            kinds = [score_kind(one, images, options.scores) for one in loaded]
        except ValueError as error:
            raise ValueError(f"--selectivity: {error}") from error
        self._classifiers = {
            one.spec.name: classifier(one, outputs, kind.from_logits)
            for one, outputs, kind in zip(loaded, maps, kinds, strict=True)
        }

    def report(self, folder, name, progress):
        """Returns the `SelectivityReport` of one model, the one that is there or a new one.

        Args:
            folder: Where the model's results are, a `pathlib.Path`.
            name: The model's.
            progress: Whether to show a bar.
        """
        if (folder / _REPORT).exists():
            return load(folder)
        used = self._classifiers[name]
        say(f"{name}: patch selectivity")
        backup = folder / _BACKUP
        report = measure(
            used.model,
            self._mixed,
            self._mixed.corruption,
            self._mixed.choice,
            num_kept=_SHOWN,
            verbose=progress,
            backup=backup,
            keep_backup=True,
            title=f"{name}: patch selectivity",
            num_masks=_NUM_MASKS,
            grid_size=_GRID_SIZE,
            keep_probability=_KEEP_PROBABILITY,
            tolerance=None,
            batch_size=self._options.batch_size,
            from_logits=used.from_logits,
            preprocess=used.preprocess,
            value_range=(0, 255),
            seed=self._options.seed,
        )
        report.settings.update(
            model=name,
            dataset=self._info.name,
            split=self._info.split,
        )
        _save(report, folder)
        backup.unlink(missing_ok=True)
        return report


def load(folder):
    """Reads the `SelectivityReport` of a model and the images that are shown of it.

    Args:
        folder: Where the model's results are, a `pathlib.Path`.

    Raises:
        ValueError: The files hold something else.
        OSError: They are not there.
    """
    report = SelectivityReport.load(folder / _REPORT)
    arrays = map_archive.read(folder / _MAPS, range(1, len(report.rows) + 1), masks=True)
    return dataclasses.replace(report, examples=arrays)


def _save(report, folder):
    map_archive.write(folder / _MAPS, report.examples)
    report.to_json(folder / _REPORT)  # the last: where it is, everything is


def table(found):
    """Returns what is printed: each model's selectivity, and the paired difference of two.

    Args:
        found: Dict from a model's name to its `SelectivityReport`.
    """
    head = ("patch selectivity", "mean", "95 % interval", "images", "right %", "map noise")
    lines = [
        (
            name,
            f"{one.mean:.3f}",
            "{:.3f} to {:.3f}".format(*one.interval),
            str(len(one.rows)),
            text.percent(one.accuracy, 1),
            f"{one.noise:.2f}",
        )
        for name, one in found.items()
    ]
    shown = text.aligned(head, lines, left=1)
    if len(found) == 2:
        (first, one), (second, other) = found.items()
        difference, low, high = one.compare(other)
        shown += (
            f"\n\n{first} minus {second}, image by image: {difference:+.3f} "
            f"(95 % interval {low:+.3f} to {high:+.3f})"
        )
    return shown
