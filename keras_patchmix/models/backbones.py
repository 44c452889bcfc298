"""The architectures as backbones of keras-cv, for its `ImageClassifier` and other tasks.

They are the networks of `create` without the classifier: the same layers, names, seeds and scaling
of pixels. They need keras-cv, and with it TensorFlow. As with keras-cv's own, a file holds no dtype
policy: load it under the policy that it was saved under.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_patchmix.base.optional import not_installed
from keras_patchmix.models.architectures import convmixer, convnext, vit
from keras_patchmix.models.inputs import SeedStream
from keras_patchmix.models.tokens import PatchFeatures

try:
    from keras_cv.models import Backbone
except ModuleNotFoundError as error:
    _MISSING = error.name

    class Backbone:
        """Stands in for keras-cv's class where it is not installed, and says so when used."""

        def __new__(cls, *args, **kwargs):
            """Raises `ImportError`."""
            raise not_installed("keras_cv", cls.__name__, _MISSING)


class _Backbone(Backbone):
    """Keeps the arguments of the constructor for the config."""

    def __init__(self, images, features, pyramid, arguments, **kwargs):
        super().__init__(inputs=images, outputs=features, **kwargs)
        self.pyramid_level_inputs = pyramid
        self.arguments = arguments

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), **self.arguments}


@keras.saving.register_keras_serializable(package="keras_patchmix")
class ConvNeXtBackbone(_Backbone):
    """ConvNeXt without its classifier.

    Features are those of the last stage, `(batch, height / 32, width / 32, dims[-1])` with the
    usual four stages and patches of 4 pixels, normalized per position as keras.applications does
    with `include_top=False`; `create` pools before it normalizes. `pyramid_level_inputs` has a
    level for every stage.

    Args:
        depths: Blocks of each stage.
        dims: Channels of each stage.
        input_shape: `(height, width, channels)`. Defaults to `(None, None, 3)`.
        **kwargs: `name` and `trainable`. The other arguments are those of
            `keras_patchmix.models.architectures.convnext.convnext`.

    Example:
    >>> backbone = ConvNeXtBackbone(**keras_patchmix.models.preset("convnext_tiny"))
    >>> model = keras_cv.models.ImageClassifier(backbone, num_classes=10)
    """

    def __init__(
        self,
        depths: Sequence[int],
        dims: Sequence[int],
        input_shape: Sequence[int | None] = (None, None, 3),
        patch_size: int = 4,
        kernel_size: int = 7,
        drop_path_rate: float = 0.0,
        layer_scale: float = 1e-6,
        initializer: str = "truncated_normal",
        seed: int | None = None,
        **kwargs: Any,
    ):
        arguments: dict[str, Any] = {
            "depths": tuple(depths),
            "dims": tuple(dims),
            "patch_size": patch_size,
            "kernel_size": kernel_size,
            "drop_path_rate": drop_path_rate,
            "layer_scale": layer_scale,
        }
        images = keras.Input(input_shape, name="images")
        features = convnext.features(images, SeedStream(seed, initializer), **arguments)
        arguments.update(input_shape=tuple(input_shape), initializer=initializer, seed=seed)
        pyramid = convnext.pyramid(depths, patch_size)
        super().__init__(images, convnext.head_norm()(features), pyramid, arguments, **kwargs)


@keras.saving.register_keras_serializable(package="keras_patchmix")
class ViTBackbone(_Backbone):
    """A vision transformer without its classifier.

    Features are the patches' tokens behind the last normalization as a map, `(batch,
    height / patch_size, width / patch_size, dim)`, without the class token, which stays in the
    network. `pyramid_level_inputs` has this one level, where a patch's side is a power of two.

    Args:
        patch_size: Pixels a side of a patch.
        dim: Channels of a token.
        depth: Number of blocks.
        num_heads: Heads of attention.
        input_shape: `(height, width, channels)`. Defaults to `(None, None, 3)`.
        **kwargs: `name` and `trainable`. The other arguments are those of
            `keras_patchmix.models.architectures.vit.vit`.

    Example:
    >>> backbone = ViTBackbone(**keras_patchmix.models.preset("vit_small16"))
    >>> model = keras_cv.models.ImageClassifier(backbone, num_classes=10)
    """

    def __init__(
        self,
        patch_size: int,
        dim: int,
        depth: int,
        num_heads: int,
        input_shape: Sequence[int | None] = (None, None, 3),
        mlp_ratio: float = 4,
        drop_path_rate: float = 0.0,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        layer_scale: float | None = None,
        approximate_gelu: bool = True,
        grid: Sequence[int] | None = None,
        initializer: str = "truncated_normal",
        seed: int | None = None,
        **kwargs: Any,
    ):
        arguments: dict[str, Any] = {
            "patch_size": patch_size,
            "dim": dim,
            "depth": depth,
            "num_heads": num_heads,
            "mlp_ratio": mlp_ratio,
            "drop_path_rate": drop_path_rate,
            "dropout": dropout,
            "attention_dropout": attention_dropout,
            "layer_scale": layer_scale,
            "approximate_gelu": approximate_gelu,
            "grid": None if grid is None else tuple(grid),
        }
        images = keras.Input(input_shape, name="images")
        tokens = vit.encode(images, SeedStream(seed, initializer), **arguments)
        features = PatchFeatures(patch_size, name="features")(tokens, images)
        arguments.update(input_shape=tuple(input_shape), initializer=initializer, seed=seed)
        super().__init__(images, features, vit.pyramid(patch_size), arguments, **kwargs)


@keras.saving.register_keras_serializable(package="keras_patchmix")
class ConvMixerBackbone(_Backbone):
    """ConvMixer without its classifier.

    Features are those of the last block, `(batch, height / patch_size, width / patch_size, dim)`.
    `pyramid_level_inputs` has this one level, where a patch's side is a power of two.

    Args:
        dim: Channels.
        depth: Number of blocks.
        input_shape: `(height, width, channels)`. Defaults to `(None, None, 3)`.
        **kwargs: `name` and `trainable`. The other arguments are those of
            `keras_patchmix.models.architectures.convmixer.convmixer`.

    Example:
    >>> backbone = ConvMixerBackbone(**keras_patchmix.models.preset("convmixer_768_32"))
    >>> model = keras_cv.models.ImageClassifier(backbone, num_classes=10)
    """

    def __init__(
        self,
        dim: int,
        depth: int,
        input_shape: Sequence[int | None] = (None, None, 3),
        kernel_size: int = 9,
        patch_size: int = 7,
        activation: str | Callable[..., Any] = "gelu",
        drop_path_rate: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ):
        arguments: dict[str, Any] = {
            "dim": dim,
            "depth": depth,
            "kernel_size": kernel_size,
            "patch_size": patch_size,
            "activation": activation,
            "drop_path_rate": drop_path_rate,
        }
        images = keras.Input(input_shape, name="images")
        features = convmixer.features(images, SeedStream(seed), **arguments)
        arguments.update(input_shape=tuple(input_shape), seed=seed)
        super().__init__(
            images, features, convmixer.pyramid(depth, patch_size), arguments, **kwargs
        )
