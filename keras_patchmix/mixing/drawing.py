"""What every method draws for a batch: coins, partners, and numbers of its own."""

from keras_patchmix.mixing import arrays


def draw(seed, batch_size, numbers, settings, like=None, sizes=()):
    """Draws all that is random in the plan of a batch, in one call of the generator.

    Args:
        seed: Two integers, or an integer array or tensor of shape `(2,)`.
        batch_size: Integer or scalar int32 tensor.
        numbers: Integer or scalar int32 tensor: the numbers that the method needs.
        settings: A `Settings`.
        like: A tensor or array: what is drawn is of its kind. Defaults to the kind of the seed and
            the sizes.
        sizes: Integers or tensors that the plan also depends on.

    Returns:
        `(uniform, mixed, partner)`: float32 `(draws, numbers)` in [0, 1); bool `(draws,)`, what
        is mixed; int32 `(batch,)`, a random cycle through the batch, so that no sample is its own
        partner. There is one draw in mode `"batch"`, else one a sample.
    """
    seed = tuple(seed) if isinstance(seed, list) else seed
    ops = arrays.of(like, *(seed if isinstance(seed, tuple) else (seed,)), batch_size, *sizes)
    draws = batch_size if settings.mode == "sample" else 1
    columns = numbers + 1
    uniform = ops.random_uniform((draws * columns + batch_size,), seed)
    if like is not None:
        uniform = ops.match(uniform, like)
    order = uniform[draws * columns :]
    uniform = ops.reshape(uniform[: draws * columns], (draws, columns))
    mixed = (uniform[:, 0] < settings.probability) & (batch_size > 1)
    return uniform[:, 1:], mixed, _cycle(ops, order, batch_size)


def for_batch(part, batch_size, settings):
    """A part of a plan with one entry a sample, where mode `"batch"` has drawn one for all."""
    if settings.mode == "sample":
        return part
    ops = arrays.of(part)
    return ops.broadcast_to(part, (batch_size, *ops.shape(part)[1:]))


def match(plan, like):
    """The plan with tensors of the kind of `like`, where `like` is."""
    ops = arrays.of(like)
    return type(plan)(*(ops.match(part, like) for part in plan))


def pixel_share(ops, pixels, image_size):
    """Float32: numbers of pixels over that of the whole image."""
    height, width = image_size
    area = height * width
    area = float(area) if isinstance(area, int) else ops.cast(area, "float32")
    return ops.cast(pixels, "float32") / area


def _cycle(ops, uniform, batch_size):
    """Int32 `(batch,)`: the successor of each sample on the cycle that `uniform` orders."""
    order = ops.argsort(uniform)
    position = ops.argsort(order)
    return ops.cast(ops.take(order, (position + 1) % batch_size, axis=0), "int32")
