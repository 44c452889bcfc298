"""Keras' `fit` and `evaluate` for several workers: the one place that corrects them.

Under `tf.distribute.MultiWorkerMirroredStrategy` the TensorFlow trainer of Keras 3 fails in two
places (https://github.com/keras-team/keras/issues/20585, open since December 2024):

- `_maybe_symbolic_build` averages the first batch over the workers to learn its shape, with a call
  that does not take a batch of several workers;
- what `train_step` and `test_step` return is averaged along axis 0, which scalars do not have.

`make_multiworker_fit` gives one model, the object, other versions of the two methods involved. The
model keeps its class, and what is saved is of that class. If a version of Keras needs no
correction, these do no harm: the steps' values then pass through reshaping alone. A version without
the methods is refused, and one that was not tried is named in a warning.
"""

import warnings

import keras

from keras_patchmix.base.optional import require

TRIED = ((3, 10), (3, 15))
_OVERRIDDEN = ("_make_function", "_maybe_symbolic_build")


def make_multiworker_fit(model, strategy):
    """Makes `fit` and `evaluate` of a model work on several workers.

    `mix_on_device` may come before or after. A second call changes nothing.

    Args:
        model: A `keras.Model`, made in the scope of `strategy`.
        strategy: The `tf.distribute.MultiWorkerMirroredStrategy`.

    Returns:
        `model`.

    Raises:
        RuntimeError: This version of Keras has not the methods that would have to be corrected.

    Warns:
        UserWarning: It was not tried with this version of Keras.
    """
    if isinstance(vars(model).get("_make_function"), _ScalarsAsVectors):
        return model
    _check_version(model)
    model._make_function = _ScalarsAsVectors(model._make_function)
    model._maybe_symbolic_build = _LocalBuild(model._maybe_symbolic_build, strategy)
    return model


class _ScalarsAsVectors:
    """Stands in for `_make_function`, which makes train and test functions of their steps.

    Inside, the steps' values have shape (1,), which can be averaged along axis 0; outside they are
    scalars again.

    Args:
        own: The model's own method.
    """

    def __init__(self, own):
        self._own = own

    def __call__(self, step):
        function = self._own(lambda data: keras.tree.map_structure(_as_vector, step(data)))
        return lambda iterator: keras.tree.map_structure(_as_scalar, function(iterator))


class _LocalBuild:
    """Stands in for `_maybe_symbolic_build`: the shapes are those of a local replica's batch.

    Args:
        own: The model's own method.
        strategy: The `tf.distribute.Strategy`.
    """

    def __init__(self, own, strategy):
        self._own = own
        self._strategy = strategy

    def __call__(self, iterator=None, data_batch=None):
        if iterator is not None:
            for *_, batches in iterator:
                data_batch = keras.tree.map_structure(
                    lambda part: self._strategy.experimental_local_results(part)[0], next(batches)
                )
                break
        return self._own(data_batch=data_batch)


def _as_vector(value):
    value = keras.ops.convert_to_tensor(value)
    return keras.ops.reshape(value, (1,)) if value.shape.rank == 0 else value


def _as_scalar(value):
    return keras.ops.reshape(value, ()) if tuple(value.shape) == (1,) else value


def _check_version(model):
    missing = [name for name in _OVERRIDDEN if not callable(getattr(model, name, None))]
    lowest, highest = (".".join(map(str, version)) for version in TRIED)
    if missing:
        raise RuntimeError(
            f"Training on several workers corrects methods of Keras {lowest} to {highest} that "
            f"Keras {keras.__version__} does not have: {', '.join(missing)}. Install "
            f"'keras>={lowest},<={highest}.*', or train on one worker."
        )
    version = tuple(int(part) for part in keras.__version__.split(".")[:2])
    if not TRIED[0] <= version <= TRIED[1]:
        warnings.warn(
            f"Training on several workers corrects `fit` of Keras {lowest} to {highest}, and was "
            f"not tried with Keras {keras.__version__}. Check that the loss is that of one worker.",
            UserWarning,
            stacklevel=4,
        )


def task_of_this_process():
    """Reads the environment variable TF_CONFIG.

    Returns:
        (number of workers, number of this one, counted from 0, the chief first); (1, 0) where the
        variable is not set or names no cluster.

    Raises:
        ValueError: It is no valid description of a cluster of workers.
    """
    tf = require("tensorflow", "Training on several workers")
    try:
        resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
        cluster = resolver.cluster_spec().as_dict()
        task_type, task_id = resolver.task_type, resolver.task_id
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(_explain(f"{type(error).__name__}: {error}")) from error
    if not cluster:
        return 1, 0
    tasks = [(kind, i) for kind in ("chief", "worker") for i in range(len(cluster.get(kind, ())))]
    others = sorted(set(cluster) - {"chief", "worker"})
    if others:
        raise ValueError(_explain(f"a cluster with {', '.join(others)}"))
    if (task_type, task_id) not in tasks:
        raise ValueError(_explain(f"the task {task_type!r} {task_id!r} in the cluster {cluster}"))
    return len(tasks), tasks.index((task_type, task_id))


def _explain(received):
    return (
        "The environment variable TF_CONFIG must be JSON that names the workers and which of them "
        'this process is, such as {"cluster": {"worker": ["host0:12345", "host1:12345"]}, "task": '
        f'{{"type": "worker", "index": 0}}}}. Received: {received}'
    )
