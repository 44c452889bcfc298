import math

import numpy as np
import pytest

from keras_patchmix.occlusion import Row, plot_reports
from keras_patchmix.occlusion.intervals import wilson
from keras_patchmix.occlusion.panels import curves_of, row_title
from keras_patchmix.report.style import COLORS
from tests.occlusion.page_reports import CONDITIONS, make_report

pytest.importorskip("matplotlib")


def drawn_lines(figure):
    return [line for axis in figure.axes for line in axis.lines]


def legend_texts(figure):
    legends = [*figure.legends, *filter(None, (axis.get_legend() for axis in figure.axes))]
    return [text for legend in legends for text in legend.get_texts()]


def test_the_interval_is_wilsons():
    # Roots of (p - x)^2 = z^2 x (1 - x) / n, which is how Wilson's interval is defined.
    for p, n in ((0.5, 100), (0.93, 40), (0.2, 7)):
        z = 1.959963984540054
        roots = np.roots([1 + z * z / n, -(2 * p + z * z / n), p * p])
        np.testing.assert_allclose(wilson(p, n), sorted(roots), atol=1e-12)
    low, high = wilson(1.0, 20)
    assert high == 1.0
    assert 0.8 < low < 0.9  # not a band of no width, as p (1 - p) / n would say
    assert wilson(0.0, 20) == pytest.approx((0.0, 1 - low))


def test_rows_without_a_score_leave_a_gap():
    report = make_report(silent=("patch_drop_14x14_40",))
    figure = report.plot()
    drop = next(line for line in figure.axes[0].lines if "drop" in line.get_label())
    y = drop.get_ydata()
    assert [math.isnan(value) for value in y] == [False, False, True, False]
    assert y[3] == 100 * report.row("patch_drop_14x14_80").top1
    # One band before the gap, one after; two lines besides.
    assert len(figure.axes[0].collections) == 2 + 2


def test_a_report_without_any_score_is_drawn():
    names = tuple(row.name for row in make_report().rows)
    figure = make_report(silent=names).plot()
    assert all(np.all(np.isnan(line.get_ydata())) for line in drawn_lines(figure))
    assert figure.axes[0].get_ylim() == (0, 100)


def test_levels_without_a_grid_are_drawn_against_the_share():
    report = make_report()
    (panel,) = (p for p in curves_of({"a": report, "b": report}).panels if p.title == "Superimpose")
    assert panel.axis == "share"
    assert [point.x for point in panel.lines[0].points] == pytest.approx([0, 10.04, 39.87])
    assert row_title(report.row("superimpose_10")) == "Superimpose, 10\u00a0%"


def test_a_corruption_of_neither_grid_nor_level_is_drawn_against_the_share():
    report = make_report(conditions=(CONDITIONS[0], ("blur", None, None, 0.6)))
    (panel,) = curves_of({"model": report}).panels
    assert panel.axis == "share"
    assert [point.x for point in panel.lines[0].points] == [0, 60]


def test_many_corruptions_get_a_panel_for_each_family():
    drops = [
        (f"patch_drop{fill}", (14, 14), level, level, "Patch drop")
        for fill in ("", "_mean", "_noise", "_salient", "_not_salient")
        for level in (0.2, 0.8)
    ]
    report = make_report(conditions=(*CONDITIONS, *drops[2:]))
    titles = [(panel.title, len(panel.lines)) for panel in curves_of({"model": report}).panels]
    assert titles == [
        ("Patch replacement, 7×7 grid", 1),
        ("Patch drop", 5),
        ("Superimpose", 1),
        ("Patch permutation", 1),
    ]
    figure = report.plot()
    assert len(figure.axes) == 4
    # Colors need not last for all panels, as no line stands in two.
    assert [line.get_color() for line in drawn_lines(figure)] == [
        COLORS[i] for i in (0, 0, 1, 2, 3, 4, 0, 0)
    ]
    assert {line.get_linestyle() for line in drawn_lines(figure)} == {"-"}


def test_beyond_seven_models_colors_return_with_other_dashes():
    reports = {f"model {i}": make_report(skill=0.3 + 0.05 * i) for i in range(9)}
    figure = plot_reports(reports)
    first = figure.axes[0].lines
    assert len(first) == 9
    styles = [(line.get_color(), line.get_linestyle()) for line in first]
    assert len(set(styles)) == 9
    assert styles[7] == (COLORS[0], "--")
    assert [text.get_text() for text in legend_texts(figure)] == list(reports)


def test_names_from_data_are_no_markup_of_formulas(tmp_path):
    names = ["_hidden", r"$\frac{a}{b$ \oops", "x" * 90, ""]
    figure = plot_reports(
        {name: make_report(skill=0.5 + 0.1 * i) for i, name in enumerate(names)},
        tmp_path / "curves.png",
    )
    texts = legend_texts(figure)
    assert [text.get_text() for text in texts][:2] == names[:2]
    assert all(not text.get_parse_math() for text in texts)
    assert all(len(line) <= 36 for text in texts for line in text.get_text().split("\n"))
    assert (tmp_path / "curves.png").stat().st_size > 10_000
    one = make_report(r"50$ or $\alpha_{").plot(tmp_path / "one.svg")
    assert one.get_suptitle() == r"50$ or $\alpha_{: 400 images; bands: 95 % intervals"
    assert r"50$ or $\alpha_{" in (tmp_path / "one.svg").read_text()


def test_the_title_counts_the_images():
    silent = make_report(n=2000, silent=("clean",))
    assert silent.plot().get_suptitle() == "convnext_tiny: 2,000 images; bands: 95 % intervals"
    figure = plot_reports({"a": make_report(n=2000), "b": make_report(n=100)})
    assert figure.get_suptitle() == "100 to 2,000 images; bands: 95 % intervals"


def test_the_axis_ends_above_the_highest_band():
    assert curves_of({"model": make_report(skill=0.9)}).top == 100
    low = make_report(skill=0.03, n=4000)
    assert curves_of({"model": low}).top == 5
    assert (
        max(
            point.high
            for line in curves_of({"model": low}).panels[0].lines
            for point in line.points
        )
        < 5
    )


@pytest.mark.parametrize("reports", [{}, None, {"a": 1}, [make_report()]])
def test_what_is_no_report_is_refused(reports):
    with pytest.raises(ValueError, match="`reports` must be a Report or a dict"):
        plot_reports(reports)


def test_a_report_of_clean_images_alone_is_one_point():
    report = make_report(conditions=CONDITIONS[:1])
    (line,) = drawn_lines(report.plot())
    assert line.get_xdata() == [0]
    assert line.get_ydata() == [100 * report.rows[0].top1]
    assert isinstance(report.rows[0], Row)
