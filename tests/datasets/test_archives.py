import gzip
import tarfile
from pathlib import Path

import numpy as np
import pytest

from keras_patchmix.datasets import archives
from keras_patchmix.datasets.archives import ArchiveError, MemberError, read_members
from keras_patchmix.datasets.published import (
    check_size,
    decode_image,
    hugging_face,
    locate,
    read_examples,
)
from tests.datasets.tarballs import jpg, noise, npy, png, png_that_claims, tar_bytes, write_tar_gz

needs_tf = pytest.mark.needs("tensorflow")
THREE = [("d/a.png", b"A" * 700), ("d/b.png", b"B" * 1024), ("d/c.png", b"C")]


def entry(kind, target=""):
    info = tarfile.TarInfo()
    info.type, info.linkname = kind, target
    return info


def names(path, **kwargs):
    return [member.name for member in read_members(path, (".png",), **kwargs)]


def test_members_come_in_order_with_their_bytes(tmp_path):
    for path in (tmp_path / "x.tar.gz", tmp_path / "x.tar"):
        path.write_bytes(tar_bytes(THREE))
        if path.suffix == ".gz":
            write_tar_gz(path, THREE)
        read = list(read_members(path, (".png",)))
        assert [(member.name, member.data) for member in read] == THREE
        assert [member.problem for member in read] == [None] * 3
        assert (read[0].folder, read[0].file_name) == ("d", "a.png")


def test_folders_hidden_files_and_other_files_are_passed_over(tmp_path):
    members = [
        ("./d", entry(tarfile.DIRTYPE)),
        ("./d/._a.png", b"macOS"),
        ("__MACOSX/d/a.png", b"macOS"),
        ("d/.DS_Store", b"macOS"),
        ("d/notes.txt", b"text"),
        ("./d//a.PNG", b"A"),
    ]
    assert names(write_tar_gz(tmp_path / "x.tar.gz", members)) == ["d/a.PNG"]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("/etc/a.png", b"x", "an absolute name"),
        ("C:/a.png", b"x", "an absolute name"),
        ("../a.png", b"x", "'..' in its name"),
        ("d/../../a.png", b"x", "'..' in its name"),
        ("d\\..\\a.png", b"x", "'..' in its name"),
        ("d/a.png", entry(tarfile.SYMTYPE, "/etc/passwd"), "a link"),
        ("d/a.png", entry(tarfile.LNKTYPE, "d/b.png"), "a link"),
        ("d/pipe", entry(tarfile.FIFOTYPE), "a device"),
        ("d/device", entry(tarfile.CHRTYPE), "a device"),
        ("d/volume", entry(b"M"), "an unknown kind"),
    ],
)
def test_a_hostile_member_raises_an_error_that_names_it(tmp_path, name, content, problem):
    path = write_tar_gz(tmp_path / "x.tar.gz", [("d/ok.png", b"x"), (name, content)])
    with pytest.raises(ArchiveError) as error:
        names(path)
    assert "'x.tar.gz'" in str(error.value)
    assert repr(name) in str(error.value)
    assert problem in str(error.value)


def test_names_cannot_steer_a_terminal(tmp_path):
    path = write_tar_gz(tmp_path / "x.tar.gz", [("\x1b[31m\n/../a.png", b"x")])
    with pytest.raises(ArchiveError) as error:
        names(path)
    assert "\x1b" not in str(error.value)
    assert "\n" not in str(error.value)


def test_an_archive_cut_anywhere_raises_an_error_that_names_it(tmp_path):
    noisy = [(f"d/{k}.png", noise(20, 20, k).tobytes()) for k in range(3)]
    for data in (gzip.compress(tar_bytes(noisy)), tar_bytes(noisy)[: 3 * 2048]):
        path = tmp_path / "x.tar.gz"
        for length in range(1, len(data), 128):
            path.write_bytes(data[:length])
            with pytest.raises(ArchiveError, match=r"'x\.tar\.gz'.*(cut off|no tar archive)"):
                names(path)


def test_damage_anywhere_raises_an_error(tmp_path):
    data = gzip.compress(tar_bytes([("d/a.png", noise(20, 20).tobytes())]))
    path = tmp_path / "x.tar.gz"
    for place in range(20, len(data), 61):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :])
        with pytest.raises(ArchiveError, match="cut off or damaged"):
            names(path)


def test_a_damaged_header_does_not_end_the_archive_silently(tmp_path):
    data = bytearray(tar_bytes(THREE))
    data[512 + 1024 + 10] ^= 0x55  # in the header of the second member
    (tmp_path / "x.tar").write_bytes(data)
    with pytest.raises(ArchiveError, match="damaged after 1 members"):
        names(tmp_path / "x.tar")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no tar archive; it begins with b''"),
        (b"<!DOCTYPE html><html>" * 100, "no tar archive; it begins with b'<!DOCTYPE html>"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (gzip.compress(b"no tar at all" * 100, mtime=0), "cut off or damaged"),
    ],
)
def test_what_is_no_archive_is_called_so(tmp_path, data, message):
    (tmp_path / "x.tar.gz").write_bytes(data)
    with pytest.raises(ArchiveError, match=message):
        names(tmp_path / "x.tar.gz")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ArchiveError, match=r"'gone\.tar\.gz'.*cannot be read: No such file"):
        names(tmp_path / "gone.tar.gz")


def test_a_file_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_BYTES", 2**20)
    members = [("d/big.png", bytes(2**20 + 1)), ("d/a.png", bytes(2**20))]
    big, small = read_members(write_tar_gz(tmp_path / "x.tar.gz", members), (".png",))
    assert (big.data, big.problem) == (b"", "more than 1 MiB")
    assert (len(small.data), small.problem) == (2**20, None)


def test_a_header_that_points_backwards_ends_the_reading(tmp_path):
    info = tarfile.TarInfo("d/a.png")
    info.size = -4096
    data = tar_bytes(THREE)[:2048] + info.tobuf(tarfile.GNU_FORMAT) + tar_bytes(THREE)
    (tmp_path / "x.tar").write_bytes(data)
    with pytest.raises(ArchiveError, match="cut off or damaged"):
        names(tmp_path / "x.tar")


@needs_tf
def test_images_are_decoded_to_rgb():
    image = noise(4, 6)
    np.testing.assert_array_equal(decode_image(png(image)), image)
    alpha = np.concatenate([image, image[..., :1]], -1)
    np.testing.assert_array_equal(decode_image(png(alpha)), image)
    np.testing.assert_array_equal(decode_image(png(image[..., :1])), image[..., [0, 0, 0]])
    assert decode_image(jpg(image)).shape == (4, 6, 3)


@needs_tf
def test_images_that_cannot_be_used_say_why():

    photo = jpg(noise(9, 9))
    for data, reason in (
        (b"", "the file is empty"),
        (b"GIF89a" + bytes(100), "no PNG or JPEG image"),
        (npy(np.zeros(3)), "no PNG or JPEG image"),
        (png_that_claims(60_000, 50_000), "60000 x 50000 pixels, above the limit of 100 million"),
        (png(noise(9, 9))[:-40], "damaged, or cut off"),
        (photo[: len(photo) // 2], "damaged, or cut off"),
    ):
        with pytest.raises(MemberError, match=reason):
            decode_image(data)


def refuse(*bad):
    def to_example(member):
        if member.file_name in bad:
            raise MemberError("bad")
        return member.data

    return to_example


def test_files_that_cannot_be_used_are_left_out_and_named(tmp_path):
    path = write_tar_gz(tmp_path / "x", [*THREE, ("d/a.png", b"again")])
    skipped = {}
    with pytest.warns(UserWarning, match=r"2 of 4 images.*'x\.tar\.gz:d/b\.png': bad\. All are"):
        read = list(read_examples({"x.tar.gz": path}, refuse("b.png"), skipped))
    assert read == [("x.tar.gz:d/a.png", b"A" * 700), ("x.tar.gz:d/c.png", b"C")]
    assert skipped == {
        "x.tar.gz:d/b.png": "bad",
        "x.tar.gz:d/a.png": "its name comes twice; the first is kept",
    }


def test_archives_of_which_nothing_can_be_used_raise(tmp_path):
    good = write_tar_gz(tmp_path / "good", [("d/ok.png", b"x")])
    bad = write_tar_gz(tmp_path / "bad", THREE)
    refused = refuse("a.png", "b.png", "c.png")
    with pytest.raises(ArchiveError, match=r"None of the 3 images of the archive 'b'.*d/a\.png'"):
        list(read_examples({"a": good, "b": bad}, refused, {}))
    empty = write_tar_gz(tmp_path / "empty", [("d/notes.txt", b"x")])
    with pytest.raises(ArchiveError, match="'e' holds no images"):
        list(read_examples({"e": empty}, refused, {}))


class FakeDownloads:
    """What `locate` uses of TFDS' download manager, with a server that has some addresses."""

    def __init__(self, root, on_server=(), manual=None, error=None):
        self.download_dir, self.on_server = root, on_server
        self.manual, self.error, self.asked = manual, error, []

    @property
    def manual_dir(self):
        if self.manual is None:
            raise AssertionError("Manual directory does not exist")
        return self.manual

    def download(self, urls):
        if isinstance(urls, dict):
            return {name: self.download(url) for name, url in urls.items()}
        self.asked.append(urls)
        if urls not in self.on_server:
            raise self.error
        return Path("downloaded") / urls


@pytest.mark.needs("tensorflow_datasets")
def test_archives_come_from_the_folder_first_then_the_new_address_then_the_old(tmp_path):
    import tensorflow_datasets as tfds

    (tmp_path / "a").write_bytes(b"x")
    not_there = tfds.download.DownloadError("HTTP code: 404.")
    manager = FakeDownloads(tmp_path, ("old/b", "old/c"), tmp_path, not_there)
    with pytest.warns(UserWarning, match="1 of 3 archives are in .* the other 2, such as 'b'"):
        found = locate(manager, ["a", "b", "c"], ("new/{}", "old/{}"), "PAGE")
    assert list(found.items()) == [
        ("a", tmp_path / "a"),
        ("b", Path("downloaded/old/b")),
        ("c", Path("downloaded/old/c")),
    ]
    assert not any(url.endswith("/a") for url in manager.asked)


@pytest.mark.needs("tensorflow_datasets")
def test_a_missing_archive_is_named_with_where_it_was_looked_for(tmp_path):
    import tensorflow_datasets as tfds

    manager = FakeDownloads(tmp_path, error=tfds.download.DownloadError("HTTP code: 404."))
    with pytest.raises(ArchiveError) as caught:
        locate(manager, ["a", "b"], ("new/{}", "old/{}"), "PAGE", "HINT")
    for part in ("HINT", "2 of 2", "'a', 'b'", "404.; HTTP", "PAGE", "manual_dir=", "is empty"):
        assert part in str(caught.value)
    folder = tmp_path / "mine"
    manager = FakeDownloads(tmp_path, manual=folder, error=OSError("no network"))
    with pytest.raises(ArchiveError, match="mine"):
        locate(manager, ["a"], ("new/{}", "old/{}"), "PAGE")
    # Without an answer from the server the second address on it is not asked for.
    assert set(manager.asked) == {"new/a"}


@needs_tf
def test_the_size_of_an_archive_is_compared_with_the_published_one(tmp_path):
    path = tmp_path / "x.tar.gz"
    path.write_bytes(bytes(1000))
    check_size("x.tar.gz", path, 1000)
    with pytest.raises(ArchiveError, match=r"1,000 bytes, 2,000 are published.* not complete"):
        check_size("x.tar.gz", path, 2000)
    with pytest.raises(ArchiveError, match="another file"):
        check_size("x.tar.gz", path, 999)


def test_both_names_of_the_account_are_known():
    patterns, page = hugging_face("Realistic-Occlusion-Dataset")
    assert [pattern.format("rod_0.tar.gz") for pattern in patterns] == [
        "https://huggingface.co/datasets/arielnlee/Realistic-Occlusion-Dataset/resolve/main/rod_0.tar.gz",
        "https://huggingface.co/datasets/ariellee/Realistic-Occlusion-Dataset/resolve/main/rod_0.tar.gz",
    ]
    assert page == "https://huggingface.co/datasets/arielnlee/Realistic-Occlusion-Dataset"
