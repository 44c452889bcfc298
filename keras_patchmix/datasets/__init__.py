"""Data sets of images with one label each, from three sources behind one `load`.

Importing this package registers the builders of "shapes", "superimposed_masked_dataset" and
"realistic_occlusion_dataset" with TensorFlow Datasets, where that is installed, so that `tfds.load`
finds them. Without it the package imports all the same.
"""

import importlib.util
from typing import TYPE_CHECKING

from keras_patchmix.base.lazy import attach

if TYPE_CHECKING:
    from keras_patchmix.datasets import realistic_occlusion_dataset as realistic_occlusion_dataset
    from keras_patchmix.datasets import shapes as shapes
    from keras_patchmix.datasets import superimposed_masked_dataset as superimposed_masked_dataset
    from keras_patchmix.datasets import superimposing as superimposing
    from keras_patchmix.datasets.loading import DatasetInfo as DatasetInfo
    from keras_patchmix.datasets.loading import load as load
    from keras_patchmix.datasets.records.writing import write_records as write_records
    from keras_patchmix.datasets.scoring import ScoringData as ScoringData
    from keras_patchmix.datasets.scoring import load_for_scoring as load_for_scoring
    from keras_patchmix.datasets.splits import split_names as split_names

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={
        "DatasetInfo": "loading",
        "ScoringData": "scoring",
        "load": "loading",
        "load_for_scoring": "scoring",
        "split_names": "splits",
        "write_records": "records.writing",
    },
    submodules=(
        "realistic_occlusion_dataset",
        "shapes",
        "superimposed_masked_dataset",
        "superimposing",
    ),
)

if all(importlib.util.find_spec(name) for name in ("tensorflow", "tensorflow_datasets")):
    from keras_patchmix.datasets.realistic_occlusion_dataset import builder as _rod  # noqa: F401
    from keras_patchmix.datasets.shapes import builder as _builder  # noqa: F401 (registers it)
    from keras_patchmix.datasets.superimposed_masked_dataset import builder as _smd  # noqa: F401
