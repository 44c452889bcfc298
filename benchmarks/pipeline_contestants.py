"""The pipelines whose speed `pipeline.py` measures: stages, whole ones, peers, stages alone."""

import dataclasses

import tensorflow as tf
import tensorflow_datasets as tfds

from keras_patchmix.cli.train.options import TrainOptions
from keras_patchmix.training import pipeline
from keras_patchmix.training.augmentation import crop_window, decode_crop
from keras_patchmix.training.mixing_steps import MixingSteps

SEEDS, BUFFER, CLASSES = (1, 2), 256, 100
as_it_is = tf.autograph.experimental.do_not_convert  # nothing to convert, and imports inside
PARALLEL = {"num_parallel_calls": tf.data.AUTOTUNE, "deterministic": True}


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
    return MixingSteps(TrainOptions(mixing_probability=1.0), data.info, total_steps=0, seed=1)


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
        MixingSteps(
            TrainOptions(mixing=name, mixing_probability=1.0), data.info, total_steps=0, seed=1
        )
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
