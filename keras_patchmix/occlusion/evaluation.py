"""`evaluate`: one model, one data set, one suite, one report."""

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from keras_patchmix.base.types import FilePath
from keras_patchmix.occlusion.batches import listed
from keras_patchmix.occlusion.benchmark import Benchmark

if TYPE_CHECKING:
    from keras_patchmix.occlusion.report import Report


def evaluate(
    model: Any,
    x: Any,
    y: Any = None,
    suite: str | Sequence[Any] | None = None,
    seed: int = 0,
    max_examples: int | None = None,
    preprocess: Callable[[Any], Any] | None = None,
    verbose: bool | Literal["auto"] = "auto",
    *,
    value_range: Sequence[float] = (0, 255),
    batch_size: int | None = None,
    bank_size: int = 256,
    saliency: Callable[[Any], Any] | None = None,
    class_map: Sequence[int | Sequence[int]] | None = None,
    class_names: Sequence[str] | None = None,
    from_logits: bool | None = None,
    backup: FilePath | None = None,
    name: str | None = None,
) -> "Report":
    """Scores a classifier on clean images and under every corruption of a suite.

    One pass over the data set (before it another one, for the bank that foreign patches come from,
    if the suite needs one), one compiled forward function with one batch shape. Memory does not
    grow with the number of images, but for nine bytes for each image and row. What happens to an
    example depends on the seed and on its index alone: its position in the data set, or the value
    under the key "index". So a data set should come in the same order each time: the report holds a
    digest of the labels in their order.

    Args:
        model: A Keras model, or a function, from images to logits or probabilities of shape
            (B, classes); or of shape (B, 1) for two classes, the probability or the logit of
            class 1. One input, one output.
        x: Images, an array or tensor of shape (N, H, W, C), with labels as `y`. Or a data set with
            both: a `tf.data.Dataset`, batched or not, or another re-iterable, of (images, labels)
            or (images, labels, sample_weight) tuples or of dicts with the keys "images", "labels"
            and optionally "index" and "saliency"; or such a tuple or dict of whole arrays. Images
            are channels-last and of one size. Sample weights are ignored. What a data set names in
            an attribute `skipped`, a dict from names to reasons, the report names too.
        y: Labels of the images `x`, an array or numbers in lists: class ids, or one-hot or soft
            vectors of as many columns as the model has classes. None where `x` is a data set.
        suite: List of corruptions and `DatasetOcclusion`s, or of the dicts that `serialize` makes
            of them; or `"default"` or `"extended"`: `default_suite` (also when None) or
            `extended_suite` of the image size.
        seed: Integer that decides the bank, the pairs, the patches.
        max_examples: Score so many examples only, the same for every seed and model. They are
            spread over a data set whose length is known, and keep their index and so their fate;
            of others the first ones are taken, with a warning if these lack classes.
        preprocess: Function applied to the corrupted batch, an array in the data set's own dtype
            and range, before the model. None is the model's own preprocessing, which a task of
            keras-hub has, or nothing.
        verbose: `True` shows a progress bar; `"auto"` does so in a terminal or notebook only.
        value_range: (black, white) of the data set's images, before `preprocess`.
        batch_size: Images a forward pass. The data set's own batch size when None.
        bank_size: Most images that the bank holds in memory.
        saliency: Function from a batch of images to maps of shape (B, H, W), for corruptions that
            go by what is salient. None where the data set has a key "saliency", or no need.
        class_map: For models with other outputs than the data set has classes: a sequence that
            holds, for each class, the index of the model's output or a list of such. Then a class's
            score is the highest of its outputs, and other outputs do not count. A
            `DatasetOcclusion` has a map of its own.
        class_names: Names of all classes of the data set, for the report.
        from_logits: Whether the output of a model that has one output is a logit. None asks the
            model: its last activation, or the loss that it is compiled with. Models of several
            outputs have no need of it.
        backup: File in which the state is kept while this runs: written, atomically, every
            30 seconds and when it is interrupted, deleted at the end. The same call goes on from
            there, after it has read, not scored, what was done.
        name: What the report, its page and comparisons call the model, such as "with mixing". The
            model's own name when None.

    Returns:
        A `Report`.

    Raises:
        ValueError: An argument, or something in the data set, is not as described above.
    """
    if name is not None and not (isinstance(name, str) and name):
        raise ValueError(f"`name` must be a string or None. Received: name={name!r}")
    benchmark = Benchmark(
        _data(x, y),
        suite,
        seed,
        max_examples,
        preprocess,
        value_range,
        batch_size=batch_size,
        bank_size=bank_size,
        saliency=saliency,
        class_map=class_map,
        class_names=class_names,
        from_logits=from_logits,
    )
    report = benchmark.run(model, verbose, backup)
    if name is not None:
        report.settings["model"] = name
    if not benchmark.is_of_the_same_examples(report):
        warnings.warn(
            "The data set came with other labels, or in another order, when it was scored than in "
            "the pass before, which found foreign images: do not shuffle it, or give its examples "
            "an index under the key 'index'. Other runs will have other numbers.",
            UserWarning,
            stacklevel=2,
        )
    return report


def _data(x, y):
    """Returns images and labels as one data set."""
    if y is None:
        if _is_array(x):
            raise ValueError(
                "`y` must be the labels of the images `x`. Received: y=None, x of shape "
                f"{tuple(x.shape)}"
            )
        return x
    y = listed(y)
    if not (_is_array(x) and _is_array(y)):
        raise ValueError(
            "`y` must be the labels of an array of images `x`, or None where `x` is a data set; a "
            f"suite is given as `suite=`. Received: x of type {type(x).__name__}, y of type "
            f"{type(y).__name__}"
        )
    return x, y


def _is_array(value):
    return len(getattr(value, "shape", None) or ()) > 0
