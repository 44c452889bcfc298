"""The head of the page: what was scored, and the result in one sentence a model."""

from keras_patchmix.occlusion.page.markup import escape, given, join, percent, plural, tag
from keras_patchmix.occlusion.panels import interval, row_title

_MOST = 3  # sentences; the table below them says as much


def title(reports):
    """Returns the page's title as plain text."""
    names = list(reports)
    if len(names) <= 3:
        text = " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
    else:
        text = f"{len(names)} models"
    return f"{text} under occlusion"


def header(reports):
    """Title, and what the images were."""
    return tag("header", tag("h1", given(title(reports))), _facts(reports))


def _facts(reports):
    facts = {
        "Images": _each(reports, _images),
        "Size": _each(reports, _size),
        "Classes": _each(reports, lambda report: report.settings.get("num_classes")),
        "Seed": _each(reports, lambda report: report.settings.get("seed")),
        "Digest of labels": _each(
            reports, lambda report: (report.settings.get("labels_sha256") or "")[:12]
        ),
    }
    return tag(
        "dl",
        [tag("div", tag("dt", key), tag("dd", value)) for key, value in facts.items() if value],
        class_="facts",
    )


def _each(reports, fact):
    """The fact of all reports, or of each where they differ; empty where none has it."""
    values = [str(value) for value in map(fact, reports.values()) if value not in (None, "")]
    return ", ".join(dict.fromkeys(values))


def _images(report):
    row = report.rows[0]
    return f"{report.settings.get('n') or row.n + row.n_nonfinite:,}"


def _size(report):
    size = report.settings.get("image_size")
    return " × ".join(map(str, size)) if size else None


def sentences(reports):
    """What each model does on clean images, and what costs it most; None where they are many."""
    if len(reports) > _MOST:
        return None
    return tag("div", [_sentence(name, report) for name, report in reports.items()], class_="lead")


def _sentence(name, report):
    clean = report.rows[0]
    if clean.top1 is None:
        return tag("p", given(name), escape(": no clean image could be scored."))
    low, high = (percent(value, 1) for value in interval(clean.top1, clean.n))
    parts = [
        tag("strong", given(name)),
        escape(" has "),
        tag("strong", f"{percent(clean.top1, 1)}\u00a0%"),
        escape(f" of {plural(clean.n, 'clean image')} right (95 % interval {low} to {high})."),
    ]
    worst = _worst(report)
    if worst is not None and worst.top1 < clean.top1:
        parts += [
            escape(" It loses most under "),
            tag("strong", row_title(worst)[0].lower() + row_title(worst)[1:]),
            escape(": "),
            tag("strong", f"{percent(worst.top1, 1)}\u00a0%"),
            escape(f" are left, {percent(clean.top1 - worst.top1, 1)} points fewer."),
        ]
    elif worst is not None:
        parts.append(escape(" No corruption costs it anything."))
    parts += _of_sets(report)
    return tag("p", join(parts))


def _of_sets(report):
    """What is right of sets of occluded images, as far as they are few."""
    rows = [row for row in report.rows if row.data is not None and row.top1 is not None]
    if not 1 <= len(rows) <= _MOST:
        return []
    parts = [escape(" Of occluded images it has ")]
    for number, row in enumerate(rows):
        parts += [
            escape("" if not number else " and " if number == len(rows) - 1 else ", "),
            tag("strong", f"{percent(row.top1, 1)}\u00a0%"),
            escape(f" of {row.n:,} right in "),
            given(row.name),
        ]
    return [*parts, escape(".")]


def _worst(report):
    rows = [row for row in report.rows[1:] if row.top1 is not None and row.data is None]
    return min(rows, key=lambda row: row.top1, default=None)
