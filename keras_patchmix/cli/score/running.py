"""A whole evaluation, from the options to the last line printed."""

import json
from typing import TYPE_CHECKING

from keras_patchmix.base.printable import say
from keras_patchmix.cli import remarks
from keras_patchmix.cli.data import (
    open_data,
    open_suite,
    saliency_function,
    sets_of,
    with_flags,
)
from keras_patchmix.cli.data_directory import RunDirectory
from keras_patchmix.cli.listing import data_listing
from keras_patchmix.cli.model_specs import model_specs
from keras_patchmix.cli.occluded_sets import (
    set_class_lines,
    set_listings,
    with_class_maps,
)
from keras_patchmix.cli.score import results, selectivity
from keras_patchmix.cli.score_kind import score_kind
from keras_patchmix.cli.shared_options import PROGRESS
from keras_patchmix.datasets.class_names import class_lines
from keras_patchmix.occlusion import Report, serialize
from keras_patchmix.occlusion.benchmark import Benchmark
from keras_patchmix.occlusion.data import ExampleSource
from keras_patchmix.occlusion.occluded_split import SetError
from keras_patchmix.scoring import objects
from keras_patchmix.scoring.class_files import class_map
from keras_patchmix.scoring.loading import load_model, probe
from keras_patchmix.scoring.preprocessing import OwnPreprocessing

if TYPE_CHECKING:
    from keras_patchmix.cli.score.options import EvaluationOptions


def run(options: "EvaluationOptions") -> "dict[str, Report]":
    """Scores models under occlusion, and writes the directory of results.

    It holds config.json, report.json, report.csv, curves.png and report.html; with several models
    a folder for each with its report.json and report.csv. Where patch selectivity was asked for,
    selectivity.json and selectivity.npz, the images and maps that are shown, stand beside each
    report.json. While a model is scored its state is in backup.json. A run that was interrupted
    goes on where it was.

    Args:
        options: A `keras_patchmix.cli.score.EvaluationOptions`.

    Returns:
        Dict from a model's name to its `keras_patchmix.occlusion.Report`.

    Raises:
        ValueError: Something does not fit; raised before any model is scored where it can be.
        FileExistsError: The directory holds something else.
        ImportError: A package that the data set needs is not installed.
    """
    specs = model_specs(options)
    directory = RunDirectory(options.directory(), options, specs)
    page = directory.path / "report.html"
    if page.exists() and all(directory.report(spec).exists() for spec in specs):
        directory.check_data(lambda split: _listing(options, split, sets_of(options)))
        say(f"All of this was scored before: {directory.path}")
        reports = {spec.name: Report.load(directory.report(spec)) for spec in specs}
    else:
        reports = _score(options, specs, directory)
    say("\n" + results.tables(reports) + "\n")
    selective = {}
    if options.selectivity is not None:
        selective = {spec.name: selectivity.load(directory.folder(spec)) for spec in specs}
        say(selectivity.table(selective) + "\n")
    for line in remarks.chance_lines(reports):
        say(line + "\n")
    if options.per_class:
        for spec in specs:
            reports[spec.name].to_class_csv(directory.folder(spec) / "classes.csv")
            say(results.class_table(spec.name, reports[spec.name]) + "\n")
    say(f"Page: {page}   Data: {directory.path / 'report.csv'}")
    split = next(iter(reports.values())).settings["split"]
    say(results.result_line(options, split, directory.path, reports, selective))
    return reports


def _listing(options, split, suite):
    """Returns `data_listing`, with "sets" where the suite has sets of occluded images."""
    sets = set_listings(suite)
    return {**data_listing(options, split), **({"sets": sets} if sets else {})}


def _score(options, specs, directory):
    """Scores the models that no report is there of, and writes the results."""
    for module in options.imports:
        objects.import_module(module, "--import")
    saliency = saliency_function(options)
    loaded = [load_model(spec, options.image_size, options.unsafe_load) for spec in specs]
    data = open_data(options, loaded)
    info = data.info
    suite = open_suite(options, info.image_shape[:2])
    listing = _listing(options, info.split, suite)
    directory.of_data(listing)
    if saliency is None and any(member.needs_saliency for member in suite):
        raise ValueError(f"--saliency MODULE:FUNCTION is needed by --suite {options.suite}")
    counts = [probe(one, info.image_shape) for one in loaded]
    logits = [
        _from_logits(options, data, one) if count == 1 else None
        for one, count in zip(loaded, counts, strict=True)
    ]
    outputs = [max(count, 2) for count in counts]
    maps = [
        class_map(one, count, info.class_names) for one, count in zip(loaded, outputs, strict=True)
    ]
    suites = [
        with_class_maps(suite, one, count, info.class_names, own)
        for one, count, own in zip(loaded, outputs, maps, strict=True)
    ]
    say(
        f"{info.name} {info.split}: {info.num_examples} images of "
        f"{'x'.join(map(str, info.image_shape[:2]))}, {info.num_classes} classes. "
        f"Results go to {directory.path}",
    )
    for line in (
        *class_lines(info.class_names),
        remarks.split_line(options),
        *map(remarks.input_line, loaded),
    ):
        if line is not None:
            say(line)
    for name, each in listing.get("sets", {}).items():
        say(f"{name}: {each['images']} occluded images, {each['split']}")
    for line in set_class_lines(suite, info.class_names):
        say(line)
    benchmarks = _benchmarks(options, data, suites, loaded, maps, logits, saliency)
    _check_sets(options, loaded, benchmarks)
    work = None
    if options.selectivity is not None:
        work = selectivity.SelectivityWork(options, data, loaded, maps)
    directory.begin()
    reports = {}
    for one, benchmark in zip(loaded, benchmarks, strict=True):
        reports[one.spec.name] = _report(options, directory, data, one, benchmark)
    selective = None
    if work is not None:
        progress = PROGRESS[options.progress]
        selective = {
            spec.name: work.report(directory.folder(spec), spec.name, progress) for spec in specs
        }
    results.write_all(directory.path, reports, benchmarks[0].examples(4), selective)
    return reports


def _check_sets(options, loaded, benchmarks):
    """Raises where a model does not fit a set, before the first one is scored for hours."""
    for one, benchmark in zip(loaded, benchmarks, strict=True):
        if benchmark.has_sets():
            try:
                benchmark.check(one.model, PROGRESS[options.progress])
            except ValueError as error:
                what, reason = "", str(error)
                if isinstance(error, SetError):
                    what, reason = f"{error.name!r}: ", error.reason
                message = f"--model {one.spec.name}, {what}{with_flags(reason)}"
                raise ValueError(message) from error


def _from_logits(options, data, one):
    """Returns whether the single output of a model is a logit."""
    images = next(iter(ExampleSource(data))).images[:8]
    return score_kind(one, images, options.scores).from_logits


def _benchmarks(options, data, suites, loaded, maps, logits, saliency):
    """Returns a `Benchmark` for each model, the same one, with its bank, for models alike."""
    made, found = {}, []
    for one, suite, outputs, from_logits in zip(loaded, suites, maps, logits, strict=True):
        # What a model brings itself the benchmark finds, so that models alike share one.
        own = isinstance(one.preprocess, OwnPreprocessing)
        preprocess = None if own else one.preprocess
        key = (preprocess, from_logits, json.dumps([outputs, serialize(suite)]))
        if key not in made:
            made[key] = Benchmark(
                data,
                suite,
                options.seed,
                options.max_examples,
                preprocess,
                batch_size=options.batch_size,
                saliency=saliency,
                class_map=outputs,
                class_names=data.info.class_names,
                from_logits=from_logits,
            )
        found.append(made[key])
    return found


def _report(options, directory, data, one, benchmark):
    """Returns the report of one model, the one that is there or a new one."""
    spec = one.spec
    if directory.report(spec).exists():
        say(f"{spec.name}: scored before")
        return Report.load(directory.report(spec))
    goes_on = directory.backup(spec).exists()
    say(f"{spec.name}: {'scoring goes on' if goes_on else 'scoring'}")
    backup = directory.backup(spec)
    report = benchmark.run(
        one.model, PROGRESS[options.progress], backup, keep_backup=True, title=spec.name
    )
    report.settings.update(
        model=spec.name,
        command=options.command(),
        **spec.described(),
        dataset=data.info.name,
        split=data.info.split,
    )
    report.to_csv(directory.folder(spec) / "report.csv")
    report.to_json(directory.report(spec))
    backup.unlink()
    return report
