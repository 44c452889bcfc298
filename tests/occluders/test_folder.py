import struct
import zlib

import numpy as np
import pytest

from keras_patchmix.occluders import load_folder
from tests.occluders.shapes import disc, noisy, square

pytestmark = pytest.mark.needs("PIL")


def save(path, array, **options):
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


def test_pictures_come_back_as_they_were_saved_in_the_order_of_their_names(tmp_path):
    pictures = {"b": disc(30), "a": noisy(20, 25), "deep/down/c.d": square(9, 40)}
    for name, picture in pictures.items():
        save(tmp_path / f"{name}.png", picture)
    save(tmp_path / "Upper.PNG", disc(12))
    (tmp_path / "notes.txt").write_text("not a picture")
    save(tmp_path / ".hidden" / "x.png", square())
    save(tmp_path / "._a.png", square())
    occluders = load_folder(str(tmp_path))
    assert [occluder.name for occluder in occluders] == ["Upper", "a", "b", "deep/down/c.d"]
    for occluder in occluders[1:]:
        np.testing.assert_array_equal(occluder.image, pictures[occluder.name])


def test_gray_and_palette_pictures_with_transparency_are_taken(tmp_path):
    from PIL import Image

    gray = square(20, 20)[..., [0, 3]]
    save(tmp_path / "gray.png", np.ascontiguousarray(gray))
    palette = Image.fromarray(disc(20)[..., :3]).quantize(2)
    hole = palette.getpixel((0, 0))
    palette.save(tmp_path / "palette.png", transparency=hole)
    first, second = load_folder(tmp_path)
    assert np.all(first.image == (200, 200, 200, 255))
    np.testing.assert_array_equal(second.image[..., 3], disc(20)[..., 3])


def bomb(width, height):
    """A PNG file of a few bytes that claims to be large."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def opaque(path):
    save(path, disc()[..., :3])


def transparent(path):
    save(path, np.zeros((30, 30, 4), np.uint8))


def truncated(path):
    save(path, noisy(40, 40))
    path.write_bytes(path.read_bytes()[:-2000])


def of_another_format(path):
    save(path, disc()[..., :3], format="JPEG")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (opaque, "no transparency.*RGB"),
        (transparent, "must show something.*alpha up to 0"),
        (lambda path: save(path, square(5, 6)), "8 pixels wide or high.*5 x 6"),
        (truncated, "cannot be read as a PNG file"),
        (of_another_format, "cannot be read as a PNG file"),
        (lambda path: path.write_bytes(b""), "cannot be read as a PNG file"),
        (lambda path: path.write_bytes(bomb(9000, 9000)), "at most 67108864 pixels: 9000 x 9000"),
        (lambda path: path.write_bytes(bomb(100000, 100000)), "cannot be read.*exceeds limit"),
    ],
)
def test_a_file_that_is_no_occluder_is_named(make, message, tmp_path):
    save(tmp_path / "good.png", disc())
    (tmp_path / "in").mkdir()
    make(tmp_path / "in" / "bad.png")
    with pytest.raises(ValueError, match=rf"The file 'in/bad\.png' of `path`.*{message}"):
        load_folder(tmp_path)


def test_a_folder_without_pictures_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"no file that ends in \.png"):
        load_folder(tmp_path)
    with pytest.raises(ValueError, match=r"`path` must be a folder that exists"):
        load_folder(tmp_path / "nowhere")
