"""Loads the models that a command line names, and checks them before they are scored."""

import json
import re
import zipfile
from dataclasses import dataclass
from typing import Any

import h5py
import keras
import numpy as np

from keras_patchmix.base.host import to_numpy
from keras_patchmix.models import applications
from keras_patchmix.scoring.preprocessing import (
    application_preprocess,
    own_preprocessing,
    preprocess_function,
)

_COLORS = re.compile(r"\x1b\[[0-9;]*m")
# Below this Keras lists all arguments of a layer, with their values.
_ARGUMENTS = re.compile(r"^(?:Call )?[Aa]rguments received by ")
_MOST = 500  # characters of a message
# What Keras loads from files that are trusted only: code, and models of other frameworks.
_CODE = ("__lambda__", "TFSMLayer", "TorchModuleWrapper")
# Where Keras looks for objects that a file names without their module.
_NAMESPACES = (
    keras,
    keras.layers,
    keras.models,
    keras.activations,
    keras.constraints,
    keras.initializers,
    keras.losses,
    keras.metrics,
    keras.mixed_precision,
    keras.optimizers,
    keras.random,
    keras.regularizers,
)
_PACKAGES = ("keras", "keras_cv", "keras_hub", "keras_nlp")  # which Keras imports by itself


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to be scored.

    Attributes:
        spec: The `ModelSpec`.
        model: A `keras.Model`.
        preprocess: Function applied to images before the model, its own one included; or None.
        image_size: (height, width) of its input, or None for any.
        built_size: (height, width) that a model without a fixed input was built with, or None.
        imagenet: Whether its outputs are the 1,000 classes of ImageNet, in Keras' order.
        untrained: Whether its weights are random.
    """

    spec: Any
    model: Any
    preprocess: Any
    image_size: tuple | None
    built_size: tuple | None = None
    imagenet: bool = False
    untrained: bool = False


def load_model(spec, image_size=None, unsafe=False):
    """Loads or builds a model.

    Args:
        spec: A `ModelSpec`.
        image_size: Pixels a side for a keras.applications model, or None for its own.
        unsafe: Boolean, whether a file may contain Python code.

    Returns:
        A `LoadedModel`.

    Raises:
        ValueError: It cannot be loaded or scored; the message is one line.
    """
    if spec.application is None:
        model, imagenet = _from_file(spec, unsafe), False
        default = own_preprocessing(model)
    else:
        model, imagenet = _from_applications(spec, image_size)
        default = application_preprocess(spec.application)
    preprocess = default
    if spec.preprocess is not None:
        preprocess = preprocess_function(spec.preprocess)
    untrained = spec.application is not None and not imagenet
    size = _input_size(spec, model) or getattr(preprocess, "image_size", None)
    built = _built_size(model) if size is None else None
    return LoadedModel(spec, model, preprocess, size, built, imagenet, untrained)


def probe(loaded, image_shape):
    """Runs one black image through a model.

    Args:
        loaded: A `LoadedModel`.
        image_shape: (height, width, 3) of the data set's images.

    Returns:
        The number of scores that the model returns for an image; 1 stands for two classes.

    Raises:
        ValueError: The model does not take such images, or returns no scores.
    """
    name, size = loaded.spec.name, loaded.image_size
    if size is not None and size != tuple(image_shape[:2]):
        raise ValueError(
            f"--model {name}: takes images of {_text(size)} pixels, but those of the data set are "
            f"{_text(image_shape[:2])}: change --image-size, or leave it out"
        )
    try:
        output = _output(loaded, np.zeros((1, *image_shape), np.uint8))
    except Exception as error:  # of any layer, or of the user's own function
        raise ValueError(
            f"--model {name}: fails on an image of {_text(image_shape[:2])} pixels"
            f"{'' if loaded.preprocess is None else ' after --preprocess'}: {cause(error)}"
        ) from error
    if isinstance(output, dict | tuple | list):
        raise ValueError(f"--model {name}: has {len(output)} outputs; a classifier has one")
    shape = to_numpy(output).shape
    if len(shape) not in (1, 2) or 0 in shape:
        raise ValueError(
            f"--model {name}: returns shape {shape[1:]} for an image, where a score for each class "
            "is needed, or one score for two classes: is it a classifier?"
        )
    return shape[1] if len(shape) == 2 else 1


def _output(loaded, images):
    """Returns the output of a model for uint8 images, or for float32 if it takes no integers."""
    if loaded.preprocess is not None:
        images = loaded.preprocess(images)
    try:
        return loaded.model(keras.tree.map_structure(keras.ops.convert_to_tensor, images))
    except Exception:  # layers such as a convolution that comes first, each in its own words
        if np.dtype(getattr(images, "dtype", np.float32)).kind not in "ui":
            raise
    return loaded.model(keras.ops.convert_to_tensor(images.astype(np.float32)))


def _from_file(spec, unsafe):
    try:
        model = _loaded(spec.source, not unsafe)
    except Exception as error:  # Keras raises many kinds
        raise ValueError(f"--model {spec.name}: {_why_not_loaded(spec, error, unsafe)}") from error
    if not isinstance(model, keras.Model):
        raise ValueError(
            f"--model {spec.name}: the file holds a {type(model).__name__}, no keras.Model"
        )
    inputs = keras.tree.flatten(getattr(model, "inputs", None) or [])
    if len(inputs) > 1:
        names = ", ".join(str(getattr(tensor, "name", "?")) for tensor in inputs)
        raise ValueError(
            f"--model {spec.name}: has {len(inputs)} inputs ({names}); only models of one image "
            "can be scored"
        )
    return model


def _loaded(source, safe_mode):
    """Loads a model, with the loss that it was compiled with if Keras knows it."""
    try:
        return keras.saving.load_model(source, safe_mode=safe_mode)
    except Exception:  # a custom loss or metric, which scoring does not need
        return keras.saving.load_model(source, compile=False, safe_mode=safe_mode)


def _why_not_loaded(spec, error, unsafe):
    config = _config(spec.source)
    if not unsafe and any(one["class_name"] in _CODE for one in _serialized(config)):
        return (
            f"the file {spec.source!r} holds Python code (a Lambda layer, say), which loading "
            "would run with your rights. Safe mode keeps untrusted files from doing that. If you "
            "trust whoever made the file, add --unsafe-load"
        )
    unknown = next((one["class_name"] for one in _serialized(config) if not _is_known(one)), None)
    if unknown:
        return (
            f"the file {spec.source!r} holds {unknown!r}, which Keras does not know: name the "
            "module that defines it and registers it (keras.saving.register_keras_serializable) "
            "with --import MODULE"
        )
    return f"the file {spec.source!r} cannot be loaded: {cause(error)}"


def _config(path):
    """Returns the config of the model in a .keras or .h5 file; None where there is none."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                config = json.loads(archive.read("config.json"))
        else:
            with h5py.File(path) as file:
                config = json.loads(file.attrs["model_config"])
    except (OSError, KeyError, ValueError, RecursionError, zipfile.BadZipFile):
        return None
    if isinstance(config, dict):
        config.pop("compile_config", None)  # which scoring does not need
    return config


def _serialized(config):
    """Yields the dicts of a config that stand for an object, outer ones first.

    A function is given as `{"class_name": NAME}`, where a file has it as `{"class_name":
    "function", "config": NAME}`.
    """
    pending = [config]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            if value.get("class_name") == "function" and isinstance(value.get("config"), str):
                yield {"class_name": value["config"]}
            elif isinstance(value.get("class_name"), str) and "config" in value:
                yield value
            value = list(value.values())
        if isinstance(value, list):
            pending += reversed(value)


def _is_known(serialized):
    """Whether Keras knows the object that a dict of a config stands for."""
    name = serialized["class_name"]
    if (
        name.startswith("__")
        or name == "Functional"
        or (serialized.get("module") or "").split(".")[0] in _PACKAGES
    ):
        return True
    registered = serialized.get("registered_name") or name
    return keras.saving.get_registered_object(registered) is not None or any(
        hasattr(namespace, name) for namespace in _NAMESPACES
    )


def _from_applications(spec, image_size):
    names = applications.names()
    if spec.application not in names:
        raise ValueError(
            f"--model: keras.applications has no model {spec.application!r}. It has "
            f"{', '.join(names)}"
        )
    build = getattr(keras.applications, spec.application)
    weights = spec.weights or "imagenet"
    shape = None if image_size is None else (image_size, image_size, 3)
    try:
        model = build(weights=None if weights == "none" else weights, input_shape=shape)
    except Exception as error:  # a download that fails, weights of another model, a size
        raise ValueError(
            f"--model {spec.name}: {spec.source} with weights {weights!r} cannot be built: "
            f"{cause(error)}"
        ) from error
    return model, weights != "none"


def _input_size(spec, model):
    """Returns the (height, width) that the model takes, or None."""
    inputs = keras.tree.flatten(getattr(model, "inputs", None) or [])
    if not inputs:
        return None
    shape = tuple(inputs[0].shape)
    if len(shape) != 4 or shape[3] not in (3, None):
        raise ValueError(
            f"--model {spec.name}: takes inputs of shape {shape[1:]}, but the data sets hold RGB "
            "images, channels last"
        )
    if (shape[1] is None) != (shape[2] is None):
        raise ValueError(
            f"--model {spec.name}: takes inputs of shape {shape[1:]}; height and width must both "
            "be fixed, or neither"
        )
    return None if shape[1] is None else shape[1:3]


def _built_size(model):
    """Returns the (height, width) of the images that a subclassed model was built with, or None."""
    shape = (model.get_build_config() or {}).get("input_shape")
    if keras.tree.flatten(getattr(model, "inputs", None) or []) or not shape:
        return None
    known = len(shape) == 4 and None not in shape[1:] and shape[3] == 3
    return tuple(shape[1:3]) if known else None


def _text(size):
    return "x".join(map(str, size))


def cause(error):
    """Returns the message of an error as one line of at most about 500 characters.

    Keras names the layer in the first line of a message, and the cause further down.

    Args:
        error: An exception.
    """
    lines = []
    for line in _COLORS.sub("", str(error)).splitlines():
        if _ARGUMENTS.match(line.strip()):
            break
        lines.append(line)
    text = " ".join(" ".join(lines).split()) or type(error).__name__
    return text if len(text) <= _MOST else text[:_MOST] + " ..."
