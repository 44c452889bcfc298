"""The command that scores saved models: options in, files and an exit status out."""

import json

from keras_patchmix.base.printable import printable, say
from keras_patchmix.cli import remarks
from keras_patchmix.cli.class_maps import class_map
from keras_patchmix.cli.data import (
    open_data,
    open_suite,
    saliency_function,
    sets_of,
)
from keras_patchmix.cli.data_directory import ScoreDirectory
from keras_patchmix.cli.listing import data_listing
from keras_patchmix.cli.messages import naming
from keras_patchmix.cli.model_specs import model_specs
from keras_patchmix.cli.occluded_sets import set_class_lines, set_listings, with_class_maps
from keras_patchmix.cli.score import results
from keras_patchmix.cli.score.options import ScoreOptions
from keras_patchmix.cli.score.selectivity import SelectivityScorer, load_selectivity
from keras_patchmix.cli.score_kind import score_kind
from keras_patchmix.cli.shared_options import PROGRESS
from keras_patchmix.datasets.class_names import class_lines
from keras_patchmix.devices.strategies import scoring_scope
from keras_patchmix.occlusion import Report, serialize
from keras_patchmix.occlusion.benchmark import Benchmark
from keras_patchmix.occlusion.data import ExampleSource
from keras_patchmix.occlusion.occluded_split import SetError
from keras_patchmix.scoring import objects
from keras_patchmix.scoring.loading import load_model, probe
from keras_patchmix.scoring.preprocessing import OwnPreprocessing


def run(options: ScoreOptions) -> dict[str, Report]:
    """Scores models under occlusion, and writes the directory of results.

    It holds config.json, report.json, report.csv, curves.png and report.html; with several models
    a folder for each with its report.json and report.csv. Where patch selectivity was asked for,
    selectivity.json and selectivity.npz, the images and maps that are shown, stand beside each
    report.json. While a model is scored its state is in backup.json. A run that was interrupted
    resumes where it stopped.

    Args:
        options: A `ScoreOptions`, with `output`.

    Returns:
        Dict from a model's name to its `keras_patchmix.occlusion.Report`.

    Raises:
        ValueError: Something does not fit; raised before any model is scored where it can be.
        FileExistsError: The directory holds something else.
        ImportError: A package that the data set needs is not installed.
    """
    specs = model_specs(options)
    directory = ScoreDirectory(options, specs)
    with directory.locked():
        return _run(options, specs, directory)


def _run(options, specs, directory):
    page = directory.path / "report.html"
    if page.exists() and all(directory.report(spec).exists() for spec in specs):
        directory.check_data(lambda split: _listing(options, split, sets_of(options)))
        say(f"All of this was scored before: {directory.path}")
        reports = {spec.name: Report.load(directory.report(spec)) for spec in specs}
    else:
        reports = _score(options, specs, directory)
    say("\n" + results.tables(reports) + "\n")
    baseline = _baseline(options)
    if baseline is not None:
        for report in reports.values():
            say(report.compare(baseline).table() + "\n")
    selectivity = {}
    if options.selectivity is not None:
        selectivity = {spec.name: load_selectivity(directory.folder(spec)) for spec in specs}
        say(results.selectivity_table(selectivity) + "\n")
    for line in remarks.doubts(reports):
        say(line + "\n")
    if options.per_class:
        for spec in specs:
            reports[spec.name].to_class_csv(directory.folder(spec) / "classes.csv")
            say(results.class_table(spec.name, reports[spec.name]) + "\n")
    say(f"Page: {page}   Data: {directory.path / 'report.csv'}")
    split = next(iter(reports.values())).settings["split"]
    say(results.result_line(options, split, directory.path, reports, selectivity))
    return reports


def _baseline(options):
    """Returns the report that the models are compared to, named after its file, or None."""
    if options.compare_to is None:
        return None
    with naming("--compare-to: "):
        report = Report.load(options.compare_to)
    report.settings["model"] = printable(options.compare_to)
    return report


def _listing(options, split, suite):
    """Returns `data_listing`, with "sets" where the suite has sets of occluded images."""
    sets = set_listings(suite)
    return {**data_listing(options, split), **({"sets": sets} if sets else {})}


def _score(options, specs, directory):
    """Scores the models that have no report yet, and writes the results."""
    for module in options.imports:
        objects.import_module(module, "--import")
    saliency, baseline = saliency_function(options), _baseline(options)
    with scoring_scope():
        loaded = [load_model(spec, options.image_size, options.unsafe_load) for spec in specs]
    data = open_data(options, loaded)
    info, progress = data.info, PROGRESS[options.progress]
    suite = open_suite(options, info.image_shape[:2])
    listing = _listing(options, info.split, suite)
    directory.of_data(listing)
    if saliency is None and any(member.needs_saliency for member in suite):
        raise ValueError(f"--saliency MODULE:FUNCTION is needed by --suite {options.suite}")
    class_maps, benchmarks = _benchmarks(options, data, suite, loaded, saliency)
    lines = [
        f"{info.name} {info.split}: {info.num_examples} images of "
        f"{'x'.join(map(str, info.image_shape[:2]))}, {info.num_classes} classes. "
        f"Results go to {directory.path}",
        *class_lines(info.class_names),
        remarks.split_line(options),
        *map(remarks.input_line, loaded),
    ]
    for name, held in listing.get("sets", {}).items():
        lines.append(f"{name}: {held['images']} occluded images, {held['split']}")
    for line in [*lines, *set_class_lines(suite, info.class_names)]:
        if line is not None:
            say(line)
    # Hours may pass before the last model is scored.
    for model, benchmark in zip(loaded, benchmarks, strict=True):
        _check_sets(model, benchmark, progress)
    selectivity = None
    if options.selectivity is not None:
        selectivity = SelectivityScorer(options, data, loaded, class_maps)
    directory.begin()
    reports = {
        model.spec.name: _report(options, directory, info, model, outputs, benchmark, baseline)
        for model, outputs, benchmark in zip(loaded, class_maps, benchmarks, strict=True)
    }
    if selectivity is not None:
        selectivity = {
            spec.name: selectivity.report(directory.folder(spec), spec.name, progress)
            for spec in specs
        }
    results.write(directory.path, reports, benchmarks[0].examples(4), selectivity)
    return reports


def _benchmarks(options, data, suite, loaded, saliency):
    """Returns the class map and the `Benchmark` of each model; models alike share one."""
    names = data.info.class_names
    class_maps, benchmarks, distinct = [], [], {}
    for model in loaded:
        num_outputs, from_logits = probe(model, data.info.image_shape), None
        if num_outputs == 1:
            images = next(iter(ExampleSource(data))).images[:8]
            num_outputs, from_logits = 2, score_kind(model, images, options.scores).from_logits
        outputs = class_map(model, num_outputs, names)
        members = with_class_maps(suite, model, num_outputs, names, outputs)
        # The benchmark applies a model's own preprocessing by itself.
        own = isinstance(model.preprocess, OwnPreprocessing)
        preprocess = None if own else model.preprocess
        key = (preprocess, from_logits, json.dumps([outputs, serialize(members)]))
        if key not in distinct:
            distinct[key] = Benchmark(
                data,
                members,
                options.seed,
                options.max_examples,
                preprocess,
                batch_size=options.batch_size,
                saliency=saliency,
                class_map=outputs,
                class_names=names,
                from_logits=from_logits,
                precision=options.precision,
            )
        class_maps.append(outputs)
        benchmarks.append(distinct[key])
    return class_maps, benchmarks


def _check_sets(model, benchmark, progress):
    """Raises if a model does not fit a set of occluded images."""
    if not benchmark.has_sets():
        return
    try:
        benchmark.check(model.model, progress)
    except ValueError as error:
        name, reason = "", str(error)
        if isinstance(error, SetError):
            name, reason = f"{error.name!r}: ", error.reason
        message = f"--model {model.spec.name}, {name}{reason}"
        raise ValueError(message) from error


def _report(options, directory, info, model, outputs, benchmark, baseline):
    """Returns the report of a model, the one that is there or a new one."""
    spec = model.spec
    if directory.report(spec).exists():
        say(f"{spec.name}: scored before")
        return Report.load(directory.report(spec))
    backup = directory.backup(spec)
    say(f"{spec.name}: {'scoring resumes' if backup.exists() else 'scoring'}")
    report = benchmark.run(
        model.model,
        PROGRESS[options.progress],
        backup,
        keep_backup=True,
        title=spec.name,
        compare_to=baseline,
    )
    doubt = remarks.range_line(model, outputs, benchmark.settings.from_logits, benchmark.bank)
    if doubt is not None:
        report.settings["doubt"] = doubt
    report.settings.update(
        model=spec.name,
        command=options.command_line(),
        **spec.described(),
        dataset=info.name,
        split=info.split,
    )
    report.to_csv(directory.folder(spec) / "report.csv")
    report.to_json(directory.report(spec))
    backup.unlink()
    return report
