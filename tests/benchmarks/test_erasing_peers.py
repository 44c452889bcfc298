"""The measures of the comparison with layers that erase, on erasers whose cells are known."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def peers():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        yield importlib.import_module("erasing_peers")
    sys.modules.pop("erasing_peers")


def columns_from(start_of):
    """An eraser of whole columns, the share asked for, that begin where a function says."""

    def make(share, seed):
        start = start_of(share)

        def erase(images, first=0):
            images = images.copy()
            images[:, :, start : start + round(share * 224)] = 0
            return images

        return erase

    return make


def test_patch_drop_is_exact_nested_and_the_same_anywhere(peers):
    exact = 100 * 15 / 49
    expected = [f"{exact:.1f} ({exact:.1f} to {exact:.1f})", "100", "yes", "yes", "yes"]
    assert peers.cells_of(peers.patch_drop) == expected


def test_an_eraser_that_moves_with_the_share_is_not_nested(peers):
    nested = columns_from(lambda share: 0)
    apart = columns_from(lambda share: 0 if share == 0.2 else 224 - round(share * 224))
    assert peers.cells_of(nested)[1] == "100"
    assert peers.cells_of(apart)[1] == "0"


def test_an_eraser_without_a_seed_repeats_nothing(peers):
    rng = np.random.default_rng()

    def make(share, seed):
        return lambda images, first=0: np.where(rng.random(images.shape) < share, 0, images)

    share, _, repeats, anywhere, _ = peers.cells_of(make)
    assert float(share.split()[0]) == pytest.approx(100 * (1 - 0.7**3), abs=0.5)
    assert (repeats, anywhere) == ("no", "no")


def test_rectangles_of_keras_depend_on_the_batch_and_become_floats(peers):
    share, _, repeats, anywhere, kept = peers.cells_of(peers.keras_random_erasing)
    assert float(share.split()[0]) == pytest.approx(30, abs=0.5)
    assert (repeats, anywhere, kept) == ("yes", "no", "no")


def test_the_page_holds_a_row_for_every_peer(peers):
    page = (FOLDER.parent / "docs" / "peers.md").read_text(encoding="utf-8")
    table = page.partition("<!-- erasing -->")[2].partition("<!-- /erasing -->")[0]
    assert " | ".join(peers.COLUMNS) in table
    assert all(f"| {name} | " in table for name in peers.PEERS)


def test_the_table_has_a_row_for_each_peer_and_a_note_for_each_column(peers):
    text = peers.as_markdown({"`PatchDrop`": ["1"] * len(peers.COLUMNS)})
    assert text.count("| `PatchDrop` | 1 |") == 1
    assert all(f"- *{title}*: " in text for title in peers.COLUMNS)
