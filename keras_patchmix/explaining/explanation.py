"""What is found out about one model, and its files."""

import dataclasses
import io
import json

import numpy as np

from keras_patchmix import _atomic
from keras_patchmix.explain import SelectivityReport


@dataclasses.dataclass(frozen=True)
class Explanation:
    """The maps of one model, and what was measured on them.

    Attributes:
        rows: List of dicts of JSON values, one for each image that has a map here: "image" (its
            name), "class_id", "class_name", "contrast_id", "contrast_name" (None for RISE),
            "num_masks", "noise", "selectivity" (None without a mask), "deletion_area" and
            "insertion_area".
        curves: Dict with "shares" (S,), "deletion" and "insertion" (N, S): lists of numbers.
        arrays: Dict with "images" uint8 (N, H, W, 3), "maps" float32 (N, H, W) and, where it is
            known what is out of context, "masks" booleans (N, H, W).
        settings: Dict of JSON values: what the model is and what was done.
        skipped: Dict from the names of files that could not be read to reasons.
        report: The `SelectivityReport` of a data set, or None.
    """

    rows: list
    curves: dict
    arrays: dict
    settings: dict
    skipped: dict
    report: SelectivityReport | None = None

    def save(self, folder):
        """Writes the files into a folder, the one that says that all is there at the end.

        Args:
            folder: A `pathlib.Path`.
        """
        file = io.BytesIO()
        np.savez_compressed(file, **self.arrays)
        _atomic.write_bytes(folder / "maps.npz", file.getvalue())
        if self.report is not None:
            self.report.to_json(folder / "selectivity.json")
        fields = ("settings", "skipped", "rows", "curves")
        found = {"schema_version": 1, **{name: getattr(self, name) for name in fields}}
        text = json.dumps(found, indent=1, allow_nan=False) + "\n"
        _atomic.write_text(folder / "explanation.json", text)

    @classmethod
    def load(cls, folder):
        """Reads what `save` wrote.

        Raises:
            ValueError: A file is missing, or holds something else.
        """
        try:
            found = json.loads((folder / "explanation.json").read_text("utf-8"))
            with np.load(folder / "maps.npz", allow_pickle=False) as arrays:
                arrays = {name: arrays[name] for name in arrays.files}
            parts = [found[name] for name in ("settings", "skipped", "rows", "curves")]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"--output: the results in {str(folder)!r} cannot be read, {error}: delete that "
                "folder's explanation.json to make them anew"
            ) from error
        settings, skipped, rows, curves = parts
        path = folder / "selectivity.json"
        report = SelectivityReport.load(path) if path.exists() else None
        return cls(rows, curves, arrays, settings, skipped, report)
