"""Photos of one color each, and models that tell colors apart pixel by pixel."""

import keras
import numpy as np

from keras_patchmix.cli.explain import results
from tests.command_line import runner

SIZE = 12
CLASSES = ("blue", "green", "red")  # as folders are sorted; class k is the channel 2 - k


def color(label, size=SIZE):
    image = np.zeros((size, size, 3), np.uint8)
    image[..., 2 - label] = 240
    return image


def save(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    keras.utils.save_img(path, image, scale=False)
    return path


def write_folder(root, count=4):
    for label, name in enumerate(CLASSES):
        for number in range(count):
            save(root / name / f"{number}.png", color(label))
    return root


def by_color(sign=1.0, activation=None, name="colors"):
    """The mean of each channel, times `sign`, so that every pixel speaks for its own class."""
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3, use_bias=False, activation=activation),
        ],
        name=name,
    )
    model.set_weights([np.float32(6 * sign) * np.eye(3, dtype=np.float32)[::-1]])
    return model


def deletion_area():
    """Of an image that is half of its own class, whose pixels go first, and half of another."""
    share, unit = np.linspace(0, 1, 2001), 6 * 240 / 255
    own, other = np.clip(0.5 - share, 0, None), np.clip(1 - share, None, 0.5)
    scores = np.exp(unit * np.stack([own, other, 0 * own]))
    return (scores[0] / scores.sum(0)).mean()


def without_pictures(monkeypatch):
    """Lets the command make no pictures, which take longer than all else here."""
    monkeypatch.setattr(
        results, "draw_figures", lambda folder, *_: (folder / "explain.png").write_bytes(b"")
    )


run = runner("explain")
