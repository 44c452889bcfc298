"""Image files are read right, or a reason is given; limits come before anything is decoded."""

import sys

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
Image = pytest.importorskip("PIL.Image")

from keras_patchmix.datasets import image_files  # noqa: E402
from keras_patchmix.datasets.image_files import (  # noqa: E402
    IMAGE_SUFFIXES,
    ImageFileError,
    decode,
    open_image,
    read_image,
    rgb_of,
)
from tests.datasets import image_bombs  # noqa: E402
from tests.datasets.image_bombs import bmp_of, saved, tiff_of  # noqa: E402

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (37, 53, 3)).astype(np.uint8)
GRAY = IMAGE[..., 0]


def both(data):
    """The pixels, which scoring and explaining must agree on."""
    shown = decode(data)
    np.testing.assert_array_equal(np.asarray(rgb_of(open_image(data))), shown)
    return shown


def gray(values):
    return np.repeat(np.asarray(values, np.uint8)[..., None], 3, -1)


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
def test_every_suffix_is_that_of_a_format_that_is_read_whole_or_not_at_all(suffix, tmp_path):
    settings = {"lossless": True} if suffix == ".webp" else {}
    form = Image.registered_extensions()[suffix]
    image = Image.fromarray(GRAY >= 128 if suffix == ".pbm" else IMAGE)
    data = saved(image, form, **settings)
    (tmp_path / "image").write_bytes(data)
    shown = read_image(tmp_path / "image")
    assert shown.dtype == np.uint8
    if form not in ("JPEG", "GIF"):  # which lose some
        np.testing.assert_array_equal(shown, np.asarray(image.convert("RGB")))
    assert shown.shape == IMAGE.shape
    for length in (2, len(data) // 10, len(data) // 2):
        (tmp_path / "image").write_bytes(data[:length])
        with pytest.raises(ImageFileError, match=r"damaged, or cut off|no image of a known"):
            read_image(tmp_path / "image")


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF"])
def test_a_side_may_have_65535_pixels_and_no_more(form):
    for shape in ((1, 65_535), (65_535, 1)):
        pixels = RNG.integers(0, 256, (*shape, 3)).astype(np.uint8)
        np.testing.assert_array_equal(both(saved(Image.fromarray(pixels), form)), pixels)
    for size in ((65_536, 1), (1, 65_536)):
        data = saved(Image.new("RGB", size), form)
        for read in (decode, open_image):
            with pytest.raises(ImageFileError, match=f"{size[0]} x {size[1]} pixels.*65535 a side"):
                read(data)


@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP"])
def test_alpha_is_dropped(form):
    settings = {"lossless": True, "exact": True} if form == "WEBP" else {}
    alpha = Image.fromarray(np.dstack([IMAGE, GRAY]), "RGBA")
    np.testing.assert_array_equal(both(saved(alpha, form, **settings)), IMAGE)


@pytest.mark.parametrize("form", ["PNG", "TIFF", "PPM"])
def test_of_sixteen_bits_the_upper_eight_stay(form):
    values = RNG.integers(0, 2**16, (5, 7)).astype(np.uint16)
    data = saved(Image.fromarray(values), form)
    np.testing.assert_array_equal(both(data), gray(values >> 8))


def test_gray_values_of_twelve_bits_or_with_black_and_white_exchanged_are_refused():
    tags = {273: "place", 278: 16, 279: "length"}
    values = RNG.integers(0, 2**16, (16, 16)).astype(np.uint16)
    data = values.tobytes()
    np.testing.assert_array_equal(both(tiff_of(tags | {258: 16}, data)), gray(values >> 8))
    for other in ({258: 16, 262: 0}, {258: 12}):
        with pytest.raises(ImageFileError, match="16 bits"):
            decode(tiff_of(tags | other, data))


@pytest.mark.parametrize("mode", ["I", "F"])
def test_values_without_a_range_are_refused(mode):
    with pytest.raises(ImageFileError, match="not 0 to 255"):
        decode(saved(Image.fromarray(GRAY).convert(mode), "TIFF"))


def test_a_bmp_of_a_palette_shows_its_colors():
    colors = [(255, 0, 0), (0, 0, 255)]  # of index 0 and 1, which are no levels of gray
    rows = bytes([0, 1, 0, 1, 1, 1, 0, 0])  # from below
    right = np.array(colors, np.uint8)[[[1, 1, 0, 0], [0, 1, 0, 1]]]
    np.testing.assert_array_equal(both(bmp_of(8, 0, rows, (4, 2), colors)), right)
    bits = bytes([0b01010000, 0, 0, 0, 0b11000000, 0, 0, 0])
    np.testing.assert_array_equal(both(bmp_of(1, 0, bits, (4, 2), colors)), right)
    nibbles = bytes([0x01, 0x01, 0, 0, 0x11, 0x00, 0, 0])
    np.testing.assert_array_equal(both(bmp_of(4, 0, nibbles, (4, 2), colors)), right)


def test_a_bmp_of_runs_shows_its_colors():
    colors = [(255, 0, 0), (0, 0, 255), (0, 200, 0)]
    runs = bytes([3, 1, 1, 2, 0, 0, 4, 0, 0, 1])  # three of 1, one of 2, end of row; four of 0
    right = np.array(colors, np.uint8)[[[0, 0, 0, 0], [1, 1, 1, 2]]]
    np.testing.assert_array_equal(both(bmp_of(8, 1, runs, (4, 2), colors)), right)


def test_a_bmp_of_sixteen_bits_shows_its_colors():
    values = np.array([[0xF800, 0x07E0], [0x001F, 0xFFFF]], "<u2")
    data = bmp_of(16, 3, values.tobytes(), (2, 2), masks=(0xF800, 0x07E0, 0x001F))
    right = [[(0, 0, 255), (255, 255, 255)], [(255, 0, 0), (0, 255, 0)]]
    np.testing.assert_array_equal(both(data), right)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_of_several_pictures_is_read(form):
    values = np.array([[[10, 20], [30, 40]], [[200, 0], [7, 9]]], np.uint8)
    first, second = map(Image.fromarray, values)
    settings = {"lossless": True} if form == "WEBP" else {}
    data = saved(first, form, save_all=True, append_images=[second], **settings)
    np.testing.assert_array_equal(both(data), gray(values[0]))


def test_how_a_jpeg_is_held_is_followed_where_it_is_asked_for():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    data = saved(Image.fromarray(IMAGE), "JPEG", exif=exif)
    assert decode(data).shape == (37, 53, 3)
    assert rgb_of(open_image(data)).size == (53, 37)
    assert rgb_of(open_image(data), upright=True).size == (37, 53)


def test_a_jpeg_of_print_colors_is_read():
    smooth = Image.fromarray(IMAGE[:2, :2]).resize((64, 64), Image.Resampling.BILINEAR)
    data = saved(smooth.convert("CMYK"), "JPEG", quality=95)
    # from Pillow's by the rounding of the decoder
    assert np.abs(decode(data) - np.asarray(smooth).astype(int)).mean() < 3


@pytest.mark.parametrize("place", range(30, 160, 13))
def test_a_png_with_a_bit_flipped_is_refused(place):
    data = bytearray(saved(Image.fromarray(IMAGE), "PNG"))
    data[data.index(b"IDAT") + place] ^= 8
    for read in (decode, open_image):
        with pytest.raises(ImageFileError, match="damaged"):
            read(bytes(data))


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_of_what_is_too_large_nothing_is_decoded(tmp_path, monkeypatch):
    decoded = []
    files = {
        "50000 x 50000 pixels": image_bombs.png_of(50_000, 50_000),
        "100000 x 1 pixels": image_bombs.png_of(100_000, 1),
        "20000 x 20000 pixels": image_bombs.jpeg_of(20_000),
        "12000 x 12000 pixels": image_bombs.gif_of_one_pixel(12_000),
        "10400 x 10400 pixels": image_bombs.tiff_of_one_tile(10_400),
    }
    monkeypatch.setattr(tf.io, "decode_image", lambda *a, **k: decoded.append(a))
    monkeypatch.setattr(Image.Image, "load", lambda *a, **k: decoded.append(a))
    for name, data in files.items():
        assert len(data) < 2**20
        (tmp_path / "bomb").write_bytes(data)
        with pytest.raises(ImageFileError, match=f"{name}, above the limit"):
            read_image(tmp_path / "bomb")
    assert not decoded


def test_a_file_of_too_many_bytes_is_not_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(image_files, "MAX_BYTES", 2**20)
    (tmp_path / "large.png").write_bytes(image_bombs.png_of(8, 8) + bytes(2**20))
    with pytest.raises(ImageFileError, match="more than 1 MiB"):
        read_image(tmp_path / "large.png")


def test_without_pillow_jpeg_and_png_are_read_and_others_say_what_is_missing(monkeypatch):
    files = {form: saved(Image.fromarray(IMAGE), form) for form in ("JPEG", "PNG", "GIF")}
    for module in ("PIL", "PIL.Image"):
        monkeypatch.setitem(sys.modules, module, None)
    for form in ("JPEG", "PNG"):
        assert decode(files[form]).shape == IMAGE.shape
    for data in (files["GIF"], b"words"):
        with pytest.raises(ImageFileError, match="Pillow is not installed"):
            decode(data)


def test_other_formats_are_refused():
    for form in ("ICO", "TGA", "JPEG2000", "PCX"):
        with pytest.raises(ImageFileError, match="known format"):
            decode(saved(Image.fromarray(IMAGE), form))
    with pytest.raises(ImageFileError, match="known format"):
        decode(b"words")
