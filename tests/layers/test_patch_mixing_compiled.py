"""The layer compiled by the Keras backend outside tf.data: jax.jit and torch.compile."""

import numpy as np
import pytest

from tests.arrays import BACKEND, as_kind, to_numpy
from tests.layers.cases import IDS, assert_exact, images, layer

GRIDS = [{}, {"grid_size": (5, 6)}, {"patch_size": 5}, {"data_format": "channels_first"}]


def given(grid):
    """Images and class ids of the Keras backend, in the layout that a layer wants."""
    x = images()
    if grid.get("data_format") == "channels_first":
        x = np.moveaxis(x, -1, 1)
    return as_kind(x, BACKEND), as_kind(IDS.astype("int32"), BACKEND)


@pytest.mark.skipif(BACKEND != "jax", reason="is about jax.jit")
class TestJaxJit:
    @pytest.mark.parametrize("grid", GRIDS)
    def test_a_seed_given_makes_the_plan_that_it_makes_without_jit(self, grid):
        import jax

        mix = layer(**grid)

        def draw_and_mix(seed, x, y):
            plan = mix.sample_plan(x, seed=seed)
            return plan, mix.apply_plan(plan, x, y)

        x, y = given(grid)
        for seed in ((1, 2), (1, 3)):
            words = np.array(seed, "uint32")
            plan, (mixed, labels) = jax.jit(draw_and_mix)(words, x, y)
            eager_plan, (eager, eager_labels) = draw_and_mix(words, x, y)
            for one, other in zip(plan, eager_plan, strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-6)
            np.testing.assert_array_equal(mixed, eager)
            np.testing.assert_allclose(labels, eager_labels, rtol=1e-6)

    def test_the_layers_own_seeds_travel_with_its_state(self):
        import jax

        mix = layer()
        step = jax.jit(lambda state, x, y: mix.stateless_call([], state, x, labels=y))
        state = [variable.value for variable in mix.non_trainable_variables]
        (first, state) = step(state, *given({}))
        (second, state) = step(state, *given({}))
        assert_exact(*first)
        assert_exact(*second)
        assert (to_numpy(first[1]) != to_numpy(second[1])).any()
        np.testing.assert_allclose(to_numpy(first[1]), layer()(*given({}))[1], rtol=1e-6)

    def test_a_seed_that_would_be_traced_as_a_constant_raises(self):
        import jax

        mix = layer()
        with pytest.raises(RuntimeError, match="stateless_call"):
            jax.jit(lambda x, y: mix(x, y))(*given({}))
        assert_exact(*mix(*given({})))  # and leaves the layer as it was

    def test_class_ids_out_of_range_become_nan(self):
        import jax

        mix = layer()
        x, y = given({})
        rows = jax.jit(lambda x, y: mix(x, y, training=False))(x, y + 1)[1]
        np.testing.assert_array_equal(np.isnan(to_numpy(rows)).all(1), IDS.max() == IDS)

    def test_weights_out_of_range_become_nan_and_reach_nobody_else(self):
        import jax

        mix = layer(probability=0.0)
        weights = np.array([1, -1, 2, np.inf, 0, np.nan, 3, 0.5], "float32")
        plan = mix.sample_plan(given({})[0], seed=(1, 2))
        found = to_numpy(jax.jit(mix.apply_plan)(plan, *given({}), weights)[2])
        valid = (weights >= 0) & np.isfinite(weights)
        np.testing.assert_array_equal(found, np.where(valid, weights, np.nan))

    def test_the_form_for_accelerators_gives_the_same(self, monkeypatch):
        import jax

        from keras_patchmix.mixing.arrays import jax_ops

        for grid in GRIDS:
            mix = layer(**grid)
            x, y = given(grid)
            plan = mix.sample_plan(x, seed=(1, 2))
            results = []
            for select in (False, True):
                monkeypatch.setattr(jax_ops, "prefers_selection", lambda *_, select=select: select)
                results.append(jax.jit(mix.apply_plan)(plan, x, y)[0])
            np.testing.assert_array_equal(*results)


@pytest.mark.skipif(BACKEND != "torch", reason="is about torch.compile")
class TestTorchCompile:
    @pytest.mark.parametrize("grid", GRIDS)
    def test_compiled_is_eager_for_a_given_plan(self, grid):
        import torch

        mix = layer(**grid)
        x, y = given(grid)
        plan = mix.sample_plan(x, seed=(1, 2))
        # "aot_eager" traces and functionalises as every compiler does, and needs no C++ compiler.
        compiled = torch.compile(mix.apply_plan, backend="aot_eager")
        for one, other in zip(compiled(plan, x, y), mix.apply_plan(plan, x, y), strict=True):
            np.testing.assert_array_equal(to_numpy(one), to_numpy(other))

    def test_consecutive_batches_differ(self):
        import torch

        mix = layer()
        compiled = torch.compile(lambda x, y: mix(x, y), backend="aot_eager")
        first, second = compiled(*given({})), compiled(*given({}))
        assert_exact(*first)
        assert_exact(*second)
        assert (to_numpy(first[1]) != to_numpy(second[1])).any()

    def test_everything_stays_on_the_device_of_the_images(self):
        import torch

        from keras_patchmix import mixing

        images_elsewhere = torch.zeros((4, 33, 47, 3), device="meta")
        plan = mixing.sample_plan((1, 2), 4, (33, 47), mixing.Grid(7))
        mixed = mixing.apply_to_images(images_elsewhere, plan, mixing.Grid(7))
        labels = mixing.apply_to_labels(torch.zeros((4, 5), device="meta"), plan)
        assert mixed.device.type == labels.device.type == "meta"
        assert mixed.shape == (4, 33, 47, 3)
