"""The private methods of Keras that training on several workers replaces."""

import keras
import pytest

pytest.importorskip("tensorflow")
if keras.config.backend() != "tensorflow":
    pytest.skip("tf.distribute", allow_module_level=True)

from keras_patchmix.devices import multiworker
from tests.devices import worker


@pytest.fixture
def model():
    model = worker.compile_model(worker.make_model(), keras.optimizers.SGD(0.1))
    return model


def test_a_keras_that_was_not_tried_is_named_in_a_warning(model, monkeypatch):
    monkeypatch.setattr(keras, "__version__", "3.99.0")
    with pytest.warns(UserWarning, match=r"not tried with Keras 3\.99\.0"):
        multiworker.make_multiworker_fit(model, None)


def test_a_keras_without_the_methods_is_refused(model, monkeypatch):
    monkeypatch.setattr(multiworker, "_TRAINER_METHODS", ("_make_function", "_gone"))
    with pytest.raises(RuntimeError, match=r"does not have: _gone"):
        multiworker.make_multiworker_fit(model, None)


def test_the_corrections_are_put_on_once(model):
    multiworker.make_multiworker_fit(model, None)
    first = model._make_function
    assert multiworker.make_multiworker_fit(model, None)._make_function is first


def test_values_of_any_shape_come_out_as_they_went_in():
    seen = []

    def own(step):
        def function(data):
            out = step(data)
            seen.append({name: value.shape.as_list() for name, value in out.items()})
            return out

        return function

    step = multiworker._ScalarsAsVectors(own)(
        lambda data: {"loss": keras.ops.sum(data), "each": keras.ops.ones((2, 3))}
    )
    out = step(keras.ops.arange(4.0))
    assert seen == [{"loss": [1], "each": [2, 3]}]
    assert float(out["loss"]) == 6
    assert out["loss"].shape == ()
    assert out["each"].shape == (2, 3)
