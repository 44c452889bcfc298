"""One small training, as the tests run it: on one device, on several, and as one of two workers.

KERAS_BACKEND=tensorflow python -m tests.devices.worker mirrored DIRECTORY OWN
KERAS_BACKEND=tensorflow TF_CONFIG=... python -m tests.devices.worker multiworker DIRECTORY OWN
KERAS_BACKEND=jax XLA_FLAGS=... python -m tests.devices.worker data_parallel DIRECTORY OWN
"""

import json
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import keras_patchmix as kpm
from keras_patchmix.devices.strategies import open_strategy
from keras_patchmix.devices.workers import is_chief
from keras_patchmix.scoring.forward import forward_function
from keras_patchmix.training import mix_on_device

BATCH, CLASSES, STEPS, EPOCHS = 8, 3, 3, 2
MIXED_STEPS = 40  # of a training that mixes in the pipeline, for statistics of its labels
VALIDATION = 18  # two steps of 8, and 2 examples that fill no step
SCORED = 21  # six batches of 4 for the occlusion benchmark, the last one of one example


def data():
    """Images (32, 12, 12, 3), float32 in 0..255, and class ids; some gradients are large."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, 32)
    images = rng.uniform(0, 90, (32, 12, 12, 3))
    images[np.arange(32), :, :, labels] += 120 * rng.uniform(0, 1, (32, 1, 1))
    return images.astype("float32"), labels


def make_model():
    keras.utils.set_random_seed(1)
    inputs = keras.Input((12, 12, 3))
    x = keras.layers.Rescaling(1 / 64)(inputs)
    x = keras.layers.Conv2D(4, 3, activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(CLASSES)(x), name="small")


def compile_model(model, optimizer, **arguments):
    model.compile(
        optimizer,
        keras.losses.CategoricalCrossentropy(from_logits=True),
        jit_compile=keras.config.backend() == "jax",
        **arguments,
    )
    return model


def training(local):
    """The endless stream of this worker's batches, class ids as rows."""
    images, labels = data()
    batches = tf.data.Dataset.from_tensor_slices((images, np.eye(CLASSES, dtype="float32")[labels]))
    return (
        batches.repeat()
        .batch(local.global_size, drop_remainder=True)
        .map(lambda x, y: local.rows((x, y)))
    )


def weights_of(model):
    return np.concatenate([weight.reshape(-1) for weight in model.get_weights()])


SUITE = [kpm.occlusion.PatchReplacement(4, (0.25, 0.5)), kpm.occlusion.PatchDrop(4, (0.75,))]


def fitted(strategy, directory, own):
    """A training with clipped gradients, validation and the occlusion benchmark."""
    images, labels = data()
    with strategy.scope():
        optimizer = keras.optimizers.SGD(0.1, momentum=0.9, global_clipnorm=0.2)
        model = compile_model(make_model(), optimizer, weighted_metrics=["accuracy"])
    start = weights_of(strategy.prepare(model))
    whole = tf.data.Dataset.from_tensor_slices((images[:VALIDATION], labels[:VALIDATION]))
    occlusion = kpm.callbacks.OcclusionBenchmark(
        (images[:SCORED], labels[:SCORED]),
        SUITE,
        batch_size=4,
        directory=own / "occlusion",
    )
    history = model.fit(
        strategy.distribute(training(strategy.local_batches(BATCH))),
        epochs=EPOCHS,
        steps_per_epoch=STEPS,
        validation_data=strategy.evaluation_batches(
            whole, BATCH, lambda x, y: (x, tf.one_hot(y, CLASSES))
        ),
        callbacks=[occlusion],
        shuffle=False,
        verbose=0,
    ).history
    strategy.save(model, directory / "model.keras")
    loaded = keras.models.load_model(directory / "model.keras")
    return {
        "start": start,
        "weights": weights_of(model),
        "loaded": weights_of(loaded),
        "loaded_momentum": weights_of_optimizer(loaded),
        "momentum": weights_of_optimizer(model),
        "class_in_file": type_in_file(directory / "model.keras"),
        "chief": is_chief(model),
        "history": json.dumps(history),
        "report": occlusion.report.to_json(),
        **shared(strategy, model, own),
    }


def shared(strategy, model, own):
    """Scores fewer batches than there are workers, and with an error on the last worker alone."""
    images, labels = data()
    few = kpm.occlusion.Benchmark((images[:3], labels[:3]), SUITE, batch_size=4)

    def fail_on_the_last(images):
        if strategy.worker_index == strategy.num_workers - 1:
            raise OSError("a broken disk")
        return images

    failing = kpm.occlusion.Benchmark(
        (images, labels), SUITE, batch_size=4, preprocess=fail_on_the_last
    )
    return {
        "few": few.run(model, verbose=False, share=True).to_json(),
        "error": error_of(failing, model),
        "backup_error": error_of(few, model, backup=own / "backup.json"),
    }


def error_of(benchmark, model, **arguments):
    try:
        benchmark.run(model, verbose=False, share=True, **arguments)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "none"


def type_in_file(path):
    with zipfile.ZipFile(path) as file:
        config = file.read("config.json").decode()
    assert "keras_patchmix" not in config
    return json.loads(config)["class_name"]


def weights_of_optimizer(model):
    return np.concatenate(
        [np.reshape(keras.ops.convert_to_numpy(v), -1) for v in model.optimizer.variables]
    )


class Labels(keras.metrics.Metric):
    """Keeps the labels that each replica saw at each step."""

    def __init__(self, num_replicas):
        super().__init__(name="labels")
        shape = (STEPS, num_replicas, BATCH // num_replicas, CLASSES)
        self.seen = self.add_variable(shape, "zeros", name="seen")
        self.step = self.add_variable((), "zeros", dtype="int32", name="step")

    def update_state(self, y_true, y_pred, sample_weight=None):
        context = tf.distribute.get_replica_context()  # None while Keras learns of shapes
        number = 0 if context is None else context.replica_id_in_sync_group
        replica = tf.one_hot(number, self.seen.shape[1])
        step = tf.one_hot(self.step.value, STEPS)
        self.seen.assign_add(step[:, None, None, None] * replica[:, None, None] * y_true)
        self.step.assign_add(1)

    def reset_state(self):
        """Keeps what it has."""

    def result(self):
        return tf.cast(self.step.value, "float32")


def mixed(strategy):
    """A training that mixes on the device, and what the seeds of a pipeline would be."""
    with strategy.scope():
        labels = Labels(strategy.num_replicas)
        model = compile_model(make_model(), keras.optimizers.SGD(0.1), weighted_metrics=[labels])
    layer = kpm.PatchMixing(12, num_classes=CLASSES, ratio=(0.2, 0.8), seed=3, probability=1.0)
    # Before and after `prepare` are the same to the trainer; here the harder one.
    mix_on_device(strategy.prepare(model), layer)
    local = strategy.local_batches(BATCH)
    # The same rows on every replica at every step: only the plans differ.
    images = data()[0][: BATCH // 2]
    rows = np.eye(CLASSES, dtype="float32")[np.arange(BATCH // 2) % CLASSES]
    times = local.size // (BATCH // 2)
    same = tf.data.Dataset.from_tensors(
        (np.tile(images, (times, 1, 1, 1)), np.tile(rows, (times, 1)))
    ).repeat()
    model.fit(strategy.distribute(same), steps_per_epoch=STEPS, shuffle=False, verbose=0)
    with strategy.scope():
        seen = labels.seen.value
        seen = seen.numpy() if strategy.num_replicas == 1 else tf.identity(seen).numpy()
    pipeline = kpm.layers.map_seeded(same, layer, local.seed(3), first_step=0)
    return {
        "mixed_weights": weights_of(model),
        "plans_on_device": seen,
        "plans_in_pipeline": next(iter(pipeline))[1].numpy(),
    }


class Spy(keras.Model):
    """Notes what its train step is given on each replica."""

    def train_step(self, data):
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        tf.numpy_function(
            lambda *parts: self.seen.append([part.tolist() for part in parts]),
            [replica, self.optimizer.iterations, *data],
            [],
        )
        return super().train_step(data)


def spied(strategy):
    """Means of mixed images and their labels, of each step and replica, as JSON.

    Image i is of the constant value i and of class i; class ids come in, and Keras builds a metric.
    """
    with strategy.scope():
        inputs = keras.Input((14, 14, 1))
        outputs = keras.layers.Dense(8)(keras.layers.Flatten()(inputs))
        model = Spy(inputs, outputs)
        model.seen = []
        compile_model(model, keras.optimizers.SGD(0.01), metrics=["accuracy"])
    mix_on_device(model, kpm.PatchMixing(num_classes=8, label_smoothing=0, seed=3, probability=1.0))
    ids = np.tile(np.arange(8), 4)
    images = np.broadcast_to(ids[:, None, None, None], (32, 14, 14, 1)).astype("float32")
    model.fit(images, ids, batch_size=16, epochs=2, shuffle=False, verbose=0)
    return json.dumps(
        {
            f"{step} {replica}": [np.mean(x, (1, 2, 3)).tolist(), y]
            for replica, step, x, y in model.seen
        }
    )


def overflowed(strategy):
    """A step of a loss-scaled optimizer where the last row alone gives infinite gradients."""
    images, labels = data()
    rows = np.eye(CLASSES, dtype="float32")[labels[:BATCH]]
    rows[-1] = 3e38
    with strategy.scope():
        optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1, clipnorm=0.2))
        model = compile_model(make_model(), optimizer)
    before = weights_of(strategy.prepare(model))
    local = strategy.local_batches(BATCH)
    batches = tf.data.Dataset.from_tensors(local.rows((images[:BATCH], rows))).repeat()
    model.fit(strategy.distribute(batches), steps_per_epoch=1, shuffle=False, verbose=0)
    return {
        "untouched": np.array_equal(weights_of(model), before),
        "scale": float(optimizer.dynamic_scale.numpy()) / float(optimizer.initial_scale),
    }


class GlobalLabels(keras.metrics.Metric):
    """Keeps the labels of the whole batch at each step, as JAX sees it."""

    def __init__(self):
        super().__init__(name="labels")
        self.seen = self.add_variable((STEPS, BATCH, CLASSES), "zeros", name="seen")
        self.step = self.add_variable((), "zeros", dtype="int32", name="step")

    def update_state(self, y_true, y_pred, sample_weight=None):
        step = keras.ops.one_hot(self.step.value, STEPS)
        self.seen.assign(self.seen + step[:, None, None] * y_true)
        self.step.assign(self.step + 1)

    def reset_state(self):
        """Keeps what it has."""

    def result(self):
        return keras.ops.cast(self.step.value, "float32")


def mixed_on_jax(strategy):
    """Trainings that mix on the device and in the pipeline."""
    layer = kpm.PatchMixing(12, num_classes=CLASSES, ratio=(0.2, 0.8), seed=3, probability=1.0)
    local = strategy.local_batches(BATCH)
    labels = GlobalLabels()
    model = compile_model(make_model(), keras.optimizers.SGD(0.1), weighted_metrics=[labels])
    mix_on_device(strategy.prepare(model), layer)
    on_device = model.fit(
        strategy.distribute(training(local)), steps_per_epoch=STEPS, shuffle=False, verbose=0
    )
    model = compile_model(make_model(), keras.optimizers.SGD(0.1))
    batches = kpm.layers.map_seeded(training(local), layer, local.seed(3), first_step=0)
    drawn = [rows for _, rows in batches.take(MIXED_STEPS).as_numpy_iterator()]
    in_pipeline = model.fit(
        strategy.distribute(batches),
        epochs=MIXED_STEPS // 10,
        steps_per_epoch=10,
        shuffle=False,
        verbose=0,
    )
    return {
        "labels_on_device": keras.ops.convert_to_numpy(labels.seen),
        "loss_on_device": on_device.history["loss"],
        "weights_in_pipeline": weights_of(model),
        "loss_in_pipeline": in_pipeline.history["loss"],
        "labels_in_pipeline": np.stack(drawn),
    }


def divided(strategy):
    """How this process scores a batch of 5: on which devices, and how many rows each has."""
    model = make_model()
    images = data()[0][:5]
    output = forward_function(model)(images)
    shards = forward_function(model)(data()[0][:BATCH]).addressable_shards
    return {
        "scores": np.asarray(output),
        "rows_by_device": [len(shard.data) for shard in shards],
    }


def run(strategy, directory, own):
    """Everything above, as a dict of arrays and texts."""
    for folder in (directory, own):
        folder.mkdir(parents=True, exist_ok=True)
    found = fitted(strategy, directory, own)
    if keras.config.backend() == "jax":
        return {**found, **mixed_on_jax(strategy), **divided(strategy)}
    return {**found, **mixed(strategy), **overflowed(strategy)}


def main(name, directory, own):
    if name == "mirrored":
        cpu = tf.config.list_physical_devices("CPU")[0]
        two = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, two)
    strategy = open_strategy(name)
    found = run(strategy, Path(directory), Path(own))
    if name == "mirrored":
        found["spied"] = spied(strategy)
    np.savez(Path(own) / "found.npz", strategy=repr(strategy), **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
