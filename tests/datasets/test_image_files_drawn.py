"""No image file ends the process or takes more than its memory; each is read right, or refused.

    HYPOTHESIS_PROFILE=long python -m pytest tests/datasets/test_image_files_drawn.py

reads 2,000 files that are drawn, in a process of its own.
"""

import json
import subprocess
import sys

import pytest
from hypothesis import settings

pytestmark = pytest.mark.needs("tensorflow", "PIL")


@pytest.mark.slow
def test_bombs_and_files_that_are_drawn_are_read_right_or_refused():
    number = settings.default.max_examples
    command = [sys.executable, "-m", "tests.datasets.drawn_image_files", "0", str(number)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    lines = done.stdout.splitlines()
    assert done.returncode == 0, (lines[-1:], done.stderr[-2000:])
    results = json.loads(lines[-1])
    assert sum(results["drawn"].values()) == number
    print(results)
