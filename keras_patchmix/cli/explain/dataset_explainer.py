"""Models explained on a data set, with foreign parts in its images."""

from keras_patchmix.base.printable import distinct
from keras_patchmix.cli.class_maps import class_map
from keras_patchmix.cli.data import open_data
from keras_patchmix.cli.explain.explanation import Explanation, PreparedModel
from keras_patchmix.cli.listing import data_listing
from keras_patchmix.cli.messages import naming
from keras_patchmix.cli.remarks import split_line
from keras_patchmix.cli.score_kind import score_kind
from keras_patchmix.datasets.class_names import class_lines
from keras_patchmix.explain.benchmark import measure
from keras_patchmix.explain.map_archive import max_images
from keras_patchmix.explain.mixed_images import MixedImages
from keras_patchmix.occlusion import PatchReplacement, Superimpose
from keras_patchmix.report.text import class_text
from keras_patchmix.scoring.scorer import classifier


class DatasetExplainer:
    """Explains models on the same images of a data set with foreign parts.

    Args:
        options: An `ExplainOptions`.
        loaded: List of `LoadedModel`, which decide the size of the images.

    Attributes:
        image_shape: (height, width, 3).
        num_images: Integer, the images that are explained.
        listing: The content of the data set, as of `data_listing`.

    Raises:
        ValueError: The data set is not there, or the corruption does not fit its images.
        ImportError: TensorFlow or TFDS is not installed.
    """

    def __init__(self, options, loaded):
        self._options = options
        self._data = open_data(options, loaded)
        self._info = self._data.info
        self.image_shape = self._info.image_shape
        height, width = self.image_shape[:2]
        most = max_images(height, width)
        if min(options.figures, options.max_examples) > most:
            raise ValueError(
                f"--figures must be at most {most} for images of this size. "
                f"Received: {options.figures} of {height}x{width}"
            )
        self.listing = data_listing(options, self._info.split)
        self._images = MixedImages(
            self._data,
            _corruption(options),
            options.max_examples,
            options.batch_size,
            seed=options.seed,
        )
        self._first_images = None
        self.num_images = min(options.max_examples, self._info.num_examples)

    def lines(self):
        """Returns a description of the data as a list of lines."""
        size = "x".join(map(str, self.image_shape[:2]))
        head = (
            f"{self._info.name} {self._info.split}: {self.num_images} of "
            f"{self._info.num_examples} images of {size}, {self._info.num_classes} classes. "
            f"{_corruption_line(self._options)}"
        )
        lines = [head, *class_lines(self._info.class_names), split_line(self._options)]
        return [line for line in lines if line is not None]

    def prepare(self, loaded, num_outputs):
        """Returns a `LoadedModel` as a `PreparedModel`.

        Args:
            loaded: The `LoadedModel`.
            num_outputs: Number of its scores.

        Raises:
            ValueError: The model does not fit the data.
        """
        outputs = class_map(loaded, num_outputs, self._info.class_names)
        if self._first_images is None:
            with naming(levels="--level", grid_size="--patches"):
                self._first_images = next(iter(self._images)).images[:8]
        kind = score_kind(loaded, self._first_images, self._options.scores)
        return PreparedModel(loaded, classifier(loaded, outputs, kind.from_logits), kind, outputs)

    def explain(self, model, backup, progress):
        """Returns the `Explanation` by a model, with a report.

        Args:
            model: A `PreparedModel`.
            backup: Path of the file of the state, which is left, complete, for the caller to
                delete.
            progress: Whether to show bars.
        """
        options = self._options
        report = measure(
            model.classifier.model,
            self._images,
            self._images.corruption,
            self._images.choice,
            num_kept=options.figures,
            verbose=progress,
            backup=backup,
            keep_backup=True,
            title=model.name,
            **model.classifier.settings(options),
        )
        report.settings.update(
            model=model.name,
            dataset=self._info.name,
            split=self._info.split,
            class_names=list(self._info.class_names),
            class_map=model.classes,
        )
        skipped = self._data.skipped
        return Explanation.with_curves(
            model,
            [self._map_row(row) for row in report.rows[: len(report.examples["maps"])]],
            report.examples,
            options.batch_size,
            progress,
            self._class_name,
            settings=report.settings,
            skipped=dict(zip(distinct(skipped), skipped.values(), strict=True)),
            report=report,
        )

    def _class_name(self, number):
        return class_text(number, self._info.class_names)

    def _map_row(self, row):
        measured = ("num_masks", "noise", "selectivity", "mean_score")
        return {
            "image": f"image {row['index']}",
            "class_id": row["label"],
            "class_name": self._class_name(row["label"]),
            "contrast_id": row["contrast"],
            "contrast_name": self._class_name(row["contrast"]),
            **{key: row[key] for key in measured if key in row},  # older backups lack the last
        }


def _corruption(options):
    where = f"--corruption {options.corruption}: "
    with naming(where, levels="--level", grid_size="--patches"):
        if options.corruption == "superimpose":
            return Superimpose(levels=options.level)
        return PatchReplacement(options.patches, options.level)


def _corruption_line(options):
    if options.corruption == "superimpose":
        return f"{100 * options.level:g} % of each is hidden by drawn objects."
    return (
        f"{100 * options.level:g} % of the {options.patches}x{options.patches} patches of each "
        "are those of an image of another class."
    )
