"""A batch that the devices of this process share, where each holds a model's weights, on JAX."""

import keras
import numpy as np

from keras_patchmix.base.host import to_numpy


def own_copies(values):
    """Returns arrays as this process alone holds them.

    A computation on arrays of several hosts is one that all of them have to join, and its results
    are arrays that no host can read whole. Weights are replicated: a copy is on every device.

    Args:
        values: List of JAX arrays.
    """
    return [_own_copy(value) for value in values]


def _own_copy(value):
    import jax

    if value.is_fully_addressable or not value.is_fully_replicated:
        return value
    devices = value.sharding.addressable_devices
    if len(devices) == 1:  # of which JAX 0.10 lists no shards
        return value.addressable_data(0)
    shards = [shard.data for shard in value.addressable_shards]
    return jax.make_array_from_single_device_arrays(value.shape, _sharding(devices), shards)


class Divided:
    """A batch divided among the devices that hold the weights, or whole where they are one.

    Rows that are missing to a multiple of the devices repeat the first one.

    Args:
        images: Array of shape (B, ...), or a structure of such arrays.
        values: List of JAX arrays, the weights.

    Attributes:
        images: The same on the devices.
    """

    def __init__(self, images, values):
        self.images, self._missing = images, 0
        devices = {device for value in values for device in value.sharding.device_set}
        if len(devices) < 2 or not all(value.is_fully_replicated for value in values):
            return
        self._missing = -len(keras.tree.flatten(images)[0]) % len(devices)
        sharding = _sharding(devices, "batch")
        self.images = keras.tree.map_structure(lambda part: self._put(part, sharding), images)

    def _put(self, part, sharding):
        import jax

        if self._missing:
            part = to_numpy(part)
            part = np.concatenate([part, np.repeat(part[:1], self._missing, axis=0)])
        return jax.device_put(part, sharding)

    def own_rows(self, output):
        """Returns an output of the model, or a structure of outputs, without the repeated rows."""
        if not self._missing:
            return output
        return keras.tree.map_structure(lambda part: part[: -self._missing], output)


def _sharding(devices, *axes):
    import jax

    devices = np.array(sorted(devices, key=lambda device: device.id))
    mesh = jax.sharding.Mesh(devices, ("batch",))
    return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(*axes))
