"""How far maps of RISE are from the truth, by scheme, at equal forward passes.

    python benchmarks/rise_schemes.py
    python benchmarks/rise_schemes.py --model convnext.keras --images photos.npz --num-images 2

The truth is a map of `--reference` masks, by the control variate, of masks that no scheme uses. Of
each scheme several maps are made, and the root mean square error over them and over pixels is told,
as it stands and without the error that all pixels share (which moves no rank, and no patch
selectivity); beside it how many independent masks would be as close, and the mean variance that a
map tells of itself over its true one. Maps are those of c-RISE between the two most probable
classes. Schemes that the package has no use for are written here:

- "mean subtracted": independent masks, the scores less the mean of the other folds;
- "pairs": each mask is followed by its complement;
- "stratified": in each map every cell is shown by exactly half of the masks, and offsets are spread
  evenly over a cell, along each axis;
- "importance": cells are drawn with probabilities that follow the running correlation of the
  absolute class difference with them, and masks weighted by the ratio of the probabilities.

Without `--model` the models are made up: one that is linear in the pixels, one that needs two
squares at once. `--images` is a file of arrays "images" (N, H, W, 3) and "labels", in the order of
`numpy.savez`. The last line is RESULT and a JSON object.
"""

import argparse
import json
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np

from keras_patchmix.explain.class_scores import ClassScores
from keras_patchmix.explain.masks import RandomMasks
from keras_patchmix.explain.schemes import ControlVariateMap, IndependentMap

_BATCH = 128
_KEEP = 0.5


class Numbered(RandomMasks):
    """Masks that are counted from `first`."""

    def __init__(self, size, seed, first=0):
        super().__init__(size, 7, _KEEP, seed)
        self._first_number = first

    def cells(self, numbers):
        """The grids of the masks."""
        return super().cells(np.asarray(numbers) + self._first_number)

    def offsets(self, numbers):
        """Where the image is cut out of them."""
        return super().offsets(np.asarray(numbers) + self._first_number)


class Given(RandomMasks):
    """Masks of cells and offsets that were drawn elsewhere."""

    def __init__(self, size, cells, offsets):
        super().__init__(size, 7, _KEEP)
        self._drawn = cells.astype(np.float32), offsets

    def cells(self, numbers):
        """The grids of the masks."""
        return self._drawn[0][numbers]

    def offsets(self, numbers):
        """Where the image is cut out of them."""
        return self._drawn[1][numbers]


class Subject:
    """The class difference of a model for one image behind masks.

    Args:
        function: From float32 images to probabilities.
        image: Array of shape (H, W, 3).
    """

    def __init__(self, function, image):
        self.image, self._function = image.astype(np.float32), function
        self.size = image.shape[:2]
        clean = function(self.image[None])[0]
        self.first, self.second = np.argsort(-clean)[:2]

    def __call__(self, masks):
        """Returns float32 scores of masks (N, H, W)."""
        scores = self._function(self.image * masks[..., None])
        return (scores[:, self.first] - scores[:, self.second]).astype(np.float32)

    def scores(self, masks, count):
        """Returns the scores of the first `count` masks of a `RandomMasks`."""
        return np.concatenate([self(masks(numbers)) for numbers in batches(count)])


def batches(count):
    """Yields the numbers of masks, a batch at a time."""
    for start in range(0, count, _BATCH):
        yield np.arange(start, min(start + _BATCH, count))


def estimate(kind, masks, scores):
    """Returns the map and the standard error of masks by a scheme of the package."""
    statistics = kind(masks)
    for numbers in batches(len(scores)):
        statistics.add(masks(numbers), scores[numbers])
    return statistics.map(), statistics.standard_error()


def mean_subtracted(masks, scores):
    """Returns the map and the standard error with the mean of the other folds subtracted."""
    folds = np.arange(len(scores)) % 5
    means = np.array([scores[folds != fold].mean() for fold in range(5)], np.float32)
    values, error = estimate(IndependentMap, masks, scores - means[folds])
    return values + np.bincount(folds) @ means / len(scores), error


def pairs(masks, scores, complements):
    """Returns the map and the standard error of half the masks and their complements."""
    total, squares, half = 0, 0, len(complements)
    for numbers in batches(half):
        shown = masks(numbers)
        values = (
            scores[numbers, None, None] * shown + complements[numbers, None, None] * (1 - shown)
        ) / (2 * _KEEP)
        total, squares = total + values.sum(0), squares + (values**2).sum(0)
    mean = total / half
    return mean, np.sqrt(np.maximum(squares / half - mean**2, 0) / (half - 1))


def stratified(subject, count, random):
    """Returns the map and the standard error of cells and offsets that are balanced."""
    ranks = random.permuted(np.tile(np.arange(count), (49, 1)), axis=1).T
    cell = RandomMasks(subject.size, 7).cell_size
    places = random.permuted(np.tile((np.arange(count) + 0.5) / count, (2, 1)), axis=1).T
    cells = (ranks < count / 2).reshape(count, 7, 7)
    masks = Given(subject.size, cells, (places * cell).astype(int))
    return estimate(IndependentMap, masks, subject.scores(masks, count))


def importance(subject, count, random, tilt=0.1):
    """Returns the map and the standard error of cells drawn where the difference is great."""
    cell = RandomMasks(subject.size, 7).cell_size
    statistics, shown, heights = IndependentMap(RandomMasks(subject.size, 7)), [], []
    for numbers in batches(count):
        chances = np.full(49, _KEEP)
        if shown:
            cells, height = np.concatenate(shown), np.concatenate(heights)
            slope = (cells - _KEEP).T @ (height - height.mean())
            chances = _KEEP + tilt * slope / (np.abs(slope).max() + 1e-12)
        cells = random.random((len(numbers), 49)) < chances
        offsets = random.integers(0, cell, (len(numbers), 2))
        masks = Given(subject.size, cells.reshape(-1, 7, 7), offsets)(np.arange(len(numbers)))
        weights = np.where(cells, _KEEP / chances, (1 - _KEEP) / (1 - chances)).prod(1)
        scores = subject(masks)
        statistics.add(masks, scores * weights)
        shown.append(cells.astype(float))
        heights.append(np.abs(scores) * weights)
    return statistics.map(), statistics.standard_error()


def maps_by_scheme(subject, options):
    """Returns a dict from (scheme, passes) to lists of (map, standard error)."""
    most, count = options.repeats * options.num_masks, options.num_masks
    pool = Numbered(subject.size, options.seed)
    scores = subject.scores(pool, most)
    complements = np.concatenate([subject(1 - pool(numbers)) for numbers in batches(most // 2)])
    found = {}

    def part(size, start):
        return Numbered(subject.size, options.seed, start), scores[start : start + size]

    for size in (count // 4, count // 2, count, 4 * count):
        for start in range(0, most - size + 1, size):
            for name, kind in (
                ("independent", IndependentMap),
                ("control variate", ControlVariateMap),
            ):
                found.setdefault((name, size), []).append(estimate(kind, *part(size, start)))
    for start in range(0, most, count):
        found.setdefault(("mean subtracted", count), []).append(
            mean_subtracted(*part(count, start))
        )
    for start in range(0, most // 2, count // 2):
        masks, shown = part(count // 2, start)
        hidden = complements[start : start + count // 2]
        found.setdefault(("pairs", count), []).append(pairs(masks, shown, hidden))
    random = np.random.default_rng(options.seed)
    for name, scheme in (("stratified", stratified), ("importance", importance)):
        found[name, count] = [scheme(subject, count, random) for _ in range(options.repeats // 2)]
    return found


def measure(subject, options):
    """Returns a dict from "scheme passes" to the numbers of a row."""
    masks = Numbered(subject.size, options.seed + 1)
    truth = estimate(ControlVariateMap, masks, subject.scores(masks, options.reference))
    noise = float(np.mean(truth[1] ** 2))  # of the truth itself, which the errors hold too
    found, rows = maps_by_scheme(subject, options), {}
    for (name, size), maps in found.items():
        errors = np.stack([values for values, _ in maps]) - truth[0]
        told = np.mean([np.mean(error**2) for _, error in maps])
        true = np.mean(errors**2) - noise
        shape = errors - errors.mean((1, 2), keepdims=True)
        rows[f"{name} {size}"] = {
            "error": float(np.sqrt(true)),
            "shape_error": float(np.sqrt(np.mean(shape**2))),
            "told_over_true": float(told / true),
        }
    count = options.num_masks
    for key, row in rows.items():
        size = int(key.split()[-1])
        for error in ("error", "shape_error"):
            independent = np.mean(
                [rows[f"independent {n}"][error] ** 2 * n for n in (count // 4, count // 2, count)]
            )
            row[f"independent_masks_{error}"] = float(independent / row[error] ** 2)
        print(
            f"  {key:22} error {row['error']:.4f}, of the shape {row['shape_error']:.4f}; as of "
            f"{row['independent_masks_error']:6.0f} and {row['independent_masks_shape_error']:6.0f}"
            f" independent masks ({row['independent_masks_error'] / size:.2f} and "
            f"{row['independent_masks_shape_error'] / size:.2f} a mask); told / true variance "
            f"{row['told_over_true']:.2f}",
            flush=True,
        )
    return rows


def made_up(size=32):
    """Yields (name, subject) of models whose answers are formulas."""
    random = np.random.default_rng(0)
    image = random.uniform(0, 255, (size, size, 3))
    weights = random.normal(size=(size, size, 3)) + np.linspace(-1, 1, size)[:, None]

    def linear(images):
        read = 0.5 + (images * weights).sum((1, 2, 3)) / (255 * np.abs(weights).sum())
        return np.stack([read, 1 - read], axis=1)

    def squares(images):
        shown = images / image
        first, second, both = (
            shown[:, top : top + size // 4, left : left + size // 4].mean((1, 2, 3))
            for top, left in ((2, 2), (20, 18), (4, 20))
        )
        return np.stack([first * both, second * both, 1 - (first + second) * both / 2], axis=1)

    yield "linear", Subject(linear, image)
    yield "squares", Subject(squares, image)


def trained(options):
    """Yields (name, subject) of a saved model and images that it classifies."""
    model = keras.models.load_model(options.model, compile=False)
    scores = ClassScores(model, _BATCH, True, None)
    images = np.load(options.images)["images"][: options.num_images]

    def function(images):
        return scores.finish(scores.start(images))

    for number, image in enumerate(images):
        yield f"{options.name or model.name}, image {number}", Subject(function, image)


def main():
    """Prints the errors."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", metavar="FILE", help="a saved model of logits")
    parser.add_argument("--name", metavar="NAME")
    parser.add_argument("--images", metavar="FILE")
    parser.add_argument("--num-images", type=int, default=2, metavar="N")
    parser.add_argument("--num-masks", type=int, default=1000, metavar="N")
    parser.add_argument("--repeats", type=int, default=16, metavar="N", help="a multiple of 4")
    parser.add_argument("--reference", type=int, default=100_000, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    options = parser.parse_args()
    subjects = trained(options) if options.model else made_up()
    result = {}
    for name, subject in subjects:
        print(f"{name}: class {subject.first} rather than {subject.second}", flush=True)
        result[name] = measure(subject, options)
    print("RESULT " + json.dumps(result))


if __name__ == "__main__":
    main()
