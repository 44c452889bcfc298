import os
import stat

import pytest

from keras_patchmix.base import atomic


def test_files_are_written_with_the_permissions_of_the_umask(tmp_path):
    path = tmp_path / "new" / "file.txt"
    old = os.umask(0o027)
    try:
        atomic.write_text(path, "Straße\n")
    finally:
        os.umask(old)
    assert path.read_bytes() == "Straße\n".encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    atomic.write_bytes(path, b"x")
    assert path.read_bytes() == b"x"
    assert os.listdir(path.parent) == ["file.txt"]


def test_a_failure_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    path = tmp_path / "file.txt"
    path.write_text("old")

    def fail(source, target):
        raise OSError("disk gone")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk gone"):
        atomic.write_text(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]
