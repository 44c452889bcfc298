"""A whole explanation, from the options to the last line printed."""

from typing import TYPE_CHECKING

from keras_patchmix.base import atomic
from keras_patchmix.base.printable import say
from keras_patchmix.cli import remarks
from keras_patchmix.cli.explain import results
from keras_patchmix.cli.explain.directory import ExplanationDirectory
from keras_patchmix.cli.explain.drawing import draw_all
from keras_patchmix.cli.explain.explanation import Explanation
from keras_patchmix.cli.explain.on_data import DataWork
from keras_patchmix.cli.explain.on_images import ImageWork
from keras_patchmix.cli.explain.options import with_flags
from keras_patchmix.cli.explain.pictures import list_pictures, listing_of
from keras_patchmix.cli.listing import data_listing
from keras_patchmix.cli.model_specs import model_specs
from keras_patchmix.cli.shared_options import PROGRESS
from keras_patchmix.scoring import objects
from keras_patchmix.scoring.loading import load_model, probe

if TYPE_CHECKING:
    from keras_patchmix.cli.explain.options import ExplanationOptions


def run(options: "ExplanationOptions") -> "dict[str, Explanation]":
    """Explains models, and writes the directory of results.

    It holds config.json, rows.csv, explain.png, curves.png and, of a data set, selectivity.png;
    explanation.json, maps.npz and, of a data set, selectivity.json for the model, with several
    models in a folder each. While a model is explained its state is in backup.json. A run that was
    interrupted goes on where it was.

    Args:
        options: An `ExplanationOptions`.

    Returns:
        Dict from a model's name to its `Explanation`.

    Raises:
        ValueError: Something does not fit; raised before anything is computed where it can be.
        FileExistsError: The directory holds something else.
        ImportError: A package that the command needs is not installed.
    """
    specs = model_specs(options)
    pictures = list_pictures(options.image, options.mask)
    files = [path for one in pictures for path in (one.path, one.mask) if path is not None]
    directory = ExplanationDirectory(options.directory(), options, specs, files)
    if all(directory.done(spec) for spec in specs):
        directory.check_data(
            lambda split: listing_of(pictures) if pictures else data_listing(options, split)
        )
        explanations = {spec.name: Explanation.load(directory.folder(spec)) for spec in specs}
        if (directory.path / "explain.png").exists():
            say(f"All of this was explained before: {directory.path}")
    else:
        explanations = _explain(options, specs, directory, pictures)
    if not (directory.path / "explain.png").exists():
        atomic.write_text(directory.path / "rows.csv", results.rows_csv(explanations))
        draw_all(directory.path, explanations, options.figures)
    say("\n" + results.tables(explanations) + "\n")
    say(f"Figure: {directory.path / 'explain.png'}   Data: {directory.path / 'rows.csv'}")
    say(results.result_line(options, directory.path, explanations))
    return explanations


def _explain(options, specs, directory, pictures):
    """Explains the models that no explanation is there of."""
    for module in options.imports:
        objects.import_module(module, "--import")
    loaded = [load_model(spec, options.image_size, options.unsafe_load) for spec in specs]
    work = ImageWork(options, loaded, pictures) if pictures else DataWork(options, loaded)
    directory.of_data(work.listing)
    outputs = [max(2, probe(one, work.image_shape)) for one in loaded]
    say("\n".join([*work.lines(), f"Results go to {directory.path}"]))
    prepared = [work.prepare(one, count) for one, count in zip(loaded, outputs, strict=True)]
    for one in prepared:
        say(remarks.input_line(one.loaded))
        say(f"{one.loaded.spec.name}: returns {one.kind.word} ({one.kind.reason})")
    directory.begin()
    return {one.loaded.spec.name: _explanation(options, directory, work, one) for one in prepared}


def _explanation(options, directory, work, prepared):
    """Returns the explanation by one model, the one that is there or a new one."""
    spec = prepared.loaded.spec
    if directory.done(spec):
        say(f"{spec.name}: explained before")
        return Explanation.load(directory.folder(spec))
    backup = directory.backup(spec)
    say(f"{spec.name}: {'goes on' if backup.exists() else 'begins'}")
    try:
        found = work.explain(prepared, backup, PROGRESS[options.progress])
    except ValueError as error:
        raise ValueError(f"{spec.name}: {with_flags(str(error))}") from error
    found.settings.update(
        command=options.command(),
        **spec.described(),
        scores=f"{prepared.kind.word} ({prepared.kind.reason})",
    )
    found.save(directory.folder(spec))
    backup.unlink(missing_ok=True)
    return found
