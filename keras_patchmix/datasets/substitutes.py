"""What takes the place of files of a folder that cannot be read, where images are trained on."""

import itertools
import os

from keras_patchmix.datasets.errors import BrokenImageFile
from keras_patchmix.datasets.image_files import ImageFileError


class Substitutes:
    """Reads the files of a folder, and where one is broken, the next file of its class instead.

    So the number of images is known before any is decoded, and the steps of an epoch, the schedule
    and the order of the images do not depend on what is broken.

    Args:
        listed: List of (relative name, label, path).
        broken: Dict that is filled with the reasons, by relative name, of files that cannot be
            read. None: the first one raises.
    """

    def __init__(self, listed, broken=None):
        self._listed, self._broken = listed, broken
        self._places = {os.fsencode(path): place for place, (_, _, path) in enumerate(listed)}

    def place_of(self, path):
        """Returns the place in the list of a path, as bytes."""
        return self._places[path]

    def read(self, place, function):
        """Reads the file at a place of the list, or the next one of its class that can be read.

        Args:
            place: Integer.
            function: Function of a place that returns what it reads there, or raises an
                `ImageFileError`.

        Raises:
            BrokenImageFile: It cannot be read, nor can any other file of its class; or files that
                are broken have no substitutes.
        """
        _, label, path = self._listed[place]
        first = None
        for other in itertools.chain(range(place, len(self._listed)), range(place)):
            name, other_label, _ = self._listed[other]
            if other_label != label:
                continue
            try:
                return function(other)
            except ImageFileError as error:
                first = first or error
                if self._broken is None:
                    break
                self._broken[name] = str(error)
        raise BrokenImageFile(path, first)
