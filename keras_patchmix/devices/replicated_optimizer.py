"""Optimizers whose steps on several replicas are those of one with the whole batch.

Two things that optimizers of Keras 3 do on each replica alone belong to the gradient of the whole
batch. Both were seen with Keras 3.15, with two replicas against one:

- Clipping (`clipnorm`, `global_clipnorm`, `clipvalue`) comes before the gradients are summed, so
  that with N replicas each Nth of the gradient is clipped to the full norm.
- `LossScaleOptimizer`, which Keras puts around the optimizer under mixed_float16, asks each
  replica, or only the first, whether its own gradients are finite. Replicas that differ wait
  for each other for ever, or take in a gradient that is not finite.
"""

import functools

import keras

from keras_patchmix.base.optional import require

_OVERRIDDEN = ("_clip_gradients", "_all_reduce_sum_gradients")


def treat_batch_as_one(optimizer):
    """Makes an optimizer clip, and look for overflows in, the sum of all replicas' gradients.

    The methods of the object are replaced, so it keeps its class, its state and its config.

    Args:
        optimizer: A `keras.optimizers.Optimizer` on the TensorFlow backend, or None.

    Returns:
        `optimizer`.

    Raises:
        RuntimeError: It clips, and this version of Keras has not the methods to be replaced.
    """
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        if "check_finite" not in vars(optimizer):
            optimizer.check_finite = functools.partial(_all_finite, optimizer.check_finite)
        treat_batch_as_one(optimizer.inner_optimizer)
    elif _clips(optimizer) and "_clip_gradients" not in vars(optimizer):
        missing = [name for name in _OVERRIDDEN if not callable(getattr(optimizer, name, None))]
        if missing:
            raise RuntimeError(
                "Clipping the gradients of several replicas needs methods that the optimizers of "
                f"Keras {keras.__version__} do not have: {', '.join(missing)}. Train without "
                "clipping, or with Keras 3.15."
            )
        own = optimizer._clip_gradients
        optimizer._clip_gradients = lambda gradients: own(_summed(gradients))
        optimizer._all_reduce_sum_gradients = list  # they are summed
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
