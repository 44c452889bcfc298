"""Labels by attention: shares against loops, steps against steps with labels known before."""

import math
import threading
from fractions import Fraction

import keras
import numpy as np
import pytest

import keras_patchmix as kpm
from keras_patchmix.mixing import Grid, MixingPlan
from keras_patchmix.models.tokens import PatchFeatures, class_token_attention, watch_class_token
from keras_patchmix.training import attention_labels, mix_on_device
from keras_patchmix.training.attention_shares import (
    attention_share,
    foreign_parts,
    label_share,
    progressive_factor,
)
from tests.arrays import BACKEND, to_numpy

BATCH, CLASSES = 4, 5
on_tensorflow = pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow's graphs")

# Images of 16 pixels with patches of 4 and cells of 8. The second image is left as it is.
MASK = np.zeros((BATCH, 2, 2), bool)
MASK[0, 0, 1] = MASK[2, 0, :] = MASK[3, 0, 0] = MASK[3, 1, :] = True
PLAN = MixingPlan(np.array([1, 2, 3, 0], "int32"), MASK, np.array([0.25, 0, 0.5, 0.75], "float32"))
IMAGES = np.random.default_rng(0).integers(0, 256, (BATCH, 16, 16, 3), np.uint8)
IDS = np.array([0, 1, 2, 3])
WEIGHTS = np.array([1.0, 0.5, 2.0, 3.0], "float32")


class Planned(kpm.layers.MaskMix):
    """Mixes by `PLAN`, whatever the seed: generators differ between compilers."""

    def __init__(self, patch_size=4, multiple=2, num_classes=CLASSES, **arguments):
        super().__init__(patch_size, multiple, num_classes=num_classes, **arguments)

    def sample_plan(self, data, seed=None):
        del data, seed
        return MixingPlan(*map(tensor, PLAN))


def tensor(x):
    return keras.ops.convert_to_tensor(x)


# --- shares -------------------------------------------------------------------------------------


def foreign_by_loops(mask, rows, columns, patch, shown):
    """The share of foreign pixels of each patch, counted pixel by pixel."""
    parts = np.empty((len(mask), *shown))
    for i in range(shown[0]):
        for j in range(shown[1]):
            lines = rows[i * patch : (i + 1) * patch]
            pixels = columns[j * patch : (j + 1) * patch]
            parts[:, i, j] = [np.mean([m[r, c] for r in lines for c in pixels]) for m in mask]
    return parts


@pytest.mark.parametrize(
    "grid", [Grid(grid_size=(3, 4)), Grid(patch_size=(7, 5)), Grid(patch_size=10)]
)
def test_a_patch_of_two_images_counts_by_its_pixels(grid):
    height, width = 19, 22  # patches of 5 leave 4 lines and 2 columns that the model does not see
    mask = np.random.default_rng(0).random((6, *grid.shape(height, width))) < 0.5
    rows, columns = grid.row_of_line(height), grid.column_of_pixel(width)
    expected = foreign_by_loops(mask, rows, columns, 5, (3, 4))
    parts = foreign_parts(tensor(mask), grid, (height, width), Grid(patch_size=5), (3, 4))
    np.testing.assert_allclose(to_numpy(parts), expected, atol=1e-6)
    attention = np.random.default_rng(1).random((6, 3, 4)).astype("float32")
    plan = MixingPlan(None, tensor(mask), tensor(np.full(6, np.nan, "float32")))
    share = attention_share(tensor(attention), plan, grid, (height, width), Grid(patch_size=5))
    own = attention * (1 - expected)
    np.testing.assert_allclose(
        1 - to_numpy(share), own.sum((1, 2)) / attention.sum((1, 2)), atol=1e-6
    )


def share_of(attention):
    plan = MixingPlan(*map(tensor, PLAN))
    patches = Grid(patch_size=4)
    return to_numpy(attention_share(tensor(attention), plan, Planned().grid, (16, 16), patches))


def test_equal_attention_gives_the_share_of_pixels():
    np.testing.assert_array_equal(share_of(np.full((BATCH, 4, 4), 0.03, "float32")), PLAN.share)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (1, 2), (3, 3)])
def test_attention_on_one_patch_gives_all_or_nothing(row, column):
    attention = np.zeros((BATCH, 4, 4), "float32")
    attention[:, row, column] = 0.2
    expected = MASK[:, row // 2, column // 2].astype("float32")
    np.testing.assert_array_equal(share_of(attention), expected)


def test_no_attention_at_all_leaves_the_share_of_pixels():
    np.testing.assert_array_equal(share_of(np.zeros((BATCH, 4, 4), "float32")), PLAN.share)


@on_tensorflow
def test_shares_hold_in_graphs_of_unknown_sizes():
    import tensorflow as tf

    grid = Planned().grid

    @tf.function(input_signature=[tf.TensorSpec([None, None, None])])
    def run(attention):
        size = tf.shape(attention)[1:] * 4
        return attention_share(
            attention, MixingPlan(*PLAN), grid, tf.unstack(size), Grid(patch_size=4)
        )

    attention = np.random.default_rng(0).random((BATCH, 4, 4)).astype("float32")
    np.testing.assert_allclose(run(attention), share_of(attention), atol=1e-7)


def test_the_factor_is_the_cosine_of_answer_and_label():
    answers = np.array([[0.2, 0.8, 0], [1, 0, 0], [0, 0, 1], [0.6, 0.3, 0.1]], "float32")
    labels = np.array([[0.2, 0.8, 0], [0, 1, 0], [0, 0, 0], [0, 1, 0]], "float32")
    expected = [1, 0, 0, 0.3 / math.sqrt(0.46)]
    factor = to_numpy(progressive_factor(tensor(answers), tensor(labels)))
    np.testing.assert_allclose(factor, expected, rtol=1e-6)
    assert (factor <= 1).all()


def test_rules_weigh_attention_and_pixels():
    attention, area = tensor(np.float32([1, 0])), tensor(np.float32([0.25, 0.5]))
    answers, labels = np.float32([[3, 4], [0.0, 1]]), np.float32([[1, 0], [0, 1]])
    for rule, expected in {
        "attention": [1, 0],
        "mean": [0.625, 0.25],
        "progressive": [0.6 * 1 + 0.4 * 0.25, 0],
    }.items():
        share = label_share(rule, attention, area, tensor(answers), tensor(labels))
        np.testing.assert_allclose(to_numpy(share), expected, rtol=1e-6)


# --- attention ----------------------------------------------------------------------------------


def attention_by_loops(qkv, heads):
    """Attention of the first token on the others, in float64."""
    batch, tokens, width = qkv.shape
    size = width // 3 // heads
    parts = qkv.astype("float64").reshape(batch, tokens, 3, heads, size)
    mean = np.zeros((batch, tokens))
    for b in range(batch):
        for h in range(heads):
            logits = np.array([parts[b, 0, 0, h] @ parts[b, t, 1, h] for t in range(tokens)])
            weights = np.exp((logits - logits.max()) / math.sqrt(size))
            mean[b] += weights / weights.sum() / heads
    return mean[:, 1:]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_attention_of_the_class_token_is_the_formula(dtype):
    qkv = 3 * np.random.default_rng(0).normal(size=(2, 5, 36)).astype(dtype)
    attention = to_numpy(class_token_attention(tensor(qkv), 3))
    assert attention.dtype == "float32"
    np.testing.assert_allclose(attention, attention_by_loops(qkv, 3), atol=1e-6)


def vit(cls=keras.Model, loss=None, depth=1, **arguments):
    """A small vision transformer, with the same weights every time, which looks at some patches."""
    model = kpm.models.create(
        "vit_mini4", CLASSES, (16, 16, 3), dim=12, depth=depth, num_heads=3, seed=1
    )
    last = model.get_layer(f"block_{depth - 1}_qkv")
    last.set_weights([4 * weight for weight in last.get_weights()])
    # It starts at zero: the first block would look at all patches alike.
    model.get_layer("tokens").class_token.assign(np.sin(np.arange(12)))
    model = cls(model.input, model.output)
    loss = loss or keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.01), loss, **arguments)
    return model


def looked_at(model, images):
    """Attention in the last block of a functional model, through its public outputs."""
    last = [layer for layer in model.layers if layer.name.endswith("_qkv")][-1]
    qkv = keras.Model(model.input, last.output)(images)
    return attention_by_loops(to_numpy(qkv), 3).reshape(-1, 4, 4)


def test_a_watch_sees_the_layer_of_its_own_thread():
    model = vit()
    layer = model.get_layer("block_0_attention")
    seen, barrier = {}, threading.Barrier(2)

    def look(number):
        with watch_class_token(layer) as watch:
            assert watch.attention is None
            barrier.wait()
            model(IMAGES[number : number + 1])
            barrier.wait()
            seen[number] = to_numpy(watch.attention)

    threads = [threading.Thread(target=look, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = looked_at(model, IMAGES)
    for number in range(2):
        np.testing.assert_allclose(seen[number], expected[number : number + 1], atol=1e-6)
    assert np.abs(expected[0] - expected[1]).max() > 1e-5, "the images differ in attention"


# --- steps --------------------------------------------------------------------------------------


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
        mix = kpm.PatchMixing(3, num_classes=CLASSES, seed=seed)  # no cell holds whole patches
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


# --- what cannot be done ------------------------------------------------------------------------


def convolutional():
    inputs = keras.Input((16, 16, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(inputs)
    model = keras.Model(inputs, keras.layers.Dense(CLASSES)(pooled))
    model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True), run_eagerly=True)
    return model


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"rule": "half"}, ValueError, "`rule` must be one of progressive, mean, attention"),
        ({"layer": kpm.layers.RandomChoice([None])}, TypeError, "`layer` must be a MaskMix or"),
        ({"layer": keras.layers.Dropout(0.5)}, TypeError, "`layer` must be a MaskMix or"),
        ({"model": "vit"}, TypeError, "`model` must be a keras.Model"),
        ({"attention": len, "seed": 0.5}, ValueError, "`seed` must be an integer"),
        ({}, ValueError, "give `attention`, a function .* 0 TokenEmbedding"),
        ({"attention": 3}, TypeError, "`attention` must be a function"),
        ({"attention": len, "from_logits": False}, ValueError, "what the model's loss says"),
    ],
)
def test_what_cannot_be_is_named(arguments, error, message):
    model = convolutional()
    with pytest.raises(error, match=message):
        attention_labels(**{"model": model, "layer": Planned(), **arguments})
    assert vars(model).keys().isdisjoint({"train_step", "compute_loss"})


def test_a_model_that_drops_its_class_token_is_refused():
    whole = vit()
    features = PatchFeatures(4)(whole.get_layer("norm").output, whole.input)
    pooled = keras.layers.GlobalAveragePooling2D()(features)
    model = keras.Model(whole.input, keras.layers.Dense(CLASSES)(pooled))
    with pytest.raises(ValueError, match="drops its class token"):
        attention_labels(model, Planned())


def test_a_loss_that_does_not_say_needs_from_logits():
    model = convolutional()
    model.compile("sgd", lambda y_true, y_pred: keras.ops.mean((y_true - y_pred) ** 2, axis=-1))
    with pytest.raises(ValueError, match="give `from_logits`"):
        attention_labels(model, Planned(), attention=len)
    attention_labels(model, Planned(), attention=len, from_logits=True)
    attention_labels(model, Planned(), "mean", attention=len)


@pytest.mark.parametrize("shape", [(BATCH, 15), (BATCH,), (BATCH, 2, 2, 2)])
def test_attention_of_another_shape_is_refused(shape):
    model = convolutional()
    attention_labels(model, Planned(), attention=lambda model, images: keras.ops.ones(shape))
    with pytest.raises(ValueError, match="`attention` must return numbers of shape"):
        model.train_on_batch(IMAGES, IDS)


def test_a_step_that_asks_for_no_loss_is_refused():
    class NoLoss(keras.Model):
        def train_step(self, *arguments):
            return {} if len(arguments) == 1 else ({}, arguments[0])

    model = attention_labels(vit(NoLoss, run_eagerly=True), Planned())
    with pytest.raises(ValueError, match="must call that"):
        model.train_on_batch(IMAGES, IDS)


def test_shares_of_pixels_are_exact_fractions():
    """The plan that the tests use says what its mask does."""
    for share, mask in zip(PLAN.share, MASK, strict=True):
        assert Fraction(float(share)) == Fraction(int(mask.sum()), mask.size)
