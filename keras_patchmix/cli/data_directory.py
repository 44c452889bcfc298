"""Directories of results that are refused once the data have changed."""

from keras_patchmix.base import run_directory
from keras_patchmix.base.printable import say
from keras_patchmix.base.schema import conform
from keras_patchmix.cli.listing import Listing, difference

_REPORT, _BACKUP = "report.json", "backup.json"
_SPREAD, _FIRST = "spread over the data set", "the first ones"


class DataDirectory(run_directory.RunDirectory):
    """The directory of a run, with the contents of the data set in its `config.json`.

    That holds also how the images of `max_examples` are chosen: versions up to 0.1, which did not
    record it, took the first ones.

    Args:
        path: As in `keras_patchmix.base.run_directory.RunDirectory`.
        recipe: As in `RunDirectory`.
        options: An `Options` with a field `max_examples`.
        files: As in `RunDirectory`.
        results: As in `RunDirectory`.

    Raises:
        FileExistsError: See `RunDirectory`.
        ValueError: See `RunDirectory`.
        OSError: See `RunDirectory`.
    """

    def __init__(self, path, recipe, options, files, results):
        self._stored = self._data = None
        deciding = options.deciding()
        if deciding["max_examples"] is not None:
            deciding["choice"] = _SPREAD
        flags = {**options.flags(), "choice": "the images that --max-examples takes"}
        super().__init__(path, recipe, deciding, files, results, flags, options.defaults())

    @property
    def data(self):
        """The `Listing` of the results; None without results."""
        computed = any(any(self.path.rglob(name)) for name in self._results)
        return self._stored if computed else None

    def check_data(self, listing):
        """Checks that the results are of the present data; prints that data cannot be compared.

        Args:
            listing: Function from a split to its `Listing`.

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
        """Records a `Listing` for `config.json`.

        Raises:
            ValueError: The results are of other data.
        """
        different = self.data and difference(self.data, listing)
        if different:
            raise ValueError(f"--output {str(self.path)!r}: {different}: use another --output")
        self._data = listing

    def _encode(self, recipe, options, files):
        return {**super()._encode(recipe, options, files), "data": self._data}

    def _decode(self, data):
        recipe, options, files = super()._decode(data)
        self._stored = conform(data.get("data"), Listing | None, "data")
        return recipe, {"choice": _FIRST, **options}, files


def files_of(specs, *others):
    """Returns the paths that models and their settings name, for the digests of a directory.

    Args:
        specs: List of `ModelSpec`.
        *others: Further paths.
    """
    named = [value for spec in specs for value in (spec.source, spec.weights, spec.class_map)]
    return [*named, *others]


class ScoreDirectory(DataDirectory):
    """The directory of an evaluation.

    Args:
        options: A `ScoreOptions`, whose `output` is the directory.
        specs: List of `ModelSpec`.

    Raises:
        FileExistsError: It holds something else.
        ValueError: It holds the results of other options; the message names the flags.
        OSError: It is not writable.
    """

    def __init__(self, options, specs):
        super().__init__(
            options.output,
            "evaluate_occlusion",
            options,
            files_of(specs, *options.imports, options.suite, options.compare_to),
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
