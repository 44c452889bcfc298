"""Training of one model into one run directory, from the start or from the last whole epoch."""

import json
import os
import sys
import warnings
from pathlib import Path

import keras
import numpy as np

from keras_patchmix import occlusion
from keras_patchmix.base import atomic
from keras_patchmix.base.printable import say
from keras_patchmix.callbacks import OcclusionBenchmark
from keras_patchmix.models.factory import arguments_of, create
from keras_patchmix.occlusion import Report
from keras_patchmix.training import pipeline
from keras_patchmix.training.checkpoints import CheckpointFolder
from keras_patchmix.training.fine_tuning import use_xla
from keras_patchmix.training.fit_callbacks import (
    AveragedOcclusionBenchmark,
    AveragedValidation,
    EpochCheckpoint,
)


def fit(data, options, directory, strategy):
    """Trains a model, scores it on the test split, and writes the run directory.

    Work that is done is not repeated: a directory with a report is finished; one with a trained
    model is scored; one with checkpoints is resumed after its last whole epoch. Of several workers
    all score, the chief writes, and all must see the same directory.

    Args:
        data: A `keras_patchmix.training.training_data.Data`.
        options: A `TrainOptions`.
        directory: Path of a directory, made if needed.
        strategy: A `keras_patchmix.devices.strategies.Strategy`.

    Returns:
        The `keras_patchmix.occlusion.Report` of the test split.

    Raises:
        keras_patchmix.training.fit_callbacks.Diverged: The loss is no longer finite.
        ValueError: The directory holds checkpoints of another version or model.
    """
    directory = Path(directory)
    report = directory / "report.json"
    if report.exists():
        return Report.load(report)
    directory.mkdir(parents=True, exist_ok=True)
    if strategy.is_chief:
        atomic.remove_leftovers(directory)
    keras.config.set_dtype_policy(options.precision)
    keras.utils.set_random_seed(options.seed)
    suite = occlusion.default_suite(data.info.image_shape[0])
    trained = directory / "model.keras"
    if not trained.exists():
        _train(data, options, directory, suite, strategy)
    strategy.barrier("trained")
    # Always from the file, so that an interruption does not change the report.
    with strategy.scope():
        model = keras.models.load_model(trained, compile=False)
    _score(data, options, directory, suite, model, strategy)
    strategy.barrier("scored")
    return Report.load(report)


def make_model(options, info):
    """Returns the model that the options name, not compiled.

    Args:
        options: A `TrainOptions`.
        info: A `keras_patchmix.datasets.DatasetInfo`.

    Raises:
        ValueError: `options.init` has another number of outputs than the data set has classes; or
            `options.drop_path` is given for an architecture without stochastic depth.
    """
    if options.init is not None:
        model = keras.models.load_model(options.init, compile=False)
        outputs = getattr(model, "output_shape", (None,))[-1]
        if outputs != info.num_classes:
            raise ValueError(
                f"--init must have an output for each of the {info.num_classes} classes of "
                f"{options.dataset}. Received: {os.fspath(options.init)!r} with {outputs}"
            )
        return model
    arguments = {"seed": options.seed}
    if options.drop_path is not None:
        if "drop_path_rate" not in arguments_of(options.model):
            raise ValueError(
                "--drop-path must be left out for models without stochastic depth, or whose own it "
                f"does not set. Received: --drop-path {options.drop_path} --model {options.model}"
            )
        arguments["drop_path_rate"] = options.drop_path
    return create(options.model, info.num_classes, tuple(info.image_shape), **arguments)


def compile_model(model, options, steps):
    """Compiles a model with AdamW, a cosine schedule after a linear warm-up, and accuracy.

    The optimizer is built, so that a state can be restored before the first step.

    Args:
        model: A `keras.Model` of logits.
        options: A `TrainOptions`.
        steps: Steps of an epoch.
    """
    averaging = {} if options.ema is None else {"use_ema": True, "ema_momentum": options.ema}
    optimizer = keras.optimizers.AdamW(
        schedule(options, steps),
        weight_decay=options.weight_decay,
        clipnorm=options.gradient_clip or None,
        **averaging,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "scale"])
    model.compile(
        optimizer,
        keras.losses.CategoricalCrossentropy(from_logits=True),
        weighted_metrics=["accuracy"],  # what fills up a batch of several devices weighs nothing
        jit_compile=use_xla() if options.xla == "auto" else options.xla == "on",
    )
    model.optimizer.build(model.trainable_variables)  # not `optimizer`: Keras may wrap it


def schedule(options, steps):
    """Returns the learning rate as a Keras schedule, for `steps` steps an epoch."""
    total = steps * options.epochs
    warmup = min(round(options.warmup_epochs * steps), total // 2)
    if not warmup:
        return keras.optimizers.schedules.CosineDecay(options.learning_rate, total)
    return keras.optimizers.schedules.CosineDecay(
        options.learning_rate / 100,
        decay_steps=total - warmup,
        warmup_target=options.learning_rate,
        warmup_steps=warmup,
    )


def _train(data, options, directory, suite, strategy):
    steps = options.steps_per_epoch or data.num_train // options.batch_size
    with strategy.scope():
        model = make_model(options, data.info)
        compile_model(model, options, steps)
    model = strategy.prepare(model)
    folder = CheckpointFolder(directory / "checkpoints")
    settings = _versions() | {"cache": data.cache}
    checkpoint, writes = folder.load(), strategy.is_chief
    done = 0 if checkpoint is None else checkpoint.epoch
    if checkpoint is not None:
        _warn_of_changes(checkpoint.settings, settings)
        say(f"Going on after epoch {done} of {options.epochs}")
    local = strategy.local_batches(options.batch_size)
    total = steps * options.epochs
    batches = pipeline.training_batches(data, options, total, steps * done, local)
    metrics = directory / "metrics.csv"
    saving = EpochCheckpoint(folder, metrics, checkpoint, settings, options.seed, writes)
    benchmark = OcclusionBenchmark if options.ema is None else AveragedOcclusionBenchmark
    scoring = benchmark(
        data.scored,
        suite,
        frequency=options.occlusion_every,
        max_examples=options.occlusion_examples,
        seed=options.seed,
        directory=directory,
    )
    averaging = [] if options.ema is None else [AveragedValidation()]
    try:
        model.fit(
            strategy.distribute(batches),
            initial_epoch=done,
            epochs=options.epochs,
            steps_per_epoch=steps,
            validation_data=strategy.evaluation_batches(
                data.validation, options.batch_size, pipeline.one_hot(data), data.num_validation
            ),
            validation_steps=data.validation_steps(options.batch_size),
            callbacks=[*averaging, scoring, saving],
            shuffle=False,  # the stream is shuffled
            verbose=0 if not writes else "auto" if sys.stdout.isatty() else 2,
        )
    except KeyboardInterrupt:
        epoch = f"epoch {saving.epoch + 1} of {options.epochs}"
        say(f"\nStopped in {epoch}. The run will resume from its start.", file=sys.stderr)
        raise
    if writes and data.broken:
        say(data.broken_line)
    atomic.save_model(directory / "model.keras", model, writes)


def _score(data, options, directory, suite, model, strategy):
    most = data.test.num_examples
    scoring = occlusion.Benchmark(
        data.test,
        suite,
        seed=options.seed,
        max_examples=options.test_examples,
        # Not that of the first batch, from which broken files are missing.
        batch_size=min(options.batch_size, options.test_examples or most, most),
        class_names=data.info.class_names,
    )
    several = strategy.num_workers > 1
    backup = None if several else directory / "backup.json"
    report = scoring.run(model, backup=backup, share=several)
    if not strategy.is_chief:
        return
    report.to_csv(directory / "report.csv")
    report.to_html(directory / "report.html", scoring.examples())
    report.to_json(directory / "report.json")  # last: it marks the run as finished


def _versions():
    versions = {"keras": keras.__version__, "numpy": np.__version__}
    backend = keras.backend.backend()
    versions[backend] = getattr(sys.modules.get(backend), "__version__", None)
    return versions


def _warn_of_changes(before, now):
    for name, value in now.items():
        if before.get(name, value) != value:
            warnings.warn(
                f"The checkpoint was written with {name} {before[name]} and training resumes with "
                f"{value}: the result may differ.",
                stacklevel=2,
            )


def write_config(options, directory):
    """Writes the settings of the second model of a run."""
    atomic.write_text(
        Path(directory) / "config.json", json.dumps(options.to_dict(), indent=2) + "\n"
    )
