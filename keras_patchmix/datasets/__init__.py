"""Data sets of images with one label each, from several sources behind one `load`.

Importing this package registers the builders of "shapes", "superimposed_masked_dataset" and
"realistic_occlusion_dataset" with TensorFlow Datasets, where that is installed, so that `tfds.load`
finds them. Without it the package imports all the same.
"""

import importlib.util
import pathlib
from typing import TYPE_CHECKING

from keras_patchmix.base.lazy import attach

if TYPE_CHECKING:
    from keras_patchmix.datasets import realistic_occlusion_dataset as realistic_occlusion_dataset
    from keras_patchmix.datasets import shapes as shapes
    from keras_patchmix.datasets import superimposed_masked_dataset as superimposed_masked_dataset
    from keras_patchmix.datasets import superimposing as superimposing
    from keras_patchmix.datasets.loading import load as load
    from keras_patchmix.datasets.loading import load_for_scoring as load_for_scoring
    from keras_patchmix.datasets.loading import split_names as split_names
    from keras_patchmix.datasets.records import write_records as write_records
    from keras_patchmix.datasets.scoring_data import DatasetInfo as DatasetInfo
    from keras_patchmix.datasets.scoring_data import ScoringData as ScoringData

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={
        "DatasetInfo": "scoring_data",
        "ScoringData": "scoring_data",
        "load": "loading",
        "load_for_scoring": "loading",
        "split_names": "loading",
        "write_records": "records",
    },
    submodules=(
        "realistic_occlusion_dataset",
        "shapes",
        "superimposed_masked_dataset",
        "superimposing",
    ),
)

if all(importlib.util.find_spec(name) for name in ("tensorflow", "tensorflow_datasets")):
    for _builder in sorted(pathlib.Path(__file__).parent.glob("*/builder.py")):
        importlib.import_module(f"{__name__}.{_builder.parent.name}.builder")  # registers it
