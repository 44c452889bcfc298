"""A Griffe extension: docstrings in Keras' style become what the API pages can show.

Keras writes `Example:` with its code at the same indentation, which Markdown would take for nested
quotations. Here such code becomes an indented section.
"""

import inspect
import re

from griffe import Extension

_HEADLINE = re.compile(r"^(Examples?):$")
_CODE = re.compile(r"^(>>> |\.\.\. )")


def with_indented_examples(text):
    """Returns the docstring `text` with the code after `Example:` as an indented section."""
    lines, out, position = inspect.cleandoc(text).split("\n"), [], 0
    while position < len(lines):
        line = lines[position]
        out.append(line)
        position += 1
        if not _HEADLINE.match(line):
            continue
        block = []
        while position < len(lines) and (_CODE.match(lines[position]) or lines[position] == ">>>"):
            block.append(lines[position][4:])
            position += 1
        if block:
            out += ["    ```python", *(f"    {code}".rstrip() for code in block), "    ```"]
    return "\n".join(out)


class KerasDocstrings(Extension):
    """Rewrites every docstring as it is read."""

    def on_object(self, *, obj, **kwargs):
        """Called by Griffe for each module, class, function and attribute."""
        if obj.docstring:
            obj.docstring.value = with_indented_examples(obj.docstring.value)
