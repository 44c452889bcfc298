"""The few array operations that mixing is written in, one module for each kind of tensor.

Tensors of TensorFlow take TensorFlow's operations under every Keras backend, because `tf.data`
graphs hold such tensors under every backend.
"""

import sys

import keras


def of(*values):
    """Returns the module of operations that fits `values`.

    Raises:
        NotImplementedError: The values are no TensorFlow tensors and the Keras backend is another.
    """
    if keras.backend.backend() == "tensorflow" or any(_is_tensorflow(value) for value in values):
        from keras_patchmix._ops import tensorflow_ops

        return tensorflow_ops
    raise NotImplementedError(
        "Outside tf.data, mixing runs on Keras' TensorFlow backend only in this version. "
        f"Received: backend={keras.backend.backend()!r}"
    )


def _is_tensorflow(value):
    tf = sys.modules.get("tensorflow")
    return tf is not None and tf.is_tensor(value)
