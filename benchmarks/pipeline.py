"""Images a second of the input pipeline for large data sets, stage by stage, and what mixing costs.

    python benchmarks/pipeline.py
    python benchmarks/pipeline.py --source imagenet2012 --data-dir DIR --images 4096
    python benchmarks/pipeline.py --cores 1 --json pipeline.json

It makes photographs of ImageNet's usual size, JPEGs of about 500 x 375 pixels and 110 KiB, or takes
them from a data set, and writes them as records to a temporary directory, which the system then has
in memory: what a disk or a network adds is not in these numbers. Three tables:

- "stages": the pipeline of `--augmentation flip-crop --cache none`, one stage more in every row;
- "whole pipelines": with and without Patch Mixing, in the fast order, from a folder, with images
  decoded whole, and two peers made of TFDS and TensorFlow alone;
- "alone": each stage over data in memory, on one thread, as milliseconds of one core an image.

Contestants take turns, in another order in every repeat, so that a machine that is slowed down by
others slows all of them alike. In its turn each gives some batches that are not timed, so that what
it made ahead does not count, and after it all wait until nothing more is made ahead. Printed are
medians and quartiles of the images a second, and of the time that processors work for an image, on
all threads: other programs take from the first, and less from the second. Patch Mixing's share is
its time alone, out of the sum over the stages of the whole pipeline; and the difference between the
whole pipelines with and without it, in the same repeat, which on a busy machine is noise. The last
line is RESULT and a JSON object.
"""

import argparse
import contextlib
import io
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import numpy as np
import tensorflow as tf
from pipeline_contestants import (
    CLASSES,
    rows_alone,
    rows_of_stages,
    train_options,
    whole_pipelines,
)
from tqdm import tqdm
from turns import print_result, shown, take_turns

from keras_patchmix import datasets
from keras_patchmix.datasets.loading import parse_source
from keras_patchmix.training.training_data import load


def make_photographs(root, count):
    """Writes JPEGs of 500 x 375 pixels: smooth forms and fine detail, as photographs have."""
    rng = np.random.default_rng(0)
    for number in tqdm(range(count), "Making photographs", disable=None, leave=False):
        pixels = sum(
            tf.image.resize(rng.normal(0, size, (rows, rows * 4 // 3, 3)), (375, 500), "bicubic")
            for rows, size in ((4, 50), (16, 30), (64, 18), (190, 17), (375, 12))
        )
        pixels = tf.saturate_cast(tf.round(pixels + 128), tf.uint8)
        folder = root / "train" / f"class{number % CLASSES:03d}"
        folder.mkdir(parents=True, exist_ok=True)
        data = tf.io.encode_jpeg(pixels, quality=90).numpy()
        (folder / f"{number}.jpg").write_bytes(data)


def take_photographs(root, options):
    """Writes the first images of a data set's training split as files."""
    source = parse_source(options.source, options.data_dir).encoded("train").in_order()
    for number, (name, content, label) in enumerate(source.take(options.images)):
        folder = root / "train" / f"class{int(label):04d}"
        folder.mkdir(parents=True, exist_ok=True)
        suffix = Path(name.numpy().decode()).suffix or ".jpg"
        (folder / f"{number}{suffix}").write_bytes(content.numpy())


def prepare(root, options):
    """Makes a folder and records of the same images; returns the names of both data sets."""
    folder = root / "folder"
    if options.source is None:
        make_photographs(folder, options.images)
    else:
        take_photographs(folder, options)
    for split in ("validation", "test"):  # not measured, but they must be there
        for path in sorted((folder / "train").glob("*/*"))[:: options.images // 8]:
            (folder / split / path.parent.name).mkdir(parents=True, exist_ok=True)
            (folder / split / path.parent.name / path.name).write_bytes(path.read_bytes())
    datasets.write_records(f"folder:{folder}", root / "records", shards=8, verbose=False)
    return f"folder:{folder}", f"records:{root / 'records'}"


PIPELINE = ("read records, parse", "decode, resize and flip crops", "batch", "Patch Mixing")


class Turn:
    """Times some elements of an endless data set, over and over.

    Args:
        dataset: The `tf.data.Dataset`.
        images: Images of an element.
        seconds: How long a turn is, about.
        alone: Boolean, whether everything runs on one thread.
        cores: Integer, threads, or None for all cores.
    """

    def __init__(self, dataset, images, seconds, alone=False, cores=None):
        settings = tf.data.Options()
        if alone:
            settings.autotune.enabled = False
            settings.threading.max_intra_op_parallelism = 1
            settings.experimental_optimization.inject_prefetch = False
        if alone or cores:
            settings.threading.private_threadpool_size = 1 if alone else cores
        self._iterator = iter(dataset.with_options(settings))
        self._images, self._seconds = images, seconds
        self._ahead = 1 if alone else 4

    def __call__(self):
        """Returns the images a second of one turn, and its processor time in ms an image."""
        for _ in range(self._ahead):
            next(self._iterator)
        start, passed, elements = time.perf_counter(), 0.0, 0
        worked = time.process_time()
        while passed < self._seconds:
            next(self._iterator)
            elements += 1
            passed = time.perf_counter() - start
        worked = time.process_time() - worked
        wait_for_quiet()
        images = elements * self._images
        return images / passed, 1e3 * worked / images


def wait_for_quiet():
    """Waits until what pipelines make ahead is made: it must not count as another one's work."""
    for _ in range(100):
        before = time.process_time()
        time.sleep(0.05)
        if time.process_time() - before < 0.005:
            return


def quartiles(values, digits=0):
    """Low quartile, median and high quartile, rounded."""
    return [round(float(value), digits) for value in np.quantile(values, [0.25, 0.5, 0.75])]


def print_rates(title, measured):
    """Prints a table; returns its rows."""
    print(f"\n{title:46}{'images/s':>9}   quartiles   {'core ms/image':>16}   quartiles")
    rows = []
    for name, values in measured.items():
        rate, work = quartiles(values[:, 0]), quartiles(values[:, 1], 3)
        between = f"{rate[0]:,.0f}..{rate[2]:,.0f}"
        print(
            f"  {name:44}{rate[1]:9,.0f}   {between:14}{work[1]:14.3f}   "
            f"{work[0]:.3f}..{work[2]:.3f}"
        )
        rows.append({"name": name, "images_per_second": rate, "core_ms_per_image": work})
    return rows


def shares(alone, whole):
    """Patch Mixing's part of the processor time, in percent: of the stages alone, and whole."""
    times = {name: alone[name][:, 1] for name in PIPELINE}
    mixed, plain = (whole[name][:, 1] for name in ("with Patch Mixing", "without mixing"))
    return {
        "percent_of_stages": quartiles(100 * times["Patch Mixing"] / sum(times.values()), 2),
        "percent_of_whole": quartiles(100 * (mixed - plain) / mixed, 2),
    }


def main():
    """Runs the benchmark and prints its tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=768, help="photographs (default: 768)")
    text = "take them from the training split of this data set, a TFDS name or folder:PATH"
    parser.add_argument("--source", metavar="NAME", help=text)
    parser.add_argument("--data-dir", metavar="DIR", help="where prepared data sets are")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1.0, help="of a turn (default: 1)")
    parser.add_argument("--cores", type=int, help="threads of a pipeline (default: all cores)")
    parser.add_argument("--json", metavar="FILE", help="also write the result to this file")
    options = parser.parse_args()
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as root, contextlib.ExitStack() as stack:
        names = prepare(Path(root), options)
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        loaded = {name.partition(":")[0]: load(train_options(name, options)) for name in names}
        stack.close()
        data = loaded["records"]
        size = data.encoded.num_bytes / data.num_train
        print(
            f"{data.num_train} photographs of {size / 1024:.0f} KiB, to {options.image_size} x "
            f"{options.image_size}, batches of {options.batch_size}; {os.cpu_count()} cores"
        )
        make = {
            "stages": rows_of_stages(data, options),
            "whole pipelines": whole_pipelines(loaded, options),
        }
        tables, result = {}, {"options": vars(options), "kib_per_image": round(size / 1024)}
        for title, contestants in make.items():
            turns = {
                name: Turn(dataset, options.batch_size, options.seconds, cores=options.cores)
                for name, dataset in contestants.items()
            }
            tables[title] = take_turns(turns, shown(options.repeats))
            result[title] = print_rates(title, tables[title])
        turns = {
            name: Turn(dataset, images, options.seconds / 4, alone=True)
            for name, (dataset, images) in rows_alone(data, options).items()
        }
        tables["alone"] = take_turns(turns, shown(options.repeats))
        result["alone"] = print_rates("alone, on one thread", tables["alone"])
        share = shares(tables["alone"], tables["whole pipelines"])
        load = [round(load_before, 1), round(os.getloadavg()[0], 1)]
        result |= {"patch_mixing": share, "load": load}
    texts = {name: f"{middle} % ({low}..{high})" for name, (low, middle, high) in share.items()}
    print(
        f"\nPatch Mixing takes {texts['percent_of_stages']} of the processor time of all stages; "
        f"by the difference of the whole pipelines {texts['percent_of_whole']}.\n"
        f"Load of the machine before and after: {load[0]}, {load[1]}"
    )
    result["cores"] = os.cpu_count()
    print_result(result, options.json)


if __name__ == "__main__":
    main()
