"""What a row of an explanation says, in words."""

_WIDTH = 36  # characters of a line under a map


def classes_text(row):
    """Returns the classes of a map, such as "cat rather than dog"."""
    if row["contrast_name"] is None:
        return row["class_name"]
    return f"{row['class_name']} rather than {row['contrast_name']}"


def said(row):
    """Returns what the model says of an image, such as "cat 97.1 %, dog 1.2 %"."""
    if "predicted" not in row:
        return ""
    found = {row["predicted"]: (row["predicted_name"], row["probability"])}
    for kind in ("class", "contrast"):
        if row[f"{kind}_id"] is not None:
            found.setdefault(row[f"{kind}_id"], (row[f"{kind}_name"], row[f"{kind}_probability"]))
    return ", ".join(f"{name} {100 * probability:.1f} %" for name, probability in found.values())


def bar_text(row):
    """Returns what the values of a map mean."""
    name, other = row["class_name"], row["contrast_name"]
    if other is None:
        return f"probability of {name}\nwhere a pixel is shown"
    if "mean_score" not in row:
        return f"probability of {name} less that of {other}"
    text = f"{other} ← speaks for → {name}"
    if len(text) > _WIDTH:
        text = f"← speaks for {other}\n→ speaks for {name}"
    return f"{text}\n0: does not matter"
