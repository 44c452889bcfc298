"""Data sets whose workers mix: importable, as a spawned process needs them."""

import multiprocessing

import keras

import keras_patchmix as kpm
from tests.arrays import to_numpy
from tests.layers.cases import BATCH, IDS, assert_exact, images

STEPS = 4


def make(kind="patches", seed=1):
    """A layer that has been used, so that it has a state."""
    mix = kpm.PatchMixing(num_classes=BATCH, label_smoothing=0, seed=seed, probability=1.0)
    if kind == "choice":
        mix = kpm.layers.RandomChoice(
            [mix, kpm.layers.CutMix()],
            num_classes=BATCH,
            label_smoothing=0,
            seed=seed,
        )
    if kind == "pipeline":
        mix = keras.layers.Pipeline([mix])
    mix({"images": images(), "labels": IDS})
    return mix


def mixed(mix):
    """Images and labels of one call, as NumPy arrays."""
    data = mix({"images": images(), "labels": IDS})
    return tuple(keras.ops.convert_to_numpy(data[key]) for key in ("images", "labels"))


def types_of_a_call(mix):
    """The types of what a layer gives back for NumPy arrays."""
    return [type(part) for part in mix(images(), IDS)]


class Batches(keras.utils.PyDataset):
    """Batches that its workers mix."""

    def __init__(self, mix, **arguments):
        super().__init__(**arguments)
        self.mix = mix

    def __len__(self):
        return STEPS

    def __getitem__(self, index):
        return mixed(self.mix)


def fit_on_workers(method, kind):
    """The batches that a model gets in two epochs, with two workers of a `PyDataset`."""
    multiprocessing.set_start_method(method, force=True)
    seen = []

    class Spy(keras.Model):
        def train_step(self, *arguments):
            seen.append(arguments[-1])
            return super().train_step(*arguments)

    inputs = keras.Input((28, 28, 3))
    model = Spy(inputs, keras.layers.Dense(BATCH)(keras.layers.GlobalAveragePooling2D()(inputs)))
    model.compile("sgd", "mean_squared_error", run_eagerly=True, jit_compile=False)
    data = Batches(make(kind), workers=2, use_multiprocessing=True)
    model.fit(data, epochs=2, verbose=0, shuffle=False)
    return seen


def check_workers(method, kind):
    """Every batch is right, and no plan is used twice."""
    batches = fit_on_workers(method, kind)
    labels = [to_numpy(batch[1]).tobytes() for batch in batches]
    assert len(labels) == 2 * STEPS
    assert len(set(labels)) == len(labels)
    for batch in batches:
        assert_exact(to_numpy(batch[0]).astype("uint8"), batch[1])


class Items:
    """The same for PyTorch, a batch an item."""

    def __init__(self, mix):
        self.mix = mix

    def __len__(self):
        return STEPS

    def __getitem__(self, index):
        return mixed(self.mix)
