"""Another process: the same seed makes the same batches there, and saved layers are known to it.

One process is asked all of it, as it takes seconds to import TensorFlow.
"""

import hashlib
import json
import subprocess
import sys

import keras
import pytest

import keras_patchmix as kpm
from tests.arrays import to_numpy
from tests.layers.cases import IDS, images, layer
from tests.layers.choices import choice
from tests.layers.test_seeded_map import mixed
from tests.models.small import NAMES, small

tf = pytest.importorskip("tensorflow")
PROGRAM = """
import json, sys, keras, keras_patchmix
choice, *models = map(keras.models.load_model, sys.argv[1:])
assert not {"keras_cv", "timm", "keras_hub"} & set(sys.modules)
found = {"layers": [type(layer).__name__ for layer in choice.layers[-1].layers]}
found["parameters"] = [model.count_params() for model in models]
from tests import test_other_process as tests
print(json.dumps({**found, "calls": tests.digests_of_calls(), "maps": tests.digests_of_maps(8)}))
"""


def digest(parts):
    return hashlib.sha256(b"".join(to_numpy(part).tobytes() for part in parts)).hexdigest()


def digests_of_calls():
    """A digest of each of the first two batches that a new layer makes."""
    mix = layer()
    return [digest(mix(images(), IDS)) for _ in range(2)]


def digests_of_maps(num_parallel_calls):
    """A digest of all batches of a seeded map, for each of two epochs."""
    data = mixed(num_parallel_calls=num_parallel_calls)
    return [digest(part for batch in data for part in batch) for _ in range(2)]


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """What another process finds in saved models, and its digests."""
    folder = tmp_path_factory.mktemp("other")
    paths = [str(folder / f"{name}.keras") for name in ("choice", *NAMES)]
    x, y = keras.Input((28, 28, 3), dtype="uint8"), keras.Input((), dtype="int32")
    layers = kpm.PatchMixing(probability=1.0), kpm.layers.CutMix(), keras.layers.CutMix()
    keras.Model([x, y], choice(*layers, None, weights=[1, 0, 0, 0])(x, y)).save(paths[0])
    for name, path in zip(NAMES, paths[1:], strict=True):
        small(name, drop_path_rate=0.1).save(path)
    command = [sys.executable, "-c", PROGRAM, *paths]
    process = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout.splitlines()[-1])


def test_it_loads_a_saved_choice(other):
    assert other["layers"] == ["PatchMixing", "CutMix", "CutMix", "NoneType"]


def test_it_loads_models_of_every_family(other):
    assert other["parameters"] == [small(name).count_params() for name in NAMES]


def test_it_mixes_the_same_batches(other):
    first, second = digests_of_calls()
    assert other["calls"] == [first, second]
    assert first != second


def test_seeded_maps_are_bit_identical_there_and_with_parallel_calls(other):
    tf.random.set_seed(None)  # as in a new process
    first, second = digests_of_maps(1)
    assert other["maps"] == [first, second]
    assert first != second, "epochs must differ"
