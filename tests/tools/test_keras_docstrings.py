"""Docstrings in Keras' style, made ready for the pages of the API."""

import pytest

keras_docstrings = pytest.importorskip("tools.keras_docstrings")
with_indented_examples = keras_docstrings.with_indented_examples


def test_code_after_the_headline_becomes_a_section():
    text = "Does it.\n\nExample:\n>>> a = 1\n>>> for b in a:\n...     print(b)\n\nMore."
    assert with_indented_examples(text) == (
        "Does it.\n\nExample:\n    ```python\n    a = 1\n    for b in a:\n        print(b)\n    ```"
        "\n\nMore."
    )


@pytest.mark.parametrize(
    "text", ["Example:\n```python\na\n```", "A.\n\nExample:\n    >>> a", "No code."]
)
def test_other_forms_stay_as_they_are(text):
    assert with_indented_examples(text) == text
