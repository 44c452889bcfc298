"""Callbacks for `model.fit`."""

from keras_patchmix._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={
        "OcclusionBenchmark": "occlusion_benchmark",
        "SelectivityBenchmark": "selectivity_benchmark",
    },
)
