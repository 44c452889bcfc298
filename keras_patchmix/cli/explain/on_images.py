"""Models explained on images from files."""

from typing import NamedTuple

import numpy as np

from keras_patchmix.base.printable import quoted
from keras_patchmix.base.progress import Progress
from keras_patchmix.base.schema import check
from keras_patchmix.cli.data import common_size
from keras_patchmix.cli.explain.causal import causal_curves
from keras_patchmix.cli.explain.classes import ModelClasses, classes_of
from keras_patchmix.cli.explain.explanation import Explanation, MapRow
from keras_patchmix.cli.explain.pictures import listing_of, read_pictures
from keras_patchmix.cli.score_kind import ScoreKind, score_kind
from keras_patchmix.explain import c_rise, patch_selectivity, rise
from keras_patchmix.explain.map_archive import PartialResults, max_images
from keras_patchmix.explain.saliency import map_noise
from keras_patchmix.occlusion.backup import Backup, digest_of
from keras_patchmix.scoring.classifier import Classifier, classifier

_GROUP = 4  # images after which the state is saved


class Prepared(NamedTuple):
    """A model that is known to fit the images.

    Attributes:
        loaded: The `LoadedModel`.
        classifier: It as a `Classifier`.
        kind: The `ScoreKind` of its scores.
        classes: Its `ModelClasses`.
        class_ids: Integers, the class of each image; None for the model's own choice.
        contrast_ids: The same for the class it is contrasted with.
    """

    loaded: object
    classifier: Classifier
    kind: ScoreKind
    classes: ModelClasses
    class_ids: list | None
    contrast_ids: list | None


class ImageWork:
    """Images from files, the same for every model.

    Args:
        options: An `ExplanationOptions`.
        loaded: List of `LoadedModel`, which decide the images' size.
        pictures: List of `Picture`.

    Attributes:
        image_shape: (height, width, 3).
        listing: What the files hold.

    Raises:
        ValueError: No image can be read, or masks and classes do not fit.
    """

    def __init__(self, options, loaded, pictures):
        self._options, self._asked = options, len(pictures)
        for flag, values in (("--class", options.classes), ("--contrast", options.contrasts)):
            if len(values) not in (0, 1, self._asked):
                raise ValueError(
                    f"{flag} must be given once, or once for each of the {self._asked} images. "
                    f"Received: {len(values)}"
                )
        self._read = read_pictures(pictures, common_size(options, loaded))
        self.image_shape = self._read.images.shape[1:]
        count, most = len(self._read.names), max_images(*self.image_shape[:2])
        if count > most:
            raise ValueError(
                f"--image must give at most {most} images of this size: explain them in several "
                f"runs. Received: {count} of {self.image_shape[0]}x{self.image_shape[1]}"
            )
        self.listing = listing_of(pictures)

    def lines(self):
        """Returns what is said of the images before anything is computed, as a list of lines."""
        size = "x".join(map(str, self.image_shape[:2]))
        return [f"{len(self._read.names)} of {self._asked} images, of {size}."]

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
        classes = classes_of(one, num_outputs)
        kind = score_kind(one, self._read.images[:8], self._options.scores)
        used = classifier(one, classes.outputs, kind.from_logits)
        asked = (("--class", self._options.classes), ("--contrast", self._options.contrasts))
        found = [self._found(classes, flag, values) for flag, values in asked]
        for pair in zip(*found, strict=True) if None not in found else ():
            if pair[0] == pair[1]:
                raise ValueError(
                    "--contrast must be another class than --class. Received: "
                    f"{quoted(classes.name(pair[0]))} as both"
                )
        return Prepared(one, used, kind, classes, *found)

    def _found(self, classes, flag, values):
        if not values:
            return None
        values = values * self._asked if len(values) == 1 else values
        return [classes.find(values[number], flag) for number in self._read.numbers]

    def explain(self, prepared, backup, progress):
        """Explains one model.

        Args:
            prepared: A `Prepared`.
            backup: Path that keeps the state; it is left, complete, for the caller to delete.
            progress: Whether to show bars.

        Returns:
            An `Explanation`.
        """
        options, used, name = self._options, prepared.classifier, prepared.loaded.spec.name
        settings = {"model": name, **options.deciding()}
        kept = Backup(backup, {**settings, "weights_sha256": digest_of(prepared.loaded.model)})
        images, names = self._read.images, self._read.names
        empty = PartialResults(MapRow, {"maps": (images.shape[1:3], np.float32)}, len(images))

        def read(state):
            found = empty.from_state(state)
            known = tuple(row["image"] for row in found.rows)
            check(known == names[: len(known)], "rows", "must be of the first so many images")
            return found

        measured = kept.load(read, empty.max_bytes) or empty
        with Progress(progress, name) as bar:
            bar.start(len(images) * options.num_masks, len(measured.rows) * options.num_masks)
            for start in range(len(measured.rows), len(images), _GROUP):
                part = slice(start, min(start + _GROUP, len(images)))
                found = self._maps(prepared, part, bar)
                bar.add(options.num_masks * len(found.maps) - int(found.num_masks.sum()))
                measured.add(self._rows(prepared, found, part), {"maps": found.maps})
                kept.save_now_and_then(measured)
        kept.save(measured)
        arrays = {"images": images, **measured.arrays()}
        if self._read.masks is not None:
            arrays["masks"] = self._read.masks
        ids = [row["class_id"] for row in measured.rows]
        curves, areas = causal_curves(
            used, images, arrays["maps"], ids, options.batch_size, progress, name
        )
        rows = [{**row, **area} for row, area in zip(measured.rows, areas, strict=True)]
        return Explanation(rows, curves, arrays, settings, self._read.skipped)

    def _maps(self, prepared, part, bar):
        classes = [
            None if ids is None else np.array(ids[part])
            for ids in (prepared.class_ids, prepared.contrast_ids)
        ]
        arguments = {
            **prepared.classifier.settings(self._options),
            "data_format": "channels_last",
            "verbose": bar,
            "return_details": True,
        }
        model, images = prepared.classifier.model, self._read.images[part]
        if self._options.method == "rise":
            return rise(model, images, classes[0], **arguments)
        return c_rise(model, images, *classes, **arguments)

    def _rows(self, prepared, found, part):
        contrasts = [None] * len(found.maps)
        if found.contrast_ids is not None:
            contrasts = found.contrast_ids.tolist()
        selectivity = [None] * len(found.maps)
        if self._read.masks is not None:
            selectivity = patch_selectivity(found.maps, self._read.masks[part]).tolist()
        called = prepared.classes.name
        return [
            {
                "image": name,
                "class_id": class_id,
                "class_name": called(class_id),
                "contrast_id": contrast,
                "contrast_name": None if contrast is None else called(contrast),
                "num_masks": count,
                "noise": noise,
                "selectivity": value,
            }
            for name, class_id, contrast, count, noise, value in zip(
                self._read.names[part],
                found.class_ids.tolist(),
                contrasts,
                found.num_masks.tolist(),
                map_noise(found).tolist(),
                selectivity,
                strict=True,
            )
        ]
