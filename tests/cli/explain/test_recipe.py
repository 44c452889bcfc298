"""The recipe itself: its help, and what it says where Keras has no backend."""

import importlib.util
import runpy
import sys
from pathlib import Path

import pytest

RECIPE = Path(__file__).parents[3] / "recipes" / "explain.py"


def test_help_has_examples_defaults_and_every_flag(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(RECIPE), "--help"])
    with pytest.raises(SystemExit) as error:
        runpy.run_path(str(RECIPE), run_name="__main__")
    assert error.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "python recipes/explain.py --model model.keras --image photo.jpg" in text
    assert "random masks an image (default: 4000)" in text
    assert "'test[:50%]'" in text


def test_without_a_backend_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_patchmix.cli.explain", None)  # an import fails
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="set the variable KERAS_BACKEND to jax or torch"):
        runpy.run_path(str(RECIPE))
