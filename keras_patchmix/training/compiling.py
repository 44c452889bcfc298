"""The model of a run, its optimizer and its schedule, out of the options."""

import os

import keras

from keras_patchmix.models.factory import arguments_of, create


def make_model(options, info):
    """Returns the model that the options name, not compiled.

    Args:
        options: A `TrainOptions`.
        info: A `keras_patchmix.datasets.DatasetInfo`.

    Raises:
        ValueError: The model to go on from has other inputs or outputs than the data set; or the
            architecture has no stochastic depth and the options ask for it.
    """
    if options.init is not None:
        model = keras.models.load_model(options.init, compile=False)
        outputs = getattr(model, "output_shape", (None,))[-1]
        if outputs != info.num_classes:
            raise ValueError(
                f"--init must have an output for each of the {info.num_classes} classes of "
                f"{options.dataset}. Received: {os.fspath(options.init)!r} with {outputs}"
            )
        return model
    arguments = {"seed": options.seed}
    if options.drop_path is not None:
        if "drop_path_rate" not in arguments_of(options.model):
            raise ValueError(
                "--drop-path must be left out for models without stochastic depth, or whose own it "
                f"does not set. Received: --drop-path {options.drop_path} --model {options.model}"
            )
        arguments["drop_path_rate"] = options.drop_path
    return create(options.model, info.num_classes, tuple(info.image_shape), **arguments)


def compile_model(model, options, steps):
    """Compiles a model with AdamW, a cosine schedule after a linear warm-up, and accuracy.

    The optimizer is built, so that a state can be restored before the first step.

    Args:
        model: A `keras.Model` of logits.
        options: A `TrainOptions`.
        steps: Steps of an epoch.
    """
    averaging = {} if options.ema is None else {"use_ema": True, "ema_momentum": options.ema}
    optimizer = keras.optimizers.AdamW(
        schedule(options, steps),
        weight_decay=options.weight_decay,
        clipnorm=options.gradient_clip or None,
        **averaging,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "scale"])
    model.compile(
        optimizer,
        keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=_use_xla(options.xla),
    )
    model.optimizer.build(model.trainable_variables)  # not `optimizer`: Keras may wrap it


def schedule(options, steps):
    """Returns the learning rate as a function of the step, a Keras schedule.

    Args:
        options: A `TrainOptions`.
        steps: Steps of an epoch.
    """
    total = steps * options.epochs
    warmup = min(round(options.warmup_epochs * steps), total // 2)
    if not warmup:
        return keras.optimizers.schedules.CosineDecay(options.learning_rate, total)
    return keras.optimizers.schedules.CosineDecay(
        options.learning_rate / 100,
        decay_steps=total - warmup,
        warmup_target=options.learning_rate,
        warmup_steps=warmup,
    )


def _use_xla(wanted):
    """XLA makes depthwise convolutions on a CPU three to six times slower, transformers faster."""
    if wanted != "auto":
        return wanted == "on"
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return "auto" if tf.config.list_logical_devices("GPU") else False
    return "auto"
