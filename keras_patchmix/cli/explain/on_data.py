"""Models explained on a data set, with foreign parts in its images."""

from typing import NamedTuple

from keras_patchmix.base.printable import distinct
from keras_patchmix.cli.data import open_data
from keras_patchmix.cli.explain.causal import causal_curves
from keras_patchmix.cli.explain.explanation import Explanation
from keras_patchmix.cli.flags import named
from keras_patchmix.cli.listing import data_listing
from keras_patchmix.cli.remarks import split_line
from keras_patchmix.cli.score_kind import ScoreKind, score_kind
from keras_patchmix.datasets.class_names import class_lines
from keras_patchmix.explain.benchmark import measure
from keras_patchmix.explain.map_archive import max_images
from keras_patchmix.explain.mixed_images import MixedImages
from keras_patchmix.occlusion import PatchReplacement, Superimpose
from keras_patchmix.report.text import class_text
from keras_patchmix.scoring.class_files import class_map
from keras_patchmix.scoring.classifier import Classifier, classifier

_FLAGS = {"levels": "--level", "grid_size": "--patches", "out_of_context_mask": "--level"}


class Prepared(NamedTuple):
    """A model that is known to fit the data set.

    Attributes:
        loaded: The `LoadedModel`.
        classifier: It as a `Classifier`.
        kind: The `ScoreKind` of its scores.
        class_map: The map from the data set's classes to its outputs, or None.
    """

    loaded: object
    classifier: Classifier
    kind: ScoreKind
    class_map: list | None


class DataWork:
    """The images of a data set with foreign parts, the same for every model.

    Args:
        options: An `ExplanationOptions`.
        loaded: List of `LoadedModel`, which decide the images' size.

    Attributes:
        image_shape: (height, width, 3).
        listing: As of `data_listing`.

    Raises:
        ValueError: The data set is not to be had, or the corruption does not fit its images.
        ImportError: TensorFlow or TFDS is not installed.
    """

    def __init__(self, options, loaded):
        self._options = options
        self._data = open_data(options, loaded)
        self._info = self._data.info
        self.image_shape = self._info.image_shape
        most = max_images(*self.image_shape[:2])
        if min(options.figures, options.max_examples) > most:
            raise ValueError(
                f"--figures must be at most {most} for images of this size. "
                f"Received: {options.figures} of {self.image_shape[0]}x{self.image_shape[1]}"
            )
        self.listing = data_listing(options, self._info.split)
        self._mixed = MixedImages(
            self._data,
            _corruption(options),
            options.max_examples,
            options.batch_size,
            seed=options.seed,
        )
        self._first = None

    def lines(self):
        """Returns what is said of the data before anything is computed, as a list of lines."""
        count = min(self._options.max_examples, self._info.num_examples)
        size = "x".join(map(str, self.image_shape[:2]))
        line = (
            f"{self._info.name} {self._info.split}: {count} of {self._info.num_examples} images of "
            f"{size}, {self._info.num_classes} classes. {_foreign(self._options)}"
        )
        lines = [line, *class_lines(self._info.class_names), split_line(self._options)]
        return [one for one in lines if one is not None]

    def prepare(self, one, num_outputs):
        """Checks that a model fits, and finds out what its scores are.

        Args:
            one: A `LoadedModel`.
            num_outputs: Number of scores that it returns.

        Returns:
            A `Prepared`.

        Raises:
            ValueError: It does not fit.
        """
        outputs = class_map(one, num_outputs, self._info.class_names)
        if self._first is None:
            try:
                self._first = next(iter(self._mixed)).images[:8]
            except ValueError as error:
                raise ValueError(_said(error)) from error
        kind = score_kind(one, self._first, self._options.scores)
        return Prepared(one, classifier(one, outputs, kind.from_logits), kind, outputs)

    def explain(self, prepared, backup, progress):
        """Explains one model.

        Args:
            prepared: A `Prepared`.
            backup: Path that keeps the state; it is left, complete, for the caller to delete.
            progress: Whether to show bars.

        Returns:
            An `Explanation`, with a report.
        """
        options, used = self._options, prepared.classifier
        spec = prepared.loaded.spec
        report = measure(
            used.model,
            self._mixed,
            self._mixed.corruption,
            self._mixed.choice,
            num_kept=options.figures,
            verbose=progress,
            backup=backup,
            keep_backup=True,
            title=spec.name,
            **used.settings(options),
        )
        report.settings.update(
            model=spec.name,
            dataset=self._info.name,
            split=self._info.split,
            class_names=list(self._info.class_names),
            class_map=prepared.class_map,
        )
        arrays = report.examples
        rows = [self._row(row) for row in report.rows[: len(arrays["maps"])]]
        curves, areas = causal_curves(
            used,
            arrays["images"],
            arrays["maps"],
            [row["class_id"] for row in rows],
            options.batch_size,
            progress,
            spec.name,
        )
        rows = [{**row, **area} for row, area in zip(rows, areas, strict=True)]
        skipped = self._data.skipped
        skipped = dict(zip(distinct(skipped), skipped.values(), strict=True))
        return Explanation(rows, curves, arrays, report.settings, skipped, report)

    def _row(self, row):
        names = self._info.class_names
        return {
            "image": f"image {row['index']}",
            "class_id": row["label"],
            "class_name": class_text(row["label"], names),
            "contrast_id": row["contrast"],
            "contrast_name": class_text(row["contrast"], names),
            **{key: row[key] for key in ("num_masks", "noise", "selectivity")},
        }


def _corruption(options):
    try:
        if options.corruption == "superimpose":
            return Superimpose(levels=options.level)
        return PatchReplacement(options.patches, options.level)
    except ValueError as error:
        raise ValueError(f"--corruption {options.corruption}: {_said(error)}") from error


def _foreign(options):
    if options.corruption == "superimpose":
        return f"{100 * options.level:g} % of each is hidden by drawn objects."
    return (
        f"{100 * options.level:g} % of the {options.patches}x{options.patches} patches of each "
        "are those of an image of another class."
    )


def _said(error):
    """Names flags where the library speaks of levels and grids."""
    return named(str(error), _FLAGS)
