"""A report that was written before sets of occluded images: schema version 2."""

import json
from pathlib import Path

from keras_patchmix.occlusion import (
    PatchDrop,
    PatchPermutation,
    PatchReplacement,
    Report,
    evaluate,
    write_page,
)
from tests.occlusion.closed_form import K, constant_data, scores_of

FILE = Path(__file__).parent / "report_of_schema_2.json"
SUITE = [PatchReplacement(4, (0.25, 0.5)), PatchDrop(2, 0.5), PatchPermutation(2)]
TITLES = {"clean": "Clean"} | {
    f"patch_{word}": f"Patch {word}" for word in ("drop", "permutation", "replacement")
}


def reader(images):
    return scores_of(images[:, 9, 4, 0])


class Data:
    """The data that the file was made of."""

    skipped = {"broken.png": "damaged, or cut off"}  # noqa: RUF012

    def __iter__(self):
        images, labels = constant_data(40)
        yield images[:20], labels[:20]
        yield images[20:], labels[20:]


def test_it_loads_and_says_the_same():
    data = json.loads(FILE.read_text("utf-8"))
    assert data["schema_version"] == 2
    old = Report.load(FILE)
    assert old.datasets == {}
    again = json.loads(old.to_json())
    assert len(again.pop("sha256")) == 64
    assert again.pop("datasets") == {}
    assert again == {
        **data,
        "schema_version": 5,
        "rows": [
            row
            | {"data": None, "title": title, "family": title, "interval": None, "severity": None}
            for row in data["rows"]
            for title in [TITLES[row["corruption"]]]
        ],
    }
    assert len(old.class_rows()) == 5 * K
    assert "1 images could not be read: broken.png" in old.table()
    assert "patch_drop_2x2_50" in write_page(old)


def test_the_same_call_gives_the_same_rows_to_the_last_bit():
    old = Report.load(FILE)
    names = [f"class {i}" for i in range(K)]
    new = evaluate(reader, Data(), suite=SUITE, seed=3, class_names=names)
    assert new.rows == old.rows
    assert new.summary == old.summary
    assert new.outcomes.to_dict() == old.outcomes.to_dict()
    versions = {"versions": None}
    assert {**new.settings, **versions} == {**old.settings, **versions, "choice": None}
    assert all(row.paired and row.difference == 0 for row in new.compare(old).rows)
