"""How a classifier behaves under occlusion: corruptions, suites, and reports as data."""

from keras_patchmix._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={
        "Bank": "bank",
        "Condition": "base",
        "Corruption": "base",
        "PatchDrop": "patch_drop",
        "PatchPermutation": "patch_permutation",
        "PatchReplacement": "patch_replacement",
        "Report": "report",
        "Row": "report",
        "build_bank": "bank",
        "default_suite": "suite",
        "evaluate": "benchmark",
        "plot_reports": "plot",
    },
)
