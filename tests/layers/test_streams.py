"""No stream of plans is drawn twice: copies, pickles, threads, forks and workers have their own."""

import collections
import concurrent.futures
import copy
import multiprocessing
import os
import pickle
import random
import subprocess
import sys

import numpy as np
import pytest

import keras_patchmix as kpm
from keras_patchmix.mixing.arrays import lineage
from tests.arrays import BACKEND, KINDS, as_kind, to_numpy
from tests.layers.cases import BATCH, IDS, assert_exact, images
from tests.layers.worker_data import STEPS, Items, make, mixed, types_of_a_call

HAS_FORK = "fork" in multiprocessing.get_all_start_methods()
# Each worker imports the backend anew: PyTorch's is the quickest, and what is tested is of none.
on_spawn = pytest.mark.skipif(BACKEND != "torch", reason="slow, and seen with PyTorch")
on_fork = pytest.mark.skipif(not HAS_FORK, reason="this system does not fork")


def pickled(mix):
    return pickle.loads(pickle.dumps(mix))


COPIES = {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": pickled}
KINDS_OF_LAYER = ["patches", "choice"]


def labels_of(mix, count=3):
    return [mixed(mix)[1].tobytes() for _ in range(count)]


@pytest.mark.parametrize("way", COPIES.values(), ids=COPIES.keys())
@pytest.mark.parametrize("kind", KINDS_OF_LAYER)
def test_a_copy_mixes_right_and_goes_on_with_plans_of_its_own(way, kind):
    mix, untouched = make(kind), make(kind)
    one, other = way(mix), way(mix)
    copies = [one, other, way(one), mix]
    assert len({label for layer in copies for label in labels_of(layer)}) == 3 * len(copies)
    for layer in copies:
        assert_exact(*mixed(layer))
        assert layer.get_config().keys() == mix.get_config().keys()
    assert labels_of(untouched) != labels_of(mix)
    # The original has not noticed.
    again = make(kind)
    way(again)
    assert labels_of(again) == labels_of(make(kind))


@pytest.mark.parametrize("array", KINDS)
def test_a_copy_has_streams_of_its_own_for_every_kind_of_tensor(array):
    x = as_kind(images(), array)

    def plans(layer):
        return [to_numpy(layer.sample_plan(x).mask).tobytes() for _ in range(3)]

    mix = make()
    mix.sample_plan(x)
    layers = [way(mix) for way in COPIES.values()]
    assert len({plan for layer in [mix, *layers] for plan in plans(layer)}) == 12


@pytest.mark.parametrize("way", ["copy", "deepcopy"])
def test_copies_repeat_with_the_seed(way):
    def run():
        mix = make()
        first, second = COPIES[way](mix), COPIES[way](mix)
        return labels_of(first), labels_of(second), labels_of(COPIES[way](first))

    assert run() == run()


@pytest.mark.parametrize("kind", KINDS_OF_LAYER)
def test_a_new_layer_of_the_same_seed_and_one_from_the_config_start_the_same_stream(kind):
    used = make(kind)
    again = type(used).from_config(used.get_config())
    mixed(again)
    assert labels_of(used) == labels_of(again) == labels_of(make(kind))


def test_an_attribute_that_holds_a_layer_twice_holds_one_copy():
    mix = make()
    for first, second in (copy.deepcopy([mix, mix]), pickled([mix, mix])):
        assert first is second


def test_copies_of_a_choice_copy_functions_and_layers():
    def function(data):
        return data

    choice = kpm.layers.RandomChoice([make(), function, None], num_classes=BATCH, seed=1)
    for way in (copy.copy, copy.deepcopy):
        copied = way(choice)
        assert copied.layers[1] is function
        assert type(copied.layers[0]) is kpm.PatchMixing
        assert copied.layers[2] is None
    assert copy.deepcopy(choice).layers[0] is not choice.layers[0]


def test_threads_share_a_stream_and_no_plan():
    mix = make()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            results = list(pool.map(lambda _: to_numpy(mix(images(), IDS)[1]).tobytes(), range(64)))
    finally:
        sys.setswitchinterval(interval)
    assert len(set(results)) == 64


@on_fork
def test_children_of_a_fork_draw_plans_of_their_own():
    """Of NumPy's stream: other frameworks may not survive a fork."""
    mix = make()
    mix.sample_plan(images())
    found = [_forked(mix) for _ in range(2)]
    drawn = [np.asarray(mix.sample_plan(images()).mask).tobytes() for _ in range(2)]
    assert len({*drawn, *(plan for plans in found for plan in plans)}) == 6


def _forked(mix):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        plans = [np.asarray(mix.sample_plan(images()).mask).tobytes() for _ in range(2)]
        os.write(writer, pickle.dumps(plans))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        plans = pickle.load(file)
    os.waitpid(child, 0)
    return plans


class TestStartsOfStreams:
    """Each owner of a stream is (process, its name, the seed of a worker of PyTorch)."""

    @pytest.fixture
    def become(self, monkeypatch):
        def become(*owner):
            monkeypatch.setattr(lineage, "_owner", lambda: owner)
            monkeypatch.setattr(lineage, "_in_loader", collections.Counter())

        return become

    def test_a_worker_that_learns_its_seed_after_unpickling_repeats_by_that_seed(self, become):
        pickled_start = pickle.dumps(lineage.Lineage((1, 0)))
        starts = []
        for process, seed in ((11, 5), (12, 5), (13, 6)):
            become(process, None, None)
            found = pickle.loads(pickled_start)
            starts.append(found.start())
            become(process, "worker", seed)
            starts.append(found.start())
        first, repeated, second, again, third, other = starts
        assert repeated == again
        assert len({first, second, third, repeated, other}) == 5

    def test_workers_of_processes_that_unpickled_the_same_do_not_repeat_each_other(self, become):
        pickled_start = pickle.dumps(lineage.Lineage((1, 0)))
        starts = set()
        for process in (11, 12):
            become(process, None, None)
            found = pickle.loads(pickled_start)
            starts.add(found.start())
            become(process + 10, "worker", 5)  # a fork of it
            starts.add(found.start())
        assert len(starts) == 4

    def test_a_worker_that_unpickles_twice_has_two_streams(self, become):
        become(11, "worker", 5)
        pickled_start = pickle.dumps(lineage.Lineage((1, 0)))
        assert len({pickle.loads(pickled_start).start() for _ in range(3)}) == 3

    def test_a_start_stays_while_the_owner_does(self, become):
        become(11, None, None)
        found = lineage.Lineage((1, 0))
        assert found.start() == found.start() == (1, 0)


@on_fork
def test_in_a_worker_numpy_arrays_stay_numpy_arrays():
    """A backend may wait there forever: JAX does, after a fork."""
    context = multiprocessing.get_context("fork")
    with context.Pool(1) as pool:
        assert pool.apply(types_of_a_call, (make(),)) == [np.ndarray, np.ndarray]
    # Its workers are no daemons.
    with concurrent.futures.ProcessPoolExecutor(1, context) as pool:
        found = pool.submit(types_of_a_call, make()).result(timeout=120)
    assert found == [np.ndarray, np.ndarray]
    assert types_of_a_call(make()) != [np.ndarray, np.ndarray]


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        pytest.param("fork", "patches", marks=on_fork),
        pytest.param("spawn", "pipeline", marks=on_spawn),
    ],
)
def test_workers_of_a_py_dataset_draw_plans_of_their_own_in_every_epoch(method, kind):
    # In a process of its own: Keras keeps a queue of the first way that processes are started.
    program = (
        f"from tests.layers.worker_data import check_workers; check_workers('{method}', '{kind}')"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=300)


@pytest.mark.needs("torch")
class TestTorchsDataLoader:
    def epochs(self, mix, method, seed=None, count=2, **arguments):
        import torch

        generator = None if seed is None else torch.Generator().manual_seed(seed)
        loader = torch.utils.data.DataLoader(
            Items(mix),
            batch_size=None,
            num_workers=2,
            multiprocessing_context=method,
            generator=generator,
            **arguments,
        )
        return [[tuple(map(np.asarray, batch)) for batch in loader] for _ in range(count)]

    @pytest.mark.parametrize(
        ("method", "kind"),
        [
            pytest.param("fork", "patches", marks=on_fork),
            pytest.param("fork", "pipeline", marks=on_fork),
            pytest.param("spawn", "pipeline", marks=on_spawn),
        ],
    )
    def test_workers_draw_plans_of_their_own_in_every_epoch_and_repeat_with_torchs_seed(
        self, method, kind
    ):
        def labels(epochs):
            return [y.tobytes() for batches in epochs for _, y in batches]

        count = 2 if method == "fork" else 1
        epochs = self.epochs(make(kind), method, seed=5, count=count)
        for batch in epochs[0]:
            assert_exact(*batch)
        first = labels(epochs)
        assert len(set(first)) == len(first) == count * STEPS
        if method == "fork":
            assert labels(self.epochs(make(kind), method, seed=5)) == first
            other = labels(self.epochs(make(kind), method, seed=6))
            assert not set(other) & set(first)
            assert not set(labels(self.epochs(make(kind, seed=2), method, seed=5))) & set(first)

    @on_fork
    def test_workers_that_stay_go_on(self):
        epochs = self.epochs(make(), "fork", persistent_workers=True)
        assert len({y.tobytes() for batches in epochs for _, y in batches}) == 2 * STEPS

    @on_fork
    def test_a_layer_in_the_collation_takes_torchs_tensors(self):
        import torch

        data = torch.utils.data.TensorDataset(torch.tensor(images()), torch.tensor(IDS))
        mix = make()

        def collate(examples):
            return mix(*torch.utils.data.default_collate(examples))

        arguments = {"batch_size": BATCH, "collate_fn": collate, "num_workers": 2}
        loader = torch.utils.data.DataLoader(
            torch.utils.data.ConcatDataset([data] * 4), multiprocessing_context="fork", **arguments
        )
        found = [batch for _ in range(2) for batch in loader]
        assert len(found) == len({labels.numpy().tobytes() for _, labels in found}) == 8
        for mixed_images, labels in found:
            assert isinstance(mixed_images, torch.Tensor)
            assert_exact(mixed_images.numpy(), labels.numpy())

    def test_without_workers_tensors_of_torch_are_served_under_every_backend(self):
        import torch

        mix = kpm.PatchMixing(num_classes=BATCH, label_smoothing=0, seed=1, probability=1.0)
        results = [mix(torch.tensor(images()), torch.tensor(IDS)) for _ in range(2)]
        for mixed_images, labels in results:
            assert isinstance(labels, torch.Tensor)
            assert_exact(mixed_images.numpy(), labels.numpy())
        assert (results[0][1] != results[1][1]).any()


def test_a_copy_draws_nothing_from_pythons_generator_where_the_layer_has_a_seed():
    mix = make()
    state = random.getstate()
    copy.deepcopy(mix)
    pickled(mix)
    assert random.getstate() == state


@pytest.mark.skipif(BACKEND != "jax", reason="is about jax.jit")
def test_a_copys_state_for_compiled_code_is_its_own():
    mix = make()
    states = [
        np.asarray(layer.non_trainable_variables[0].value).tolist()
        for layer in (mix, copy.deepcopy(mix), pickled(mix))
    ]
    assert len({seed for seed, _ in states}) == 3
