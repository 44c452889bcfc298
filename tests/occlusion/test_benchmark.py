"""Models that read the class off chosen pixels: their accuracy under a corruption is known."""

import tracemalloc
import warnings

import numpy as np
import pytest

from keras_patchmix.occlusion import (
    PatchDrop,
    PatchPermutation,
    PatchReplacement,
    build_bank,
    default_suite,
    evaluate,
    extended_suite,
    serialize,
)
from tests.occlusion.closed_form import (
    SIZE,
    K,
    batched,
    constant_data,
    median_reader,
    pixel_reader,
    scores_of,
    small_model,
)


@pytest.mark.parametrize("corruption", [PatchReplacement(4), PatchDrop(4, (0.2, 0.6))], ids=repr)
def test_a_reader_of_one_pixel_loses_exactly_when_its_patch_does(corruption):
    # Without class 0, black is always wrong. Each reader sees one cell; together they see all of
    # them, so the mean of their errors is the share of patches affected, without any scatter.
    data = constant_data(first_class=1)
    reports = [
        evaluate(pixel_reader(7 * i + 3, 7 * j + 3), data, suite=[corruption])
        for i in range(4)
        for j in range(4)
    ]
    for number, row in enumerate(reports[0].rows):
        accuracy = [report.rows[number].top1 for report in reports]
        assert np.mean(accuracy) == pytest.approx(1 - row.share, abs=1e-12)
        if row.name != "clean":
            # One reader scatters around it: 90 images, 5 standard errors.
            error = np.sqrt(row.share * (1 - row.share) / row.n)
            assert np.all(abs(np.array(accuracy) - 1 + row.share) < 5 * error)
            assert row.standard_error == pytest.approx(
                np.sqrt(row.top1 * (1 - row.top1) / 90), abs=1e-12
            )
    assert reports[0].rows[0].top1 == 1


def test_a_majority_reader_turns_from_right_to_wrong_at_half():
    # 24 of 49 patches leave the majority, 25 of 49 take it.
    levels = (0.3, 0.5, 0.52, 1.0)
    report = evaluate(
        median_reader,
        constant_data(first_class=1),
        suite=[PatchReplacement(7, levels), PatchDrop(7, levels)],
    )
    assert [row.top1 for row in report.rows] == [1, 1, 1, 0, 0, 1, 1, 0, 0]
    assert [row.share for row in report.rows[1:5]] == [15 / 49, 24 / 49, 25 / 49, 1]


def test_black_is_right_for_the_class_that_black_is_nearest_to():
    report = evaluate(
        median_reader, constant_data(), suite=[PatchDrop(7, 1.0), PatchReplacement(7, 1.0)]
    )
    assert report.row("patch_drop_7x7_100").top1 == 1 / K
    assert report.row("patch_replacement_7x7_100").top1 == 0


def test_permutation_harms_a_reader_of_places_by_the_share_moved_and_no_other():
    grid = (2, 4)
    tile = np.arange(8).reshape(2, 4).repeat(14, 0).repeat(7, 1)
    count = 64
    labels = np.arange(count) % 2
    # Tile t of an image holds 20 t + 10 label: a reader of tile t expects its own number there.
    images = (20 * tile + 10 * labels[:, None, None])[..., None].astype(np.uint8)

    def reader(t):
        def read(x):
            value = x[:, 14 * (t // 4), 7 * (t % 4), 0].astype(int)
            right = value // 20 == t
            bit = value % 20 // 10
            return np.eye(2)[np.where(right, bit, 1 - bit)]

        return read

    rows = [
        evaluate(reader(t), (images, labels), suite=[PatchPermutation([grid])]).rows
        for t in range(8)
    ]
    assert np.mean([row[1].top1 for row in rows]) == pytest.approx(1 - rows[0][1].share, abs=1e-12)
    assert abs(rows[0][1].share - 7 / 8) < 5 * np.sqrt(7 / 64 / count)
    total = evaluate(
        lambda x: np.eye(2)[(x.sum((1, 2, 3)) > 98 * 600).astype(int)],
        (images, labels),
        suite=[PatchPermutation([grid])],
    )
    assert [row.top1 for row in total.rows] == [1, 1]


def test_true_share_is_counted_where_the_grid_does_not_divide():
    images = np.full((200, 10, 10, 1), 50, np.uint8)
    report = evaluate(
        lambda x: np.stack([(x != 0).sum((1, 2, 3)), np.full(len(x), 1000)], 1),
        (images, np.arange(200) % 2),
        suite=[PatchDrop(3, (1 / 3, 1.0))],
    )
    # Cells of 9, 12 and 16 pixels, three of nine.
    (_, out, pixels), _ = PatchDrop(3, (1 / 3, 1.0))(images)
    assert len(set(pixels.tolist())) > 3
    assert report.rows[1].share == np.mean(out == 0)
    assert report.rows[2].share == 1


@pytest.mark.parametrize("batch_size", [1, 7, 32, 90, 200])
def test_the_report_does_not_depend_on_the_batch_size(batch_size):
    data = constant_data(40)
    reader = pixel_reader(9, 4)
    one = evaluate(reader, data, batch_size=16)
    other = evaluate(reader, batched(data, 9), batch_size=batch_size)
    assert one.rows == other.rows
    assert one.summary == other.summary
    for name, right in one.correct.items():
        np.testing.assert_array_equal(right, other.correct[name])
    assert one.settings["labels_sha256"] == other.settings["labels_sha256"]


def test_the_index_key_makes_the_scores_independent_of_the_order():
    images, labels = constant_data(60)
    index = np.arange(60)
    order = np.random.default_rng(0).permutation(60)
    whole = evaluate(pixel_reader(9, 4), {"images": images, "labels": labels, "index": index})
    mixed = evaluate(
        pixel_reader(9, 4),
        {"images": images[order], "labels": labels[order], "index": index[order]},
    )
    assert whole.rows == mixed.rows
    for name, right in whole.correct.items():
        np.testing.assert_array_equal(right[order], mixed.correct[name])
    assert whole.settings["labels_sha256"] != mixed.settings["labels_sha256"]


def test_a_keras_model_scores_as_its_predictions_on_the_corrupted_images_do():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (50, SIZE, SIZE, 3), np.uint8)
    labels = rng.integers(0, K, 50)
    model = small_model()
    suite = [PatchReplacement(7, (0.2, 0.5)), PatchDrop(7, 0.4), PatchPermutation(4)]
    report = evaluate(model, (images, labels), suite=suite, seed=5, batch_size=16)
    bank = build_bank([(images, labels)], seed=5)
    for corruption in suite:
        for condition, out, _ in corruption(images, labels, seed=5, bank=bank):
            predicted = np.argmax(model.predict(out, verbose=0), axis=1)
            np.testing.assert_array_equal(report.correct[condition.name], predicted == labels)
    assert report.settings["model_patch_size"] == [4, 4]
    assert report.settings["num_classes"] == K


def test_preprocess_sees_raw_images_and_cannot_harm_the_data():
    images, labels = constant_data(20)
    seen = []

    def preprocess(batch):
        seen.append((batch.dtype, batch.shape, int(batch.max())))
        scaled = batch[:, ::2, ::2] / 255.0
        batch[:] = 0
        return scaled.astype(np.float32)

    report = evaluate(
        lambda x: scores_of(x[:, 3, 3, 0] * 255),
        (images, labels),
        suite=[PatchDrop(4, 0.5)],
        preprocess=preprocess,
        batch_size=8,
    )
    assert report.rows[0].top1 == 1
    assert set(seen) == {(np.dtype(np.uint8), (8, SIZE, SIZE, 3), 210)}
    assert report.settings["preprocess"].endswith("preprocess")
    np.testing.assert_array_equal(images, constant_data(20)[0])


def test_top5_counts_and_is_null_below_six_classes():
    labels = np.arange(12) % 6
    images = np.full((12, 16, 16, 1), 9, np.uint8)
    constant = evaluate(lambda x: np.tile(np.arange(6.0), (len(x), 1)), (images, labels))
    assert constant.rows[0].top1 == 2 / 12
    assert constant.rows[0].top5 == 10 / 12
    ties = evaluate(lambda x: np.zeros((len(x), 6)), (images, labels))
    assert ties.rows[0].top1 == 2 / 12
    assert ties.rows[0].top5 == 10 / 12
    few = evaluate(lambda x: np.zeros((len(x), 5)), (images, labels % 5))
    assert {row.top5 for row in few.rows} == {None}


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_outputs_that_are_not_finite_are_counted_named_and_not_scored(bad):
    def model(images):
        scores = scores_of(images[:, 0, 0, 0])
        scores[images[:, 0, 0, 0] == 0, 3] = bad
        return scores

    images, labels = constant_data(60)
    with pytest.warns(UserWarning, match="not finite.* of 60 .patch_drop_2x2_50."):
        report = evaluate(model, (images, labels), suite=[PatchDrop(2, 0.5)])
    clean, drop = report.rows
    assert (clean.n, clean.n_nonfinite, clean.top1) == (60, 0, 1)
    assert drop.n_nonfinite > 10
    assert drop.n == 60 - drop.n_nonfinite
    # Where the first pixel is not dropped the reader is right.
    assert drop.top1 == 1
    assert np.sum(report.outcomes.top1[drop.name] == -1) == drop.n_nonfinite
    assert "not finite" in str(report)
    # Of a model of nothing but nan there is nothing to say.
    with pytest.warns(UserWarning, match="60 of 60"):
        report = evaluate(
            lambda x: np.full((len(x), 6), bad), (images, labels), suite=[PatchDrop(2)]
        )
    assert {(row.n, row.top1, row.top5, row.standard_error) for row in report.rows} == {
        (0, None, None, None)
    }
    assert report.summary[0].mean is report.summary[0].area is report.summary[0].drop is None
    assert report.mean is None
    assert len(str(report).splitlines()) > 10


def test_mixed_precision_outputs_are_read():
    model = small_model(dtype="mixed_bfloat16")
    report = evaluate(model, constant_data(10), suite=[PatchDrop(2, 0.5)])
    assert report.rows[0].n_nonfinite == 0


def test_one_class_is_an_error_only_where_another_is_needed():
    images, _ = constant_data(10)
    labels = np.zeros(10, int)
    with pytest.raises(ValueError, match="at least two classes"):
        evaluate(median_reader, (images, labels))
    assert evaluate(median_reader, (images, labels), suite=[PatchDrop(2)]).rows[0].n == 10


def test_max_examples_reads_no_further():
    images, labels = constant_data(10)

    class Endless:
        read = 0

        def __iter__(self):
            while True:
                Endless.read += 1
                yield images, labels

    report = evaluate(median_reader, Endless(), max_examples=25)
    assert report.rows[0].n == 25
    assert Endless.read == 6
    assert report.settings["max_examples"] == 25


class Turning:
    """Comes in another order in every pass, with or without an index."""

    def __init__(self, index):
        self.passes, self.index = 0, index

    def __iter__(self):
        self.passes += 1
        order = np.random.default_rng(self.passes).permutation(60)
        data = dict(zip(("images", "labels"), constant_data(60), strict=True))
        if self.index:
            data["index"] = np.arange(60)
        yield {key: value[order] for key, value in data.items()}


def test_a_data_set_that_reshuffles_between_the_passes_is_noticed():
    with pytest.warns(UserWarning, match="in another order, when it was scored") as caught:
        evaluate(median_reader, Turning(index=False))
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        evaluate(median_reader, Turning(index=True))


@pytest.mark.parametrize("name", [None, "default", "extended"])
def test_suites_have_names(name):
    make = extended_suite if name == "extended" else default_suite
    report = evaluate(median_reader, constant_data(12), suite=name)
    assert report.settings["suite"] == serialize(make(SIZE))
    with pytest.raises(ValueError, match=r"`suite` must be a list.*'paper'"):
        evaluate(median_reader, constant_data(12), suite="paper")


class Stream:
    """A data set of any length that holds no image."""

    def __init__(self, batches):
        self.batches = batches

    def __iter__(self):
        for step in range(self.batches):
            labels = (np.arange(16) + step) % K
            yield np.full((16, 64, 64, 3), 40 * labels[:, None, None, None] + 10, np.uint8), labels


def peak_bytes(batches):
    tracemalloc.start()
    report = evaluate(
        pixel_reader(9, 4), Stream(batches), suite=[PatchReplacement(4)], bank_size=16
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak, report


def test_memory_grows_by_some_bytes_an_image_alone():
    peak_bytes(3)
    (short, _), (long, report) = peak_bytes(10), peak_bytes(110)
    # A row has 9 bytes an image, which are there twice while they are put together; labels, indices
    # and donors have 24; and every small array of a batch has some 150 of its own.
    arrays = 100 * (2 * len(report.rows) + 3)
    allowed = 1600 * (2 * 9 * len(report.rows) + 2 * 24) + 200 * arrays
    assert long - short < allowed
    assert 20 * allowed < 100 * 196_608  # which the images would take
