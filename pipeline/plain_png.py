"""Plain PNGs, read at once: without the ceremony of Pillow's file reader, which takes half of a sprite's time.

Plain is a still, non-interlaced PNG of one byte a channel, or of palette indices, with nothing in it but its head, its
palette, its pixels in one piece and its end, in this order and with sound checksums. Sprites are. Anything else is left
to the ordinary reader, which knows what to make of it or says what is wrong: what is read here is what it would have
read.
"""

import struct
import zlib
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8, UInt32
from PIL import Image

PNG = b"\x89PNG\r\n\x1a\n"
SMALL = 1 << 16  # bytes of pixels that may be inflated twice
_HEAD = struct.Struct(">IIBBBBBI")  # width, height, bits a channel, kind, compression, filters, interlaced, checksum
_CHUNK = struct.Struct(">I4s")  # length of what comes behind these, name
_NEXT = struct.Struct(">II4s")  # a chunk's checksum, then the next one's length and name
_INDEXED = 3  # the kind of a palette picture
_RAW = {
    (8, 0): "L", (8, 2): "RGB", (8, 4): "LA", (8, 6): "RGBA",
    (1, _INDEXED): "P;1", (2, _INDEXED): "P;2", (4, _INDEXED): "P;4", (8, _INDEXED): "P",
}  # fmt: skip
_START = PNG + b"\0\0\0\rIHDR"
_END = b"\0\0\0\0IEND\xaeB`\x82"
_LEAST = 33 + 2 * 12  # bytes: head, one more chunk and the end
_HEX = bytes.maketrans(b"0123456789abcdef", bytes(range(16)))


class PlainPng(NamedTuple):
    """Palette indices and the palette as the file has it; or packed colours (see decode.py) and no palette."""

    width: int
    height: int
    raw: bytes  # cells row by row, of one byte (indices) or four
    line: int  # cells from one row to the next
    first: int = 0  # where in a row its first pixel is
    entries: bytes = b""  # red, green and blue of each index
    alphas: bytes = b""  # of the first indices; those without one are opaque

    @property
    def cells(self) -> UInt8[np.ndarray, "h w"] | UInt32[np.ndarray, "h w"]:
        """The pixels without what is between the rows."""
        rows = np.frombuffer(self.raw, dtype="u1" if self.entries else "<u4").reshape(self.height, self.line)
        return rows[:, self.first : self.first + self.width]


def read_plain(body: bytes, most: int) -> PlainPng | None:
    """Return the picture of a plain PNG of at most so many pixels; None for any other bytes, before it is decoded."""
    if not body.startswith(_START) or not body.endswith(_END) or len(body) < _LEAST:
        return None
    width, height, depth, kind, compression, filters, interlaced, checksum = _HEAD.unpack_from(body, 16)
    raw = _RAW.get((depth, kind))
    if raw is None or compression or filters or interlaced or not 0 < width * height <= most:
        return None
    if zlib.crc32(body[12:29]) != checksum:
        return None
    chunks = _chunks(body, (b"PLTE", b"tRNS", b"IDAT") if kind == _INDEXED else (b"IDAT",))
    if chunks is None or (kind == _INDEXED and not _has_plain_palette(chunks)):
        return None
    try:
        return _read(chunks, width, height, raw)
    except (ValueError, OSError, zlib.error):  # they are damaged or end early
        return None


def _read(chunks: dict[bytes, bytes], width: int, height: int, raw: str) -> PlainPng:
    data, entries, alphas = chunks[b"IDAT"], chunks.get(b"PLTE", b""), chunks.get(b"tRNS", b"")
    if raw in ("P", "P;4"):
        plain = _unfiltered(data, width, height, depth=8 if raw == "P" else 4)
        if plain:
            return PlainPng(width, height, *plain, entries, alphas)
    image = Image.frombytes(raw.partition(";")[0], (width, height), data, "zip", raw)
    if image.mode != "P":
        image = image if raw == "RGBA" else image.convert("RGBA")
    return PlainPng(width, height, image.tobytes(), width, 0, entries, alphas)


def _unfiltered(data: bytes, width: int, height: int, depth: int) -> tuple[bytes, int, int] | None:
    """Return rows of indices of 4 or 8 bits that no filter has changed, as is usual with palettes; None for others."""
    line = 1 + (width * depth + 7) // 8  # begins with the number of its filter
    if height * line > SMALL:
        return None
    inflater = zlib.decompressobj()
    raw = inflater.decompress(data, height * line + 1)
    if len(raw) != height * line or not inflater.eof or raw[::line].strip(b"\0"):
        return None
    if depth == 8:  # noqa: PLR2004 - bits
        return raw, line, 1
    return raw.hex().encode().translate(_HEX), 2 * line, 2


def _has_plain_palette(chunks: dict[bytes, bytes]) -> bool:
    count, odd = divmod(len(chunks.get(b"PLTE", b"")), 3)
    alphas = chunks.get(b"tRNS", b"")
    if odd or not 1 <= count <= 256 or len(alphas) > 256:  # noqa: PLR2004 - what a byte counts
        return False
    return not alphas.endswith(b"\n")  # which Pillow's pattern for one transparent index takes for an end of line


def _chunks(body: bytes, kinds: tuple[bytes, ...]) -> dict[bytes, bytes] | None:
    """Return the chunks between head and end by name; None unless each is sound, of these kinds, in this order."""
    found: dict[bytes, bytes] = {}
    at, stop, expected = 33, len(body) - len(_END), iter(kinds)
    length, name = _CHUNK.unpack_from(body, at)
    while at < stop:
        end = at + 8 + length
        if end + 4 > stop or name not in expected:  # looking for a name in an iterator uses up what comes before it
            return None
        checksum, length, following = _NEXT.unpack_from(body, end)
        if zlib.crc32(body[at + 4 : end]) != checksum:
            return None
        found[name] = body[at + 8 : end]
        at, name = end + 4, following
    return found if b"IDAT" in found else None
