"""The model of a run and how it is compiled."""

import dataclasses

import pytest

pytest.importorskip("tensorflow")

from keras_patchmix import models
from keras_patchmix.cli.train.options import TrainOptions
from keras_patchmix.datasets import DatasetInfo
from keras_patchmix.training import fitting
from keras_patchmix.training.fitting import compile_model, make_model


@pytest.mark.parametrize(("flags", "compiled"), [([], False), (["--xla", "on"], True)])
def test_on_a_cpu_steps_are_compiled_where_that_is_asked_for(flags, compiled):
    options = TrainOptions.parse(["--model", "vit_mini8", *flags])
    model = models.create(options.model, 3, (16, 16, 3), depth=1, dim=12)
    compile_model(model, options, 10)
    assert model.jit_compile is compiled


INFO = DatasetInfo("own", "train", 3, ("a", "b", "c"), 9, (32, 32, 3))


@pytest.mark.parametrize("name", ["vit_mini8", "MobileNetV2"])
def test_every_model_gets_the_seed_and_makes_the_same_weights_again(name):
    options = TrainOptions.parse(["--model", name, "--seed", "4"])
    one, other = (make_model(options, INFO).get_weights() for _ in range(2))
    assert all((a == b).all() for a, b in zip(one, other, strict=True))


def test_an_error_of_type_while_a_model_is_built_is_not_tried_away(monkeypatch):
    seeds = []

    def build(*arguments, seed, **others):
        seeds.append(seed)
        raise TypeError("of a layer")

    monkeypatch.setattr(fitting, "create", build)
    for flags in ([], ["--drop-path", "0.1"]):
        with pytest.raises(TypeError, match="of a layer"):
            make_model(TrainOptions.parse(["--model", "vit_mini8", "--seed", "4", *flags]), INFO)
    assert seeds == [4, 4]


@pytest.mark.parametrize("name", ["MobileNetV2", "swin_tiny"])
def test_stochastic_depth_of_a_model_without_it_is_refused(name):
    # Whether or not keras-hub, whose names are among the flag's, is installed.
    options = dataclasses.replace(TrainOptions.parse(["--drop-path", "0.1"]), model=name)
    with pytest.raises(ValueError, match=f"--drop-path must be left out .*0.1 --model {name}"):
        make_model(options, INFO)
