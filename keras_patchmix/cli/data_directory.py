"""The directory of an evaluation: a new one, or the one that an interrupted command left."""

from keras_patchmix.base import run_directory
from keras_patchmix.base.printable import say
from keras_patchmix.base.schema import conform
from keras_patchmix.cli.listing import Listing, difference
from keras_patchmix.cli.shared_options import flag

_REPORT, _BACKUP = "report.json", "backup.json"
_SPREAD, _FIRST = "spread over the data set", "the first ones"


class DataDirectory(run_directory.RunDirectory):
    """The directory of a run, which notices that the data are no longer those of its results.

    How the images of `max_examples` are chosen decides the results too: versions up to 0.1, which
    did not note it, took the first ones.

    Args:
        path: As of `keras_patchmix.base.run_directory.RunDirectory`.
        recipe: As there.
        options: As there.
        files: As there.
        results: As there.

    Raises:
        FileExistsError: As there.
        ValueError: As there.
        OSError: As there.
    """

    def __init__(self, path, recipe, options, files, results):
        self._data_there = self._data = None
        if options.get("max_examples") is not None:
            options = {**options, "choice": _SPREAD}
        super().__init__(path, recipe, options, files, results, _named)

    @property
    def data(self):
        """What the data set held, of `data_listing`, when results were made; None without any."""
        computed = any(any(self.path.rglob(name)) for name in self._results)
        return self._data_there if computed else None

    def check_data(self, listing):
        """Checks that results that are there are of the data as they are now.

        Where nobody can tell, as the data are gone, it says so.

        Args:
            listing: Function from the split to what it holds now.

        Raises:
            ValueError: The results are of other data.
        """
        if self.data is None:
            return
        try:
            now = listing(self.data["split"])
        except (ValueError, ImportError) as error:
            say(f"The data set cannot be compared with that of the results: {error}")
            return
        self.of_data(now)

    def of_data(self, listing):
        """Takes up what the data set holds now, for `config.json`.

        Raises:
            ValueError: The results that are there are of other data.
        """
        different = self.data and difference(self.data, listing)
        if different:
            raise ValueError(f"--output {str(self.path)!r}: {different}: use another --output")
        self._data = listing

    def _encode(self, recipe, options, files):
        return {**super()._encode(recipe, options, files), "data": self._data}

    def _decode(self, data):
        recipe, options, files = super()._decode(data)
        self._data_there = conform(data.get("data"), Listing | None, "data")
        return recipe, {"choice": _FIRST, **options}, files


def _named(field):
    return f"the images that {flag('max_examples')} takes" if field == "choice" else flag(field)


def files_of(specs, *others):
    """Returns the paths that models and their settings name, for the digests of a directory.

    Args:
        specs: List of `ModelSpec`.
        *others: Further paths.
    """
    named = [value for spec in specs for value in (spec.source, spec.weights, spec.class_map)]
    return [*named, *others]


class RunDirectory(DataDirectory):
    """Where the results go, and where an interrupted run is taken up.

    Args:
        path: The directory. It is made, and tried to be written to.
        options: An `EvaluationOptions`.
        specs: List of `ModelSpec`.

    Raises:
        FileExistsError: It holds something else.
        ValueError: It holds the results of another command; the message names the flags.
        OSError: It cannot be written to.
    """

    def __init__(self, path, options, specs):
        super().__init__(
            path,
            "evaluate_occlusion",
            options.deciding(),
            files_of(specs, *options.imports, options.suite),
            (_REPORT, _BACKUP),
        )
        self._several = len(specs) > 1

    def folder(self, spec):
        """Returns where the report of one model goes."""
        return self.path / spec.folder if self._several else self.path

    def report(self, spec):
        """Returns the path of one model's report.json."""
        return self.folder(spec) / _REPORT

    def backup(self, spec):
        """Returns the path of the state of one model that is being scored."""
        return self.folder(spec) / _BACKUP
