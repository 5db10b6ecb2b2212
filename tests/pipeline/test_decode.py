import io
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from pipeline.decode import PictureError, decode

RED, GREEN = [255, 0, 0, 255], [0, 255, 0, 255]


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def raw_png(size: tuple[int, int], depth: int, kind: int, rows: bytes, *chunks: bytes) -> bytes:
    """A PNG written by hand: kinds are 0 grey, 2 colour, 3 palette, 4 grey and alpha, 6 colour and alpha."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, kind, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + body


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    body = io.BytesIO()
    image.save(body, format=form, **options)  # type: ignore[arg-type]
    return body.getvalue()


def colours(body: bytes) -> list[list[int]]:
    rgba = decode(body).rgba()
    assert np.array_equal(rgba, decode(body, indices=False).rgba())
    return rgba.reshape(-1, 4).tolist()


def two_frames() -> tuple[Image.Image, Image.Image]:
    return Image.new("RGB", (3, 2), (255, 0, 0)), Image.new("RGB", (3, 2), (0, 255, 0))


@pytest.mark.parametrize(("form", "options"), [("GIF", {}), ("PNG", {}), ("WEBP", {"lossless": True})])
def test_of_what_moves_the_first_frame_is_drawn(form: str, options: dict[str, bool]) -> None:
    first, second = two_frames()
    body = saved(first, form, save_all=True, append_images=[second], duration=100, **options)
    assert colours(body) == [RED] * 6


def test_a_default_picture_that_is_no_frame_is_drawn_instead_of_the_frames() -> None:
    first, second = two_frames()
    body = saved(first, "PNG", save_all=True, append_images=[second, first], default_image=True)
    assert colours(body) == [RED] * 6


def test_a_first_frame_smaller_than_its_gif_leaves_the_rest_transparent() -> None:
    body = saved(Image.fromarray(np.array([[0, 1]], dtype=np.uint8)).convert("P"), "GIF", transparency=0)
    wide = body[:6] + struct.pack("<HH", 3, 1) + body[10:]
    assert decode(wide).rgba()[0, :, 3].tolist() == [0, 255, 0]


def test_sixteen_bits_keep_their_high_byte() -> None:
    grey = raw_png((2, 1), 16, 0, b"\0" + struct.pack(">HH", 0x12FF, 0xFF00))
    colour = raw_png((1, 1), 16, 2, b"\0" + struct.pack(">HHH", 0x12FF, 0x3400, 0xFFFF))
    alpha = raw_png((1, 1), 16, 6, b"\0" + struct.pack(">HHHH", 0x12FF, 0x3400, 0xFFFF, 0x80FF))
    both = raw_png((1, 1), 16, 4, b"\0" + struct.pack(">HH", 0x12FF, 0x80FF))
    assert colours(grey) == [[18, 18, 18, 255], [255, 255, 255, 255]]
    assert colours(colour) == [[0x12, 0x34, 0xFF, 255]]
    assert colours(alpha) == [[0x12, 0x34, 0xFF, 0x80]]
    assert colours(both) == [[18, 18, 18, 0x80]]


def test_one_transparent_grey_of_sixteen_bits_is_compared_in_full() -> None:
    body = raw_png((2, 1), 16, 0, b"\0" + struct.pack(">HH", 0x1234, 0x1235), chunk(b"tRNS", struct.pack(">H", 0x1234)))
    assert [rgba[3] for rgba in colours(body)] == [0, 255]


def test_one_transparent_colour_of_sixteen_bits_is_compared_in_its_high_bytes() -> None:
    rows = b"\0" + struct.pack(">6H", 0xC8C8, 0, 0, 0x00C8, 0, 0)
    body = raw_png((2, 1), 16, 2, rows, chunk(b"tRNS", struct.pack(">3H", 0xC8C8, 0, 0)))
    assert [rgba[3] for rgba in colours(body)] == [0, 255]


@pytest.mark.parametrize(
    ("depth", "row", "transparent", "expected"),
    [
        (1, 0b10000000, 1, [(255, 0), (0, 255)]),
        (2, 0b10_11_0000, 2, [(170, 0), (255, 255)]),
        (4, 0xF3, 15, [(255, 0), (51, 255)]),
        (8, 7, 7, [(7, 0), (9, 255)]),
    ],
)
def test_greys_of_few_bits_are_spread_and_so_is_the_transparent_one(
    depth: int, row: int, transparent: int, expected: list[tuple[int, int]]
) -> None:
    rows = bytes([0, row, 9])[: 3 if depth == 8 else 2]
    body = raw_png((2, 1), depth, 0, rows, chunk(b"tRNS", struct.pack(">H", transparent)))
    assert [(rgba[0], rgba[3]) for rgba in colours(body)] == expected


PALETTE = chunk(b"PLTE", bytes([1, 2, 3, 4, 5, 6]))


def test_palette_entries_have_their_own_alpha_and_missing_ones_are_black() -> None:
    body = raw_png((3, 1), 8, 3, b"\0\0\1\5", PALETTE, chunk(b"tRNS", b"\x07"))
    assert colours(body) == [[1, 2, 3, 7], [4, 5, 6, 255], [0, 0, 0, 255]]


def test_one_transparent_index_is_transparent() -> None:
    body = raw_png((2, 1), 8, 3, b"\0\0\1", PALETTE, chunk(b"tRNS", b"\xff\x00"))
    assert decode(body).rgba()[..., 3].tolist() == [[255, 0]]
    gif = Image.fromarray(np.array([[0, 1]], dtype=np.uint8)).convert("P")
    assert decode(saved(gif, "GIF", transparency=1)).rgba()[..., 3].tolist() == [[255, 0]]


def adobe_cmyk(*, marker: bool) -> bytes:
    body = saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95)
    start = body.index(b"\xff\xee")
    return body if marker else body[:start] + body[start + 2 + int.from_bytes(body[start + 2 : start + 4], "big") :]


@pytest.mark.parametrize("marker", [True, False])
def test_cmyk_is_read_inverted_as_adobe_writes_it(*, marker: bool) -> None:
    red, green, blue, alpha = np.median(decode(adobe_cmyk(marker=marker)).rgba().reshape(-1, 4), axis=0).tolist()
    assert red > 200
    assert max(green, blue) < 60
    assert alpha == 255


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P", "1"])
def test_interlaced_is_as_its_plain_sister(mode: str) -> None:
    """Written by hand: seven passes of Adam7, of which the pixels go to their places."""
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (11, 13, 4), dtype=np.uint8))
    image = noise.convert("RGB").convert("P") if mode == "P" else noise.convert(mode)
    kind, depth = {"L": (0, 8), "LA": (4, 8), "RGB": (2, 8), "RGBA": (6, 8), "P": (3, 8), "1": (0, 1)}[mode]
    pixels = np.asarray(image)
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    rows = bytearray()
    for top, left, down, right in passes:
        for row in pixels[top::down, left::right]:
            if row.size:
                rows += b"\0" + (np.packbits(row) if mode == "1" else row).tobytes()
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *image.size, depth, kind, 0, 0, 1))
    palette = chunk(b"PLTE", bytes(image.getpalette() or [])) if mode == "P" else b""
    body = b"\x89PNG\r\n\x1a\n" + head + palette + chunk(b"IDAT", zlib.compress(bytes(rows))) + chunk(b"IEND", b"")
    assert Image.open(io.BytesIO(body)).info["interlace"] == 1
    assert np.array_equal(decode(body).rgba(), decode(saved(image, "PNG")).rgba())


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_a_photograph_on_its_side_is_put_upright(form: str) -> None:
    image = Image.new("RGB", (16, 8), (255, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6  # the first row is the right side
    assert decode(saved(image, form, exif=exif)).cells.shape == (16, 8)


def test_a_palette_picture_on_its_side_is_put_upright_and_stays_indices() -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    image = Image.fromarray(np.array([[0, 1, 2]], dtype=np.uint8)).convert("P")
    pixels = decode(saved(image, "PNG", exif=exif))
    assert pixels.cells.tolist() == [[2], [1], [0]]


def test_a_damaged_exif_block_counts_as_none() -> None:
    body = saved(Image.new("RGB", (16, 8), (255, 0, 0)), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff\x01\x12")
    assert decode(body).cells.shape == (8, 16)


@pytest.mark.parametrize("form", ["PNG", "GIF", "JPEG", "WEBP"])
def test_one_pixel_is_a_picture(form: str) -> None:
    assert decode(saved(Image.new("RGB", (1, 1), (0, 0, 0)), form)).rgba().tolist() == [[[0, 0, 0, 255]]]


def png_of(side: int) -> bytes:
    return raw_png((side, side), 8, 6, b"")


def gif_of(side: int) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", side, side, 0, 0, 0) + b";"


@pytest.mark.parametrize("make", [png_of, gif_of])
@pytest.mark.parametrize("side", [4097, 20_000, 60_000])
def test_huge_pictures_are_refused_before_they_are_decoded(make: Callable[[int], bytes], side: int) -> None:
    with pytest.raises(PictureError, match=r"16,777,216 px allowed|head is damaged|are no PNG"):
        decode(make(side))


def test_a_file_of_too_many_bytes_is_refused() -> None:
    with pytest.raises(PictureError, match="has 16,777,217 bytes"):
        decode(bytes((16 << 20) + 1))


def sound_files() -> list[bytes]:
    image = Image.fromarray(np.random.default_rng(2).integers(0, 256, (9, 7, 3), dtype=np.uint8))
    return [saved(image, form) for form in ("PNG", "GIF", "JPEG", "WEBP")] + [saved(image.convert("P"), "PNG")]


@given(st.sampled_from(sound_files()), st.data())
def test_damaged_files_are_pictures_or_picture_errors_but_nothing_else(body: bytes, data: st.DataObject) -> None:
    damaged = bytearray(body[: data.draw(st.integers(0, len(body)))])
    for place in data.draw(st.lists(st.integers(0, max(0, len(damaged) - 1)), max_size=4)):
        if damaged:
            damaged[place] ^= data.draw(st.integers(1, 255))
    with suppress(PictureError):
        assert decode(bytes(damaged)).rgba().shape[2] == 4


@given(
    hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.integers(0, 5)),
    hnp.arrays(np.uint8, (6, 3)),
    st.none() | st.integers(0, 5) | st.binary(min_size=1, max_size=6),
    st.integers(1, 6),
)
def test_indices_stand_for_the_colours_that_pillow_gives(
    cells: np.ndarray, palette: np.ndarray, transparency: int | bytes | None, entries: int
) -> None:
    image = Image.fromarray(cells).convert("P")
    image.putpalette(palette[:entries].tobytes())
    options = {} if transparency is None else {"transparency": transparency}
    body = saved(image, "PNG", **options)
    plain = np.asarray(Image.open(io.BytesIO(body)).convert("RGBA"))
    seen = decode(body).rgba()
    assert decode(body).colours is not None
    assert np.array_equal(seen[..., 3], plain[..., 3])
    assert np.array_equal(seen[seen[..., 3] > 0], plain[plain[..., 3] > 0])
