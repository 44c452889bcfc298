"""Mixing inside the train step, on the device that trains, instead of in the input pipeline."""

import numbers
import random
from typing import Any

import keras

from keras_patchmix.training.label_checks import (
    refuse_labels,
    takes_class_ids,
    warn_if_smoothed_twice,
)


def mix_on_device(model: Any, layer: Any, seed: int | None = None) -> Any:
    """Makes `model` mix every batch that it is trained on, inside its train step.

    Only the `train_step` of this object is replaced: by one that mixes the batch and then calls the
    original one, a custom one too. `evaluate` and `predict` do not mix. What is saved is the model
    with its optimizer, of its own class, without the layer. The model may be compiled before or
    after. The loss and the metrics of training see mixed labels, which are float32 rows: they must
    be ones for rows (`CategoricalCrossentropy`, "accuracy"; sparse ones are refused), and data to
    evaluate on holds rows as well.

    The plan of a batch is a function of the seed and of the number of batches that the optimizer
    has seen, which is part of its state: a run that resumes from a checkpoint continues with the
    same plans. Under `tf.distribute` every replica mixes its part of the batch with its own plan.

    Args:
        model: A `keras.Model`. Its optimizer counts the batches. A model with several, for a
            custom train step, holds them as attributes.
        layer: A `keras_patchmix.PatchMixing`, or another layer with its `sample_plan`,
            `apply_plan` and `compute_output_shape`. It replaces the layer of an earlier call.
            `None` removes mixing.
        seed: Integer or `None`. Defaults to `None`, the seed of the layer; where that is `None`
            too, a number drawn from Python's `random`, which `keras.utils.set_random_seed` seeds.

    Returns:
        `model`.

    Raises:
        TypeError: `model` is no `keras.Model`, or `layer` does not mix.
        ValueError: `seed` is no integer, or Keras runs JAX through Flax's NNX, which does not
            call the train step of an object.

    Example:
    >>> model.compile("adamw", keras.losses.CategoricalCrossentropy(from_logits=True))
    >>> mix_on_device(model, keras_patchmix.PatchMixing(num_classes=10, seed=1))
    >>> model.fit(images, class_ids)
    """
    return replace_mixing(model, layer, seed, Mixing)


def replace_mixing(model, layer, seed, make):
    """Replaces the mixing of a model; see `mix_on_device`.

    `make` is a function of the model, the layer and an integer seed that returns a `Mixing`.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"`model` must be a keras.Model. Received: model={model!r}")
    if layer is not None:
        _check_layer(layer)
        seed = _resolve_seed(seed, layer)
        # Older versions of Keras do not know NNX.
        if keras.backend.backend() == "jax" and getattr(keras.config, "is_nnx_enabled", bool)():
            raise ValueError(
                "`model` cannot mix on the device where Keras uses Flax's NNX, whose trainer calls "
                "the train step of the class: set the environment variable KERAS_NNX_ENABLED to "
                "'false'. Received: keras.config.is_nnx_enabled()=True"
            )
    attached = vars(model).get("train_step")
    if isinstance(attached, _MixedStep):
        attached.mixing.detach()
    if layer is not None:
        make(model, layer, seed).attach()
    if model.train_function is not None:  # made of the earlier step
        model.make_train_function(force=True)
    return model


class Mixing:
    """Methods that replace those of one model.

    Subclasses may override `run_step`, and replace further methods by naming them.

    Args:
        model: The `keras.Model`.
        layer: The mixing layer.
        seed: Integer in [0, 2^31).
    """

    NAMES = ("train_step", "make_train_function", "_symbolic_build")

    def __init__(self, model, layer, seed):
        self._model, self._layer, self._seed = model, layer, seed
        # A version of Keras without the private method would build from the step itself.
        self._own = {name: getattr(model, name) for name in self.NAMES if hasattr(model, name)}
        self._of_object = [name for name in self._own if name in vars(model)]
        self._checked_loss = None

    def attach(self):
        """Replaces the methods of the object."""
        self._model.train_step = _MixedStep(self)
        self._model.make_train_function = self.make_train_function
        if "_symbolic_build" in self._own:
            self._model._symbolic_build = self.symbolic_build
        if self._model.compiled:
            self._check_loss()

    def detach(self):
        """Restores the methods of the object."""
        for name in self._own:
            delattr(self._model, name)
            if name in self._of_object:
                setattr(self._model, name, self._own[name])

    def train_step(self, *state_and_data):
        """Mixes, then trains, with the arguments of a step: (state, data) on JAX, else (data)."""
        *state, data = state_and_data
        seed = _seed_of_batch(self._seed, self._model, *state)
        return self.run_step(state, data, seed)

    def run_step(self, state, data, seed):
        """Mixes, then calls the model's own step.

        Args:
            state: List of the step's state: one entry on JAX, else none.
            data: Batch of `fit`.
            seed: Integer tensor `(2,)`.
        """
        return self._own["train_step"](*state, _mix(self._layer, seed, data))

    def make_train_function(self, force=False):
        """Checks a newly compiled model; Keras calls it in every `fit`."""
        model = self._model
        if force or model.train_function is None:
            model.train_step = _MixedStep(self)
            self._check_loss()
            self._refuse_labels()
        return self._own["make_train_function"](force=force)

    def symbolic_build(self, iterator=None, data_batch=None):
        """Has Keras build losses and metrics for rows of labels instead of class ids.

        The trainers of JAX and PyTorch, and TensorFlow's under `tf.distribute`, build them from
        the shapes of the data, before the first step: "accuracy" would become the one for class
        ids. No public method is called in between, so this replaces a private one. It changes
        shapes, no data, and draws a batch only if Keras does.
        """
        build = self._own["_symbolic_build"]
        if takes_class_ids(self._model):
            return build(iterator=iterator, data_batch=data_batch)
        self._refuse_labels()  # before they meet rows here

        def first_batch():
            for *steps, batches in iterator:  # the first and the last, or, in Keras 3.10, one
                batch = batches[0] if isinstance(batches, (tuple, list)) else next(batches)
                yield *steps, [_with_mixed_labels(self._layer, batch)]

        return build(
            iterator=None if iterator is None else first_batch(),
            data_batch=None if data_batch is None else _with_mixed_labels(self._layer, data_batch),
        )

    def _refuse_labels(self):
        if type(self._model).train_step is keras.Model.train_step:  # a custom one may take both
            refuse_labels(self._model, self._layer)

    def _check_loss(self):
        """Warns if labels are smoothed twice, once per loss."""
        if self._model.loss is not self._checked_loss:
            self._checked_loss = self._model.loss
            warn_if_smoothed_twice(self._model, self._layer)


class _MixedStep:
    """The train step of a `Mixing`, a new object for each train function.

    For the same object, `jax.jit` would reuse the trace of an earlier one, with its loss.
    """

    def __init__(self, mixing):
        self.mixing = mixing

    def __call__(self, *state_and_data):
        return self.mixing.train_step(*state_and_data)


def _with_mixed_labels(layer, data):
    """Returns the batch with a symbolic tensor of mixed labels."""
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    if not (hasattr(x, "shape") and hasattr(y, "shape")):
        return data  # for a custom step, or for the step to refuse
    _, shape = layer.compute_output_shape(tuple(x.shape), tuple(y.shape))
    return x, keras.KerasTensor(shape, "float32"), sample_weight


def _mix(layer, seed, data):
    """Mixes a batch of `fit`."""
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    if y is None and isinstance(x, dict):
        x = {key: _tensor(value) for key, value in x.items()}
        return layer.apply_plan(layer.sample_plan(x, seed=seed), x)
    x, y, sample_weight = tensors_of(x, y, sample_weight)
    return layer.apply_plan(layer.sample_plan(x, seed=seed), x, y, sample_weight)


def tensors_of(x, y, sample_weight):
    """Returns images, labels and weights (or `None`) as tensors; refuses several of a kind."""
    for name, value in (("x", x), ("y", y)):
        if not hasattr(value, "shape"):
            raise ValueError(
                "Mixing on the device needs images `x` and labels `y`, one tensor each; or, for a "
                "custom train step, a dict with both. "
                f"Received: {name} of type {type(value).__name__}"
            )
    return _tensor(x), _tensor(y), None if sample_weight is None else _tensor(sample_weight)


def _tensor(value):
    """Returns a tensor of the backend: `train_on_batch` and eager steps pass NumPy arrays."""
    return keras.ops.convert_to_tensor(value) if hasattr(value, "shape") else value


def _seed_of_batch(seed, model, state=None):
    """Returns the seed of the next batch, an integer tensor: the run's seed, the batch's number.

    On JAX, `state` holds trainable, non-trainable, optimizer and metric values.
    """
    dtype = "int32" if keras.backend.backend() == "jax" else "int64"
    if state is None:
        number = sum(_batches_seen(optimizer, dtype) for optimizer in _optimizers(model))
    else:
        values = zip(model.optimizer.variables, state[2], strict=True)
        with keras.StatelessScope(state_mapping=list(values)):
            number = _batches_seen(model.optimizer, dtype)
    replica, num_replicas = _replica()
    number = number * num_replicas + keras.ops.cast(replica, dtype)
    return keras.ops.stack([keras.ops.convert_to_tensor(seed, dtype), number])


def _batches_seen(optimizer, dtype):
    """Returns a scalar that differs for every batch.

    `optimizer.iterations` counts updates, which are fewer if gradients are accumulated; the
    variable behind it counts batches. An optimizer made of others has several, which are summed.
    """
    number = sum(
        keras.ops.cast(variable, dtype)
        for variable in optimizer.variables
        if variable.name == "iteration"
    )
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        # A batch whose gradients overflow is not counted, but halves the scale.
        scale = optimizer.scale_loss(keras.ops.ones((), "float32"))
        # A quarter keeps powers of two and their geometric means clear of the boundaries.
        exponent = keras.ops.floor(keras.ops.log2(keras.ops.maximum(scale, 2.0**-126)) + 0.25)
        number = 256 * number + keras.ops.cast(exponent, dtype) + 126
    return number


def _optimizers(model):
    """Returns the optimizers of the model, at least one."""
    optimizers = [
        value for value in vars(model).values() if isinstance(value, keras.optimizers.Optimizer)
    ]
    if not optimizers:
        raise ValueError(
            "Mixing on the device numbers the batches by the optimizer's steps, so `model` must "
            "have one. Received: a model compiled with optimizer=None"
        )
    return optimizers


def _replica():
    """Returns the index and the number of replicas under `tf.distribute`; else 0 and 1."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        context = tf.distribute.get_replica_context()
        if context is not None:
            return context.replica_id_in_sync_group, context.num_replicas_in_sync
    return 0, 1


def _check_layer(layer):
    missing = [
        name
        for name in ("sample_plan", "apply_plan", "compute_output_shape")
        if not callable(getattr(layer, name, None))
    ]
    if missing or isinstance(layer, type):
        problem = f", which has no {' and no '.join(missing)}" if missing else ", a class"
        raise TypeError(
            "`layer` must be a keras_patchmix.PatchMixing, another layer with its `sample_plan` "
            f"and `apply_plan`, or None. Received: layer={layer!r}{problem}"
        )


def _resolve_seed(seed, layer):
    if seed is not None and not (isinstance(seed, numbers.Integral) and not isinstance(seed, bool)):
        raise ValueError(f"`seed` must be an integer or None. Received: seed={seed!r}")
    if seed is None:
        seed = getattr(layer, "seed", None)
    if seed is None:
        # Python's generator, because keras.utils.set_random_seed seeds it.
        seed = random.randrange(2**31)
    return int(seed) & 0x7FFFFFFF  # JAX has integers of 32 bits
