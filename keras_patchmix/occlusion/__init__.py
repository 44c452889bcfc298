"""How a classifier behaves under occlusion: corruptions, suites, and reports as data."""

from keras_patchmix._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={
        "Bank": "bank",
        "Benchmark": "benchmark",
        "ClassRow": "per_class",
        "Comparison": "comparison",
        "Condition": "member",
        "Corruption": "base",
        "DatasetOcclusion": "dataset_occlusion",
        "OccludedSet": "occluded_set",
        "Outcomes": "outcomes",
        "PatchDrop": "patch_drop",
        "PatchPermutation": "patch_permutation",
        "PatchReplacement": "patch_replacement",
        "Report": "report",
        "Row": "rows",
        "Superimpose": "superimpose",
        "build_bank": "bank",
        "default_suite": "suite",
        "deserialize": "serialization",
        "evaluate": "evaluation",
        "extended_suite": "suite",
        "plot_reports": "plot",
        "serialize": "serialization",
        "write_page": "page",
    },
)
