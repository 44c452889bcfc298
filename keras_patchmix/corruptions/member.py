"""Members of a suite: their base class, and the conditions that they bring."""

import dataclasses

from keras_patchmix.base.printable import printable


@dataclasses.dataclass(frozen=True)
class Condition:
    """One row of a report: a corruption at one grid and one level, or a set of occluded images.

    Attributes:
        corruption: Name of the corruption, such as `"patch_drop"`, or of the set; printable.
        grid: (rows, columns), or None where the corruption has no grid.
        level: Share asked for, in (0, 1], or None where levels are no shares or there are none.
        part: Name of the split, if a set has several; None elsewhere.
        data: The set of occluded images that is scored, such as `"my_set:test"`; None where it is
            the benchmark's own data, corrupted.
        title: Name of the corruption in figures and tables. Made of `corruption` when None.
        family: Corruptions of one family share a panel. `title` when None.
        severity: Level that is no share, above 0; None elsewhere.
    """

    corruption: str
    grid: tuple | None = None
    level: float | None = None
    part: str | None = None
    data: str | None = None
    title: str | None = None
    family: str | None = None
    severity: float | None = None

    def __post_init__(self):
        title = in_words(self.corruption) if self.title is None else self.title
        family = title if self.family is None else self.family
        for name, value in (("corruption", self.corruption), ("title", title), ("family", family)):
            object.__setattr__(self, name, printable(value))

    @property
    def name(self):
        """Such as `"patch_drop_14x14_50"`: corruption, grid, level in percent, or severity."""
        parts = [self.corruption]
        if self.grid is not None:
            parts.append("{}x{}".format(*self.grid))
        if self.level is not None:
            # A dot would not survive in a checkpoint's path template.
            parts.append(f"{100 * self.level:.6g}".replace(".", "_"))
        if self.severity is not None:
            parts.append(f"{self.severity:.6g}".replace(".", "_"))
        if self.part is not None:
            parts.append(self.part)
        return "_".join(parts)


def in_words(name):
    """Returns a name of a corruption for people, such as "Patch drop noise"."""
    return name.replace("_", " ").capitalize()


class Member:
    """Base of what a suite holds: corruptions of the benchmark's data, and data sets of their own.

    Subclasses set `name` and `conditions` and give their constructor's arguments in `get_config`.
    """

    needs_bank = False
    needs_saliency = False

    @property
    def name(self):
        """Name in reports."""
        raise NotImplementedError

    @property
    def conditions(self):
        """Tuple of `Condition`, mildest first."""
        raise NotImplementedError

    def get_config(self):
        """Returns the constructor's arguments as a dict of JSON values."""
        raise NotImplementedError

    @classmethod
    def from_config(cls, config):
        """Makes the member anew from the dict of `get_config`."""
        return cls(**config)

    def __repr__(self):
        arguments = ", ".join(f"{key}={value!r}" for key, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"

    def __eq__(self, other):
        return type(self) is type(other) and self.get_config() == other.get_config()

    def __hash__(self):
        return hash(repr(self))
