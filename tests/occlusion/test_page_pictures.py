import base64
import io

import numpy as np
import pytest
from PIL import Image

from keras_patchmix.occlusion.intervals import wilson
from keras_patchmix.occlusion.page import write_page
from keras_patchmix.occlusion.page.examples import chosen_rows
from keras_patchmix.report.pictures import data_uri, encode
from tests.occlusion.page_reader import Page
from tests.occlusion.page_reports import CONDITIONS, make_examples, make_report


@pytest.fixture(scope="module")
def report():
    return make_report(class_names=[f"kind {i}" for i in range(10)])


@pytest.fixture(scope="module")
def text(report):
    return write_page(report, examples=make_examples(report))


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def figures(page):
    """What is said of each figure to those who do not see it."""
    return [a["aria-label"].replace("\u00a0", " ") for name, a in page.elements if name == "svg"]


def test_curves_are_told_in_words(report, page):
    row = report.row("patch_drop_14x14_80")
    low, high = wilson(row.top1, row.n)
    told = (
        f"Patch drop, 14×14, 80 %: 80.1 % of the pixels, top-1 {100 * row.top1:.1f} % "
        f"({100 * low:.1f} to {100 * high:.1f})."
    )
    assert [told in words for words in figures(page)] == [True, False]
    silent = Page(write_page(make_report(silent=("patch_drop_14x14_40",))))
    assert "Patch drop, 14×14, 40 %: no image scored;" in figures(silent)[0]


def test_several_models_have_one_legend_and_a_figure_for_each_corruption(report):
    page = Page(write_page({"<b>a": report, "b": report}))
    legend, *panels = figures(page)
    assert legend == "<b>a, b"
    assert len(panels) == 4
    assert all(" <b>a: Clean: top-1 " in words for words in panels)
    assert page.texts.count("<b>a") == page.texts.count("b")


def decoded(address):
    """The picture that an address holds."""
    data = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(data)))


def test_pictures_are_those_of_the_examples(report, page):
    examples = make_examples(report)
    shown = [a for name, a in page.elements if name == "img"]
    names = [row.name for row in chosen_rows(report.rows)]
    assert names == [
        "clean",
        *("patch_replacement_7x7_30", "patch_replacement_7x7_50"),
        *("patch_drop_14x14_40", "patch_drop_14x14_80"),
        *("superimpose_10", "superimpose_40"),
        *("patch_permutation_2x2", "patch_permutation_14x14"),
    ]
    assert len(shown) == len(names) * len(examples)
    for attributes, (example, name) in zip(
        shown, ((e, n) for e in examples for n in names), strict=True
    ):
        np.testing.assert_array_equal(decoded(attributes["src"]), example["images"][name])
        assert attributes["alt"].startswith(f"kind {example['label']}, image {example['index']}, ")


def test_pictures_say_whether_the_model_was_right(report):
    outcomes = report.outcomes.top1["superimpose_40"]
    (picture,) = make_examples(report, 1)
    silent = make_report(silent=("superimpose_40",))
    for index, verdict in ((np.argmax(outcomes == 1), "✓ right"), (np.argmin(outcomes), "✗ wrong")):
        examples = [{**picture, "index": int(index)}]
        text = Page(write_page(report, examples=examples)).text
        assert text.count(f"Superimpose, 40 % {verdict}") == 1
        sign = verdict[0]
        two = write_page({"<b>a": report, "b": report, "c": silent}, examples=examples)
        assert f"Superimpose, 40 % <b>a {sign} b {sign} c –" in Page(two).text
        four = dict.fromkeys("abcd", report)
        text = Page(write_page(four, examples=examples)).text
        assert f"Superimpose, 40 % {4 * outcomes[index]} of 4 right" in text
        text = Page(write_page(silent, examples=examples)).text
        assert "Superimpose, 40 % not scored" in text
    elsewhere = [{**picture, "index": 10**6}]
    assert "✗ wrong" not in write_page(report, examples=elsewhere)


def test_pictures_are_shrunk_until_the_page_is_small(report):
    text = write_page(report, examples=make_examples(report, 8, 224))
    assert len(text) < 1_400_000
    sizes = {decoded(a["src"]).shape for name, a in Page(text).elements if name == "img"}
    assert len(sizes) == 1
    assert 32 <= sizes.pop()[0] <= 112


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 6])
def test_pictures_of_any_channels_and_range_can_be_shown(channels):
    report = make_report(value_range=[-1.0, 1.0])
    (example,) = make_examples(report, 1)
    values = np.linspace(-1.2, 1.2, 30 * channels).reshape(5, 6, channels)
    values[0, 0, 0] = np.nan
    example["images"] = {"clean": values.astype(np.float32)}
    page = Page(write_page(report, examples=[example]))
    (attributes,) = (a for name, a in page.elements if name == "img")
    unit = np.clip((np.nan_to_num(values, nan=-1) + 1) / 2, 0, 1)
    wanted = {1: unit[..., 0], 3: unit, 4: unit[..., :3]}.get(channels, unit.mean(axis=2))
    np.testing.assert_allclose(decoded(attributes["src"]) / 255, wanted, atol=0.5 / 255 + 1e-6)


def test_images_are_reduced_to_the_means_of_squares():
    image = (np.arange(258) % 256).astype(np.uint8)
    (file,) = encode([image[:, None, None]], (0, 255))
    means = image.reshape(86, 3).mean(axis=1)
    np.testing.assert_allclose(decoded(data_uri(file))[:, 0], means, atol=0.51)


def test_many_corruptions_have_one_picture_each():
    conditions = CONDITIONS + tuple(
        (f"blur_{i}", None, level, level) for i in "ab" for level in (0.1, 0.5)
    )
    rows = chosen_rows(make_report(conditions=conditions).rows)
    assert [row.name for row in rows][-3:] == ["patch_permutation_14x14", "blur_a_50", "blur_b_50"]
    assert len(rows) == 1 + 6
