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
from keras_patchmix.devices.batches import LocalBatches, weighted_batches
from keras_patchmix.devices.strategies import NAMES, open_strategy
from keras_patchmix.devices.strategy import Strategy
from keras_patchmix.devices.tf_distribute import DistributeStrategy
from keras_patchmix.devices.workers import Workers, task_of_this_process
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


@pytest.mark.parametrize(
    ("backend", "name"),
    [("jax", "mirrored"), ("jax", "tpu"), ("torch", "data_parallel"), ("torch", "multiworker")],
)
def test_names_of_other_backends_are_refused(backend, name, monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: backend)
    with pytest.raises(ValueError, match=f"where the backend of Keras is {backend}"):
        open_strategy(name)


def test_tensorflow_has_no_other_word_for_data_parallelism():
    with pytest.raises(ValueError, match=r"cpu, mirrored, multiworker, tpu where .* tensorflow"):
        open_strategy("data_parallel")


@pytest.mark.parametrize("late", [False, True])
def test_on_pytorch_tensorflow_reads_data_and_leaves_the_gpus(monkeypatch, late):
    hidden = []

    def hide(devices, kind):
        if late:
            raise RuntimeError
        hidden.append((devices, kind))

    monkeypatch.setattr(keras.config, "backend", lambda: "torch")
    monkeypatch.setattr(tf.config, "set_visible_devices", hide)
    assert open_strategy("auto").num_replicas == 1
    assert hidden == ([] if late else [([], "GPU")])


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
    strategy = Strategy("mirrored", num_replicas=3)
    with pytest.raises(
        ValueError,
        match=r"`batch_size` must be a multiple .* replicas, 3\. Received: batch_size=16",
    ):
        strategy.local_batches(16)
    assert strategy.local_batches(18).size == 18


class _Other(Workers):
    """One of two workers, the other of which is at another barrier."""

    count = 2

    def sum(self, numbers):
        return np.int64(numbers) + np.int64([3, 9])


def test_workers_at_different_barriers_are_told():
    with pytest.raises(RuntimeError, match="waits for '--output a', and another worker for some"):
        Strategy("multiworker", 2, _Other()).barrier("--output a")


@pytest.mark.parametrize(("count", "size"), [(18, 8), (16, 8), (5, 8), (1, 4), (23, 4)])
@pytest.mark.parametrize("num_shards", [1, 2, 4])
def test_losses_of_filled_batches_are_those_of_the_examples(count, size, num_shards):
    values = np.random.default_rng(1).uniform(1, 2, count)
    dataset = tf.data.Dataset.from_tensor_slices((np.arange(count), values))
    parts = []
    for shard in range(num_shards):
        local = LocalBatches(size, size // num_shards, shard, num_shards)
        batches = weighted_batches(dataset, local, lambda index, value: (index, 2 * value))
        assert batches.element_spec[0].shape.as_list() == [size // num_shards]
        assert int(batches.cardinality()) == -(-count // size)
        parts.append(list(batches.as_numpy_iterator()))
    steps = [
        [np.concatenate(column) for column in zip(*step, strict=True)]
        for step in zip(*parts, strict=True)
    ]
    index = np.concatenate([step[0] for step in steps])
    np.testing.assert_array_equal(index[:count], np.arange(count))
    if count % size == 0:
        assert all(len(step) == 2 for step in steps)
        return
    weights = np.concatenate([step[2] for step in steps])
    assert weights.dtype == np.float32
    assert (weights[:count] > 0).all()
    assert not weights[count:].any()
    loss = np.mean([np.mean(value * weight) for _, value, weight in steps])
    np.testing.assert_allclose(loss, 2 * values.mean(), rtol=1e-6)


def test_keras_evaluates_filled_batches_as_whole_ones():
    images, labels = worker.data()
    rows = np.eye(worker.CLASSES, dtype="float32")[labels]
    dataset = tf.data.Dataset.from_tensor_slices((images[:18], rows[:18]))
    model = worker.make_model()
    worker.compile_model(model, keras.optimizers.SGD(0.1), weighted_metrics=["accuracy"])
    batches = weighted_batches(dataset, LocalBatches(8, 8, 0, 1))
    expected = model.evaluate(dataset.batch(8), return_dict=True, verbose=0)
    got = model.evaluate(batches, return_dict=True, verbose=0)
    assert got == pytest.approx(expected, abs=2e-6)
    assert 0 < got["accuracy"] < 1


@pytest.mark.needs("grain")
@pytest.mark.parametrize("count", [18, 16])
def test_grain_fills_batches_as_tf_data_does(count):
    import grain

    images, labels = np.arange(4 * count).reshape(count, 4), np.arange(count) % 3
    for shard in range(2):
        local = LocalBatches(8, 4, shard, 2)
        expected = weighted_batches(
            tf.data.Dataset.from_tensor_slices((images, labels)), local, lambda x, y: (x, 2 * y)
        )
        examples = grain.MapDataset.source(list(zip(images, labels, strict=True))).to_iter_dataset()
        for given in (None, count):
            batches = weighted_batches(examples, local, lambda xy: (xy[0], 2 * xy[1]), given)
            pairs = zip(batches, expected.as_numpy_iterator(), strict=True)
            for got, wanted in pairs:
                assert len(got) == len(wanted)
                kept = slice(None) if len(wanted) == 2 else wanted[2] > 0
                for part, other in zip(got, wanted, strict=True):
                    np.testing.assert_array_equal(part[kept], other[kept])
                    assert part.shape == other.shape


def test_examples_of_unknown_number_are_counted():
    dataset = tf.data.Dataset.range(11).map(lambda i: (i, i)).filter(lambda i, _: i != 3)
    assert int(dataset.cardinality()) < 0
    batches = weighted_batches(dataset, LocalBatches(4, 4, 0, 1))
    assert int(batches.cardinality()) == 3
    assert sum((weights > 0).sum() for *_, weights in batches.as_numpy_iterator()) == 10


def test_an_empty_data_set_cannot_be_evaluated_on():
    with pytest.raises(ValueError, match=r"`dataset` must hold examples\. Received: none"):
        weighted_batches(tf.data.Dataset.range(0), LocalBatches(4, 4, 0, 1))


def test_an_endless_data_set_cannot_be_evaluated_on():
    with pytest.raises(ValueError, match="`dataset` must end"):
        weighted_batches(tf.data.Dataset.range(3).repeat(), LocalBatches(2, 2, 0, 1))


@pytest.fixture(scope="module")
def two_in_name():
    """A strategy of one device that says it has two."""
    strategy = DistributeStrategy("mirrored", tf.distribute.OneDeviceStrategy("/cpu:0"))
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
