"""The contents of a data set when it was scored, so that results of other contents are refused."""

from typing import TypedDict

from keras_patchmix.datasets.loading import parse_source


class _Count(TypedDict):
    split: str
    images: int


class SetListing(_Count, total=False):
    """What one split holds, see `keras_patchmix.datasets.source.Source.listing`."""

    sha256: str
    version: str


class Listing(SetListing, total=False):
    """The contents of the data set, and under "sets" those of the sets of occluded images."""

    sets: dict[str, SetListing]


def data_listing(options, split):
    """Returns the `SetListing` of a split of the data set, without reading any image.

    Args:
        options: A `ScoreOptions`.
        split: The split that is scored.

    Raises:
        ValueError: The data set, or the split, is not there (nothing is downloaded for this).
        ImportError: TFDS is not installed.
    """
    return listing_of(options.dataset, options.data_dir, split)


def listing_of(name, data_dir, split):
    """Does the same as `data_listing` for a name and a directory of prepared data sets."""
    return parse_source(name, data_dir, download=False).listing(split)


def difference(there, now):
    """Returns in words how the contents differ from those of the results, or None.

    Args:
        there: `Listing` of the results.
        now: `Listing` of today.
    """
    if there == now:
        return None
    before, after = (dict(one) for one in (there, now))
    sets, sets_now = (one.pop("sets", {}) for one in (before, after))
    if before != after:
        return _how(before, after)
    for name in {**sets, **sets_now}:
        if name in sets and name in sets_now and sets[name] != sets_now[name]:
            return f"{name}: {_how(sets[name], sets_now[name])}"
    return f"the sets of occluded images were {_names(sets)}, and are {_names(sets_now)}"


def _names(sets):
    return ", ".join(sets) or "none"


def _how(there, now):
    if "sha256" not in now:
        before, after = (
            f"{one.get('version')}, {one['split']}, {one['images']} images" for one in (there, now)
        )
        return f"the data set is now {after}, these results are of {before}"
    if there["images"] != now["images"]:
        return (
            f"the folder now holds {now['images']} images, these results are of {there['images']}"
        )
    return (
        f"the folder's {now['images']} images are not those of these results: files were renamed, "
        "or have another size"
    )
