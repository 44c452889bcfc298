"""Names as text that files, terminals and pictures can hold."""

import io
import os
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_patchmix.base.printable import (
    distinct,
    printable,
    printable_values,
    quoted,
    say,
)
from tests.odd_names import assert_printable


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plain name.png", "plain name.png"),
        ("Größe 大きさ 🙂", "Größe 大きさ 🙂"),
        (os.fsdecode(b"caf\xe9.jpg"), r"caf\xe9.jpg"),
        (b"caf\xe9.jpg", r"caf\xe9.jpg"),
        ("caf\u00e9.jpg".encode(), "café.jpg"),
        ("a\x1b[31mb\x07", r"a\x1b[31mb\x07"),
        ("a\nb\tc\rd\x00", r"a\nb\tc\rd\x00"),
        ("\x7f\x85\x9b", r"\x7f\u0085\u009b"),
        ("a\u202eb\u2066c\u200f", r"a\u202eb\u2066c\u200f"),
        ("a\u2028b\u2029", r"a\u2028b\u2029"),
        ("\ud800", r"\ud800"),
        (3, "3"),
    ],
)
def test_what_must_not_be_printed_is_escaped(name, shown):
    assert printable(name) == shown
    assert printable(shown) == shown


@given(st.text(st.characters()) | st.binary())
def test_every_name_comes_out_as_one_line_of_text(name):
    shown = printable(name)
    assert_printable(shown)
    assert "\n" not in shown
    assert printable(shown) == shown
    hidden = ("Cc", "Cs", "Zl", "Zp", "Cf")
    if isinstance(name, str) and not any(unicodedata.category(c) in hidden for c in name):
        assert shown == name


def test_paths_and_lines():
    assert printable("a\nb\x1b", lines=True) == "a\nb\\x1b"
    assert printable(os.path.join("a", "\x1b")) == os.path.join("a", r"\x1b")


def test_names_that_look_alike_are_told_apart():
    names = [os.fsdecode(b"a\xe9"), r"a\xe9", r"a\xe9 (2)", "b", "a\udce9"[:1]]
    assert distinct(names) == [r"a\xe9", r"a\xe9 (2)", r"a\xe9 (2) (2)", "b", "a"]


def test_names_that_are_told_apart_stay_as_they_are():
    names = ["a", "a (2)", "a", "a", "a (2)", "a (3)"]
    shown = distinct(names)
    assert shown == ["a", "a (2)", "a (3)", "a (4)", "a (2) (2)", "a (3) (2)"]
    assert distinct(shown) == shown
    assert distinct(["x"] * 30_000)[1:] == [f"x ({number})" for number in range(2, 30_001)]


@given(st.lists(st.sampled_from(["a", "a (2)", "a (2) (2)", "\udce9", r"\xe9", r"\xe9 (2)"])))
def test_no_two_names_come_out_the_same(names):
    shown = distinct(names)
    assert len(set(shown)) == len(names)
    for before, after in zip(names, shown, strict=True):
        assert after.startswith(printable(before))
    assert distinct(shown) == shown


def test_no_key_replaces_another_one():
    found = printable_values({"a\udce9": 1, r"a\xe9": 2, 3: {"\x1b": 4, r"\x1b": 5}})
    assert found == {r"a\xe9": 1, r"a\xe9 (2)": 2, 3: {r"\x1b": 4, r"\x1b (2)": 5}}


def test_a_quoted_name_is_that_of_reports():
    assert quoted(os.fsdecode(b"caf\xe9")) == r"'caf\xe9'"
    assert quoted(r"caf\xe9") == r"'caf\xe9'"


def test_values_are_printable_whatever_they_are_in():
    value = {"a\x1b": ["\udce9", {"b": ("\x00", 1, None, 0.5, True)}]}
    assert printable_values(value) == {r"a\x1b": [r"\xe9", {"b": [r"\x00", 1, None, 0.5, True]}]}


def test_what_is_said_fits_the_terminal(capsys, monkeypatch):
    say("two\nlines \x1b[2J \udce9 é")
    assert capsys.readouterr().out == "two\nlines \\x1b[2J \\xe9 é\n"
    old = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", old)
    say("é ≥")
    assert old.buffer.getvalue() == b"\\xe9 \\u2265\n"
