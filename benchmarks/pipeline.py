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
import dataclasses
import io
import json
import os
import random
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from tqdm import tqdm

from keras_patchmix import datasets
from keras_patchmix.datasets.encoded import open_encoded
from keras_patchmix.training import TrainOptions, pipeline
from keras_patchmix.training.crops import crop_window, decode_crop
from keras_patchmix.training.mixing_steps import MixingSteps

SEEDS, BUFFER, CLASSES = (1, 2), 256, 100
as_it_is = tf.autograph.experimental.do_not_convert  # nothing to convert, and imports inside
PARALLEL = {"num_parallel_calls": tf.data.AUTOTUNE, "deterministic": True}


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
    source = open_encoded(options.source, "train", options.data_dir).in_order()
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
        for path in sorted((folder / "train").glob("*/*"))[:: options.images // 4]:
            (folder / split / path.parent.name).mkdir(parents=True, exist_ok=True)
            (folder / split / path.parent.name / path.name).write_bytes(path.read_bytes())
    datasets.write_records(f"folder:{folder}", root / "records", shards=8, verbose=False)
    return f"folder:{folder}", f"records:{root / 'records'}"


def rows_of_stages(data, options):
    """The stages of the pipeline, each a data set of batches: dict by name."""
    size = (options.image_size, options.image_size)
    draws = tf.random.stateless_uniform((65536, 5), (1, 2))
    draws = tf.data.Dataset.from_tensor_slices(draws).repeat()
    read = data.encoded.shuffled(1, SEEDS).repeat()
    shuffled = data.encoded.shuffled(BUFFER, SEEDS).repeat()
    cropped = tf.data.Dataset.zip(shuffled, draws).map(
        as_it_is(lambda one, numbers: (decode_crop(one[1], numbers, size), one[2])), **PARALLEL
    )
    batches = cropped.batch(options.batch_size, drop_remainder=True)
    mix = mixing(data, options)
    mixed = tf.data.Dataset.zip(batches, tf.data.Dataset.counter()).map(
        as_it_is(lambda batch, step: mix(*batch, step)), **PARALLEL
    )

    def length(name, content, label):
        return tf.strings.length(content)

    def counted(dataset):  # what is measured is not the copying of large elements into batches
        return dataset.batch(options.batch_size)

    def decoded(function):
        @as_it_is
        def number_of(example, numbers):
            return tf.size(function(example[1], numbers))

        return counted(tf.data.Dataset.zip(shuffled, draws).map(number_of, **PARALLEL))

    return {
        "read records": counted(read.map(length)),
        "+ shuffle": counted(shuffled.map(length)),
        "+ decode whole photographs": decoded(lambda content, _: whole(content)),
        "+ decode crops instead": decoded(crop),
        "+ resize and flip": counted(cropped.map(lambda image, label: label)),
        "+ batch": batches,
        "+ Patch Mixing": mixed,
        "+ prefetch": mixed.prefetch(2),
    }


def whole(content):
    """Decodes a JPEG."""
    return tf.io.decode_jpeg(content, channels=3)


def crop(content, numbers):
    """Decodes a random crop of a JPEG, without resizing it."""
    shape = tf.io.extract_jpeg_shape(content)
    window = crop_window(shape[0], shape[1], numbers[1:])
    return tf.image.decode_and_crop_jpeg(content, window, 3)


def mixing(data, options):
    """Patch Mixing as the recipes do it."""
    return MixingSteps(TrainOptions(mixing_probability=1.0), data.info, 0, seed=1)


def whole_pipelines(loaded, options):
    """Complete pipelines: dict of data sets by name."""
    own = {
        "with Patch Mixing": {},
        "without mixing": {"mixing": "none"},
        "with Patch Mixing, fast order": {"order": "fast"},
        "with Patch Mixing, from a folder": {"source": "folder"},
        "with Patch Mixing, decoded whole (flip-shift)": {"augmentation": "flip-shift"},
    }
    found = {}
    for name, changes in own.items():
        data = loaded[changes.pop("source", "records")]
        stream = dataclasses.replace(train_options(data.info.name, options), **changes)
        found[name] = pipeline.training_batches(data, stream, 10**6)
    found["TFDS and tf.image, without mixing"] = peer(loaded["records"], options)
    found["TFDS and tf.image, crops decoded alone"] = peer(loaded["records"], options, late=True)
    return found


def train_options(name, options):
    """The options of a training on these data."""
    return TrainOptions(
        dataset=name,
        data_dir=options.data_dir,
        image_size=options.image_size,
        batch_size=options.batch_size,
        augmentation="flip-crop",
        mixing_probability=1.0,
        cache="none",
        shuffle_buffer=BUFFER,
    )


def peer(data, options, late=False):
    """A usual pipeline of TFDS and `tf.image`, neither repeatable nor resumable.

    Args:
        data: A `pipeline.Data`.
        options: The options of this benchmark.
        late: Boolean, whether TFDS leaves images encoded and only crops are decoded.
    """
    builder = tfds.builder_from_directory(data.info.name.removeprefix("records:"))
    decoders = {"image": tfds.decode.SkipDecoding()} if late else None
    source = builder.as_dataset(split="train", shuffle_files=True, decoders=decoders)
    size = (options.image_size, options.image_size)

    def prepare(example):
        image = example["image"]
        shape = tf.io.extract_jpeg_shape(image) if late else tf.shape(image)
        begin, extent, _ = tf.image.sample_distorted_bounding_box(
            shape,
            tf.zeros((1, 0, 4)),
            area_range=(0.08, 1),
            aspect_ratio_range=(3 / 4, 4 / 3),
            use_image_if_no_bounding_boxes=True,
        )
        if late:
            window = tf.concat([begin[:2], extent[:2]], 0)
            image = tf.image.decode_and_crop_jpeg(image, window, channels=3)
        else:
            image = tf.slice(image, begin, extent)
        image = tf.image.resize(tf.ensure_shape(image, (None, None, 3)), size)
        image = tf.image.random_flip_left_right(image)
        return tf.saturate_cast(image, tf.uint8), tf.one_hot(example["label"], CLASSES)

    prepared = (
        source.repeat().shuffle(BUFFER).map(as_it_is(prepare), num_parallel_calls=tf.data.AUTOTUNE)
    )
    return prepared.batch(options.batch_size, drop_remainder=True).prefetch(2)


def rows_alone(data, options):
    """Each stage over data in memory: dict by name of (data set, images of an element)."""
    size = (options.image_size, options.image_size)
    contents = [content for _, content, _ in data.encoded.in_order().take(64)]
    files = tf.data.Dataset.from_tensor_slices(contents).cache().repeat()
    draws = tf.random.stateless_uniform((4096, 5), (1, 2))
    draws = tf.data.Dataset.from_tensor_slices(draws).repeat()
    encoded = tf.data.Dataset.zip(files, draws)
    crops = encoded.map(as_it_is(crop)).take(64).cache().repeat()
    resized = files.map(lambda content: tf.image.resize(whole(content), size)).take(64)
    resized = resized.map(lambda image: tf.saturate_cast(image, tf.uint8)).cache().repeat()
    images = next(iter(resized.batch(options.batch_size)))
    labels = tf.range(options.batch_size, dtype=tf.int64) % data.info.num_classes
    batch = tf.data.Dataset.from_tensors((images, labels)).repeat()
    mix, plain = (
        MixingSteps(TrainOptions(mixing=name, mixing_probability=1.0), data.info, 0, seed=1)
        for name in ("patchmix", "none")
    )
    numbered = tf.data.Dataset.zip(batch, tf.data.Dataset.counter())

    def resize(**arguments):
        return crops.map(lambda image: tf.image.resize(image, size, **arguments)), 1

    return {
        "read records, parse": (data.encoded.shuffled(1, SEEDS).repeat(), 1),
        "decode whole photographs": (files.map(as_it_is(whole)), 1),
        "decode crops": (encoded.map(as_it_is(crop)), 1),
        "decode, resize and flip crops": (
            encoded.map(as_it_is(lambda *one: decode_crop(*one, size))),
            1,
        ),
        "resize crops, area": resize(method="area"),
        "resize crops, bilinear": resize(),
        "resize crops, bilinear, antialiased": resize(antialias=True),
        "batch": (resized.batch(options.batch_size), options.batch_size),
        "one-hot labels": (
            numbered.map(as_it_is(lambda one, step: plain(*one, step)[1])),
            options.batch_size,
        ),
        "Patch Mixing": (
            numbered.map(as_it_is(lambda one, step: mix(*one, step))),
            options.batch_size,
        ),
    }


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


def measure(turns, repeats):
    """What the turns of each return, in every repeat: dict of arrays `(repeats, 2)`."""
    rates = {name: [] for name in turns}
    for turn in turns.values():
        turn()
        turn()
    order = random.Random(0)
    for _ in tqdm(range(repeats), disable=None, leave=False):
        for name in order.sample(list(turns), len(turns)):
            rates[name].append(turns[name]())
    return {name: np.array(values) for name, values in rates.items()}


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
    """Patch Mixing's part of the processor time, in per cent: of the stages alone, and whole."""
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
        loaded = {
            name.partition(":")[0]: pipeline.load(train_options(name, options)) for name in names
        }
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
            tables[title] = measure(turns, options.repeats)
            result[title] = print_rates(title, tables[title])
        turns = {
            name: Turn(dataset, images, options.seconds / 4, alone=True)
            for name, (dataset, images) in rows_alone(data, options).items()
        }
        tables["alone"] = measure(turns, options.repeats)
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
    text = json.dumps(result)
    if options.json:
        Path(options.json).write_text(text + "\n")
    print("RESULT " + text)


if __name__ == "__main__":
    main()
