"""CSV that no spreadsheet takes for formulas, and that reads back as it was."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_patchmix import _csv_text
from keras_patchmix._names import printable
from keras_patchmix._schema import Mismatch

STARTS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


def cells(text):
    return list(csv.reader(io.StringIO(text)))


@pytest.mark.parametrize("start", STARTS)
def test_text_that_begins_as_a_formula_is_neutralised(start):
    name = f"{start}cmd|'/C calc'!A1"
    head, row = cells(_csv_text.write([name], [{name: name}]))
    assert head == row
    assert not row[0].startswith(STARTS)
    assert row[0].lstrip("'\\rt").endswith("cmd|'/C calc'!A1")


def test_numbers_stay_numbers():
    text = _csv_text.write("abcd", [{"a": -3.5, "b": -2, "c": float("-inf"), "d": "-3.5"}])
    assert text == "a,b,c,d\n-3.5,-2,-inf,'-3.5\n"


def test_lists_are_json_and_what_is_missing_is_empty():
    text = _csv_text.write("abc", [{"a": [1, "é"], "c": None}, {"b": {"x": True}}])
    assert cells(text)[1:] == [['[1, "\\u00e9"]', "", ""], ["", '{"x": true}', ""]]


names = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("'=+-@,\"\n\r\t"))


@given(st.dictionaries(names, names, min_size=1))
def test_what_is_written_is_read_as_it_was(row):
    written = _csv_text.write(row, [row])
    expected = {printable(key): printable(value) for key, value in row.items()}
    if len(expected) < len(row):
        return
    if len(row) == 1 and written.endswith('\n""\n') is False and set(expected.values()) == {""}:
        return  # a line of one empty cell
    assert _csv_text.read(written) == [expected]
    for line in cells(written):
        assert not any(cell.startswith(STARTS) for cell in line)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("a,a\n1,2\n", "two columns"),
        ("a,b\n1\n", "line 2: has 1 cells, and the head 2"),
        ("a,b\n1,2,3\n", "line 2: has 3 cells"),
        ('a\n"1\n', "end of data"),
        (f"a\n{'1' * 200_000}\n", "field larger"),
    ],
)
def test_what_is_no_table_is_refused(text, reason):
    with pytest.raises(Mismatch, match=reason):
        _csv_text.read(text)
