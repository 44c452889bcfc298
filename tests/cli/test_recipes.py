"""A recipe hands its flags to the command."""

import runpy
import sys
from pathlib import Path

import pytest

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("train_convnext", "usage: keras-patchmix train [flags]"),
        ("train_vit", "usage: keras-patchmix train [flags]"),
        ("harden", "usage: keras-patchmix harden --model MODEL --dataset NAME [flags]"),
        ("evaluate_occlusion", "usage: keras-patchmix score --model"),
        ("explain", "usage: keras-patchmix explain --model"),
        ("make_smd", "usage: keras-patchmix occlude --dataset NAME --split SPLIT --output DIR"),
        ("make_records", "usage: keras-patchmix records --dataset NAME --output DIR [flags]"),
    ],
)
def test_a_recipe_is_a_subcommand(name, usage, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--help"])
    with pytest.raises(SystemExit) as error:
        runpy.run_path(str(RECIPES / f"{name}.py"), run_name="__main__")
    assert error.value.code == 0
    assert capsys.readouterr().out.startswith(usage)
