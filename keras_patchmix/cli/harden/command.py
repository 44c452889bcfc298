"""The hardening command: from a saved model and a data set to a hardened model."""

import functools

from keras_patchmix.base import atomic, state_files
from keras_patchmix.base.printable import say
from keras_patchmix.base.progress import is_live
from keras_patchmix.base.run_directory import RunDirectory
from keras_patchmix.cli import remarks
from keras_patchmix.cli.data import common_size
from keras_patchmix.cli.harden.options import HardenOptions
from keras_patchmix.cli.image_errors import named_images
from keras_patchmix.cli.messages import in_words, result_line
from keras_patchmix.cli.model_specs import model_specs
from keras_patchmix.cli.score_kind import score_kind
from keras_patchmix.cli.shared_options import PROGRESS
from keras_patchmix.cli.train.experiment import top1_by_row
from keras_patchmix.cli.train.options import TrainOptions
from keras_patchmix.datasets.class_names import class_lines
from keras_patchmix.occlusion import Report
from keras_patchmix.occlusion.benchmark import Benchmark
from keras_patchmix.occlusion.data import ExampleSource
from keras_patchmix.occlusion.page import write_page
from keras_patchmix.occlusion.report_text import files_line, skipped_line
from keras_patchmix.report import text
from keras_patchmix.report.weight_line import LinePoint, WeightLine
from keras_patchmix.scoring import objects
from keras_patchmix.scoring.loading import load_model, probe
from keras_patchmix.training import pipeline
from keras_patchmix.training.fine_tuning import FineTuneSettings
from keras_patchmix.training.hardened import Hardened
from keras_patchmix.training.hardening import Hardening, default_grid, line_suite
from keras_patchmix.training.patch_occlusion import PatchOcclusion
from keras_patchmix.training.training_batches import StepBatches
from keras_patchmix.training.training_data import load
from keras_patchmix.training.weight_line import compiled_copy_of

_MODEL, _LINE, _REPORT, _PAGE = "hardened.keras", "line.json", "report.json", "report.html"
_FEW = 50


def run(options: "HardenOptions") -> "Hardened | None":
    """Hardens a model, and writes the directory of results.

    It holds config.json, hardened.keras, line.json, line.png, report.html, and the reports on test
    images: report.json and report.csv after hardening, and before it in the folder "before". The
    folder "backup" holds the state of the training, from which an interrupted run resumes. The
    model and the line are written before the test images are scored; a run that is interrupted
    then resumes with the reports.

    Args:
        options: A `HardenOptions`, with `output`.

    Returns:
        The `Hardened`; None if the run was finished before, and is only printed again.

    Raises:
        FileExistsError: The directory holds something else.
        ValueError: Something does not fit.
        OSError: The directory cannot be written to.
        ImportError: A package that the data set needs is not installed.
        CommandError: An image cannot be used.
    """
    (spec,) = model_specs(options)
    files = [spec.source, *options.imports]
    results = (_MODEL, "epoch-*.npz")
    directory = RunDirectory(
        str(options.output),
        "harden",
        options.deciding(),
        files,
        results,
        options.flags(),
        options.defaults(),
    )
    path, result = directory.path, None
    with directory.locked():
        if (path / _PAGE).exists():
            say(f"This run is finished: {path}")
        else:
            with named_images(options.dataset):
                result = _harden(options, spec, directory)
    before, after = Report.load(path / "before"), Report.load(path)
    compared = after.compare(before)
    say(f"\n{compared.table()}\n\n{in_words(compared, 'The hardened model', 'the original')}")
    for line in (advice(compared), skipped_line({"before": before, "after": after})):
        if line is not None:
            say(line)
    say()
    say(f"Model: {path / _MODEL}   Page: {path / _PAGE}")
    summary = {
        "dataset": options.dataset,
        "seed": options.seed,
        "n": after.settings["n"],
        "share": after.settings["share"],
        "directory": str(path),
        "top1": {"before": top1_by_row(before), "after": top1_by_row(after)},
    }
    say(result_line(summary))
    return result


def _harden(options, spec, directory):
    for module in options.imports:
        objects.import_module(module, "--import")
    loaded = load_model(spec, options.image_size, options.unsafe_load)
    training = _training_options(options, loaded)
    data = load(training)
    info, path = data.info, directory.path
    counts = {
        "train": data.num_train,
        "validation": data.num_validation,
        "test": data.test.num_examples,
    }
    _check_counts(counts)
    images = next(iter(ExampleSource(data.scored, 8))).images
    outputs = max(2, probe(loaded, info.image_shape))
    if outputs != info.num_classes:
        raise ValueError(
            f"--model {spec.name}: tells {outputs} classes apart, but the data set has "
            f"{info.num_classes} ({', '.join(info.class_names[:5])}, ...): give it a model with an "
            "output for each class"
        )
    scoring = {
        "preprocess": loaded.preprocess,
        "value_range": (0, 255),
        "from_logits": score_kind(loaded, images, options.scores).from_logits,
        "seed": options.seed,
    }
    head = (
        f"{options.dataset}: {counts['train']} images to train on, {counts['validation']} to "
        f"choose on, {counts['test']} to report on, of {'x'.join(map(str, info.image_shape))}. "
        f"Results go to {path}"
    )
    say("\n".join([head, *class_lines(info.class_names), remarks.input_line(loaded)]))
    directory.begin()
    progress = PROGRESS[options.progress]
    if progress == "auto" and not is_live():
        progress = 2
    if (path / _LINE).exists():
        hardened = compiled_copy_of(loaded.model)
        hardened.load_weights(path / _MODEL)
        made = state_files.read_json(path / _LINE, "a line of weights")
        points = [LinePoint(**point) for point in made["line"]]
        result = Hardened(hardened, loaded.model, points, made["settings"], scoring)
        say(f"The point was chosen before: {path / _MODEL}")
    else:
        result = _choose(options, loaded.model, data, training, scoring, path, progress)
    say(f"\n{result.table()}\n")
    before, after = result.report(
        data.test,
        verbose=progress,
        max_examples=options.test_examples,
        batch_size=training.batch_size,
        class_names=info.class_names,
    )
    for report in (before, after):
        report.settings.update(
            command=options.command_line(), dataset=info.name, share=result.chosen.share
        )
    _write_reports(path, result)
    return result


def _choose(options, model, data, training, scoring, path, progress):
    """Trains, chooses a point of the line, and writes it; returns the `Hardened`."""
    size = data.info.image_shape[:2]
    settings = FineTuneSettings(
        epochs=options.epochs,
        minutes=options.minutes,
        learning_rate=options.learning_rate,
        batch_size=training.batch_size,
        mixing=PatchOcclusion(
            options.grid_size or default_grid(size), options.foreign, options.black
        ),
        freeze_batch_norm=not options.train_batch_norm,
        seed=options.seed,
    )
    benchmark = Benchmark(
        data.scored,
        line_suite(size),
        max_examples=options.line_examples,
        batch_size=training.batch_size,
        **scoring,
    )
    batches = StepBatches(
        functools.partial(pipeline.training_batches, data, training), data, training
    )
    hardening = Hardening(model, batches, benchmark, settings, scoring, path / "backup", progress)
    result = hardening.run(options.max_clean_drop, options.confident)
    skipped = [(one["name"], one["reason"]) for one in result.settings["skipped"]]
    if skipped:
        count = text.plural(len(skipped), "validation image")
        say(f"{count} could not be read: {files_line(skipped)}")
    if data.broken:
        say(data.broken_line)
    atomic.save_model(path / _MODEL, result.model)
    result.plot(path / "line.png")
    result.to_json(path / _LINE)  # the last: from here on nothing is trained or chosen again
    hardening.forget()
    return result


def _write_reports(path, result):
    for report, folder in ((result.before, path / "before"), (result.after, path)):
        report.to_csv(folder / "report.csv")
        report.to_json(folder / _REPORT)
    reports = {"after": result.after, "before": result.before}
    settings = result.settings
    line = WeightLine(result.line, settings["max_clean_drop"], settings["titles"])
    # The page comes last: it marks the run as finished.
    write_page(reports, path / _PAGE, line=line)


def advice(compared):
    """Returns what to try where at most half of the rows under occlusion gained, or None."""
    rows = [row for row in compared.rows if row.name != "clean"]
    better = [row for row in rows if row.low > 0]
    if 2 * len(better) > len(rows):
        return None
    return (
        "Rows in which the original is near its clean accuracy have little to gain; for the others "
        "try more --epochs, and more test images, which make the intervals narrower."
    )


def _training_options(options, loaded):
    """Returns the options of the pipeline of training images."""
    size = common_size(options, [loaded])
    return TrainOptions(
        dataset=options.dataset,
        data_dir=options.data_dir,
        train_split=options.train_split,
        validation_split=options.validation_split,
        test_split=options.test_split,
        image_size=size,
        augmentation=options.augmentation,
        mixing="none",
        label_smoothing=0.0,
        epochs=options.epochs,
        batch_size=options.batch_size,
        seed=options.seed,
    )


def _check_counts(counts):
    purposes = {"train": "train", "validation": "choose", "test": "report"}
    for part, count in counts.items():
        if count < _FEW:
            raise ValueError(
                f"--dataset must have {_FEW} images or more to {purposes[part]} on; --{part}-split "
                f"says which they are. Received: {count}"
            )
