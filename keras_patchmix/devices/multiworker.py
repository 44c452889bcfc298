"""The private methods of Keras that training on several replicas or workers replaces.

Several workers. Under `tf.distribute.MultiWorkerMirroredStrategy` the TensorFlow trainer of Keras 3
fails in two places (https://github.com/keras-team/keras/issues/20585, open since December 2024):

- `_maybe_symbolic_build` averages the first batch over the workers to learn its shape, with a call
  that does not take a batch of several workers;
- what `train_step` and `test_step` return is averaged along axis 0, which scalars do not have.

`make_multiworker_fit` replaces the two methods on one object. The model keeps its class, and what
is saved is of that class. With a version of Keras that needs no correction they do no harm; one
without the methods is refused, and one that was not tried is named in a warning. It may go once the
issue is closed in the lowest supported version.

Several replicas. Two things that optimizers of Keras 3 do on each replica alone belong to the
gradient of the whole batch; both were seen with Keras 3.15, two replicas against one:

- Clipping (`clipnorm`, `global_clipnorm`, `clipvalue`) comes before the gradients are summed, so
  that with N replicas each Nth of the gradient is clipped to the full norm.
- `LossScaleOptimizer`, which Keras puts around the optimizer under mixed_float16, asks each
  replica, or only the first, whether its own gradients are finite. Replicas that differ wait
  for each other for ever, or take in a gradient that is not finite.

`treat_batch_as_one` replaces these methods on one optimizer.
"""

import functools
import warnings

import keras

from keras_patchmix.base.optional import require

TRIED = ((3, 10), (3, 15))
_TRAINER_METHODS = ("_make_function", "_maybe_symbolic_build")
_OPTIMIZER_METHODS = ("_clip_gradients", "_all_reduce_sum_gradients")


def make_multiworker_fit(model, strategy):
    """Corrects `fit` and `evaluate` of a model for several workers, once.

    `mix_on_device` may come before or after.

    Args:
        model: A `keras.Model`, made in the scope of `strategy`.
        strategy: The `tf.distribute.MultiWorkerMirroredStrategy`.

    Returns:
        `model`.

    Raises:
        RuntimeError: This version of Keras lacks the methods.

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
    """Replaces `_make_function`: values of steps have shape (1,) inside, () outside.

    Args:
        own: The model's own method.
    """

    def __init__(self, own):
        self._own = own

    def __call__(self, step):
        function = self._own(lambda data: keras.tree.map_structure(_as_vector, step(data)))
        return lambda iterator: keras.tree.map_structure(_as_scalar, function(iterator))


class _LocalBuild:
    """Replaces `_maybe_symbolic_build`: shapes are those of a local replica's batch.

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
    missing = [name for name in _TRAINER_METHODS if not callable(getattr(model, name, None))]
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


def treat_batch_as_one(optimizer):
    """Makes an optimizer clip, and check for overflows, the sum of all replicas' gradients.

    It keeps its class, its state and its config.

    Args:
        optimizer: A `keras.optimizers.Optimizer` on the TensorFlow backend, or None.

    Returns:
        `optimizer`.

    Raises:
        RuntimeError: It clips, and this version of Keras lacks the methods.
    """
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        if "check_finite" not in vars(optimizer):
            optimizer.check_finite = functools.partial(_all_finite, optimizer.check_finite)
        treat_batch_as_one(optimizer.inner_optimizer)
    elif _clips(optimizer) and "_clip_gradients" not in vars(optimizer):
        missing = [
            name for name in _OPTIMIZER_METHODS if not callable(getattr(optimizer, name, None))
        ]
        if missing:
            raise RuntimeError(
                "Clipping the gradients of several replicas needs methods that the optimizers of "
                f"Keras {keras.__version__} do not have: {', '.join(missing)}. Train without "
                "clipping, or with Keras 3.15."
            )
        own = optimizer._clip_gradients
        optimizer._clip_gradients = lambda gradients: own(_summed(gradients))
        optimizer._all_reduce_sum_gradients = list  # summed already
    return optimizer


def _clips(optimizer):
    return any(
        getattr(optimizer, name, None) is not None
        for name in ("clipnorm", "global_clipnorm", "clipvalue")
    )


def _summed(gradients):
    tf = require("tensorflow", "Training on several replicas")
    context = tf.distribute.get_replica_context()
    present = [gradient for gradient in gradients if gradient is not None]
    if context is None or not present:
        return gradients
    summed = iter(context.all_reduce(tf.distribute.ReduceOp.SUM, present))
    return [None if gradient is None else next(summed) for gradient in gradients]


def _all_finite(own, gradients):
    """Whether the gradients of all replicas are finite, the same answer on each."""
    tf = require("tensorflow", "Training on several replicas")
    bad = tf.cast(tf.logical_not(own(gradients)), tf.float32)
    context = tf.distribute.get_replica_context()
    if context is not None:
        bad = context.all_reduce(tf.distribute.ReduceOp.SUM, bad)
    return bad == 0
