"""Models by name."""

import importlib
import inspect
import os
import pkgutil
from collections.abc import Sequence
from typing import Any

import keras

from keras_patchmix.base.suggestions import meant
from keras_patchmix.base.types import FilePath
from keras_patchmix.models import applications, hub
from keras_patchmix.models import architectures as architectures_package


def architectures() -> dict[str, Any]:
    """Returns the modules in the folder `architectures` by name."""
    package = architectures_package
    return {
        module.name: importlib.import_module(f"{package.__name__}.{module.name}")
        for module in pkgutil.iter_modules(package.__path__)
    }


def names() -> list[str]:
    """Returns the sorted names that `create` knows here.

    They are this package's own, those of `keras.applications` as they are written there, and
    those of keras-hub where it is installed.
    """
    return sorted([*_own_names(), *applications.names(), *hub.names()])


def preset(name: str) -> dict[str, Any]:
    """Returns the arguments that a name of this package stands for, as a new dict.

    Args:
        name: Such as `"vit_small16"`.

    Raises:
        ValueError: The name is unknown, or of another package's model.
    """
    architecture = _architecture_of(name)
    if architecture is None:
        raise ValueError(_unknown(name, _own_names()))
    return dict(architecture.PRESETS[name])


def arguments_of(name: str) -> set[str]:
    """Returns the names of the arguments that `create` takes beyond its own, `seed` among them.

    For models of keras-hub these are the ones of the preset; its backbones take more.

    Args:
        name: One of `names()`.

    Raises:
        ValueError: The name is unknown.
    """
    architecture = _architecture_of(name)
    if architecture is not None:
        parameters = inspect.signature(_builder(architecture)).parameters
        return set(parameters) - {"num_classes", "input_shape"}
    if name in hub.PRESETS:
        return {"seed", *hub.PRESETS[name]}
    if name in applications.names():
        return applications.arguments(name)
    raise ValueError(_unknown(name, names()))


def create(
    name: str,
    num_classes: int,
    input_shape: Sequence[int | None],
    weights: FilePath | None = None,
    **overrides: Any,
) -> keras.Model:
    """Creates an image classifier by name.

    Args:
        name: One of `keras_patchmix.models.names()`, such as `"convnext_tiny"`, `"vit_small16"`
            or `"ResNet50V2"`.
        num_classes: Integer, at least 2: the number of logits.
        input_shape: `(height, width, channels)`. Height and width may be `None` for this
            package's own models.
        weights: `None` for random weights; `"imagenet"` for published ones, which are downloaded;
            or the path of a file: `.weights.h5` or `.keras` saved from the same architecture, or
            `.h5` as keras.applications (ConvNeXt and its own models) or keras-cv (ViT) publish
            them. Where only the number of classes differs, the classifier keeps its random
            weights, with a warning. Defaults to `None`.
        **overrides: Arguments of the architecture that replace the preset's, for example
            `seed=1`, `drop_path_rate=0.1` or `patch_size=2`; see the modules in
            `keras_patchmix.models.architectures`, `keras.applications`, keras-hub.

    Returns:
        A `keras.Model`: images `(batch, height, width, channels)` with values in 0..255 in,
        logits `(batch, num_classes)` out, float32 under every dtype policy.

    Raises:
        ValueError: The name is unknown, an argument is out of range, or the weights do not fit.
        TypeError: An override that the architecture does not take.
        FileNotFoundError: `weights` is the path of no file.
        ImportError: The model is keras-hub's, which is not installed.

    Example:
    >>> model = keras_patchmix.models.create(
    ...     "convnext_mini", num_classes=10, input_shape=(32, 32, 3))
    """
    if num_classes < 2:
        raise ValueError(f"`num_classes` must be at least 2. Received: num_classes={num_classes}")
    if len(input_shape) != 3:
        raise ValueError(
            "`input_shape` must be (height, width, channels). "
            f"Received: input_shape={tuple(input_shape)}"
        )
    if weights not in (None, "imagenet") and not os.path.exists(weights):
        raise FileNotFoundError(
            "`weights` must be None, 'imagenet' or the path of a file. "
            f"Received: weights={os.fspath(weights)!r}, which is not there"
        )
    arguments = {"num_classes": num_classes, "input_shape": tuple(input_shape), **overrides}
    architecture = _architecture_of(name)
    if architecture is not None:
        _check_overrides(name, overrides)
        build = _builder(architecture)
        model = build(**{"name": name, **architecture.PRESETS[name], **arguments})
        return _with_weights(model, name, weights)
    if name in hub.PRESETS:
        model = hub.hub_model(name=name, **arguments)
        return _with_weights(model, name, weights)
    if name in applications.names():
        _check_overrides(name, overrides)
        published = weights is not None and not _is_own_file(weights)
        model = applications.application(
            name=name, weights=weights if published else None, **arguments
        )
        return model if published else _with_weights(model, name, weights)
    raise ValueError(_unknown(name, names()))


def _own_names():
    return sorted(name for module in architectures().values() for name in module.PRESETS)


def _architecture_of(name):
    """Returns the module whose `PRESETS` hold a name, or None."""
    return next((module for module in architectures().values() if name in module.PRESETS), None)


def _builder(architecture):
    return getattr(architecture, architecture.__name__.rpartition(".")[2])


def _unknown(name, known):
    question = meant(name, known)
    return f"`name` must be one of {known}. Received: name={name!r}{question and '.' + question}"


def _check_overrides(name, overrides):
    known = arguments_of(name)
    unknown = sorted(set(overrides) - known)
    if unknown:
        raise TypeError(f"{name!r} takes the overrides {sorted(known)}. Received: {unknown}")


def _is_own_file(weights):
    return os.fspath(weights).endswith((".weights.h5", ".keras"))


def _with_weights(model, name, weights):
    if weights is None:
        return model
    from keras_patchmix.models.weights import assign, load_keras_file, load_weights_file

    if os.fspath(weights).endswith(".weights.h5"):
        load_weights_file(model, weights)
    elif os.fspath(weights).endswith(".keras"):
        load_keras_file(model, weights)
    else:
        assign(model, *_published(model, name, weights))
    return model


def _published(model, name, weights):
    """Returns published weights and where they come from, see `architectures`."""
    modules = architectures().values()
    known = sorted(name for module in modules for name in getattr(module, "PUBLISHED", ()))
    if weights == "imagenet" and name not in known:
        raise ValueError(
            f"`weights='imagenet'` is there for {known} and the names of keras.applications. "
            f"Received: name={name!r}. Weights of timm: keras_patchmix.models.load_timm."
        )
    read = getattr(_architecture_of(name), "published_weights", None)
    published = None if read is None else read(model, name, weights)
    if published is None:
        raise ValueError(
            "`weights`: a file that ends in .h5 alone is one that keras.applications (ConvNeXt) "
            f"or keras-cv (ViT) published, and there is none for {name!r}; a model of this "
            f"package is saved as .weights.h5 or .keras. Received: weights={str(weights)!r}"
        )
    return published
