"""Which rows of a global batch one worker trains on."""

from dataclasses import dataclass

import keras
import numpy as np


@dataclass(frozen=True)
class LocalBatches:
    """The part of every global batch that belongs to one worker.

    The global batch is divided into equal runs of rows: worker i of N has rows
    [i * size, (i + 1) * size). Step and row of an example thus do not depend on the number of
    workers, and neither does training, as long as what is done to an example depends on its step
    and its row in the global batch alone.

    Attributes:
        global_size: Rows of a batch over all workers.
        size: Rows of this worker.
        shard: The number of this worker, from 0 on.
        num_shards: The number of workers.
    """

    global_size: int
    size: int
    shard: int
    num_shards: int

    def rows(self, batch):
        """Returns this worker's rows of a global batch.

        Take them as early in a pipeline as the batch stands, before costly work on images. Random
        numbers that were drawn for the rows of the global batch are cut alike.

        Args:
            batch: Tensor or array with `global_size` rows, or a structure of such. Fits
                `dataset.map(lambda *batch: local.rows(batch))`.

        Returns:
            The same structure, of `size` rows; the batch itself where there is one worker.
        """
        if self.num_shards == 1:
            return batch
        start = self.shard * self.size
        return keras.tree.map_structure(lambda part: part[start : start + self.size], batch)

    def seed(self, seed):
        """Returns the seed of what this worker draws for its own rows alone, such as mixing.

        Args:
            seed: Integer of at least 0, the run's.

        Returns:
            Integer in [0, 2^31), another one for each worker; `seed` itself where there is one
            worker.
        """
        if self.num_shards == 1:
            return seed
        return int(np.random.SeedSequence([seed, self.shard]).generate_state(1)[0]) & 0x7FFFFFFF
