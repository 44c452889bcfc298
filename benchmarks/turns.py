"""Contestants that take turns, so that a machine that others slow down slows all of them alike."""

import gc
import json
import random
import time

import numpy as np


def seconds(call):
    """How long a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def take_turns(turns, rounds):
    """What the turns return, taken in another order in every round.

    Each is taken twice before, which is not measured.

    Args:
        turns: Dict from a name to a function without arguments that returns a number, or several.
        rounds: Iterable, with as many entries as there are rounds.

    Returns:
        Dict from a name to an array, the first axis of which is the rounds.
    """
    found = {name: [] for name in turns}
    for turn in turns.values():
        turn()
        turn()
    gc.disable()
    order = random.Random(0)
    for _ in rounds:
        for name in order.sample(list(turns), len(turns)):
            found[name].append(turns[name]())
    gc.enable()
    return {name: np.array(values) for name, values in found.items()}


def shown(repeats):
    """As many rounds as there are repeats, with a bar that shows how far they are."""
    from tqdm import tqdm

    return tqdm(range(repeats), disable=None, leave=False)


def two_ahead(take_one, batches):
    """A turn of a pipeline that makes two batches at a time: seconds of a batch.

    Args:
        take_one: Function that takes the next batch.
        batches: Integer, batches of a turn.
    """

    def take(count):
        for _ in range(count):
            take_one()

    def turn():
        take(2)  # made in the last turn; as they are taken, the calls for the next two start
        time_of_batch = seconds(lambda: take(batches)) / batches
        time.sleep(4 * time_of_batch)  # two calls are under way: not in another one's turn
        return time_of_batch

    return turn


def nothing_ahead(dataset):
    """A `tf.data.Dataset` of which nothing is made in advance but by its own maps."""
    import tensorflow as tf

    options = tf.data.Options()
    options.experimental_optimization.inject_prefetch = False
    options.autotune.enabled = False
    return dataset.with_options(options)


def beside_copy(times, num_bytes, copy="copy"):
    """Yields (name, dict of numbers) of the times of contestants.

    Args:
        times: Dict from a name to an array of seconds.
        num_bytes: Bytes that are read and written.
        copy: Name of the contestant that the others are divided by.
    """
    for name, values in times.items():
        low, ratio, high = np.quantile(values / times[copy], [0.25, 0.5, 0.75])
        median = float(np.median(values))
        yield (
            name,
            {
                "microseconds": round(1e6 * median, 2),
                "gigabytes_per_second": round(num_bytes / median / 1e9, 4),
                "ratio_to_copy": round(float(ratio), 3),
                "ratio_quartiles": [round(float(low), 3), round(float(high), 3)],
                "rounds": len(values),
            },
        )


def print_result(result, path=None):
    """Prints the last line of a benchmark, RESULT and a JSON object, which a file gets too."""
    text = json.dumps(result)
    if path:
        with open(path, "w") as file:
            file.write(text + "\n")
    print("RESULT " + text)
