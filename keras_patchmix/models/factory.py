"""Models by name."""

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from keras_patchmix.base.suggestions import meant
from keras_patchmix.base.types import FilePath
from keras_patchmix.models import applications, convmixer, convnext, hub, vit

_FAMILIES: tuple[tuple[Mapping[str, Any], Callable[..., Any]], ...] = (
    (convnext.PRESETS, convnext.convnext),
    (vit.PRESETS, vit.vit),
    (convmixer.PRESETS, convmixer.convmixer),
)


def names() -> list[str]:
    """Returns the sorted names that `create` knows here.

    They are this package's own, those of `keras.applications` as they are written there, and
    those of keras-hub where it is installed.
    """
    own = [name for presets, _ in _FAMILIES for name in presets]
    return sorted([*own, *applications.names(), *hub.names()])


def preset(name: str) -> dict[str, Any]:
    """Returns the arguments that a name of this package stands for, as a new dict.

    Args:
        name: Such as `"vit_small16"`.

    Raises:
        ValueError: The name is unknown, or of another package's model.
    """
    for presets, _ in _FAMILIES:
        if name in presets:
            return dict(presets[name])
    known = sorted(name for presets, _ in _FAMILIES for name in presets)
    raise ValueError(_unknown(name, known))


def arguments_of(name: str) -> set[str]:
    """Returns the names of the arguments that `create` takes beyond its own, `seed` among them.

    Of models of keras-hub these are the ones that are set here; its backbones take more.

    Args:
        name: One of `names()`.

    Raises:
        ValueError: The name is unknown.
    """
    for presets, build in _FAMILIES:
        if name in presets:
            return set(inspect.signature(build).parameters) - {"num_classes", "input_shape"}
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
            `seed=1`, `drop_path_rate=0.1` or `patch_size=2`; see `convnext.convnext`, `vit.vit`,
            `convmixer.convmixer`, `keras.applications`, keras-hub.

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
    for presets, build in _FAMILIES:
        if name in presets:
            _check_overrides(name, overrides)
            model = build(**{"name": name, **presets[name], **arguments})
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
    # Reading files takes h5py, and most models start without any.
    from keras_patchmix.models import files, published

    if os.fspath(weights).endswith(".weights.h5"):
        files.load_weights_file(model, weights, files.head_name(model))
    elif os.fspath(weights).endswith(".keras"):
        files.load_keras_model(model, weights)
    elif weights == "imagenet":
        published.load_imagenet(model, name)
    else:
        published.load_published(model, name, weights)
    return model
