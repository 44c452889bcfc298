"""Patch selectivity of the scored models, where it was asked for."""

import dataclasses

from keras_patchmix.base.printable import say
from keras_patchmix.cli.score_kind import score_kind
from keras_patchmix.explain import map_archive
from keras_patchmix.explain.benchmark import measure
from keras_patchmix.explain.mixed_images import MixedImages
from keras_patchmix.explain.selectivity import SelectivityReport
from keras_patchmix.scoring.scorer import classifier

_NUM_MASKS = 2000  # as in `selectivity_benchmark`; keras-patchmix explain takes other settings
_NUM_KEPT = 4
_REPORT, _MAPS, _BACKUP = "selectivity.json", "selectivity.npz", "selectivity_backup.json"


class SelectivityScorer:
    """Measures models on the same images with foreign parts.

    Args:
        options: A `ScoreOptions` with a number of images for selectivity.
        data: The data set, as of `open_data`.
        loaded: List of `LoadedModel`.
        class_maps: List of their class maps, or None each.

    Raises:
        ValueError: A model or the images do not fit.
    """

    def __init__(self, options, data, loaded, class_maps):
        self._options, self._info = options, data.info
        try:
            self._images = MixedImages(
                data, None, options.selectivity, options.batch_size, seed=options.seed
            )
            images = next(iter(self._images)).images[:8]
            kinds = [score_kind(model, images, options.scores) for model in loaded]
        except ValueError as error:
            raise ValueError(f"--selectivity: {error}") from error
        self._classifiers = {
            model.spec.name: classifier(model, outputs, kind.from_logits)
            for model, outputs, kind in zip(loaded, class_maps, kinds, strict=True)
        }

    def report(self, folder, name, progress):
        """Returns the `SelectivityReport` of a model, the one that is there or a new one.

        Args:
            folder: Folder of the model's results, a `pathlib.Path`.
            name: Name of the model.
            progress: Whether to show a bar.
        """
        if (folder / _REPORT).exists():
            return load_selectivity(folder)
        model = self._classifiers[name]
        say(f"{name}: patch selectivity")
        backup = folder / _BACKUP
        report = measure(
            model.model,
            self._images,
            self._images.corruption,
            self._images.choice,
            num_kept=_NUM_KEPT,
            verbose=progress,
            backup=backup,
            keep_backup=True,
            title=f"{name}: patch selectivity",
            num_masks=_NUM_MASKS,
            batch_size=self._options.batch_size,
            from_logits=model.from_logits,
            preprocess=model.preprocess,
            seed=self._options.seed,
        )
        report.settings.update(model=name, dataset=self._info.name, split=self._info.split)
        save_selectivity(report, folder)
        backup.unlink(missing_ok=True)
        return report


def save_selectivity(report, folder):
    """Writes a `SelectivityReport` and the images that are shown of it."""
    map_archive.write(folder / _MAPS, report.examples)
    report.to_json(folder / _REPORT)  # the last file: if it exists, the other does


def load_selectivity(folder):
    """Reads what `save_selectivity` wrote.

    Args:
        folder: Folder of the model's results, a `pathlib.Path`.

    Raises:
        ValueError: The files hold something else.
        OSError: They are missing.
    """
    report = SelectivityReport.load(folder / _REPORT)
    arrays = map_archive.read(folder / _MAPS, range(1, len(report.rows) + 1), masks=True)
    return dataclasses.replace(report, examples=arrays)
