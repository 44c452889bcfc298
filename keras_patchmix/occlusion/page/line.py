"""The line between the weights before and after a fine-tuning, as a table and a picture."""

import base64
import io

from keras_patchmix.occlusion.page.markup import column, join, percent, row_head, table, tag

_WHAT = (
    "The weights of the model lie on the line from those before the training to those after it. "
    "Each point was scored on validation images, which neither the training nor the tables above "
    "have seen; the one that is best under occlusion was taken, among those that cost no more "
    "clean accuracy than was allowed."
)


def line_section(points, figure=None):
    """A row for each point of the line, and the picture of it.

    Args:
        points: List of `keras_patchmix.training.weight_line.LinePoint`, or None.
        figure: A `matplotlib.figure.Figure`, or None.

    Returns:
        `Markup`, or None where there are no points.
    """
    if not points:
        return None
    names = list(points[0].rows)
    head = ["Way", "Clean", "Change", "95 % interval", "Occluded, mean", *names, ""]
    body = [
        tag(
            "tr",
            row_head(f"{100 * one.share:.0f} %"),
            tag("td", percent(one.clean, 1)),
            tag("td", percent(one.clean_change, 1, True)),
            tag("td", f"{percent(one.low, 1, True)} to {percent(one.high, 1, True)}"),
            tag("td", percent(one.occluded, 1)),
            [tag("td", percent(value, 1)) for value in one.rows.values()],
            tag("td", "taken" if one.chosen else "" if one.allowed else "costs too much"),
        )
        for one in points
    ]
    shown = None if figure is None else tag("p", tag("img", src=_uri(figure), alt=_alt(points)))
    made = table("Top-1, %, along the line", None, [list(map(column, head))], [body])
    return join([tag("p", _WHAT), shown, made])


def _alt(points):
    taken = next(one for one in points if one.chosen)
    return (
        f"Accuracy under occlusion against clean accuracy; {100 * taken.share:.0f} % "
        "of the way was taken"
    )


def _uri(figure):
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
