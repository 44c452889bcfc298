"""What a report holds of a set of occluded images, beside its row."""

import dataclasses

from keras_patchmix.occlusion.outcomes import Outcomes


@dataclasses.dataclass(frozen=True)
class OccludedSet:
    """One split of a set of occluded images, as a model was scored on it.

    Attributes:
        settings: Dict of JSON values: which images these were and how they were scored. "dataset",
            "split", "version", "max_examples", "choice", "class_names", "class_map", "image_size",
            "num_classes", "n", and digests of the labels, the indices and the coverage.
        outcomes: `Outcomes` of its images. Their pixels are the coverage times the pixels of the
            image that was scored; empty where the set has no coverage.
        skipped: List of dicts with the "name" and the "reason" of what could not be read.
    """

    settings: dict
    outcomes: Outcomes
    skipped: list

    def to_dict(self):
        """Returns JSON values."""
        return {
            "settings": self.settings,
            "skipped": self.skipped,
            "outcomes": self.outcomes.to_dict(),
        }
