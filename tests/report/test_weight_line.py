"""The line of weights as a table, and as a figure whose labels keep off the line."""

import numpy as np
import pytest

from keras_patchmix.report.weight_line import LinePoint, WeightLine

NAME, TITLE = "patch_drop_8x8_40", "Patch drop, 8×8, 40 %"


def line(clean, occluded):
    count = len(clean)
    points = [
        LinePoint(
            number / (count - 1),
            *(one / 100, other / 100, {NAME: other / 100}),
            *((one - clean[0]) / 100, (one - clean[0] - 1) / 100, (one - clean[0] + 1) / 100),
            allowed=number < 4,
            chosen=number == 3,
        )
        for number, (one, other) in enumerate(zip(clean, occluded, strict=True))
    ]
    return WeightLine(points, 0.5, {NAME: TITLE})


RISING = line([90, 91, 92, 93, 94], [50, 55, 60, 65, 70])
BENT = line([91.6, 93.2, 94.6, 95.3, 95.1], [37.2, 45.3, 52.8, 58.8, 61.8])
FALLING = line([90, 89.9, 89.8, 89.5, 88], [50, 55, 60, 63, 64])


def test_the_table_has_titles_and_compares_the_original_with_nothing():
    table = BENT.table
    assert table.columns == [
        *("Weights", "", "Clean", "Occluded, mean", "Change of clean", "95 % interval", TITLE)
    ]
    first, *_, fourth, last = (list(row.cells) for row in table.groups[0])
    assert first == ["0 % (original)", "", "91.6", "37.2", "", "", "37.2"]
    assert fourth == ["75 %", "chosen", "95.3", "58.8", "+3.7", "+2.7 to +4.7", "58.8"]
    assert last[:2] == ["100 % (fine-tuned)", "costs too much"]
    assert BENT.words.endswith("chosen: 75 %")


@pytest.mark.needs("matplotlib")
@pytest.mark.parametrize("one", [RISING, BENT, FALLING], ids=["rising", "bent", "falling"])
def test_no_label_lies_on_the_line_or_beyond_the_figure(one, tmp_path):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = one.draw(tmp_path / "line.png")
    (axes,) = figure.axes
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    path = axes.transData.transform_path(axes.lines[0].get_path())
    labels = [text for text in axes.texts if "least" not in text.get_text()]
    assert [text.get_text() for text in labels] == [
        *("original", "25 %", "50 %", "75 %, chosen", "100 %")
    ]
    for text in labels:
        box = text.get_window_extent(renderer)
        assert not path.intersects_bbox(box, filled=False), text.get_text()
        corners = np.array([[box.x0, box.y0], [box.x1, box.y1]])
        assert (corners >= 0).all()
        assert (corners <= [figure.bbox.x1, figure.bbox.y1]).all()
