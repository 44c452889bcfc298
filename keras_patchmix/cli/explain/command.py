"""The command that explains saved models: options in, files and an exit status out."""

from keras_patchmix.base.printable import say
from keras_patchmix.cli import remarks
from keras_patchmix.cli.explain import results
from keras_patchmix.cli.explain.dataset_explainer import DatasetExplainer
from keras_patchmix.cli.explain.explanation import Explanation, ExplanationDirectory
from keras_patchmix.cli.explain.image_explainer import ImageExplainer
from keras_patchmix.cli.explain.options import ExplainOptions
from keras_patchmix.cli.explain.pictures import describe_files, list_pictures
from keras_patchmix.cli.listing import data_listing
from keras_patchmix.cli.messages import naming
from keras_patchmix.cli.model_specs import model_specs
from keras_patchmix.cli.shared_options import PROGRESS
from keras_patchmix.devices.strategies import scoring_scope
from keras_patchmix.scoring import objects
from keras_patchmix.scoring.loading import load_model, probe


def run(options: ExplainOptions) -> dict[str, Explanation]:
    """Explains models, and writes the directory of results.

    It holds config.json, rows.csv, explain.png, curves.png and, of a data set, selectivity.png;
    explanation.json, maps.npz and, of a data set, selectivity.json for the model, with several
    models in a folder each. While a model is explained its state is in backup.json. A run that was
    interrupted resumes where it stopped.

    Args:
        options: An `ExplainOptions`, with `output`.

    Returns:
        Dict from a model's name to its `Explanation`.

    Raises:
        ValueError: Something does not fit; raised before anything is computed where it can be.
        FileExistsError: The directory holds something else.
        ImportError: A package that the command needs is not installed.
    """
    specs = model_specs(options)
    pictures = list_pictures(options.image, options.mask)
    files = [path for picture in pictures for path in (picture.path, picture.mask) if path]
    directory = ExplanationDirectory(options, specs, files)
    with directory.locked():
        return _run(options, specs, directory, pictures)


def _run(options, specs, directory, pictures):
    figure = directory.path / "explain.png"
    if all(directory.has(spec) for spec in specs):
        directory.check_data(
            lambda split: describe_files(pictures) if pictures else data_listing(options, split)
        )
        explanations = {spec.name: Explanation.load(directory.folder(spec)) for spec in specs}
        if figure.exists():
            say(f"All of this was explained before: {directory.path}")
    else:
        explanations = _explain(options, specs, directory, pictures)
    if not figure.exists():
        results.write(directory.path, explanations, options.figures)
    say("\n" + results.tables(explanations) + "\n")
    say(f"Figure: {figure}   Data: {directory.path / 'rows.csv'}")
    say(results.result_line(options, directory.path, explanations))
    return explanations


def _explain(options, specs, directory, pictures):
    """Returns the explanations by all models, those that are there or new ones."""
    for module in options.imports:
        objects.import_module(module, "--import")
    with scoring_scope():
        loaded = [load_model(spec, options.image_size, options.unsafe_load) for spec in specs]
    if pictures:
        explainer = ImageExplainer(options, loaded, pictures)
    else:
        explainer = DatasetExplainer(options, loaded)
    directory.of_data(explainer.listing)
    num_outputs = [max(2, probe(model, explainer.image_shape)) for model in loaded]
    waiting = sum(not directory.has(spec) for spec in specs)
    passes = _passes_line(explainer.num_images, waiting, options)
    say("\n".join([*explainer.lines(), passes, f"Results go to {directory.path}"]))
    models = [explainer.prepare(*pair) for pair in zip(loaded, num_outputs, strict=True)]
    for model in models:
        say(remarks.input_line(model.loaded))
        say(f"{model.name}: returns {model.scores}")
    directory.begin()
    return {model.name: _explain_model(options, directory, explainer, model) for model in models}


def _passes_line(num_images, num_models, options):
    """Returns how many forward passes the maps take."""
    total = num_images * num_models * options.num_masks
    text = f"{total:,}" if total < 1e6 else f"{total / 1e6:,.1f} million"
    most = "" if options.tolerance is None else "at most "
    images, models = (
        f"{count} {noun}{'' if count == 1 else 's'}"
        for count, noun in ((num_images, "image"), (num_models, "model"))
    )
    return f"{images}, {models}, {options.num_masks:,} masks each: {most}{text} forward passes"


def _explain_model(options, directory, explainer, model):
    spec = model.loaded.spec
    if directory.has(spec):
        say(f"{spec.name}: explained before")
        return Explanation.load(directory.folder(spec))
    backup = directory.backup(spec)
    say(f"{spec.name}: {'resuming' if backup.exists() else 'starting'}")
    with naming(f"{spec.name}: "):
        explanation = explainer.explain(model, backup, PROGRESS[options.progress])
    explanation.settings.update(
        command=options.command_line(), **spec.described(), scores=model.scores
    )
    explanation.save(directory.folder(spec))
    backup.unlink(missing_ok=True)
    return explanation
