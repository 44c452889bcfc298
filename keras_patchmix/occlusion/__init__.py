"""How a classifier behaves under occlusion: corruptions, suites, and reports as data."""

from typing import TYPE_CHECKING

from keras_patchmix.base.lazy import attach
from keras_patchmix.corruptions import modules as _corruptions

if TYPE_CHECKING:
    from keras_patchmix.corruptions.bank import Bank as Bank
    from keras_patchmix.corruptions.bank import build_bank as build_bank
    from keras_patchmix.corruptions.base import Corruption as Corruption
    from keras_patchmix.corruptions.custom import Custom as Custom
    from keras_patchmix.corruptions.member import Condition as Condition
    from keras_patchmix.corruptions.patch_drop import PatchDrop as PatchDrop
    from keras_patchmix.corruptions.patch_permutation import (
        PatchPermutation as PatchPermutation,
    )
    from keras_patchmix.corruptions.patch_replacement import (
        PatchReplacement as PatchReplacement,
    )
    from keras_patchmix.corruptions.superimpose import Superimpose as Superimpose
    from keras_patchmix.occlusion.benchmark import Benchmark as Benchmark
    from keras_patchmix.occlusion.comparison import Comparison as Comparison
    from keras_patchmix.occlusion.dataset_occlusion import DatasetOcclusion as DatasetOcclusion
    from keras_patchmix.occlusion.evaluation import evaluate as evaluate
    from keras_patchmix.occlusion.outcomes import OccludedSet as OccludedSet
    from keras_patchmix.occlusion.outcomes import Outcomes as Outcomes
    from keras_patchmix.occlusion.page import write_page as write_page
    from keras_patchmix.occlusion.plot import plot_reports as plot_reports
    from keras_patchmix.occlusion.report import Report as Report
    from keras_patchmix.occlusion.rows import ClassRow as ClassRow
    from keras_patchmix.occlusion.rows import Row as Row
    from keras_patchmix.occlusion.rows import Summary as Summary
    from keras_patchmix.occlusion.serialization import deserialize as deserialize
    from keras_patchmix.occlusion.serialization import serialize as serialize
    from keras_patchmix.occlusion.suite import default_suite as default_suite
    from keras_patchmix.occlusion.suite import extended_suite as extended_suite

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={
        "Bank": ".corruptions.bank",
        "Benchmark": "benchmark",
        "ClassRow": "rows",
        "Comparison": "comparison",
        "Condition": ".corruptions.member",
        "Corruption": ".corruptions.base",
        "DatasetOcclusion": "dataset_occlusion",
        "OccludedSet": "outcomes",
        "Outcomes": "outcomes",
        "Report": "report",
        "Row": "rows",
        "Summary": "rows",
        "build_bank": ".corruptions.bank",
        "default_suite": "suite",
        "deserialize": "serialization",
        "evaluate": "evaluation",
        "extended_suite": "suite",
        "plot_reports": "plot",
        "serialize": "serialization",
        "write_page": "page",
        **{name: f".corruptions.{module}" for name, module in _corruptions().items()},
    },
)
