"""Tar archives as GNU tar, pax and Python write them, and those that lie about themselves."""

import gzip
import io
import shutil
import subprocess
import tarfile
import time
import tracemalloc

import pytest

from keras_patchmix.datasets import archives
from keras_patchmix.datasets.archives import ArchiveError, read_members
from tests.datasets import tarballs
from tests.datasets.tarballs import header, pax_header, tar_bytes

FILE = tar_bytes([("d/a.png", b"A" * 700)])
END = bytes(1024)
LONG = "d/" + "n" * 150 + "/" + "ü" * 60 + ".png"
FORMATS = {
    "ustar": tarfile.USTAR_FORMAT,
    "gnu": tarfile.GNU_FORMAT,
    "pax": tarfile.PAX_FORMAT,
}


def read(tmp_path, data):
    """Reads an archive in less than 16 MiB and ten seconds; returns a list of (name, bytes)."""
    path = tmp_path / "x.tar"
    path.write_bytes(data)
    tracemalloc.start()
    began = time.process_time()
    try:
        return [(member.name, member.data) for member in read_members(path, (".png",))]
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 16 * 2**20
        assert time.process_time() - began < 10


def refused(tmp_path, data, match):
    with pytest.raises(ArchiveError, match=match) as error:
        read(tmp_path, data)
    assert "'x.tar'" in str(error.value)


@pytest.mark.parametrize("form", FORMATS)
def test_archives_of_python_are_read_in_each_of_its_formats(tmp_path, form):
    members = [("d/a.png", b"A"), ("d/" + "n" * 90 + "/b.png", b"B" * 513), ("d/e.png", b"")]
    if form != "ustar":
        members.append((LONG, b"C" * 512))
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=FORMATS[form]) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), 1e9 + 0.5
            tar.addfile(info, io.BytesIO(content))
    assert read(tmp_path, file.getvalue()) == members


@pytest.mark.skipif(shutil.which("tar") is None, reason="there is no program tar")
@pytest.mark.parametrize("form", ["v7", "oldgnu", "gnu", "ustar", "posix"])
def test_archives_of_the_program_tar_are_read(tmp_path, form):
    version = subprocess.run(["tar", "--version"], capture_output=True, text=True).stdout
    if "GNU tar" not in version:
        pytest.skip("the program tar is another one")
    name = "ü" * 20 if form in ("v7", "ustar") else "ü" * 100
    content = {f"d/{name}.png": b"A" * 700, "d/b.png": b""}
    (tmp_path / "d").mkdir()
    for file, data in content.items():
        (tmp_path / file).write_bytes(data)
    made = subprocess.run(
        ["tar", f"--format={form}", "-cf", "made.tar", "d"], cwd=tmp_path, capture_output=True
    )
    assert made.returncode == 0, made.stderr
    assert dict(read(tmp_path, (tmp_path / "made.tar").read_bytes())) == content


def test_sizes_of_more_than_eight_octal_digits_are_read_in_both_forms(tmp_path):
    # Base 256, as GNU tar writes it, and a pax header.
    base = bytearray(FILE[:512])
    base[124:136] = b"\x80" + (700).to_bytes(11, "big")
    assert read(tmp_path, tarballs.checked(base) + FILE[512:]) == [("d/a.png", b"A" * 700)]
    claimed = bytearray(FILE[:512])
    claimed[124:136] = b"%011o\0" % 0
    data = pax_header({"size": "700"}) + tarballs.checked(claimed) + FILE[512:]
    assert read(tmp_path, data) == [("d/a.png", b"A" * 700)]


def test_a_comment_for_all_files_is_passed_over(tmp_path):
    # `git archive` writes the name of the commit so.
    data = pax_header({"comment": "0" * 40}, tarfile.XGLTYPE) + FILE
    assert read(tmp_path, data) == [("d/a.png", b"A" * 700)]


@pytest.mark.parametrize("zeros", [512, 1024, 10240, 2**20, 2**20 + 7])
def test_zeros_after_the_last_file_are_the_end(tmp_path, zeros):
    assert read(tmp_path, FILE[:1536] + bytes(zeros)) == [("d/a.png", b"A" * 700)]


@pytest.mark.parametrize("second", [FILE, FILE[:1536], b"x", bytes(10240) + b"x", bytes(3) + FILE])
def test_what_follows_the_end_is_never_passed_over_in_silence(tmp_path, second):
    refused(tmp_path, FILE + second, "it goes on after the mark of its end")


def test_a_second_gzip_stream_is_read_as_part_of_the_first(tmp_path):
    data = gzip.compress(FILE[:700]) + gzip.compress(FILE[700:])
    assert read(tmp_path, data) == [("d/a.png", b"A" * 700)]
    refused(tmp_path, gzip.compress(FILE) + gzip.compress(FILE), "goes on after the mark")
    refused(tmp_path, gzip.compress(FILE) + b"more", "cut off or damaged")


def old_sparse(entries):
    """A file in GNU's old form: four pieces in the header, 21 in each block that follows it."""
    info = bytearray(header("d/s.png", tarfile.GNUTYPE_SPARSE, 512))
    info[386:482] = b"".join(b"%011o\0%011o\0" % (k, 0) for k in range(4))
    info[482] = 1  # more blocks follow
    piece = b"%011o\0%011o\0" % (0, 0)
    blocks = entries // 21
    block = piece * 21
    more = (block + b"\1" + bytes(7)) * (blocks - 1) + block + bytes(8)
    return tarballs.checked(info) + more + bytes(512) + END


@pytest.mark.parametrize("entries", [21, 2_000_000])
def test_sparse_files_in_the_old_form_are_refused_before_their_map_is_read(tmp_path, entries):
    refused(tmp_path, old_sparse(entries), "a sparse file")


@pytest.mark.parametrize(
    "records",
    [
        {"GNU.sparse.size": "700", "GNU.sparse.numblocks": "1", "GNU.sparse.offset": "0"},
        {"GNU.sparse.map": "0,700", "GNU.sparse.size": "700"},
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "d/a.png"},
        {"path": "d/s.png", "GNU.sparse.realsize": "700"},
    ],
)
def test_sparse_files_in_the_forms_of_pax_are_refused(tmp_path, records):
    refused(tmp_path, pax_header(records) + FILE, "a sparse file")


@pytest.mark.skipif(shutil.which("tar") is None, reason="there is no program tar")
@pytest.mark.parametrize("form", [["gnu"], *(["posix", f"0.{k}"] for k in "01"), ["posix", "1.0"]])
def test_sparse_files_of_the_program_tar_are_refused(tmp_path, form):
    with (tmp_path / "s.png").open("wb") as file:
        file.truncate(2**20)
        file.write(b"x")
    version = [f"--sparse-version={form[1]}"] if form[1:] else []
    command = ["tar", f"--format={form[0]}", "--sparse", *version, "-cf", "made.tar", "s.png"]
    if subprocess.run(command, cwd=tmp_path, capture_output=True).returncode:
        pytest.skip("this program tar writes no sparse files")
    refused(tmp_path, (tmp_path / "made.tar").read_bytes(), "a sparse file")


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGLINK])
def test_thousands_of_headers_in_a_chain_are_read_or_refused(tmp_path, kind):
    content = b"" if kind != tarfile.GNUTYPE_LONGLINK else b"\0"
    few = header("x", kind, 0) * 2000 + FILE
    assert read(tmp_path, few) == [("d/a.png", b"A" * 700)]
    many = (header("x", kind, len(content)) + content.ljust(512, b"\0")) * 2000 + FILE
    if content:
        refused(tmp_path, many, "headers of one file claim")
    refused(tmp_path, header("x", kind, 0) * 2100 + FILE, "headers of one file claim")


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_header_that_claims_much_memory_does_not_get_it(tmp_path, kind):
    refused(tmp_path, header("x", kind, 60 * 2**20) + bytes(2**20), "headers of one file claim")
    refused(tmp_path, header("x", kind, -512) + FILE, "a header claims -512 bytes")


def test_a_pax_header_of_many_keys_is_refused_by_its_length(tmp_path):
    records = b"".join(b"13 k%07d=\n" % k for k in range(1_500_000))
    data = header("x", tarfile.XHDTYPE, len(records)) + records
    refused(tmp_path, data, "headers of one file claim")


def test_a_pax_header_of_the_greatest_length_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_HEADERS", 2**16)
    record = b"4 =\n"  # the shortest there is
    records = record * ((archives.MAX_HEADERS - 512) // len(record))
    data = header("x", tarfile.XHDTYPE, len(records)) + records
    assert len(data) == archives.MAX_HEADERS
    assert read(tmp_path, data + FILE) == [("d/a.png", b"A" * 700)]


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (pax_header({"path": "a.png"}) * 2 + FILE, "say twice what the path is"),
        (tarballs.long_name("b.png") + pax_header({"path": "a.png"}) + FILE, "say twice"),
        (tarballs.long_name("b.png") * 2 + FILE, "say twice"),
        (pax_header({"path": "a.png"}, tarfile.XGLTYPE) + FILE, "global header sets the path of"),
        (pax_header({"size": "7"}, tarfile.XGLTYPE) + FILE, "global header sets the size of all"),
        (pax_header({"size": "1e3"}) + FILE, "a size that is no number"),
        (pax_header({"size": "-1"}) + FILE, "a size that is no number"),
        (pax_header({"size": "9" * 5000}) + FILE, "cut off or damaged"),
        (pax_header({"path": "a.png"}) + END, "cut off or damaged"),
        (pax_header({"path": "a.png"}), "without the mark"),
        (pax_header({"path": "../a.png"}) + FILE, "'..' in its name"),
        (tarballs.long_name("/a.png") + FILE, "an absolute name"),
    ],
)
def test_headers_that_contradict_themselves_are_refused(tmp_path, data, match):
    refused(tmp_path, data, match)


@pytest.mark.parametrize(
    "records",
    [b"x", b"0 a=b\n", b"3 a=b\n", b"99 a=b\n", b"6 a=b", b"5 ab\n", b" a=b\n", b"+6 a=b\n",
     b"6 a=b\n\0", b"-6 a=b\n", b"1_0 a=bbbbb\n", b"\xb2 a=b\n"],
)  # fmt: skip
def test_damaged_records_of_a_pax_header_are_refused(tmp_path, records):
    data = header("x", tarfile.XHDTYPE, len(records)) + records.ljust(512, b"\0") + FILE
    refused(tmp_path, data, "a pax header is damaged")


def test_memory_does_not_grow_with_the_number_of_members(tmp_path):
    path = tarballs.write_tar_gz(tmp_path / "x", [(f"d/{k}.png", b"x") for k in range(6000)])
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_members(path, (".png",))) == 6000
        # The list that `tarfile` would keep has more than 500 bytes a member: 3 MB.
        assert tracemalloc.get_traced_memory()[1] < 2**19
    finally:
        tracemalloc.stop()


def test_a_large_file_is_passed_over_in_constant_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_BYTES", 2**16)
    big = header("d/big.png", tarfile.REGTYPE, 64 * 2**20) + bytes(64 * 2**20)
    hidden = header("d/.big.png", tarfile.REGTYPE, 64 * 2**20) + bytes(64 * 2**20)
    data = gzip.compress(big + hidden + FILE, 1)
    assert read(tmp_path, data) == [("d/big.png", b""), ("d/a.png", b"A" * 700)]
