"""A corruption is added in one file: a module in the folder, known by what its class says."""

import importlib
import json
import sys

import pytest

from keras_patchmix import corruptions, occlusion
from keras_patchmix.corruptions.base import Corruption
from keras_patchmix.occlusion.panels import curves_of
from tests.occlusion.closed_form import constant_data, median_reader

MODULE = '''
import numpy as np

from keras_patchmix.corruptions.base import Corruption, rising_levels


class BlackRows(Corruption):
    """Blackens the upper lines."""

    kind = "black_rows"
    family = "Lines"

    def __init__(self, levels=(0.25, 0.5), side="upper"):
        self.levels, self.side = rising_levels(levels, 1, "the lines"), side

    @property
    def name(self):
        return f"{self.kind}_{self.side}"

    @property
    def title(self):
        return f"Black rows ({self.side})"

    @property
    def conditions(self):
        return tuple(self.condition(level=level) for level in self.levels)

    def get_config(self):
        return {"levels": list(self.levels), "side": self.side}

    def plan(self, images, labels, index, *, seed=0, bank=None, value_range=(0, 255)):
        return {"black": value_range[0]}

    def apply(self, images, plan, condition):
        out, count = images.copy(), round(condition.level * images.shape[1])
        out[:, slice(count) if self.side == "upper" else slice(-count, None)] = plan["black"]
        return out, np.full(len(images), count * images.shape[2])
'''


@pytest.fixture
def added(tmp_path, monkeypatch):
    (tmp_path / "black_rows.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.setattr(corruptions, "__path__", [*corruptions.__path__, str(tmp_path)])
    yield
    sys.modules.pop("keras_patchmix.corruptions.black_rows", None)


def test_every_module_of_the_folder_is_the_corruption_that_it_is_named_after():
    found = corruptions.modules()
    assert "PatchDrop" in found
    for name, module in found.items():
        cls = getattr(importlib.import_module(f"keras_patchmix.corruptions.{module}"), name)
        assert issubclass(cls, Corruption)
        assert getattr(occlusion, name) is cls
        assert name in dir(occlusion)


def test_a_new_module_is_in_suites_reports_and_figures(added):
    entries = [
        {"class_name": "BlackRows", "config": {}},
        {"class_name": "BlackRows", "config": {"side": "lower"}},
        *({"class_name": "PatchDrop", "config": {"grid_size": n}} for n in (4, 7)),
        *({"class_name": "PatchReplacement", "config": {"grid_size": n}} for n in (4, 7)),
    ]
    suite = occlusion.deserialize(json.dumps(entries))
    assert occlusion.deserialize(json.dumps(occlusion.serialize(suite))) == suite
    report = occlusion.evaluate(median_reader, constant_data(), suite=suite)
    rows = [row for row in report.rows if row.family == "Lines"]
    assert [(row.name, row.title, row.share) for row in rows] == [
        (f"black_rows_{side}_{level}", f"Black rows ({side})", level / 100)
        for side in ("upper", "lower")
        for level in (25, 50)
    ]
    panels = {panel.title: panel for panel in curves_of({"model": report}).panels}
    assert list(panels) == ["Lines", "Patch drop", "Patch replacement"]
    assert [line.label for line in panels["Lines"].lines] == [
        "Black rows (upper)",
        "Black rows (lower)",
    ]
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    assert report.plot().axes[0].get_title(loc="left") == "Lines"
    assert "Black rows (upper), 25\u00a0%" in occlusion.write_page(report)
