"""Models of other runtimes as functions of images: PyTorch, ONNX, LiteRT, SavedModel."""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from keras_patchmix.base.host import to_numpy
from keras_patchmix.base.optional import require
from keras_patchmix.base.pixels import to_dtype
from keras_patchmix.base.types import FilePath

_COLORS = (1, 3)  # channels of an image
_FORMATS = ("channels_last", "channels_first")


def is_torch_module(model: Any) -> bool:
    """Whether a model is a `torch.nn.Module`; Keras' layers are such too, under its backend."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)


def torch_function(module: Any) -> Any:
    """Returns a function from images to the scores of a `torch.nn.Module`.

    The module runs on the device of its weights, in evaluation mode and without gradients. It gets
    float tensors of shape (batch, channels, height, width), of the dtype of its weights.

    Args:
        module: The module.
    """
    import torch

    weight = next((w for w in module.parameters() if w.is_floating_point()), torch.zeros(()))

    def scores(images):
        values = np.ascontiguousarray(np.moveaxis(to_numpy(images), -1, 1))
        if values.dtype.kind != "u":  # bfloat16 of ml_dtypes, among others
            values = values.astype(np.float32)
        inputs = torch.from_numpy(values).to(weight.device, weight.dtype)
        modes = [(one, one.training) for one in module.modules()]
        module.eval()
        try:
            with torch.no_grad():
                return module(inputs)
        finally:
            for one, mode in modes:
                one.training = mode

    return scores


def open_model(path: FilePath, data_format: str | None = None) -> "ExportedModel":
    """Opens a model that was exported to ONNX, LiteRT or TensorFlow's SavedModel.

    Each is run by its own runtime: the packages onnxruntime, ai-edge-litert (or TensorFlow, which
    has an older one) and tensorflow. The result is a function of images, for
    `keras_patchmix.occlusion.evaluate`, `keras_patchmix.explain` and the callbacks' `model`. Like a
    Keras model saved with Python code, a SavedModel is for files that you trust: it may read and
    write files.

    Args:
        path: A file that ends in `.onnx` or `.tflite`, or the directory of a SavedModel, whose
            signature "serving_default" is called.
        data_format: `"channels_last"` or `"channels_first"`: where the model wants the channels of
            an image. Defaults to `None`: as its input shape says, with 1 or 3 channels.

    Returns:
        An `ExportedModel`.

    Raises:
        ValueError: `path` is of no such kind, or the model has several inputs or outputs or takes
            no batch of images.
        ImportError: The runtime is not installed.

    Example:
        >>> model = keras_patchmix.models.open_model("model.onnx")
        >>> report = keras_patchmix.occlusion.evaluate(model, images, labels)
    """
    if data_format not in (None, *_FORMATS):
        raise ValueError(
            f"`data_format` must be one of {', '.join(map(repr, _FORMATS))}, or None. "
            f"Received: data_format={data_format!r}"
        )
    path = Path(os.fspath(path))
    if (path / "saved_model.pb").is_file():
        runtime = _SavedModel
    else:
        runtime = {".onnx": _Onnx, ".tflite": _LiteRT}.get(path.suffix.lower())
    if runtime is None or not path.exists():
        raise ValueError(
            "`path` must be a file that ends in .onnx or .tflite, or the directory of a "
            "SavedModel; `keras.saving.load_model` loads .keras. "
            f"Received: path={str(path)!r}"
        )
    return ExportedModel(runtime(str(path)), path.stem, data_format)


class ExportedModel:
    """A function from a batch of images to the output of an exported model.

    Args:
        runtime: Object with the attributes `shape`, of its input, and `dtype`, and a method `run`
            from an input array to an output array.
        name: Name in reports.
        data_format: As in `open_model`.

    Attributes:
        name: Name in reports.
        input_shape: Shape of the input, with None for what is not fixed.
        data_format: `"channels_last"` or `"channels_first"`.
    """

    def __init__(self, runtime, name, data_format=None):
        shape = tuple(runtime.shape)
        if len(shape) != 4:
            raise ValueError(
                "`path` must be of a model of images, a batch of rank 4. "
                f"Received: {name!r}, with an input of shape {shape}"
            )
        if data_format is None:
            is_first = shape[1] in _COLORS and shape[3] not in _COLORS
            data_format = _FORMATS[is_first]
        self.name, self.input_shape, self.data_format = name, shape, data_format
        self._runtime = runtime

    def __call__(self, images: Any) -> np.ndarray:
        """Returns the output for images of shape (batch, height, width, channels).

        They are brought to the dtype of the model's input. A model with a fixed batch size is
        called for as many images at a time, the last of them repeated.
        """
        images = to_dtype(to_numpy(images), self._runtime.dtype)
        if self.data_format == "channels_first":
            images = np.moveaxis(images, -1, 1)
        wanted = self.input_shape[1:]
        if any(a not in (None, b) for a, b in zip(wanted, images.shape[1:], strict=True)):
            raise ValueError(
                f"{self.name!r} takes images of shape {wanted}, {self.data_format}: resize the "
                f"data set to that size, or in `preprocess`. Received: shape {images.shape[1:]}"
            )
        size = self.input_shape[0] or len(images)
        missing = -len(images) % size
        padded = np.concatenate([images, np.repeat(images[-1:], missing, axis=0)])
        parts = np.split(np.ascontiguousarray(padded), len(padded) // size)
        output = np.concatenate([np.asarray(self._runtime.run(part)) for part in parts])
        return output[: len(images)]


class _Onnx:
    def __init__(self, path):
        runtime = require("onnxruntime", "An ONNX file")
        self._session = runtime.InferenceSession(path, providers=runtime.get_available_providers())
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        _check_single(path, inputs, outputs)
        (self._input,) = inputs
        # Names stand for sizes that are not fixed.
        self.shape = [size if isinstance(size, int) else None for size in self._input.shape]
        kind = self._input.type.removeprefix("tensor(").removesuffix(")")
        self.dtype = np.dtype({"float": "float32", "double": "float64"}.get(kind, kind))

    def run(self, images):
        (output,) = self._session.run(None, {self._input.name: images})
        return output


class _LiteRT:
    def __init__(self, path):
        self._interpreter = _interpreter(path)
        inputs = self._interpreter.get_input_details()
        outputs = self._interpreter.get_output_details()
        _check_single(path, inputs, outputs)
        (self._input,), (self._output,) = inputs, outputs
        self.shape = [None if size < 0 else int(size) for size in self._input["shape_signature"]]
        # Quantized inputs hold (value / scale + zero point).
        self._scale, self._zero = self._input["quantization"]
        self.dtype = np.dtype(np.float32 if self._scale else self._input["dtype"])

    def run(self, images):
        place = self._input["index"]
        if tuple(self._interpreter.get_input_details()[0]["shape"]) != images.shape:
            self._interpreter.resize_tensor_input(place, images.shape)
        self._interpreter.allocate_tensors()
        if self._scale:
            images = to_dtype(images / self._scale + self._zero, self._input["dtype"])
        self._interpreter.set_tensor(place, images)
        self._interpreter.invoke()
        output = self._interpreter.get_tensor(self._output["index"])
        scale, zero = self._output["quantization"]
        return (output.astype(np.float32) - zero) * scale if scale else output


def _interpreter(path):
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ModuleNotFoundError:
        tf = require("tensorflow", "A LiteRT file, without the package 'ai-edge-litert',")
        Interpreter = tf.lite.Interpreter
    return Interpreter(model_path=path)


class _SavedModel:
    def __init__(self, path):
        self._tf = require("tensorflow", "A SavedModel")
        self._loaded = self._tf.saved_model.load(path)  # which the signature refers to weakly
        signature = self._loaded.signatures.get("serving_default")
        if signature is None:
            raise ValueError(
                "`path` must be a SavedModel with the signature 'serving_default'. Received: "
                f"{path!r}, with {sorted(self._loaded.signatures)}"
            )
        _, inputs = signature.structured_input_signature
        _check_single(path, inputs, signature.structured_outputs)
        ((self._name, spec),) = inputs.items()
        self._signature = signature
        self.shape, self.dtype = spec.shape.as_list(), np.dtype(spec.dtype.as_numpy_dtype)

    def run(self, images):
        (output,) = self._signature(**{self._name: self._tf.constant(images)}).values()
        return output


def _check_single(path, inputs, outputs):
    if len(inputs) != 1 or len(outputs) != 1:
        raise ValueError(
            "`path` must be of a model of one input, the images, and one output, the scores. "
            f"Received: {path!r}, with {len(inputs)} inputs and {len(outputs)} outputs"
        )
