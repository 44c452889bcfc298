"""The preprocessing in front of a model: its own, or one by name."""

import contextlib

import keras
import numpy as np

from keras_patchmix.scoring.objects import find_function


def preprocessing_of(model, preprocess=None):
    """Returns the preprocessing of a model: a user's function, else the model's own.

    Args:
        model: A Keras model or a function.
        preprocess: A function of a batch of images, or None.

    Returns:
        A function, or None where the model takes images as they are.
    """
    own = own_preprocessing(model)
    if preprocess is as_they_are and own is None:
        return None
    return own if preprocess is None else preprocess


def own_preprocessing(model):
    """Returns the preprocessing that a model applies in `fit` and `predict`, but not in `call`.

    Tasks of keras-hub such as `ImageClassifier` have a `preprocessor` that resizes and rescales
    images. `fit`, `evaluate`, `predict` and `train_on_batch` apply it; `model(images)` does not.

    Args:
        model: A Keras model or a function.

    Returns:
        A function of a batch of images, or None where the model takes images as they are.
    """
    # A model that has a `preprocessor`, but not this method, applies it in its own `call`.
    carries = isinstance(model, keras.Model) and hasattr(model, "preprocess_samples")
    if not carries or getattr(model, "preprocessor", None) is None:
        return None
    return OwnPreprocessing(model)


class OwnPreprocessing:
    """The preprocessing of one model.

    Args:
        model: A Keras model with a `preprocessor`.

    Attributes:
        name: Its name in reports.
        image_size: (height, width) that it resizes images to, or None.
    """

    def __init__(self, model):
        self._preprocess = model.preprocess_samples
        self.name = f"the model's own, {type(model.preprocessor).__name__}"
        self.image_size = getattr(model.preprocessor, "image_size", None)

    def __call__(self, images):
        """Returns what `fit` and `predict` pass to the model for a batch of images."""
        return self._preprocess(images)


@contextlib.contextmanager
def without_own_preprocessing(model):
    """Keeps methods of a model such as `train_on_batch` from preprocessing images, for a while.

    Args:
        model: A Keras model.
    """
    if own_preprocessing(model) is None:
        yield
        return
    model.preprocess_samples = keras.utils.pack_x_y_sample_weight
    try:
        yield
    finally:
        del model.preprocess_samples


def as_they_are(images):
    """Returns images unchanged, in place of the model's own preprocessing."""
    return images


def application_preprocess(name):
    """Returns the `preprocess_input` that belongs to a model of keras.applications.

    Each model comes with one in the module where it is defined, which the public module of the same
    name exports (it exports the models too, but not MobileNetV3).

    Args:
        name: Such as `"ResNet50V2"`.
    """
    module = getattr(keras.applications, name).__module__.rpartition(".")[2]
    return getattr(keras.applications, module).preprocess_input


def preprocess_function(text):
    """Returns the function that `--preprocess` names.

    Args:
        text: "none", "unit", a module of keras.applications, or "MODULE:FUNCTION".

    Raises:
        ValueError: There is none.
    """
    if text == "none":
        return as_they_are
    if text == "unit":
        return unit
    if ":" in text:
        return find_function(text, "--preprocess")
    module = getattr(keras.applications, text, None)
    function = getattr(module, "preprocess_input", None)
    if function is None or text == "imagenet_utils":
        known = sorted(
            name
            for name, value in vars(keras.applications).items()
            if hasattr(value, "preprocess_input") and name != "imagenet_utils"
        )
        raise ValueError(
            f"--preprocess must be none, unit, MODULE:FUNCTION or one of {', '.join(known)}. "
            f"Received: {text!r}"
        )
    return function


def unit(images):
    """Returns images of 0..255 as float32 of 0..1."""
    return np.asarray(images, np.float32) / np.float32(255)
