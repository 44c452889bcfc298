"""Labels by attention: steps against steps with labels known before."""

import keras
import numpy as np
import pytest

import keras_patchmix as kpm
from keras_patchmix.training import attention_labels, mix_on_device
from tests.arrays import BACKEND, to_numpy
from tests.training.attention_cases import (
    BATCH,
    CLASSES,
    IDS,
    IMAGES,
    MASK,
    PLAN,
    WEIGHTS,
    Planned,
    foreign_by_loops,
    looked_at,
    on_tensorflow,
    vit,
)


def expected_labels(model, layer, rule, weights=None, attention=looked_at):
    """Labels, and weights, by the definition: in loops, in float64."""
    mixed, area = map(to_numpy, layer.apply_plan(PLAN, IMAGES, IDS))
    if weights is not None:
        _, area, _ = map(to_numpy, layer.apply_plan(PLAN, IMAGES, IDS, weights))
    parts = foreign_by_loops(MASK, np.arange(16) // 8, np.arange(16) // 8, 4, (4, 4))
    maps = attention(model, mixed)
    logits = to_numpy(model(mixed)).astype("float64")
    answers = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels, blended = np.zeros((BATCH, CLASSES)), np.ones(BATCH)
    for i in range(BATCH):
        share = (maps[i] * parts[i]).sum() / maps[i].sum()
        trust = {"attention": 1, "mean": 0.5}.get(rule)
        if trust is None:
            norms = np.linalg.norm(answers[i]) * np.linalg.norm(area[i])
            trust = answers[i] @ area[i] / norms
        share = trust * share + (1 - trust) * PLAN.share[i]
        own, foreign = np.eye(CLASSES)[IDS[i]], np.eye(CLASSES)[IDS[PLAN.partner[i]]]
        if weights is None:
            labels[i] = (1 - share) * own + share * foreign
        else:
            parts_of = (1 - share) * weights[i], share * weights[PLAN.partner[i]]
            blended[i] = sum(parts_of)
            labels[i] = (parts_of[0] * own + parts_of[1] * foreign) / blended[i]
    smoothing = layer.label_smoothing
    labels = (1 - smoothing) * labels + smoothing / CLASSES
    return mixed, labels.astype("float32"), blended.astype("float32")


def assert_same_weights(model, other, atol=3e-5):
    for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, atol=atol)


@pytest.mark.parametrize(
    ("rule", "weights"), [("progressive", WEIGHTS), ("mean", None), ("attention", None)]
)
def test_a_step_is_the_step_with_labels_that_are_constants(rule, weights):
    layer = Planned(label_smoothing=0.2)
    depth = 2 if rule == "progressive" else 1
    model, known, area = (vit(depth=depth, run_eagerly=True) for _ in range(3))
    assert attention_labels(model, layer, rule) is model
    mix_on_device(area, layer)
    for _ in range(2):  # the second from other weights, other attention, another answer
        mixed, labels, blended = expected_labels(known, layer, rule, weights)
        known.train_on_batch(mixed, labels, blended)
        model.train_on_batch(IMAGES, IDS, weights)
        area.train_on_batch(IMAGES, IDS, weights)
    assert_same_weights(model, known)
    with pytest.raises(AssertionError):
        assert_same_weights(model, area, atol=3e-4)


@pytest.mark.parametrize(
    "arguments",
    [
        {"jit_compile": True},
        pytest.param({"jit_compile": False, "steps_per_execution": 2}, marks=on_tensorflow),
    ],
)
@pytest.mark.skipif(BACKEND == "torch", reason="torch.compile needs a C++ compiler")
def test_compiled_steps_are_the_same(arguments):
    layer = Planned(label_smoothing=0.2)
    model, eager = vit(**arguments), vit(run_eagerly=True)
    for each in (model, eager):
        attention_labels(each, layer)
        images, ids = np.concatenate([IMAGES, IMAGES]), np.concatenate([IDS, IDS])
        each.fit(images, ids, batch_size=BATCH, shuffle=False, verbose=0)
    assert_same_weights(model, eager, atol=3e-5)


def look_at(model, patch):
    """Sets a model's weights so that the class token attends to one patch only, or to all alike.

    Tokens are positions alone, and after normalization the one of that patch differs from all
    others in the first two channels.
    """
    model.get_layer("patches").set_weights([np.zeros((4, 4, 3, 12)), np.zeros(12)])
    positions = np.tile([0.0] * 10 + [1, -1], (4, 4, 1))
    if patch is not None:
        positions[patch] = [1, -1] + [0.0] * 10
    embedding = model.get_layer("tokens")
    embedding.positions.assign(positions)
    embedding.class_token.assign(np.zeros(12))
    kernel, bias = np.zeros((12, 36)), np.zeros(36)
    bias[[0, 4, 8]] = 30  # queries of three heads of four channels
    kernel[0, [12, 16, 20]] = 30  # keys
    model.get_layer("block_0_qkv").set_weights([kernel, bias])


def told(y_true, y_pred):
    """A loss that says which labels it gets: no two sets of rows that are likely give the same."""
    code = keras.ops.reshape(keras.ops.arange(BATCH * CLASSES, dtype="float32"), (BATCH, CLASSES))
    return keras.ops.sum(y_true * keras.ops.sin(code), axis=-1) + 0 * keras.ops.sum(y_pred, axis=-1)


@pytest.mark.parametrize("patch", [(0, 3), (3, 1), None])
def test_attention_set_by_hand_gives_labels_known_before(patch):
    model = vit(loss=told, run_eagerly=True)
    look_at(model, patch)
    attention_labels(model, Planned(label_smoothing=0), "attention")
    loss = model.train_on_batch(IMAGES, IDS)
    share = PLAN.share if patch is None else MASK[:, patch[0] // 2, patch[1] // 2]
    labels = np.eye(CLASSES)[IDS] * (1 - share[:, None])
    labels += np.eye(CLASSES)[IDS[PLAN.partner]] * share[:, None]
    code = np.sin(np.arange(BATCH * CLASSES)).reshape(BATCH, CLASSES)
    assert float(loss) == pytest.approx((labels * code).sum(1).mean(), abs=1e-6)


def test_a_function_may_say_what_is_looked_at():
    def attention(model, images):
        # Of this step's weights and of mixed images; as many rows as columns, in a row.
        seen.append(tuple(images.shape))
        scores = keras.ops.exp(model(images, training=False)[:, :4])
        return keras.ops.repeat(scores, 4, axis=1)

    def as_map(model, images):
        return np.repeat(np.exp(to_numpy(model(images))[:, :4]), 4, axis=1).reshape(-1, 4, 4)

    seen, layer = [], Planned()
    # Compiled on JAX, where weights are an argument of the step.
    model, known = vit(run_eagerly=BACKEND == "tensorflow"), vit(run_eagerly=True)
    attention_labels(model, layer, "mean", attention=attention)
    for _ in range(2):
        known.train_on_batch(*expected_labels(known, layer, "mean", None, as_map))
        model.train_on_batch(IMAGES, IDS)
    assert_same_weights(model, known)
    assert set(seen) == {(BATCH, 16, 16, 3)}


def test_the_same_seed_gives_the_same_weights():
    def train(seed):
        model = vit(run_eagerly=True)
        mix = kpm.PatchMixing(
            3, num_classes=CLASSES, seed=seed, probability=1.0
        )  # no cell holds whole patches
        attention_labels(model, mix).fit(
            IMAGES, IDS, batch_size=BATCH, epochs=2, shuffle=False, verbose=0
        )
        return model

    first = train(1)
    assert_same_weights(first, train(1), atol=0)
    with pytest.raises(AssertionError):
        assert_same_weights(first, train(2), atol=1e-4)


def test_a_sample_that_is_not_mixed_keeps_its_label():
    model = vit(loss=told, run_eagerly=True)
    layer = kpm.layers.MaskMix(4, 2, probability=0, num_classes=CLASSES, label_smoothing=0, seed=1)
    attention_labels(model, layer, "attention")
    code = np.sin(np.arange(BATCH * CLASSES)).reshape(BATCH, CLASSES)
    expected = code[np.arange(BATCH), IDS].mean()
    assert float(model.train_on_batch(IMAGES, IDS)) == pytest.approx(expected, abs=1e-6)


def test_evaluation_and_files_are_the_models_own_and_none_takes_it_off(tmp_path):
    model, plain = vit(run_eagerly=True), vit(run_eagerly=True)
    before = set(vars(model))
    attention_labels(model, Planned())
    rows = np.eye(CLASSES, dtype="float32")[IDS]
    assert model.evaluate(IMAGES, rows, verbose=0) == plain.evaluate(IMAGES, rows, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert vars(loaded).keys().isdisjoint({"train_step", "compute_loss"})
    np.testing.assert_array_equal(
        loaded.predict(IMAGES, verbose=0), plain.predict(IMAGES, verbose=0)
    )
    # What predicting made stays; nothing of mixing does.
    assert attention_labels(model, None) is model
    left = set(vars(model)) - before
    assert left.isdisjoint({"train_step", "compute_loss", "make_train_function", "_symbolic_build"})
    model.train_on_batch(IMAGES, rows)
    plain.train_on_batch(IMAGES, rows)
    assert_same_weights(model, plain)


def test_mixing_on_the_device_takes_its_place():
    model, other = vit(run_eagerly=True), vit(run_eagerly=True)
    mix_on_device(attention_labels(model, Planned()), Planned())
    mix_on_device(other, Planned())
    for each in (model, other):
        each.train_on_batch(IMAGES, IDS)
    assert_same_weights(model, other, atol=0)


def test_metrics_see_labels_by_pixels():
    metric = keras.metrics.CategoricalCrossentropy(from_logits=True, name="entropy")
    model = vit(run_eagerly=True, weighted_metrics=[metric])
    layer = Planned(label_smoothing=0.2)
    mixed, area = layer.apply_plan(PLAN, IMAGES, IDS)
    expected = float(
        keras.ops.mean(keras.losses.categorical_crossentropy(area, model(mixed), from_logits=True))
    )
    attention_labels(model, layer, "attention")
    logs = model.train_on_batch(IMAGES, IDS, return_dict=True)
    assert float(logs["entropy"]) == pytest.approx(expected, rel=1e-5)
    assert abs(float(logs["loss"]) - expected) > 1e-4
