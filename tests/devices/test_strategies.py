"""What strategies are made of: names, rows, batches to evaluate on; two devices stand elsewhere."""

import json
import warnings

import keras
import numpy as np
import pytest

pytest.importorskip("tensorflow")
if keras.config.backend() != "tensorflow":
    pytest.skip("tf.distribute", allow_module_level=True)

import tensorflow as tf

import keras_patchmix as kpm
from keras_patchmix.devices.batches import LocalBatches, evaluation_batches
from keras_patchmix.devices.strategies import NAMES, Strategy, open_strategy
from keras_patchmix.devices.workers import task_of_this_process
from keras_patchmix.training import mix_on_device
from tests.devices import worker


@pytest.fixture
def tf_config(monkeypatch):
    """Sets TF_CONFIG to a cluster, or to a text as it is."""
    monkeypatch.delenv("TF_CONFIG", raising=False)
    monkeypatch.delenv("TPU_NAME", raising=False)

    def set_to(cluster, kind="worker", index=0):
        if isinstance(cluster, dict):
            cluster = json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})
        monkeypatch.setenv("TF_CONFIG", cluster)

    return set_to


def test_an_unknown_name_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=f"one of {', '.join(NAMES)}.*'horovod'"):
        open_strategy("horovod")


@pytest.mark.parametrize("name", ["mirrored", "multiworker", "tpu"])
def test_other_backends_have_no_strategies(name, monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    assert open_strategy("auto").num_replicas == 1
    with pytest.raises(ValueError, match="backend of Keras is not TensorFlow"):
        open_strategy(name)


@pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="of machines without GPUs")
def test_auto_is_one_device_where_there_is_one(tf_config):
    strategy = open_strategy("auto")
    assert repr(strategy) == "Strategy('cpu', num_replicas=1, worker 0 of 1)"
    assert strategy.is_chief
    with strategy.scope():
        assert not tf.distribute.has_strategy()
    model = worker.make_model()
    assert strategy.prepare(model) is model
    assert set(vars(strategy.prepare(worker.make_model()))) == set(vars(worker.make_model()))
    strategy.barrier("alone")


def test_a_cluster_of_one_worker_is_one_device(tf_config):
    tf_config({"worker": ["localhost:1"]})
    assert open_strategy("auto").num_workers == 1


def test_the_chief_is_the_first_of_the_workers(tf_config):
    tf_config({"chief": ["a:1"], "worker": ["b:1", "c:1"]}, "worker", 1)
    assert task_of_this_process() == (3, 2)
    tf_config({"chief": ["a:1"], "worker": ["b:1", "c:1"]}, "chief", 0)
    assert task_of_this_process() == (3, 0)
    tf_config({"worker": ["b:1", "c:1"]}, "worker", 1)
    assert task_of_this_process() == (2, 1)


@pytest.mark.parametrize(
    ("config", "kind", "index", "received"),
    [
        ("{not json", None, None, "JSONDecodeError"),
        ({"worker": ["a:1", "b:1"]}, "worker", 2, "the task 'worker' 2"),
        ({"worker": ["a:1", "b:1"]}, "evaluator", 0, "the task 'evaluator' 0"),
        ({"worker": ["a:1"], "ps": ["b:1"]}, "worker", 0, "a cluster with ps"),
    ],
)
def test_a_wrong_cluster_is_refused(tf_config, config, kind, index, received):
    tf_config(config, kind, index)
    with pytest.raises(ValueError, match=f"TF_CONFIG must be JSON .*Received: {received}"):
        open_strategy("multiworker")


def test_several_workers_need_a_cluster(tf_config):
    with pytest.raises(ValueError, match=r"TF_CONFIG, such as .*Received: none"):
        open_strategy("multiworker")


def test_a_tpu_that_is_not_there_is_said_to_be_missing(tf_config, monkeypatch):
    def connect(tpu):
        raise tf.errors.NotFoundError(None, None, f"no TPU {tpu}")

    # The real one makes TensorFlow forget what this process has.
    monkeypatch.setattr(tf.distribute.cluster_resolver.TPUClusterResolver, "connect", connect)
    with pytest.raises(ValueError, match=r'strategy "tpu" needs a TPU.*Received: .local.*no TPU'):
        open_strategy("tpu")


def test_the_workers_rows_together_are_the_global_batch():
    batch = {"images": np.arange(24).reshape(12, 2), "labels": np.arange(12)}
    parts = [LocalBatches(12, 4, shard, 3).rows(batch) for shard in range(3)]
    for key, value in batch.items():
        np.testing.assert_array_equal(np.concatenate([part[key] for part in parts]), value)
    assert LocalBatches(12, 12, 0, 1).rows(batch) is batch


def test_rows_keep_static_shapes_in_a_pipeline():
    batches = worker.training(LocalBatches(8, 4, 1, 2))
    assert [spec.shape.as_list() for spec in batches.element_spec] == [[4, 12, 12, 3], [4, 3]]
    images, labels = next(iter(batches))
    np.testing.assert_array_equal(images, worker.data()[0][4:8])
    np.testing.assert_array_equal(np.argmax(labels, -1), worker.data()[1][4:8])


def test_each_worker_draws_with_a_seed_of_its_own():
    seeds = {
        (seed, shard): LocalBatches(8, 1, shard, 8).seed(seed)
        for seed in range(50)
        for shard in range(8)
    }
    assert len(set(seeds.values())) == len(seeds)
    assert all(0 <= seed < 2**31 for seed in seeds.values())
    assert LocalBatches(8, 8, 0, 1).seed(5) == 5


def test_a_batch_that_cannot_be_divided_is_refused():
    strategy = Strategy("mirrored")
    strategy.num_replicas = 3
    with pytest.raises(ValueError, match=r"number of replicas, 3\. Received: 16"):
        strategy.local_batches(16)
    assert strategy.local_batches(18).size == 18


@pytest.mark.parametrize(
    ("count", "batch_size", "num_replicas"),
    [(18, 8, 2), (17, 8, 2), (16, 8, 4), (9, 8, 4), (5, 8, 4), (7, 8, 3), (23, 5, 4), (4, 64, 4)],
)
@pytest.mark.parametrize("num_workers", [1, 2])
def test_every_replica_has_examples_in_every_step(count, batch_size, num_replicas, num_workers):
    dataset = tf.data.Dataset.range(count).map(lambda i: (i, 2 * i))
    local = num_replicas // num_workers
    shares = [range(first, first + local) for first in range(0, local * num_workers, local)]
    if local * num_workers < num_replicas:
        shares[-1] = range(shares[-1].start, num_replicas)
    found = {}
    for share in shares:
        batches, steps = evaluation_batches(dataset, batch_size, num_replicas, share)
        pieces = list(batches.as_numpy_iterator())
        assert len(pieces) == steps * len(share)
        for number, (first, second) in enumerate(pieces):
            np.testing.assert_array_equal(second, 2 * first)
            found[number // len(share), share[number % len(share)]] = first
    assert min(len(piece) for piece in found.values()) >= 1
    in_order = np.concatenate([found[key] for key in sorted(found)])
    np.testing.assert_array_equal(in_order, np.arange(count))
    for step in range(steps):
        sizes = [len(found[step, replica]) for replica in range(num_replicas)]
        assert max(sizes) - min(sizes) <= 1
        assert sum(sizes) < -(-batch_size // num_replicas) * num_replicas + num_replicas


def test_examples_of_unknown_number_are_counted():
    dataset = tf.data.Dataset.range(11).filter(lambda i: i != 3)
    assert int(dataset.cardinality()) < 0
    batches, steps = evaluation_batches(dataset, 4, 2)
    assert steps == 3
    assert sum(len(piece) for piece in batches.as_numpy_iterator()) == 10


def test_whole_steps_have_one_static_shape():
    batches, steps = evaluation_batches(tf.data.Dataset.range(11), 4, 2, whole=True)
    assert batches.element_spec.shape.as_list() == [2]
    pieces = list(batches.as_numpy_iterator())
    assert (len(pieces), steps) == (4, 2)
    np.testing.assert_array_equal(np.concatenate(pieces), np.arange(8))


@pytest.mark.parametrize(("count", "whole"), [(3, False), (7, True)])
def test_too_few_examples_are_refused(count, whole):
    with pytest.raises(ValueError, match=f"an example for each replica.*{count} examples for 4"):
        evaluation_batches(tf.data.Dataset.range(count), 8, 4, whole=whole)


def test_an_endless_data_set_cannot_be_evaluated_on():
    with pytest.raises(ValueError, match="`dataset` must end"):
        evaluation_batches(tf.data.Dataset.range(3).repeat(), 2, 2)


@pytest.fixture(scope="module")
def two_in_name():
    """A strategy of one device that says it has two."""
    strategy = Strategy("mirrored", tf.distribute.OneDeviceStrategy("/cpu:0"))
    strategy.num_replicas = 2
    return strategy


def test_models_made_elsewhere_are_refused(two_in_name):
    model = worker.compile_model(worker.make_model(), keras.optimizers.SGD(0.1))
    with pytest.raises(ValueError, match=r"made and compiled in `with strategy\.scope"):
        two_in_name.prepare(model)


@pytest.mark.parametrize(("synchronized", "warned"), [(False, 1), (True, 0)])
def test_batch_normalization_of_replicas_alone_is_warned_of(two_in_name, synchronized, warned):
    with two_in_name.scope():
        inner = keras.Sequential([keras.layers.BatchNormalization(synchronized=synchronized)])
        model = keras.Sequential([keras.Input((3,)), inner, keras.layers.Dense(2)])
        worker.compile_model(model, keras.optimizers.SGD(0.1))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        two_in_name.prepare(model)
    found = [str(w.message) for w in caught if "BatchNormalization" in str(w.message)]
    assert len(found) == warned
    assert all("synchronized=True" in message for message in found)


def test_batches_without_a_static_size_are_refused(two_in_name):
    batches = tf.data.Dataset.range(9).batch(4)
    with pytest.raises(ValueError, match="use `drop_remainder=True`"):
        two_in_name.distribute(batches)


def test_a_mixing_step_compiles_for_an_accelerator_once():
    """Static shapes all along, and one program of XLA: what a TPU asks for."""
    traces = []

    class Spy(keras.Model):
        def train_step(self, data):
            traces.append([part.shape.as_list() for part in data])
            return super().train_step(data)

    plain = worker.make_model()
    model = Spy(plain.inputs, plain.outputs)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(0.01, clipnorm=1.0), loss, jit_compile=True)
    mix_on_device(model, kpm.PatchMixing(3, num_classes=worker.CLASSES, seed=1, probability=1.0))
    before = worker.weights_of(model)
    batches = worker.training(LocalBatches(8, 4, 0, 2))
    model.fit(batches, steps_per_epoch=3, shuffle=False, verbose=0)
    assert model.jit_compile
    made = len(traces)
    history = model.fit(batches, epochs=2, steps_per_epoch=3, shuffle=False, verbose=0).history
    assert all(shapes == [[4, 12, 12, 3], [4, 3]] for shapes in traces)
    assert len(traces) == made, "the step was traced again"
    assert np.all(np.isfinite(history["loss"]))
    assert np.abs(worker.weights_of(model) - before).max() > 0.001
