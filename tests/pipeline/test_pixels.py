import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp
from PIL import Image
from skimage.color import rgb2lab

from palettes.palette import load_palette
from pipeline import quantize as quantize_module
from pipeline.pixelize import BACKGROUND, PictureError, pixelize
from pipeline.quantize import COLOURS, nearest_exact, nearest_table, quantize
from pipeline.recipe import PictureRecipe
from tests.raw_stores import png

NES = load_palette("nes")
WHOLE = PictureRecipe(crop="none", unscale=False)
LAB = rgb2lab(NES.rgb[None] / 255)[0]


def picture(pixels: np.ndarray, mode: str = "RGBA", form: str = "PNG") -> bytes:
    body = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(body, format=form)
    return body.getvalue()


def reference(rgb: np.ndarray) -> np.ndarray:
    """One pixel at a time, in float64, through scikit-image: the definition."""
    lab = rgb2lab(rgb / 255)
    return np.array([[((LAB - point) ** 2).sum(axis=1).argmin() for point in row] for row in lab], dtype=np.uint8)


@given(hnp.arrays(np.uint8, (4, 5, 3)))
def test_quantize_finds_the_nearest_colour_in_cielab(rgb: np.ndarray) -> None:
    assert np.array_equal(quantize(rgb, NES), reference(rgb))


def test_the_palettes_own_colours_stay_what_they_are() -> None:
    assert quantize(NES.rgb[None], NES)[0].tolist() == list(range(55))


@pytest.mark.slow
def test_the_table_is_exact_for_all_colours() -> None:
    table = nearest_table(NES.digest, NES.rgb.tobytes())
    wrong = 0
    for start in range(0, COLOURS, 1 << 16):
        index = np.arange(start, start + (1 << 16))
        rgb = np.stack([index & 255, index >> 8 & 255, index >> 16], axis=1).astype(np.uint8)
        wrong += int((nearest_exact(rgb, LAB) != table[index]).sum())
    assert wrong == 0


def test_a_damaged_table_on_disk_is_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = np.zeros(COLOURS, dtype=np.uint8)
    monkeypatch.setenv("PIXELBYTES_CACHE", str(tmp_path))
    monkeypatch.setattr(quantize_module, "build_table", lambda _rgb, _distance: built)
    nearest_table.cache_clear()
    two = np.array([[0, 0, 0], [255, 255, 255]], dtype=np.uint8)
    nearest_table("d", two.tobytes())
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:20])
    nearest_table.cache_clear()
    assert np.array_equal(nearest_table("d", two.tobytes()), built)
    nearest_table.cache_clear()


def test_a_sprite_is_cropped_to_what_is_drawn_and_at_most_25_px() -> None:
    pixels = np.zeros((90, 120, 4), dtype=np.uint8)
    pixels[10:60, 20:120] = [200, 10, 10, 255]
    rgb = pixelize(picture(pixels))
    assert rgb.shape == (12, 25, 3)
    assert (rgb == [200, 10, 10]).all()


def test_a_small_picture_is_not_enlarged_and_keeps_its_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (7, 5, 4), dtype=np.uint8)
    pixels[..., 3] = 255
    assert np.array_equal(pixelize(picture(pixels)), pixels[..., :3])


def test_transparency_becomes_white_and_half_of_it_half_white() -> None:
    pixels = np.full((2, 2, 4), 255, dtype=np.uint8)
    pixels[0, 0] = [0, 0, 0, 0]
    pixels[0, 1] = [0, 0, 0, 128]
    rgb = pixelize(picture(pixels))
    assert tuple(rgb[0, 0]) == BACKGROUND
    assert rgb[0, 1].tolist() == [126, 126, 126]


@pytest.mark.parametrize("mode", ["P", "L", "LA", "RGB", "1", "I;16"])
def test_other_modes_are_read(mode: str) -> None:
    pixels = np.full((30, 20, 4), 255, dtype=np.uint8)
    pixels[5:20, 4:9, :3] = 0
    if mode == "I;16":
        body = io.BytesIO()
        Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(body, format="PNG")
        rgb = pixelize(body.getvalue(), WHOLE)
    else:
        rgb = pixelize(picture(pixels, mode), WHOLE)
    assert rgb.shape == (25, 17, 3)
    assert (rgb[5:16, 4:7] == 0).all()
    assert (rgb[:3] == 255).all()


def huge_png(side: int) -> bytes:
    """A valid head of a picture far too large, without its pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>not a picture</html>", "are no PNG"),
        (b"", "are no PNG"),
        (png(1)[: len(png(1)) // 2], "damaged"),
        (huge_png(10_000), "10000×10000 px, more than"),
        (huge_png(60_000), "60000×60000 px, more than"),
        (picture(np.zeros((9, 9, 4), dtype=np.uint8)), "transparent everywhere"),
    ],
)
def test_bad_pictures_say_what_is_wrong(body: bytes, message: str) -> None:
    with pytest.raises(PictureError, match=message):
        pixelize(body)
