"""Models explained on images from files, and the classes that users name."""

import itertools

import numpy as np

from keras_patchmix.base.printable import quoted
from keras_patchmix.base.progress import Progress
from keras_patchmix.base.schema import check
from keras_patchmix.cli.class_maps import is_folder, read_names
from keras_patchmix.cli.data import common_size
from keras_patchmix.cli.explain.classes import check_counts, model_classes
from keras_patchmix.cli.explain.explanation import Explanation, MapRow, PreparedModel
from keras_patchmix.cli.explain.pictures import describe_files, read_pictures
from keras_patchmix.cli.score_kind import score_kind
from keras_patchmix.datasets.class_names import class_lines
from keras_patchmix.explain import c_rise, patch_selectivity, rise
from keras_patchmix.explain.map_archive import PartialResults, max_images
from keras_patchmix.explain.saliency import map_noise
from keras_patchmix.occlusion.backup import Backup, digest_of
from keras_patchmix.scoring.scorer import classifier

_GROUP_SIZE = 4  # images after which the state is saved


class ImageExplainer:
    """Explains models on the same images from files.

    Args:
        options: An `ExplainOptions`.
        loaded: List of `LoadedModel`, which decide the size of the images.
        pictures: List of `Picture`.

    Attributes:
        image_shape: (height, width, 3).
        num_images: Integer, the images that can be read.
        listing: The content of the files, as of `describe_files`.

    Raises:
        ValueError: No image can be read, or masks and classes do not fit.
    """

    def __init__(self, options, loaded, pictures):
        self._options, self._num_pictures = options, len(pictures)
        check_counts(options, len(pictures))
        maps = dict.fromkeys(model.spec.class_map for model in loaded)
        self._class_folders = list(filter(is_folder, maps))
        self._pictures = read_pictures(pictures, common_size(options, loaded))
        self.image_shape = self._pictures.images.shape[1:]
        height, width = self.image_shape[:2]
        self.num_images, most = len(self._pictures.names), max_images(height, width)
        if self.num_images > most:
            raise ValueError(
                f"--image must give at most {most} images of this size: explain them in several "
                f"runs. Received: {self.num_images} of {height}x{width}"
            )
        self.listing = describe_files(pictures)

    def lines(self):
        """Returns a description of the images as a list of lines."""
        size = "x".join(map(str, self.image_shape[:2]))
        head = f"{self.num_images} of {self._num_pictures} images, of {size}."
        named = (class_lines(read_names(folder)) for folder in self._class_folders)
        return [head, *itertools.chain.from_iterable(named)]

    def prepare(self, loaded, num_outputs):
        """Returns a `LoadedModel` as a `PreparedModel`.

        Args:
            loaded: The `LoadedModel`.
            num_outputs: Number of its scores.

        Raises:
            ValueError: The model does not fit the images, or lacks a class.
        """
        classes = model_classes(loaded, num_outputs)
        kind = score_kind(loaded, self._pictures.images[:8], self._options.scores)
        class_ids = self._class_ids(classes, "--class", self._options.classes)
        contrast_ids = self._class_ids(classes, "--contrast", self._options.contrasts)
        for class_id, contrast_id in zip(class_ids or (), contrast_ids or (), strict=False):
            if class_id == contrast_id:
                raise ValueError(
                    "--contrast must be another class than --class. Received: "
                    f"{quoted(classes.name(class_id))} as both"
                )
        model = classifier(loaded, classes.outputs, kind.from_logits)
        return PreparedModel(loaded, model, kind, classes, class_ids, contrast_ids)

    def _class_ids(self, classes, flag, names):
        if not names:
            return None
        names = names * self._num_pictures if len(names) == 1 else names
        return [classes.find(names[number], flag) for number in self._pictures.numbers]

    def explain(self, model, backup, progress):
        """Returns the `Explanation` by a model.

        Args:
            model: A `PreparedModel`.
            backup: Path of the file of the state, which is left, complete, for the caller to
                delete.
            progress: Whether to show bars.
        """
        images, masks = self._pictures.images, self._pictures.masks
        settings = {"model": model.name, **self._options.deciding()}
        file = Backup(backup, {**settings, "weights_sha256": digest_of(model.loaded.model)})
        results = self._results_before(file)
        num_masks = self._options.num_masks
        with Progress(progress, model.name) as bar:
            bar.start(len(images) * num_masks, len(results.rows) * num_masks)
            for start in range(len(results.rows), len(images), _GROUP_SIZE):
                part = slice(start, start + _GROUP_SIZE)
                saliency = self._saliency(model, part, bar)
                bar.add(num_masks * len(saliency.maps) - int(saliency.num_masks.sum()))
                results.add(self._rows(model, saliency, part), {"maps": saliency.maps})
                file.save_now_and_then(results)
        file.save(results)
        arrays = {"images": images, **results.arrays()}
        if masks is not None:
            arrays["masks"] = masks
        return Explanation.with_curves(
            model,
            results.rows,
            arrays,
            self._options.batch_size,
            progress,
            model.classes.name,
            settings=settings,
            skipped=self._pictures.skipped,
        )

    def _results_before(self, file):
        """Returns the results of an interrupted run, or none."""
        names, size = self._pictures.names, self.image_shape[:2]
        empty = PartialResults(MapRow, {"maps": (size, np.float32)}, len(names))

        def from_state(state):
            results = empty.from_state(state)
            known = tuple(row["image"] for row in results.rows)
            check(known == names[: len(known)], "rows", "must be of the first so many images")
            return results

        return file.load(from_state, empty.max_bytes) or empty

    def _saliency(self, model, part, bar):
        class_ids, contrast_ids = (
            None if ids is None else np.array(ids[part])
            for ids in (model.class_ids, model.contrast_ids)
        )
        settings = {
            **model.classifier.settings(self._options),
            "data_format": "channels_last",
            "verbose": bar,
            "return_details": True,
        }
        images = self._pictures.images[part]
        if self._options.method == "rise":
            return rise(model.classifier.model, images, class_ids, **settings)
        return c_rise(model.classifier.model, images, class_ids, contrast_ids, **settings)

    def _rows(self, model, saliency, part):
        count, name = len(saliency.maps), model.classes.name
        contrasts = selectivity = [None] * count
        if saliency.contrast_ids is not None:
            contrasts = saliency.contrast_ids.tolist()
        if self._pictures.masks is not None:
            selectivity = patch_selectivity(saliency.maps, self._pictures.masks[part]).tolist()
        class_ids, num_masks = saliency.class_ids.tolist(), saliency.num_masks.tolist()
        noise, mean_scores = map_noise(saliency).tolist(), saliency.mean_scores.tolist()
        return [
            {
                "image": self._pictures.names[part][i],
                "class_id": class_ids[i],
                "class_name": name(class_ids[i]),
                "contrast_id": contrasts[i],
                "contrast_name": None if contrasts[i] is None else name(contrasts[i]),
                "num_masks": num_masks[i],
                "noise": noise[i],
                "selectivity": selectivity[i],
                "mean_score": mean_scores[i],
            }
            for i in range(count)
        ]
