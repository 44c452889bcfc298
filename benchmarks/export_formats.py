"""Exports a model, compares outputs, and scores it in int8: the figures of docs/how_to/harden.md.

    pip install ai-edge-litert onnx onnxruntime tf2onnx
    python benchmarks/export_formats.py --model hardened.keras --image-size 128 \
        --dataset imagenette/160px-v2 --data-dir DIR

A model is written as SavedModel, LiteRT and ONNX by `keras.Model.export`, and each file is run by
its own runtime on 64 test images. Then LiteRT's converter quantizes weights and activations to
int8, calibrated on 200 training images, and both models are scored under three rows of occlusion.
"""

import argparse
import os
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

from keras_patchmix import datasets, occlusion
from keras_patchmix.training.hardening import line_suite


def saved_model(path):
    """Returns a function from images to outputs that runs a SavedModel."""
    loaded = tf.saved_model.load(path)
    return lambda images: loaded.serve(images).numpy()


def onnx(path):
    """Returns a function from images to outputs that runs a file of ONNX."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    name = session.get_inputs()[0].name
    return lambda images: session.run(None, {name: images})[0]


def litert(path):
    """Returns a function from images to outputs that runs a file of LiteRT, an image at a time."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=os.cpu_count())
    interpreter.allocate_tensors()
    (given,), (returned,) = interpreter.get_input_details(), interpreter.get_output_details()

    def run(images):
        rows = []
        for image in np.asarray(images, np.float32):
            interpreter.set_tensor(given["index"], image[None])
            interpreter.invoke()
            rows.append(interpreter.get_tensor(returned["index"])[0])
        return np.stack(rows)

    return run


def quantized(folder, images):
    """Returns the bytes of a SavedModel in int8, with inputs and outputs in float32."""
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image[None]] for image in images)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    return converter.convert()


def images_of(options, split):
    """Returns a data set of images and labels."""
    return datasets.load(
        options.dataset, split, image_size=options.image_size, data_dir=options.data_dir
    )


def main():
    """Prints a line for each format, and the scores before and after quantization."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True, metavar="FILE")
    parser.add_argument("--dataset", required=True, metavar="NAME")
    parser.add_argument("--data-dir", metavar="DIR")
    parser.add_argument("--image-size", type=int, required=True, metavar="N")
    parser.add_argument("--test-split", default="validation", metavar="SPLIT")
    options = parser.parse_args()
    model = keras.saving.load_model(options.model)
    size = options.image_size
    test = images_of(options, options.test_split).batch(64)
    images = next(iter(test))[0].numpy().astype(np.float32)
    expected = model.predict(images, verbose=0)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        one = [keras.InputSpec(shape=(1, size, size, 3), dtype="float32")]
        many = [keras.InputSpec(shape=(None, size, size, 3), dtype="float32")]
        formats = (
            ("tf_saved_model", folder / "saved", many, saved_model),
            ("litert", folder / "model.tflite", one, litert),
            ("onnx", folder / "model.onnx", many, onnx),
        )
        for name, path, signature, runtime in formats:
            model.export(path, format=name, input_signature=signature, verbose=False)
            found = runtime(path)(images)
            same = (found.argmax(1) == expected.argmax(1)).mean()
            furthest = np.abs(found - expected).max()
            print(f"{name}: outputs within {furthest:.1e}, {100 * same:.1f} % the same class")
        calibration = images_of(options, "train").shuffle(2000, seed=0).take(200)
        calibration = [image.numpy().astype(np.float32) for image, _ in calibration]
        small = folder / "int8.tflite"
        small.write_bytes(quantized(folder / "saved", calibration))
        kilobytes = [file.stat().st_size // 1000 for file in (folder / "model.tflite", small)]
        print("LiteRT in float32 {} kB, in int8 {} kB".format(*kilobytes))
        kept = line_suite((size, size))
        reports = {
            "float32": occlusion.evaluate(model, test, suite=kept),
            "int8": occlusion.evaluate(litert(small), test, suite=kept, from_logits=True),
        }
    print(reports["int8"].compare(reports["float32"]).table())


if __name__ == "__main__":
    main()
