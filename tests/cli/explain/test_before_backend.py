"""What files tell is wrong is said before a backend is imported."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import sys
sys.argv[0] = "keras-patchmix"  # as which the package registers nothing with Keras
from keras_patchmix.cli.main import main
status = main(sys.argv[1:])
print(status, sorted({"keras", "tensorflow", "jax", "torch"} & set(sys.modules)))
"""


@pytest.fixture
def place(tmp_path):
    for name in ("photos/church/0.png", "photos/tench/0.png", "model.keras", "photo.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"not read")
    (tmp_path / "broken.json").write_text("{")
    return tmp_path


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("explain --model no.keras --image photo.png", "There is no file 'no.keras'"),
        ("explain --model model.keras --image no.png", "there is no file or folder 'no.png'"),
        ("explain --model model.keras --image photo.png --mask no.png", "no file 'no.png'"),
        (
            "explain --model model.keras --image photo.png --class church",
            "--class must be a whole number; names come from --class-map",
        ),
        (
            "explain --model model.keras --image photo.png --class-map photos --contrast chrch",
            "--contrast must be the number of an output, or the name of one class of 'church', "
            "'tench'. Did you mean 'church'? Received: 'chrch'",
        ),
        (
            "explain --model model.keras --image photo.png --class 0 --class 1",
            "--class must be given once, or once for each of the 1 images",
        ),
        (
            "explain --model model.keras --image photo.png --class-map broken.json",
            "--class-map: 'broken.json' cannot be read as JSON",
        ),
        ("score --model model.keras --dataset shapes --class-map no.json", "'no.json' cannot be"),
    ],
)
def test_no_backend_is_needed_to_find_what_is_wrong(place, flags, message):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *flags.split()],
        capture_output=True,
        text=True,
        cwd=place,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=True,
    )
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == "1 []\n"
    assert not (place / "runs").exists()
