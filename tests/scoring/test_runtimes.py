"""Models of other runtimes give the scores of the model that they were exported from."""

import keras
import numpy as np
import pytest

import keras_patchmix as kpm
from keras_patchmix.occlusion import PatchDrop, evaluate
from keras_patchmix.occlusion.backup import digest_of
from keras_patchmix.scoring.forward import forward_function
from keras_patchmix.scoring.runtimes import open_model
from tests.arrays import BACKEND, to_numpy
from tests.occlusion.closed_form import SIZE, K, constant_data, scores_of

IMAGES, LABELS = constant_data(20)
NOISE = np.random.default_rng(0).integers(0, 256, (20, SIZE, SIZE, 3), "uint8")
SUITE = [PatchDrop(4, (0.25, 0.75))]


@pytest.fixture(scope="module")
def model():
    """A model that holds a mixing layer, as one that was trained by a step of its own may."""
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            keras.layers.Rescaling(1 / 255),
            kpm.PatchMixing(num_classes=K, seed=1),
            keras.layers.Conv2D(8, 4, 4, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(K),
        ]
    )


def assert_scores_like(model, path, **settings):
    opened = open_model(path, **settings)
    for count in (20, 7):
        expected = to_numpy(model(np.float32(NOISE[:count])))
        np.testing.assert_allclose(opened(NOISE[:count]), expected, atol=1e-4)
    found = evaluate(opened, NOISE, LABELS, SUITE, batch_size=8)
    assert found.rows == evaluate(model, NOISE, LABELS, SUITE, batch_size=8).rows
    assert found.settings["model"] == path.stem


@pytest.mark.skipif(BACKEND != "tensorflow", reason="exported by TensorFlow here")
def test_a_saved_model_scores_as_the_model_does_and_does_not_mix(model, tmp_path):
    model.export(tmp_path / "exported", verbose=False)
    assert_scores_like(model, tmp_path / "exported")


@pytest.mark.skipif(BACKEND != "tensorflow", reason="exported by TensorFlow here")
@pytest.mark.parametrize("quantized", [False, True])
def test_a_litert_file_scores_as_the_model_does_and_does_not_mix(model, quantized, tmp_path):
    tf = pytest.importorskip("tensorflow")
    model.export(tmp_path / "exported", verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "exported"))
    if quantized:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([np.float32(x[None])] for x in NOISE)
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    path = tmp_path / "exported.tflite"
    path.write_bytes(converter.convert())
    if not quantized:
        return assert_scores_like(model, path)
    opened = open_model(path)
    expected = to_numpy(model(np.float32(NOISE)))
    np.testing.assert_allclose(opened(NOISE), expected, atol=0.1 * np.ptp(expected))


@pytest.mark.skipif(BACKEND != "tensorflow", reason="exported by TensorFlow here")
def test_an_onnx_file_scores_as_the_model_does_and_does_not_mix(model, tmp_path):
    pytest.importorskip("tf2onnx")
    pytest.importorskip("onnxruntime")
    path = tmp_path / "exported.onnx"
    model.export(path, format="onnx", verbose=False)
    assert_scores_like(model, path)


def channel_means(path, shape, dtype=1):
    """Writes a graph from images to the means of their channels; 1 is float32."""
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    axes = [2, 3] if shape[1] == 3 else [1, 2]
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["images"], ["floats"], to=onnx.TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["floats"], ["scores"], axes=axes, keepdims=0),
        ],
        "means",
        [helper.make_tensor_value_info("images", dtype, shape)],
        [helper.make_tensor_value_info("scores", 1, [shape[0], 3])],
    )
    opset = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), str(path))
    return path


@pytest.mark.parametrize(
    "shape",
    [["n", 3, SIZE, SIZE], [4, 3, None, None], [1, SIZE, SIZE, 3], ["n", "h", "w", 3]],
    ids=str,
)
@pytest.mark.parametrize("dtype", [1, 2, 11], ids=["float32", "uint8", "float64"])
def test_any_order_of_axes_batch_size_and_dtype_of_an_onnx_file(shape, dtype, tmp_path):
    pytest.importorskip("onnxruntime")
    opened = open_model(channel_means(tmp_path / "means.onnx", shape, dtype))
    for count in (1, 4, 7):
        expected = NOISE[:count].mean((1, 2))
        np.testing.assert_allclose(opened(NOISE[:count]), expected, atol=1e-3)


def test_images_of_another_size_are_refused(tmp_path):
    pytest.importorskip("onnxruntime")
    opened = open_model(channel_means(tmp_path / "means.onnx", ["n", 3, 8, 8]))
    with pytest.raises(ValueError, match=r"'means' takes images of shape \(3, 8, 8\), channels_f"):
        evaluate(opened, IMAGES, LABELS, SUITE)


@pytest.mark.parametrize("name", ["model.keras", "missing.onnx", "folder"])
def test_what_is_no_exported_model_is_refused(name, tmp_path):
    (tmp_path / "model.keras").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match=r"`path` must be a file that ends in .onnx or .tflite"):
        open_model(tmp_path / name)
    with pytest.raises(ValueError, match="`data_format` must be one of"):
        open_model(tmp_path / name, "first")


def torch_reader(torch):
    """A module that scores a pixel as `pixel_reader` does, and trains like any other."""

    class Reader(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(()))
            self.drop = torch.nn.Dropout(0.9)

        def forward(self, images):
            assert images.shape[1] == 3
            values = self.drop(images[:, 0, 2, 5] * self.scale)
            classes = torch.arange(K, dtype=images.dtype)
            return -(values[:, None] - (40 * classes + 10)).abs()

    return Reader()


def test_a_torch_module_is_scored_in_evaluation_mode_and_left_in_its_own():
    torch = pytest.importorskip("torch")
    module = torch_reader(torch)
    found = evaluate(module, IMAGES, LABELS, SUITE, batch_size=8)
    expected = evaluate(lambda x: scores_of(x[:, 2, 5, 0]), IMAGES, LABELS, SUITE, batch_size=8)
    assert found.rows == expected.rows
    assert found.settings["model"] == "Reader"
    assert module.training
    assert module.drop.training
    half = module.to(torch.bfloat16)
    scores = forward_function(half)(IMAGES)
    assert scores.dtype == torch.bfloat16
    assert not scores.requires_grad


@pytest.mark.parametrize("single", [False, True])
def test_a_torch_loader_of_channels_first_images_is_read(single):
    torch = pytest.importorskip("torch")
    tensors = torch.from_numpy(np.moveaxis(IMAGES, -1, 1).copy()), torch.from_numpy(LABELS)
    dataset = torch.utils.data.TensorDataset(*tensors)
    loader = dataset if single else torch.utils.data.DataLoader(dataset, batch_size=8)
    expected = evaluate(lambda x: scores_of(x[:, 2, 5, 0]), IMAGES, LABELS, SUITE)
    for data in (loader, tensors):
        report = evaluate(lambda x: scores_of(x[:, 2, 5, 0]), data, suite=SUITE)
        assert report.rows == expected.rows
        assert report.settings["image_size"] == [SIZE, SIZE]


def test_the_digest_of_a_torch_module_follows_its_weights():
    torch = pytest.importorskip("torch")
    first, second = torch_reader(torch), torch_reader(torch)
    assert digest_of(first) == digest_of(second)
    with torch.no_grad():
        second.scale += 1e-6
    assert digest_of(first) != digest_of(second)
    assert digest_of(first.to(torch.bfloat16)) != digest_of(torch_reader(torch))
