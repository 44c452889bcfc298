"""The measures of the comparison with peers, on mixers whose right cells are known."""

import importlib
import importlib.util
import json
import types
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


def load():
    """The modules of the comparison as one namespace; scripts find each other in their folder."""
    names = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        for module in ("turns", "peer_table", "peer_measures", "peer_layers"):
            names.update(vars(importlib.import_module(module)))
    return types.SimpleNamespace(**names)


peers = load()


class FakePeer:
    """Pastes the left `columns` of image i + shift into image i; labels are off by `error`."""

    name = "fake"

    def __init__(self, columns=20, shift=1, error=0.0, blends=False, random=False):
        self.visible = self.with_classes = {}
        self.columns, self.shift, self.error = columns, shift, error
        self.blends, self.random = blends, random

    def set_global_seeds(self):
        pass

    def map(self, arrays, batch_size, parallel=None, seed=None, **arguments):
        count = len(arrays["images"])
        slices = [slice(i, i + batch_size) for i in range(0, count, batch_size)]
        return [self.mix({k: v[part] for k, v in arrays.items()}) for part in slices]

    def mix(self, batch):
        images, labels = batch["images"], batch["labels"]
        foreign = np.roll(images, -self.shift, axis=0)
        width = images.shape[2]
        columns = np.random.default_rng().integers(1, width) if self.random else self.columns
        share = columns / width
        if self.blends:
            mixed = (1 - share) * images + share * foreign
        else:
            mixed = np.where(np.arange(width)[:, None] < columns, foreign, images)
        weight = share + self.error
        other = np.roll(labels, -self.shift, axis=0)
        return {**batch, "images": mixed, "labels": (1 - weight) * labels + weight * other}


@pytest.mark.parametrize("blends", [False, True])
def test_a_right_label_weight_has_no_error(blends):
    assert peers.exactness(FakePeer(blends=blends)).text == "0.000 / 0.000"


@pytest.mark.parametrize("blends", [False, True])
def test_the_error_of_a_label_weight_is_found(blends):
    cell = peers.exactness(FakePeer(error=0.125, blends=blends))
    assert cell.text == "0.125 / 0.125"
    assert cell.score == pytest.approx(-0.125)


def test_the_mean_and_the_largest_error_differ_where_they_should():
    labels = np.array([[0.5, 0.5], [0.0, 1.0]])
    errors = peers.label_errors(labels, np.array([[0.75, 0.25], [0.0, 1.0]]))
    np.testing.assert_allclose(errors, [0.25, 0.0])


@pytest.mark.parametrize("blends", [False, True])
@pytest.mark.parametrize(("shift", "share"), [(0, "1.000"), (1, "0.000"), (8, "1.000")])
def test_images_that_are_their_own_partner_are_counted(blends, shift, share):
    assert peers.self_pairing(FakePeer(shift=shift, blends=blends)).text == share


def test_a_partner_that_only_the_label_shows_is_a_partner():
    labels = np.array([[0.9, 0.1], [0.0, 1.0]])
    np.testing.assert_array_equal(peers.self_pairs(labels, np.eye(2)), [False, True])


def test_runs_that_differ_in_one_bit_are_not_equal():
    batch = {"images": np.zeros((2, 3), "float32"), "labels": np.eye(2)}
    other = {**batch, "images": np.zeros((2, 3), "float32")}
    assert peers.digest([batch]) == peers.digest([other])
    other["images"].view("uint32")[1, 2] = 1
    assert peers.digest([batch]) != peers.digest([other])


@pytest.mark.parametrize("row", ["sequential", "parallel"])
def test_only_a_mixer_without_randomness_of_its_own_is_equal_in_two_runs(row):
    measure = getattr(peers, row)
    assert measure(FakePeer()).text == "yes"
    assert measure(FakePeer(random=True)).text == "no"


def test_dtypes_that_change_are_named():
    class ToFloat(FakePeer):
        def mix(self, batch):
            mixed = super().mix(batch)
            return {**mixed, "images": mixed["images"].astype("float32")}

    assert peers.dtypes(FakePeer()).text == "all"
    cell = peers.dtypes(ToFloat())
    assert cell.text == "uint8 → float32, int32 → float32, float16 → float32"
    assert cell.score == 1


def test_a_batch_of_one_must_come_back_as_it_was():
    class Darkens(FakePeer):
        def mix(self, batch):
            return {**batch, "images": batch["images"] * 0}

    assert peers.batch_of_one(FakePeer()).text == "yes"
    assert peers.batch_of_one(Darkens()).text == "no: changed"


def test_a_last_batch_that_is_dropped_is_seen():
    class DropsRemainder(FakePeer):
        def map(self, *args, **kwargs):
            return super().map(*args, **kwargs)[:-1]

    assert peers.odd_batch(FakePeer()).text == "yes"
    assert peers.odd_batch(DropsRemainder()).text == "no: batches of [8, 8]"


def test_class_ids_are_encoded_or_wrong():
    ids, shares = np.array([3, 1, 4]), np.eye(3)
    right = np.eye(peers.CLASSES)[ids]
    assert peers.rate_ids(right, shares, ids).text == "encoded"
    assert "(3,) becomes (3, 3)" in peers.rate_ids(np.eye(3), shares, ids).text
    assert peers.rate_ids(np.roll(right, 1, axis=1), shares, ids).text.startswith("wrong by 1.00")


def test_masks_are_right_only_where_they_follow_the_images():
    images = np.array([[0, 1], [1, 0]]).reshape(2, 1, 2, 1)
    before = np.array([[0, 0], [1, 1]], "uint8").reshape(2, 1, 2, 1)
    right = images.astype("uint8")
    rate = peers.rate_masks
    assert rate(images, right, before).text == "yes"
    assert rate(images, right.astype("float32"), before).text == "yes, as float32"
    assert rate(images, before, before).text == "no: left as they were"
    assert rate(images, right[::-1], before).text == "no: not as the images"
    assert rate(images, right / 2, before).text == "no: class ids are blended"
    assert "becomes" in rate(images, np.repeat(right, 3, -1), before).text


def test_an_error_becomes_a_cell_with_its_message():
    def fail():
        raise ValueError('in user code:\n\n  File "/a/b/c.py", line 1\n\n  KeyError: no | key\n')

    cell = peers.guarded(fail)
    assert cell.text == "no: ValueError: no / key"
    assert cell.score < peers.guarded(lambda: peers.Cell("no", 0)).score
    assert peers.error_text(KeyError("at /a/b/y.py: a/b is {{node c}} bad")) == (
        "KeyError: 'at a/b is bad'"
    )


@pytest.mark.parametrize("measure", peers.COMMON, ids=lambda measure: measure.__name__)
def test_every_cell_can_be_written_as_json(measure):
    cell = peers.guarded(lambda: measure(FakePeer()))
    text, score = json.loads(json.dumps(cell))
    assert text == cell.text
    assert score == cell.score


def test_everyone_has_a_turn_in_every_repeat_after_two_that_are_not_counted():
    numbers = {"a": iter(range(9)), "b": iter(range(10, 19))}
    turns = {name: lambda name=name: next(numbers[name]) for name in numbers}
    times = peers.take_turns(turns, range(3))
    assert times["a"].tolist() == [2, 3, 4]
    assert times["b"].tolist() == [12, 13, 14]


def table_of(ours, theirs):
    cells = {row: ["text", ours] for row in peers.ROWS}
    return {peers.OURS: cells, "keras CutMix": {row: ["text", theirs] for row in peers.ROWS}}


@pytest.mark.parametrize(
    ("ours", "theirs", "standing"),
    [(1, 0, "yes"), (-0.1, -0.2, "yes"), (1, 1, "shared"), (0, 1, "no"), (1, None, "yes")],
)
def test_a_row_says_whether_anyone_else_is_ahead_of_us(ours, theirs, standing):
    table = table_of(ours, theirs)
    table["CutMix"] = {"xla": ["text", 9]}
    assert peers.standing("xla", table) == standing


def test_a_row_in_which_we_are_behind_says_so_and_missing_peers_are_visible():
    result = {
        "table": table_of(0, 1),
        "versions": {"python": "3"},
        "copies": ["some"],
        "processor": "x",
    }
    result |= {"cores": 2, "date": "today"}
    text = peers.as_markdown(result)
    assert text.count("**Not first:**") == len(peers.ROWS)
    assert text.count("| not measured") == (len(peers.COLUMNS) - 2) * len(peers.ROWS)


def test_the_table_is_put_between_its_marks(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- table -->\nold\n<!-- /table -->\nafter\n")
    peers.write_markdown(page, "new")
    peers.write_markdown(page, "newer")
    assert page.read_text() == "before\n<!-- table -->\n\nnewer\n<!-- /table -->\nafter\n"


def test_a_page_without_marks_is_left_alone(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("no marks\n")
    with pytest.raises(SystemExit, match="has no line"):
        peers.write_markdown(page, "new")
    assert page.read_text() == "no marks\n"


def test_our_layers_are_exact_and_never_their_own_partners():
    pytest.importorskip("tensorflow")
    *ours, cut_mix, mix_up = peers.keras_peers()[:5]
    assert tuple(peer.name for peer in ours) == peers.FAMILY
    for peer in ours:
        assert peers.exactness(peer).text == "0.000 / 0.000"
        assert peers.self_pairing(peer).text == "0.000"
        assert peers.integer_labels(peer).text == "encoded"
        assert peer.saving().text == "yes"
    for peer in ours[:2]:
        assert peers.masks(peer).text == "yes"
    assert "MixUp cannot mix" in peers.guarded(lambda: peers.masks(ours[2])).text
    assert peers.exactness(mix_up).score == pytest.approx(0, abs=1e-4)
    assert peers.exactness(cut_mix).score < 0  # a continuous box, so never quite what is pasted


def test_a_transform_of_pytorch_is_measured_as_images_with_channels_last():
    pytest.importorskip("torch")

    def make(labels, weight=0.5):
        def mix(images, labels):
            mixed = images.clone()
            width = images.shape[-1] // 2
            mixed[..., :width] = images.roll(1, 0)[..., :width]
            return mixed, (1 - weight) * labels + weight * labels.roll(1, 0)

        return mix

    peer = peers.TorchPeer("halves", make, {})
    error = 0.5 - 23 / 47
    assert peers.exactness(peer).score == pytest.approx(-error, abs=1e-4)
    assert peers.self_pairing(peer).text == "0.000"
    assert peers.sequential(peer).text == "yes"
    assert peers.odd_batch(peer).text == "yes"
    assert peers.dtypes(peer).text == "all"
