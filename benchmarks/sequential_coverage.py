"""How often the intervals of `evaluate(precision=)` hold, and how many forward passes they take.

    python benchmarks/sequential_coverage.py
    python benchmarks/sequential_coverage.py --reports full_a.json full_b.json

The first form draws data sets in random order, and counts the orders in which the interval holds
the accuracy of all images, or the difference of two models on all of them, after every single
image from the first to the last: whatever rule stops, it can do no worse. At least 95 % are
promised. In the first of these orders it also stops as an evaluation does, and counts images. The
second form takes the outcomes in reports of whole data sets, and counts the passes that an
evaluation in the package's own order would have taken. The last line is RESULT and a JSON object.
"""

import argparse
import json
import time

import numpy as np

from keras_patchmix.occlusion import Report
from keras_patchmix.occlusion.choice import shuffled
from keras_patchmix.occlusion.outcomes import RIGHT, WRONG
from keras_patchmix.occlusion.sequential import (
    EXCLUDED,
    accuracy_interval,
    difference_interval,
    log_wealth,
    looks,
    stakes,
)

CHUNK = 50  # runs whose orders are in memory together

# Number of images, share that is right, points.
SINGLE = (
    (10_000, 0.5, 3),
    (10_000, 0.8, 3),
    (10_000, 0.95, 3),
    (10_000, 0.99, 3),
    (1_000, 0.5, 3),
    (1_000, 0.9, 3),
    (200, 0.7, 5),
)
# Number of images, shares that the first and the second model alone have right, points.
PAIRED = (
    (10_000, 0.12, 0.08, 4),
    (10_000, 0.10, 0.10, 4),
    (10_000, 0.04, 0.00, 4),
    (10_000, 0.11, 0.09, 4),
    (1_000, 0.15, 0.11, 4),
)


def stopped(order, precision, a, b=None, batch_size=64):
    """Looks at examples in given orders until a row may stop.

    Args:
        order: int array of shape (runs, N), permutations.
        precision: In points.
        a: Boolean array of shape (N,): which images the model has right.
        b: Those of another model, to compare with; or None.
        batch_size: Images a forward pass.

    Returns:
        Arrays of shape (runs,): the number of images taken, and the ends of the interval.
    """
    runs, population = order.shape
    width = precision / 100
    count, low, high = np.zeros(runs, np.int64), np.zeros(runs), np.zeros(runs)
    active = np.arange(runs)
    for end in looks(population, width, batch_size):
        taken = order[active, :end]
        if b is None:
            ends = accuracy_interval(a[taken], population, width)
            done = ends[1] - ends[0] <= 2 * width
        else:
            ends = difference_interval(a[taken], b[taken], population, width)
            done = (ends[0] > 0) | (ends[1] < 0) | ((ends[0] > -width) & (ends[1] < width))
        count[active], low[active], high[active] = end, *ends
        active = active[~done]
        if not len(active):
            break
    return count, low, high


def always_hold(order, precision, a, b=None):
    """Returns in which orders no interval is wrong, after any number of images.

    Args:
        order: int array of shape (runs, N), permutations.
        precision: In points.
        a: Boolean array of shape (N,): which images the model has right.
        b: Those of another model, or None.
    """
    values = a.astype(np.float64) if b is None else (1 + a.astype(np.float64) - b) / 2
    width, population = precision / (100 if b is None else 200), len(values)
    holds = np.ones(len(order), bool)
    for side in (values, 1 - values):
        drawn = side[order]
        bets = stakes(drawn, population, width)
        wealth = log_wealth(drawn, bets, np.full(len(order), side.sum()), population)
        holds &= wealth.max(-1) < EXCLUDED
    return holds


def simulated(runs, stops, seed, precision, a, b=None):
    """Returns the share of orders whose intervals always hold, and the mean number of images."""
    generator = np.random.default_rng(seed)
    places = np.arange(len(a), dtype=np.int32)
    counts, holds = [], []
    for begin in range(0, runs, CHUNK):
        orders = np.tile(places, (min(CHUNK, runs - begin), 1))
        orders = generator.permuted(orders, axis=1)
        holds.append(always_hold(orders, precision, a, b))
        if begin < stops:
            counts.append(stopped(orders, precision, a, b)[0])
    return float(np.mean(np.concatenate(holds))), float(np.mean(np.concatenate(counts)))


def simulate(runs, stops, seed):
    """Prints and returns coverage and images taken for the cases above."""
    found = []
    for population, share, precision in SINGLE:
        a = np.arange(population) < round(share * population)
        found.append((f"{share:.0%} right", population, precision, a, None))
    for population, only_a, only_b, precision in PAIRED:
        first, second = round(only_a * population), round(only_b * population)
        places = np.arange(population)
        a, b = places < first, (places >= first) & (places < first + second)
        words = f"{100 * (only_a - only_b):+.0f} points, {only_a + only_b:.0%} differ"
        found.append((words, population, precision, a, b))
    lines = []
    print(f"{'case':28} {'images':>7} {'points':>6} {'coverage':>9} {'taken':>7} {'share':>6}")
    for words, population, precision, a, b in found:
        begun = time.perf_counter()
        coverage, taken = simulated(runs, stops, seed, precision, a, b)
        seconds = time.perf_counter() - begun
        lines.append({"case": words, "images": population, "points": precision})
        lines[-1] |= {"coverage": coverage, "taken": round(taken, 1)}
        print(
            f"{words:28} {population:7} {precision:6} {coverage:9.2%} {taken:7.0f} "
            f"{taken / population:6.1%}   {seconds:.0f} s",
            flush=True,
        )
    return lines


def replay(reports, precision, difference):
    """Prints and returns the passes that evaluations of these reports would have taken."""
    first = reports[0]
    population = first.rows[0].n
    order = shuffled(population)[None]
    result = {"images": population}
    parts = [
        (f"within {precision:g} points: {report.model_name}", report, None) for report in reports
    ]
    if len(reports) == 2:
        parts.append((f"sign, or less than {difference:g} points", *reports))
    for title, a, b in parts:
        print(f"\n{title}")
        total, rows = 0, []
        for name, top1 in a.outcomes.top1.items():
            right = top1 == RIGHT
            other = None if b is None else b.outcomes.top1[name] == RIGHT
            if np.any(top1 < WRONG):
                raise ValueError(f"Every image must have been scored. Received: row {name!r}")
            points = precision if b is None else difference
            truth = np.mean(right) - (0 if other is None else np.mean(other))
            (count,), (low,), (high,) = stopped(order, points, right, other)
            total += int(count)
            rows.append((name, float(truth), int(count), float(low), float(high)))
            print(
                f"{name:28} {100 * truth:+7.2f}  {100 * low:+7.2f} to {100 * high:+7.2f} {count:6}"
            )
        share = total / (population * len(rows))
        print(f"{total} of {population * len(rows)} passes, {share:.1%}")
        result[title] = {"passes": total, "share": round(share, 4), "rows": rows}
    return result


def main():
    """Runs the simulation, or replays reports."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--reports", nargs="+", default=(), metavar="FILE")
    parser.add_argument("--precision", type=float, default=3.0, metavar="POINTS")
    parser.add_argument("--difference", type=float, default=4.0, metavar="POINTS")
    parser.add_argument("--runs", type=int, default=10_000, metavar="N")
    parser.add_argument("--stops", type=int, default=200, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    options = parser.parse_args()
    if options.reports:
        reports = [Report.load(path) for path in options.reports]
        result = replay(reports, options.precision, options.difference)
    else:
        result = {
            "runs": options.runs,
            "cases": simulate(options.runs, options.stops, options.seed),
        }
    print(f"RESULT {json.dumps(result)}")


if __name__ == "__main__":
    main()
