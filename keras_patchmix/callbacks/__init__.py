"""Callbacks for `model.fit`."""

from typing import TYPE_CHECKING

from keras_patchmix.base.lazy import attach

if TYPE_CHECKING:
    from keras_patchmix.callbacks.occlusion_benchmark import (
        OcclusionBenchmark as OcclusionBenchmark,
    )
    from keras_patchmix.callbacks.selectivity_benchmark import (
        SelectivityBenchmark as SelectivityBenchmark,
    )

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={
        "OcclusionBenchmark": "occlusion_benchmark",
        "SelectivityBenchmark": "selectivity_benchmark",
    },
)
