"""Image files, and masks of what does not belong to them."""

import re

import numpy as np
import pytest

from keras_patchmix.cli.explain.pictures import (
    describe_files,
    list_pictures,
    read_pictures,
)

Image = pytest.importorskip("PIL.Image")
RNG = np.random.default_rng(0)
PHOTO = RNG.integers(0, 256, (20, 30, 3), np.uint8)


def saved(path, array, **settings):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **settings)
    return str(path)


def read(paths, size=None, masks=()):
    return read_pictures(list_pictures(list(map(str, paths)), list(map(str, masks))), size)


def test_images_of_the_right_size_are_left_as_they_are(tmp_path):
    found = read([saved(tmp_path / "a.png", PHOTO)], (20, 30))
    np.testing.assert_array_equal(found.images[0], PHOTO)


def test_images_are_scaled_to_cover_and_cut_around_the_center(tmp_path):
    photo = np.zeros((20, 40, 3), np.uint8)
    photo[:, 10:30] = (200, 100, 50)
    mask = np.zeros((20, 40), np.uint8)
    mask[:, :20] = 255
    paths = [saved(tmp_path / "a.png", photo)], [saved(tmp_path / "m.png", mask)]
    found = read(paths[0], (10, 10), paths[1])
    np.testing.assert_array_equal(found.images[0, :, 1:-1], np.full((10, 8, 3), (200, 100, 50)))
    np.testing.assert_array_equal(found.masks[0], np.arange(10) < np.full((10, 1), 5))


def test_they_are_resized_as_data_sets_do(tmp_path):
    tf = pytest.importorskip("tensorflow")
    from keras_patchmix.datasets import images

    rows, columns = np.mgrid[:48, :64]
    smooth = np.stack([rows * 4, columns * 3, (rows + columns) * 2], -1).astype(np.uint8)
    expected = images.resize(tf.constant(smooth), (24, 24)).numpy().astype(int)
    found = read([saved(tmp_path / "a.png", smooth)], (24, 24)).images[0]
    assert np.abs(found - expected).max() <= 1


def test_turned_gray_transparent_and_deep_images_become_rgb(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    turned = read([saved(tmp_path / "t.png", PHOTO, exif=exif)]).images[0]
    np.testing.assert_array_equal(turned, np.rot90(PHOTO, -1))
    alpha = np.concatenate([PHOTO, np.full((20, 30, 1), 7, np.uint8)], -1)
    np.testing.assert_array_equal(read([saved(tmp_path / "r.png", alpha)]).images[0], PHOTO)
    gray = PHOTO[..., 0]
    deep = gray.astype(np.uint16) * 257
    for name, array in (("g.png", gray), ("d.png", deep)):
        found = read([saved(tmp_path / name, array)]).images[0]
        np.testing.assert_array_equal(found, np.repeat(gray[..., None], 3, -1))


def test_a_folder_is_read_by_name_and_what_is_broken_is_named(tmp_path):
    for name in ("b", "a"):
        saved(tmp_path / f"{name}.png", PHOTO)
    (tmp_path / "c.jpg").write_bytes(b"")
    (tmp_path / "d.png").write_bytes((tmp_path / "a.png").read_bytes()[:300])
    (tmp_path / "notes.txt").write_text("no image")
    found = read([tmp_path])
    assert (found.names, found.numbers) == (("a.png", "b.png"), (0, 1))
    assert found.skipped == {"c.jpg": "the file is empty", "d.png": "damaged, or cut off"}


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path):
    paths = [saved(tmp_path / name / "a.png", PHOTO) for name in "xy"]
    assert [one.name for one in list_pictures(paths)] == paths


def test_what_files_hold_is_in_the_listing(tmp_path):
    pictures = list_pictures([saved(tmp_path / "a.png", PHOTO)])
    before = describe_files(pictures)
    assert before == describe_files(pictures)
    saved(tmp_path / "a.png", PHOTO[::-1])
    assert describe_files(pictures)["sha256"] != before["sha256"]


@pytest.mark.parametrize(
    ("images", "masks", "message"),
    [
        (["none.png"], [], "--image: there is no file or folder 'none.png'"),
        (["empty"], [], "--image: the folder 'empty' holds no images"),
        (["a.png", "small.png"], [], "--image-size is needed: 'a.png' has 30 x 20 pixels"),
        (["broken.png"], [], "none of the 1 files can be read; the first is 'broken.png'"),
        (["a.png"], ["a.png", "a.png"], "--mask must be given once for each --image"),
        (["a.png"], ["small.png"], "must be as large as its image, 30 x 20 pixels"),
        (["a.png"], ["broken.png"], "--mask 'broken.png': no image of a known format"),
        (["a.png"], ["black.png"], "is black, and so in context; it must hold both"),
        (["folder"], ["a.png"], "--mask must be a folder for the folder 'folder'"),
        (["folder"], ["empty"], "--mask: 'empty' holds no mask for 'a.png'"),
        (["folder"], ["two"], "--mask: both 'a.bmp' and 'a.png' are of one image"),
    ],
)
def test_errors_name_the_flag_and_the_file(images, masks, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, array in (("a", PHOTO), ("small", PHOTO[:9]), ("folder/a", PHOTO), ("two/a", PHOTO)):
        saved(tmp_path / f"{name}.png", array)
    saved(tmp_path / "black.png", np.zeros_like(PHOTO))
    (tmp_path / "broken.png").write_text("no image")
    (tmp_path / "empty").mkdir()
    saved(tmp_path / "two" / "a.bmp", PHOTO)
    with pytest.raises(ValueError, match=re.escape(message)):
        read(images, None, masks)


def test_names_in_errors_are_those_of_reports(tmp_path):
    name = rb"a\xe9.png".decode()
    for label, photo in ((name, PHOTO), ("b.png", PHOTO[:10])):
        saved(tmp_path / label, photo)
    with pytest.raises(ValueError, match=re.escape(f"--image-size is needed: '{name}' has 30")):
        read([tmp_path / name, tmp_path / "b.png"])
    (tmp_path / name).write_bytes(b"torn")
    with pytest.raises(ValueError, match=re.escape(f"the first is '{name}': ")):
        read([tmp_path / name])
