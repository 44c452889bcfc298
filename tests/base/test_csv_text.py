"""CSV that no spreadsheet takes for formulas, and that readers of CSV read as it was."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_patchmix.base import csv_text
from keras_patchmix.base.printable import printable

STARTS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


def cells(text):
    return list(csv.reader(io.StringIO(text)))


@pytest.mark.parametrize("start", STARTS)
def test_text_that_begins_as_a_formula_is_neutralised(start):
    name = f"{start}cmd|'/C calc'!A1"
    head, row = cells(csv_text.write([name], [{name: name}]))
    assert head == row
    assert not row[0].startswith(STARTS)
    assert row[0].lstrip("'\\rt").endswith("cmd|'/C calc'!A1")


def test_numbers_stay_numbers():
    text = csv_text.write("abcd", [{"a": -3.5, "b": -2, "c": float("-inf"), "d": "-3.5"}])
    assert text == "a,b,c,d\n-3.5,-2,-inf,'-3.5\n"


def test_lists_are_json_and_what_is_missing_is_empty():
    text = csv_text.write("abc", [{"a": [1, "é"], "c": None}, {"b": {"x": True}}])
    assert cells(text)[1:] == [['[1, "\\u00e9"]', "", ""], ["", '{"x": true}', ""]]


names = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("'=+-@,\"\n\r\t"))


@given(st.dictionaries(names, names, min_size=1))
def test_readers_find_the_printable_text_behind_an_apostrophe_at_most(row):
    found = cells(csv_text.write(row, [row]))
    for texts, expected in zip(found, (row.keys(), row.values()), strict=False):
        for text, one in zip(texts, map(printable, expected), strict=True):
            assert text in (one, f"'{one}")
            assert not text.startswith(STARTS)
