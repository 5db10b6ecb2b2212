import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decode import MAX_PIXELS, PictureError, decode
from pipeline.plain_png import PNG, SMALL, read_plain

Chunks = list[tuple[bytes, bytes]]
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of PNG's kinds
KINDS = [(8, 0), (8, 2), (8, 4), (8, 6), (1, 3), (2, 3), (4, 3), (8, 3)]


def joined(chunks: Chunks) -> bytes:
    parts = [
        len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big") for name, body in chunks
    ]
    return PNG + b"".join(parts)


def chunks_of(
    depth: int, kind: int, size: tuple[int, int], rows: bytes, entries: bytes = b"", alphas: bytes = b""
) -> Chunks:
    palette = [(b"PLTE", entries)] * bool(entries) + [(b"tRNS", alphas)] * bool(alphas)
    head = struct.pack(">IIBBBBB", *size, depth, kind, 0, 0, 0)
    return [(b"IHDR", head), *palette, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]


@st.composite
def plain_chunks(draw: st.DrawFn) -> Chunks:
    """A plain PNG of any kind: random bytes for rows, each behind a filter, which is 0 everywhere in half of them."""
    depth, kind = draw(st.sampled_from(KINDS))
    width, height = draw(st.integers(1, 20)), draw(st.integers(1, 20))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 16)))
    line = (width * depth * CHANNELS[kind] + 7) // 8
    lines = rng.integers(0, 256, (height, 1 + line), dtype=np.uint8)
    lines[:, 0] = rng.integers(0, 5, height) if draw(st.booleans()) else 0
    entries = rng.bytes(3 * draw(st.integers(1, 256))) if kind == 3 else b""
    alphas = draw(st.sampled_from([b"", b"\0", b"\xff\0\xff", b"\x80\0\0\7"])) if entries else b""
    return chunks_of(depth, kind, (width, height), lines.tobytes(), entries, alphas)


@given(plain_chunks())
def test_a_plain_png_is_read_as_pillows_own_reader_would(chunks: Chunks) -> None:
    body = joined(chunks)
    assert read_plain(body, MAX_PIXELS) is not None
    quick, slow = decode(body).rgba(), decode(body, indices=False).rgba()
    hidden = slow[..., 3] == 0
    assert np.array_equal(quick[..., 3], slow[..., 3])
    assert np.array_equal(quick[~hidden], slow[~hidden])


def test_a_large_picture_of_indices_is_read_too() -> None:
    side = 300
    assert side * side > SMALL
    cells = np.random.default_rng(1).integers(0, 256, (side, side + 1), dtype=np.uint8)
    cells[:, 0] = 0
    plain = read_plain(joined(chunks_of(8, 3, (side, side), cells.tobytes(), bytes(range(256)) * 3)), MAX_PIXELS)
    assert plain is not None
    assert np.array_equal(plain.cells, cells[:, 1:])


SOUND = chunks_of(8, 3, (2, 2), b"\0\0\1\0\2\0", bytes(range(9)), b"\0")
HEAD, PALETTE, ALPHAS, DATA, END = SOUND


def head(*fields: int) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">IIBBBBB", *fields)


@pytest.mark.parametrize(
    "chunks",
    [
        [HEAD, PALETTE, DATA],  # no end
        [HEAD, PALETTE, END],  # no pixels
        [HEAD, DATA, END],  # no palette
        [HEAD, ALPHAS, PALETTE, DATA, END],
        [HEAD, PALETTE, DATA, ALPHAS, END],
        [HEAD, PALETTE, PALETTE, DATA, END],
        [HEAD, PALETTE, (b"IDAT", DATA[1][:5]), (b"IDAT", DATA[1][5:]), END],
        [HEAD, (b"gAMA", bytes(4)), PALETTE, DATA, END],
        [HEAD, PALETTE, DATA, (b"eXIf", b"MM\0*"), END],
        [HEAD, (b"acTL", bytes(8)), PALETTE, DATA, END],
        [HEAD, (b"PLTE", bytes(8)), DATA, END],
        [HEAD, (b"PLTE", bytes(771)), DATA, END],
        [HEAD, PALETTE, (b"tRNS", bytes(257)), DATA, END],
        [HEAD, PALETTE, (b"tRNS", b"\xff\0\n"), DATA, END],
        [HEAD, PALETTE, (b"IDAT", DATA[1][:4]), END],
        [HEAD, PALETTE, (b"IDAT", zlib.compress(b"\0\0\1\0")), END],
        [HEAD, PALETTE, (b"IDAT", b"no zlib"), END],
        [head(2, 2, 8, 3, 0, 0, 1), PALETTE, DATA, END],  # interlaced
        [head(2, 2, 16, 3, 0, 0, 0), PALETTE, DATA, END],
        [head(0, 2, 8, 3, 0, 0, 0), PALETTE, DATA, END],
        [head(5, 4, 8, 3, 0, 0, 0), PALETTE, DATA, END],  # more pixels than allowed
    ],
)
def test_whatever_is_not_plain_is_left_to_the_ordinary_reader(chunks: Chunks) -> None:
    assert read_plain(joined(SOUND), 4) is not None
    assert read_plain(joined(chunks), 4 if chunks[0] == HEAD else 19) is None


@given(st.integers(0, len(joined(SOUND)) - 1), st.integers(1, 255))
def test_one_changed_byte_makes_a_png_not_plain(place: int, change: int) -> None:
    damaged = bytearray(joined(SOUND))
    damaged[place] ^= change
    assert read_plain(bytes(damaged), MAX_PIXELS) is None
    assert read_plain(joined(SOUND)[:place], MAX_PIXELS) is None
    assert read_plain(joined(SOUND) + bytes([change]), MAX_PIXELS) is None


def test_what_inflates_to_more_than_the_head_says_is_read_as_far_as_the_head_says() -> None:
    rows = b"\0\0\1\0\2\0" + bytes(8 << 20)
    for data in (zlib.compress(rows), DATA[1][:-4]):  # too much, or all rows without the checksum behind them
        body = joined([HEAD, PALETTE, ALPHAS, (b"IDAT", data), END])
        assert decode(body).cells.tolist() == [[0, 1], [2, 0]]
        assert np.array_equal(decode(body).rgba()[..., 3], decode(body, indices=False).rgba()[..., 3])


def test_more_alphas_than_indices_are_damage() -> None:
    with pytest.raises(PictureError, match="257 alphas, more than 256"):
        decode(joined([HEAD, PALETTE, (b"tRNS", bytes([7]) * 257), DATA, END]))
