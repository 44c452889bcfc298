"""Training of one model into one run directory, from the start or from where it was stopped."""

import json
import os
import secrets
import sys
import warnings
from pathlib import Path

import keras
import numpy as np

from keras_patchmix import occlusion
from keras_patchmix.base import atomic
from keras_patchmix.base.printable import say
from keras_patchmix.callbacks import OcclusionBenchmark
from keras_patchmix.occlusion import Report
from keras_patchmix.training import pipeline
from keras_patchmix.training.averaging import AveragedOcclusionBenchmark, AveragedValidation
from keras_patchmix.training.checkpoints import CheckpointFolder
from keras_patchmix.training.compiling import compile_model, make_model
from keras_patchmix.training.keeping import EpochCheckpoint


def fit(data, options, directory, strategy):
    """Trains a model, scores it on the test split, and writes the run directory.

    What is there already is not made again: a directory with a report is done; one with a trained
    model is scored; one with checkpoints is trained on after its last whole epoch. Of several
    workers the chief writes and scores, and all must see the same directory.

    Args:
        data: A `pipeline.Data`.
        options: A `TrainOptions`.
        directory: Path of a directory, made if it is not there.
        strategy: A `keras_patchmix.devices.strategies.Strategy`.

    Returns:
        The `keras_patchmix.occlusion.Report` of the test split.

    Raises:
        keras_patchmix.training.keeping.Diverged: The loss is no longer finite.
        ValueError: The directory holds checkpoints of another version or model.
    """
    directory = Path(directory)
    report = directory / "report.json"
    if report.exists():
        return Report.load(report)
    directory.mkdir(parents=True, exist_ok=True)
    if strategy.is_chief:
        for leftover in directory.rglob(".*.tmp*"):
            leftover.unlink(missing_ok=True)
    keras.config.set_dtype_policy(options.precision)
    keras.utils.set_random_seed(options.seed)
    suite = occlusion.default_suite(data.info.image_shape[0])
    trained = directory / "model.keras"
    if not trained.exists():
        _train(data, options, directory, suite, strategy)
    strategy.barrier("trained")
    if strategy.is_chief:
        # From the file in every case, so that the report does not depend on what was interrupted.
        model = keras.models.load_model(trained, compile=False)
        _score(data, options, directory, suite, model)
    strategy.barrier("scored")
    return Report.load(report)


def _train(data, options, directory, suite, strategy):
    steps = options.steps_per_epoch or data.num_train // options.batch_size
    with strategy.scope():
        model = make_model(options, data.info)
        compile_model(model, options, steps)
    model = strategy.prepare(model)
    folder = CheckpointFolder(directory / "checkpoints")
    settings = _versions() | {"cache": data.cache}
    begun, writes = folder.load(), strategy.is_chief
    done = 0 if begun is None else begun.epoch
    if begun is not None:
        _warn_of_changes(begun.settings, settings)
        say(f"Going on after epoch {done} of {options.epochs}")
    local = strategy.local_batches(options.batch_size)
    total = steps * options.epochs
    batches = pipeline.training_batches(data, options, total, steps * done, local)
    metrics = directory / "metrics.csv"
    keeping = EpochCheckpoint(folder, metrics, begun, settings, options.seed, writes)
    try:
        model.fit(
            strategy.distribute(batches),
            initial_epoch=done,
            epochs=options.epochs,
            steps_per_epoch=steps,
            validation_data=strategy.evaluation_batches(
                data.validation, options.batch_size, pipeline.one_hot(data)
            ),
            callbacks=[*_scoring_callbacks(data, options, directory, suite), keeping],
            shuffle=False,  # the stream is shuffled
            verbose=0 if not writes else "auto" if sys.stdout.isatty() else 2,
        )
    except KeyboardInterrupt:
        epoch = f"epoch {keeping.epoch + 1} of {options.epochs}"
        say(f"\nStopped in {epoch}. The run will go on from the start of it.", file=sys.stderr)
        raise
    _save_model(model, directory / "model.keras", writes)


def _scoring_callbacks(data, options, directory, suite):
    benchmark = OcclusionBenchmark if options.ema is None else AveragedOcclusionBenchmark
    scoring = benchmark(
        data.validation.batch(options.batch_size),
        suite,
        frequency=options.occlusion_every,
        max_examples=options.occlusion_examples,
        seed=options.seed,
        directory=directory,
    )
    return [scoring] if options.ema is None else [AveragedValidation(), scoring]


def _score(data, options, directory, suite, model):
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
    report = scoring.run(model, backup=directory / "backup.json")
    report.to_csv(directory / "report.csv")
    report.to_html(directory / "report.html", scoring.examples())
    report.to_json(directory / "report.json")  # last: it says that all is there


def _save_model(model, path, writes):
    """Saves the model atomically; a worker that does not write reads its variables all the same."""
    # Keras wants the name to end so; the leading dot marks what a killed process left.
    temporary = path.with_name(f".{secrets.token_hex(6)}.tmp{path.suffix}")
    model.save(temporary)
    if writes:
        os.replace(temporary, path)
    else:
        temporary.unlink()


def _versions():
    versions = {"keras": keras.__version__, "numpy": np.__version__}
    backend = keras.backend.backend()
    versions[backend] = getattr(sys.modules.get(backend), "__version__", None)
    return versions


def _warn_of_changes(before, now):
    for name, value in now.items():
        if before.get(name, value) != value:
            warnings.warn(
                f"The checkpoint was written with {name} {before[name]} and training goes on with "
                f"{value}: the result may differ.",
                stacklevel=2,
            )


def write_config(options, directory):
    """Writes the settings of the second model of a run."""
    atomic.write_text(
        Path(directory) / "config.json", json.dumps(options.to_dict(), indent=2) + "\n"
    )
