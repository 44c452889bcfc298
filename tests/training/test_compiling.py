"""The model of a run and how it is compiled."""

import pytest

pytest.importorskip("tensorflow")

from keras_patchmix import models
from keras_patchmix.training.compiling import compile_model
from keras_patchmix.training.options import parse_options


@pytest.mark.parametrize(("flags", "compiled"), [([], False), (["--xla", "on"], True)])
def test_on_a_cpu_steps_are_compiled_where_that_is_asked_for(flags, compiled):
    options = parse_options(["--model", "vit_mini8", *flags])
    model = models.create(options.model, 3, (16, 16, 3), depth=1, dim=12)
    compile_model(model, options, 10)
    assert model.jit_compile is compiled
