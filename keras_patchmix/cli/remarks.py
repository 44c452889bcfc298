"""Lines about what a model is given, what is scored, and what looks wrong."""

import numpy as np

from keras_patchmix.datasets.loading import parse_source
from keras_patchmix.occlusion.chance import at_chance
from keras_patchmix.occlusion.comparison import mcnemar
from keras_patchmix.scoring.class_map import ClassMap
from keras_patchmix.scoring.preprocessing import OwnPreprocessing, as_they_are, unit
from keras_patchmix.scoring.scorer import Scorer

_LOOKED_AT = 64  # images on which both ranges are compared
_SIGNIFICANT = 1e-3


def input_line(loaded):
    """Returns what a model is given, such as "net: images of 0..1 (--preprocess unit)".

    Args:
        loaded: A `LoadedModel`.
    """
    name, asked = loaded.spec.name, loaded.spec.preprocess
    if isinstance(loaded.preprocess, OwnPreprocessing):
        return f"{name}: images of 0..255 through {loaded.preprocess.name}"
    if loaded.preprocess in (None, as_they_are):
        return f"{name}: images of 0..255 as they are (--preprocess unit for 0..1)"
    if loaded.preprocess is unit:
        return f"{name}: images of 0..1 (--preprocess unit)"
    if asked is not None and ":" in asked:
        return f"{name}: images of 0..255 through {asked}"
    module = asked or loaded.preprocess.__module__.rpartition(".")[2]
    return f"{name}: images of 0..255 with keras.applications.{module}'s preprocessing"


def range_line(loaded, outputs, from_logits, bank):
    """Returns a line if a model does better on images of 0..1 than on those of 0..255 that it gets.

    Args:
        loaded: A `LoadedModel`.
        outputs: List with the list of the model's outputs for each class, or None.
        from_logits: Whether a single output is a logit; None where the model tells.
        bank: The `Bank` of the benchmark, images from all over the data set, or None.
    """
    taken_as_is = loaded.spec.preprocess is None and loaded.preprocess in (None, as_they_are)
    if not taken_as_is or bank is None:
        return None
    places = np.linspace(0, len(bank.images) - 1, min(_LOOKED_AT, len(bank.images))).astype(int)
    images, labels = bank.images[places], bank.labels[places]
    right = []
    for preprocess in (as_they_are, unit):
        scorer = Scorer(loaded.model, len(images), preprocess, from_logits)
        try:
            scores = scorer.scores(scorer(images), len(images))
        except Exception:  # what a model makes of images that it was not made for is no error
            return None
        scores = scores if outputs is None else ClassMap(outputs).select(scores)
        right.append(scores.argmax(1) == labels)
    only, unit_only = (right[0] & ~right[1]).sum(), (right[1] & ~right[0]).sum()
    if unit_only <= only or mcnemar(int(only), int(unit_only)) > _SIGNIFICANT:
        return None
    return (
        f"{loaded.spec.name}: of {len(images)} images it has {right[1].sum()} right when they are "
        f"divided by 255, and {right[0].sum()} as they are: it was probably trained on images of "
        "0..1, give --preprocess unit"
    )


def split_line(options):
    """Returns which part of a folder is scored without `--split`, or None.

    Args:
        options: A `ScoreOptions`.
    """
    if options.split is not None:
        return None
    images = parse_source(options.dataset, options.data_dir).sampled_from("test")
    return images and (
        f"No --split: about 10 % of the {images} are scored, chosen by a hash of their names. A "
        "model that was trained on this folder may have seen them. --split all takes all images"
    )


def doubts(reports):
    """Returns lines on models that do no better than chance, or that get images of another range.

    Args:
        reports: Dict from names to `keras_patchmix.occlusion.Report`s.
    """
    lines = []
    for name, report in reports.items():
        chance = at_chance(report)
        if chance is not None:
            clean = report.rows[0]
            lines.append(
                f"{name}: {100 * clean.top1:.1f} % of {clean.n} clean images right is not above "
                f"chance ({100 * chance:.3g} %): check the order of the classes (--class-map) and "
                "--preprocess"
            )
        if report.settings.get("doubt") is not None:
            lines.append(report.settings["doubt"])
    return lines
