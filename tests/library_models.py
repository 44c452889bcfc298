"""Small classifiers of keras-hub and keras-cv that know "shapes"."""

import keras

from keras_patchmix import models
from keras_patchmix.datasets import shapes

SIZE = 32


def hub_classifier(activation=None):
    """A small ViT of keras-hub, not trained, with a preprocessor as the published ones have."""
    from keras_hub import layers as hub_layers
    from keras_hub import models as hub

    backbone = hub.ViTBackbone(
        image_shape=(SIZE, SIZE, 3),
        patch_size=4,
        num_layers=1,
        num_heads=4,
        hidden_dim=48,
        mlp_dim=96,
    )
    converter = hub_layers.ViTImageConverter(image_size=(SIZE, SIZE), scale=1 / 127.5, offset=-1)
    return hub.ViTImageClassifier(
        backbone,
        num_classes=10,
        preprocessor=hub.ViTImageClassifierPreprocessor(converter),
        activation=activation,
    )


def hub_preset(directory, activation=None, count=1000, epochs=6):
    """Writes a preset of a trained `hub_classifier`; returns its directory as a string."""
    keras.utils.set_random_seed(1)
    classifier = hub_classifier(activation)
    train(classifier, shapes.generate(range(count), "train", SIZE), epochs, 2e-3)
    classifier.save_to_preset(str(directory))
    return str(directory)


def cv_classifier(name, activation="softmax"):
    """A classifier of keras-cv with a small backbone of ours, not trained."""
    import keras_cv

    arguments = {
        "ViTBackbone": {"patch_size": 4, "dim": 96, "depth": 2, "num_heads": 4},
        "ConvNeXtBackbone": models.preset("convnext_mini"),
    }[name]
    backbone = getattr(models, name)(**arguments, input_shape=(SIZE, SIZE, 3), seed=1)
    return keras_cv.models.ImageClassifier(backbone, num_classes=10, activation=activation)


def train(classifier, data, epochs, learning_rate=1e-3):
    """Trains a classifier, quickly on a CPU."""
    loss = keras.losses.SparseCategoricalCrossentropy(
        from_logits=classifier.activation != "softmax"
    )
    jit_compile = False if keras.backend.backend() == "tensorflow" else "auto"
    optimizer = keras.optimizers.Adam(learning_rate)
    classifier.compile(optimizer, loss, metrics=["accuracy"], jit_compile=jit_compile)
    classifier.fit(*data, batch_size=50, epochs=epochs, verbose=0)
