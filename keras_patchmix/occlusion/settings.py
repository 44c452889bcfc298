"""The settings of a benchmark, and how a report states them."""

import dataclasses
import hashlib
import importlib.metadata
import numbers
import sys
from typing import Any

import keras
import numpy as np

from keras_patchmix._version import __version__
from keras_patchmix.occlusion.serialization import described
from keras_patchmix.scoring.class_map import ClassMap, check_class_names
from keras_patchmix.scoring.forward import patch_size
from keras_patchmix.scoring.preprocessing import OwnPreprocessing, as_they_are, preprocessing_of


@dataclasses.dataclass(frozen=True)
class BenchmarkSettings:
    """Arguments of `keras_patchmix.occlusion.evaluate` that say how images are scored.

    `__post_init__` checks them: `value_range` becomes a pair of floats, `class_map` a `ClassMap`.
    `max_examples` and `batch_size` are checked by `ExampleSource`, `from_logits` by `Scorer`.
    """

    seed: int = 0
    max_examples: int | None = None
    preprocess: Any = None
    value_range: Any = (0, 255)
    batch_size: int | None = None
    bank_size: int = 256
    saliency: Any = None
    class_map: Any = None
    class_names: Any = None
    from_logits: bool | None = None
    precision: float | None = None

    def __post_init__(self):
        if not isinstance(self.seed, int | np.integer):
            raise ValueError(f"`seed` must be an integer. Received: seed={self.seed!r}")
        for name in ("preprocess", "saliency"):
            value = getattr(self, name)
            if value is not None and not callable(value):
                raise ValueError(
                    f"`{name}` must be a function of a batch of images, or None. "
                    f"Received: {name}={value!r}"
                )
        object.__setattr__(self, "seed", int(self.seed))
        object.__setattr__(self, "precision", check_precision(self.precision))
        object.__setattr__(self, "value_range", check_range(self.value_range))
        if self.class_map is not None:
            object.__setattr__(self, "class_map", ClassMap(self.class_map))
        object.__setattr__(self, "class_names", check_class_names(self.class_names))


def describe(settings, model, source, shape, dtype, bank, suite):
    """Returns the settings of a report that are known before scoring, as JSON values.

    Args:
        settings: `BenchmarkSettings`.
        model: A Keras model or a function.
        source: `ExampleSource` of the images.
        shape: (height, width, channels) of the images.
        dtype: NumPy dtype of the images.
        bank: `Bank`, or None.
        suite: Tuple of the members.
    """
    preprocess = preprocessing_of(model, settings.preprocess)
    patch = patch_size(model)
    return {
        "model": model_name(model),
        "model_patch_size": None if patch is None else list(patch),
        "class_names": settings.class_names,
        "class_map": None if settings.class_map is None else settings.class_map.outputs,
        "image_size": list(shape[:2]),
        "channels": shape[2],
        "image_dtype": str(dtype),
        "value_range": list(settings.value_range),
        "preprocess": function_name(preprocess),
        **({"own_preprocess": True} if isinstance(preprocess, OwnPreprocessing) else {}),
        "saliency": function_name(settings.saliency),
        "seed": settings.seed,
        "max_examples": source.max_examples,
        "choice": source.choice,
        "batch_size": source.batch_size,
        "bank_images": 0 if bank is None else len(bank.labels),
        "bank_sha256": None if bank is None else bank.sha256,
        "bank_rows": [c.name for m in suite if m.needs_bank for c in m.conditions],
        "suite": described(suite),
        "versions": _versions(),
    }


def check_range(value_range):
    """Returns (black, white) as floats; raises ValueError unless black is the lower number."""
    values = tuple(value_range) if isinstance(value_range, list | tuple) else ()
    if len(values) != 2 or not np.all(np.isfinite(values)) or values[0] >= values[1]:
        raise ValueError(
            "`value_range` must be a pair (black, white) of numbers, black the lower one. "
            f"Received: value_range={value_range!r}"
        )
    return float(values[0]), float(values[1])


def check_precision(precision):
    """Returns a number of points as a float, or None; raises ValueError for anything else."""
    if precision is None:
        return None
    is_number = isinstance(precision, numbers.Real) and not isinstance(precision, bool)
    if not is_number or not 0 < precision < 50:
        raise ValueError(
            "`precision` must be a number of percentage points above 0 and below 50, or None. "
            f"Received: precision={precision!r}"
        )
    return float(precision)


def range_mismatch(images, value_range):
    """Returns a remark if pixels fall outside `value_range`, else None.

    Args:
        images: Array of shape (B, H, W, C).
        value_range: (black, white).
    """
    low, high = value_range
    least, most = float(images.min()), float(images.max())
    is_scaled_down = images.dtype.kind not in "ui" and high - low > 2 and 0 < most <= 1
    if low <= least and most <= high and not is_scaled_down:
        return None
    return f"span {least:g} to {most:g}, which does not look like value_range=({low:g}, {high:g})"


def digest(values):
    """Returns the SHA-256 digest of integers in their order, as hexadecimal text."""
    return hashlib.sha256(values.astype("<i8").tobytes()).hexdigest()


def model_name(model):
    """Returns the name of a model or a function; that of its class if it has none.

    Args:
        model: A Keras model, a `torch.nn.Module` or a function.
    """
    names = (getattr(model, attribute, None) for attribute in ("name", "__name__"))
    return next((name for name in names if isinstance(name, str) and name), type(model).__name__)


def function_name(function):
    """Returns the dotted name of a function, the class name of a layer, or None for None."""
    if function is None:
        return None
    if function is as_they_are:
        return "none, the images as they are"
    if isinstance(function, OwnPreprocessing):
        return function.name
    if isinstance(function, keras.Layer):
        return type(function).__name__
    name = getattr(function, "__qualname__", None) or type(function).__name__
    return f"{getattr(function, '__module__', None) or ''}.{name}".lstrip(".")


def _versions():
    """Returns the versions of the packages that scores depend on."""
    backend = keras.config.backend()
    return {
        "keras_patchmix": __version__,
        "keras": keras.__version__,
        "numpy": importlib.metadata.version("numpy"),
        "backend": backend,
        backend: getattr(sys.modules.get(backend), "__version__", None),
        "python": sys.version.split()[0],
    }
