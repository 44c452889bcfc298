"""Drawn archives: the right files, or one error that names the archive, in bounded memory."""

import collections
import io
import tarfile
import time
import tracemalloc

import pytest
from hypothesis import event, given

from keras_patchmix.datasets import archives
from keras_patchmix.datasets.archives import ArchiveError, read_members
from tests.datasets.drawn_tars import tars

COUNTS = collections.Counter()
MOST = 2**16  # bytes of a file, in place of 256 MiB


def expected(members):
    """What is to be read of (name, bytes), by the definition."""
    found = []
    for name, content in members:
        parts = [part for part in name.split("/") if part not in ("", ".")]
        hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
        if parts and parts[-1].lower().endswith(".png") and not hidden:
            found.append(("/".join(parts), content if len(content) <= MOST else b""))
    return found


def read_by_python(data):
    """What Python's own reader finds; it is safe here since no header of an archive that we took
    claims much."""
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
        return [(info.name, tar.extractfile(info).read()) for info in tar if info.isreg()]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archives, "MAX_BYTES", MOST)
        yield tmp_path_factory.mktemp("drawn") / "x.tar"


@given(drawn=tars())
def test_the_right_files_or_one_error_that_names_the_archive(place, drawn):
    place.write_bytes(drawn.data)
    found, error = None, None
    began = time.process_time()
    tracemalloc.start()
    try:
        found = [(member.name, member.data) for member in read_members(place, (".png",))]
    except ArchiveError as raised:
        error = raised
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 6 * 2**20
    assert time.process_time() - began < 10
    fault = " and ".join(sorted(set(drawn.faults))) or "none"
    event(f"fault: {fault}")
    COUNTS["all"] += 1
    COUNTS["read" if error is None else "refused"] += 1
    if error is not None:
        assert drawn.faults
        assert "'x.tar'" in str(error)
    elif not drawn.faults:
        COUNTS["honest"] += 1
        assert found == expected(drawn.members)
    else:
        # Damage that leaves an archive whole: then it holds what Python's reader finds in it.
        COUNTS["damaged and read"] += 1
        damage = {"byte", "field", "type", "cut", "drop", "double", "swap", "gzip"}
        assert set(drawn.faults) <= damage
        if drawn.tar is not None:
            assert found == expected(read_by_python(drawn.tar))


def test_archives_of_all_sorts_were_drawn():
    assert COUNTS["all"] > 0, "runs after the drawn archives"
    # Hypothesis draws no fixed shares: of a few dozen archives less may be of a sort.
    least = (0.15 if COUNTS["all"] >= 500 else 0.05) * COUNTS["all"]
    assert min(COUNTS["honest"], COUNTS["refused"]) >= least
