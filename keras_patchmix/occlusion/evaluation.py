"""`evaluate`: one model, one data set, one suite, one report."""

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from keras_patchmix.base.types import FilePath
from keras_patchmix.occlusion.benchmark import Benchmark
from keras_patchmix.occlusion.labels import label_array

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
    verbose: bool | Literal["auto", 2] = "auto",
    *,
    value_range: Sequence[float] = (0, 255),
    batch_size: int | None = None,
    bank_size: int = 256,
    saliency: Callable[[Any], Any] | None = None,
    class_map: Sequence[int | Sequence[int]] | None = None,
    class_names: Sequence[str] | None = None,
    from_logits: bool | None = None,
    precision: float | None = None,
    compare_to: "Report | None" = None,
    backup: FilePath | None = None,
    name: str | None = None,
    share: bool = False,
) -> "Report":
    """Scores a classifier on clean images and under every corruption of a suite.

    The data set is read once, and once before for the bank of foreign patches if the suite needs
    one. The forward function is compiled for one batch shape. Memory grows by nine bytes for each
    image and row. What happens to an example depends on the seed and its index only: its position
    in the data set, or the value under the key "index". So the data set should come in the same
    order each time; the report holds a digest of the labels in their order.

    Args:
        model: A Keras model, a `torch.nn.Module`, or a function, such as
            `keras_patchmix.models.open_model` returns for a file of ONNX, LiteRT or a SavedModel;
            of one input and one output: from images to logits or probabilities of shape (B,
            classes), or of shape (B, 1) for two classes, the probability or the logit of class 1. A
            `torch.nn.Module` gets float images of shape (B, C, H, W).
        x: Images, an array or tensor of shape (N, H, W, C), with labels as `y`. Or a data set with
            both: a `tf.data.Dataset`, batched or not, or another re-iterable, of (images, labels)
            or (images, labels, sample_weight) tuples or of dicts with the keys "images", "labels"
            and optionally "index" and "saliency"; or such a tuple or dict of whole arrays. Images
            are channels-last and of one size; tensors of PyTorch may be channels-first. Sample
            weights are ignored. An attribute `skipped` of the data set, a dict from names of files
            to reasons, is taken over into the report.
        y: Labels of the images `x`, an array or nested lists: class ids, or one-hot or soft vectors
            of as many columns as the model has classes. None if `x` is a data set.
        suite: List of corruptions and `DatasetOcclusion`s, or of the dicts of `serialize`; or
            `"default"` or `"extended"`, the `default_suite` or `extended_suite` of the image size.
            Defaults to `default_suite`.
        seed: Integer that determines the bank, the pairs and the patches. Defaults to `0`.
        max_examples: Number of examples to score, the same ones for every seed and model. They are
            spread over a data set of known length, and keep their index. Otherwise the first ones
            are taken, with a warning if they lack classes. Defaults to all.
        preprocess: Function applied to the corrupted batch, an array in the data set's own dtype
            and range, before the model. Defaults to the model's own preprocessing, which tasks of
            keras-hub have, or none.
        verbose: `True` shows a progress bar; `"auto"` does so only in a terminal or notebook; 2,
            for logs, prints a line. Defaults to `"auto"`.
        value_range: (black, white) of the data set's images, before `preprocess`. Defaults to
            `(0, 255)`.
        batch_size: Images a forward pass. Defaults to the batch size of the data set.
        bank_size: Maximum number of images in the bank, which is held in memory. Defaults to `256`.
        saliency: Function from a batch of images to maps of shape (B, H, W), for corruptions that
            need them. Defaults to the data set's key "saliency".
        class_map: For models whose outputs are not the classes of the data set: a sequence of the
            index of the model's output, or a list of indices, for each class. The score of a class
            is the highest of its outputs; other outputs are ignored. A `DatasetOcclusion` has a map
            of its own. Defaults to output i for class i.
        class_names: Names of all classes of the data set, for the report. Defaults to the data
            set's own, such as the `class_names` of `keras.utils.image_dataset_from_directory`.
        from_logits: Whether the output of a model with one output is a logit. Defaults to what the
            model tells: its last activation, or the loss that it is compiled with. Models of
            several outputs do not need it.
        precision: Number of percentage points. Stops each row once its 95 % interval is that wide
            to either side or less, and the evaluation with the last row. Images are taken in a
            random order, the same for every model and seed, and rows have an `interval`, which
            speaks of all images of the data set and holds however often it was looked at. A data
            set of another form than arrays or a `PyDataset` is read again for each of about ten
            looks. Defaults to all images.
        compare_to: A `Report` of another model on the same images, and the same `seed`. Rows stop
            as soon as the sign of the paired difference is known, or a difference of `precision` is
            excluded, which `report.compare(compare_to)` states. Rows that it lacks stop as without
            it.
        backup: Path of a file that keeps the state while this runs: written atomically every 30
            seconds and on an interruption, deleted at the end. The same call resumes from it.
        name: Name of the model in the report, its page and comparisons, such as "with mixing".
            Defaults to the model's own name.
        share: Whether several hosts that hold the model together score a share of the batches each.
            All of them must call this, and all get the whole report; `backup` must be None then.
            Defaults to `False`.

    Returns:
        A `Report`.

    Raises:
        ValueError: An argument, or something in the data set, is not as described above.
    """
    if name is not None and not (isinstance(name, str) and name):
        raise ValueError(f"`name` must be a string or None. Received: name={name!r}")
    benchmark = Benchmark(
        _dataset(x, y),
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
        precision=precision,
    )
    title = "occlusion" if name is None else f"scoring {name}"
    report = benchmark.run(model, verbose, backup, share=share, title=title, compare_to=compare_to)
    if name is not None:
        report.settings["model"] = name
    if not benchmark.is_of_the_same_examples(report):
        warnings.warn(
            "The data set came with other labels, or in another order, when it was scored than in "
            "the first pass, in which foreign images are drawn. Each run will give other numbers. "
            "Do not shuffle the data: `keras.utils.image_dataset_from_directory` needs "
            "`shuffle=False`. Or give each example its number under the key 'index'.",
            UserWarning,
            stacklevel=2,
        )
    return report


def _dataset(x, y):
    if y is None:
        if _is_array(x):
            raise ValueError(
                "`y` must be the labels of the images `x`. Received: y=None, x of shape "
                f"{tuple(x.shape)}"
            )
        return x
    y = label_array(y)
    if not (_is_array(x) and _is_array(y)):
        raise ValueError(
            "`y` must be the labels of an array of images `x`, or None where `x` is a data set; a "
            f"suite is given as `suite=`. Received: x of type {type(x).__name__}, y of type "
            f"{type(y).__name__}"
        )
    return x, y


def _is_array(value):
    return len(getattr(value, "shape", None) or ()) > 0
