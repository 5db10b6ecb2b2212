"""Plain PNGs, read at once: without the ceremony of Pillow's file reader, which takes half of a sprite's time.

Plain is a still, non-interlaced PNG of one byte a channel, or of palette indices, with nothing in it but its head, its
palette, its pixels in one piece and its end, in this order and with sound checksums. Sprites are. Anything else is left
to the ordinary reader, which knows what to make of it or says what is wrong: what is read here is what it would have
read.
"""

import struct
import zlib
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8, UInt32
from PIL import Image

PNG = b"\x89PNG\r\n\x1a\n"
SMALL = 1 << 16  # bytes of pixels that may be inflated twice
_HEAD = struct.Struct(">IIBBBBB")  # width, height, bits a channel, kind, compression, filters, interlaced
_CHUNK = struct.Struct(">I4s")
_INDEXED = 3  # the kind of a palette picture
_RAW = {
    (8, 0): "L", (8, 2): "RGB", (8, 4): "LA", (8, 6): "RGBA",
    (1, _INDEXED): "P;1", (2, _INDEXED): "P;2", (4, _INDEXED): "P;4", (8, _INDEXED): "P",
}  # fmt: skip
_HEX = bytes.maketrans(b"0123456789abcdef", bytes(range(16)))


@dataclass(frozen=True, slots=True)
class PlainPng:
    """Palette indices and the palette as the file has it; or packed colours (see decode.py) and no palette."""

    cells: UInt8[np.ndarray, "h w"] | UInt32[np.ndarray, "h w"]
    entries: bytes = b""  # red, green and blue of each index
    alphas: bytes = b""  # of the first indices; those without one are opaque


def read_plain(body: bytes, most: int) -> PlainPng | None:
    """Return the picture of a plain PNG of at most so many pixels; None for any other bytes, before it is decoded."""
    if not body.startswith(PNG + b"\0\0\0\rIHDR") or zlib.crc32(body[12:29]) != int.from_bytes(body[29:33], "big"):
        return None
    width, height, depth, kind, *rest = _HEAD.unpack_from(body, 16)
    raw = _RAW.get((depth, kind))
    if raw is None or any(rest) or not 0 < width * height <= most:
        return None
    chunks = _chunks(body, (b"PLTE", b"tRNS", b"IDAT", b"IEND") if kind == _INDEXED else (b"IDAT", b"IEND"))
    if chunks is None or (kind == _INDEXED and not _has_plain_palette(chunks)):
        return None
    try:
        cells = _pixels(chunks[b"IDAT"], (width, height), raw)
    except (ValueError, OSError, zlib.error):  # they are damaged or end early
        return None
    return PlainPng(cells, chunks.get(b"PLTE", b""), chunks.get(b"tRNS", b""))


def _pixels(data: bytes, size: tuple[int, int], raw: str) -> UInt8[np.ndarray, "h w"] | UInt32[np.ndarray, "h w"]:
    if raw in ("P", "P;4"):
        cells = _unfiltered(data, *size, depth=8 if raw == "P" else 4)
        if cells is not None:
            return cells
    image = Image.frombytes(raw.partition(";")[0], size, data, "zip", raw)
    if image.mode != "P":
        image = image if raw == "RGBA" else image.convert("RGBA")
    return np.frombuffer(image.tobytes(), dtype="u1" if image.mode == "P" else "<u4").reshape(size[::-1])


def _unfiltered(data: bytes, width: int, height: int, depth: int) -> UInt8[np.ndarray, "h w"] | None:
    """Return indices of 4 or 8 bits that no filter has changed, as is usual with palettes; None for others."""
    line = 1 + (width * depth + 7) // 8  # begins with the number of its filter
    if height * line > SMALL:
        return None
    inflater = zlib.decompressobj()
    raw = inflater.decompress(data, height * line + 1)
    if len(raw) != height * line or not inflater.eof or raw[::line].strip(b"\0"):
        return None
    if depth == 8:  # noqa: PLR2004 - bits
        return np.frombuffer(raw, dtype=np.uint8).reshape(height, line)[:, 1:]
    halves = raw.hex().encode().translate(_HEX)
    return np.frombuffer(halves, dtype=np.uint8).reshape(height, 2 * line)[:, 2 : 2 + width]


def _has_plain_palette(chunks: dict[bytes, bytes]) -> bool:
    count, odd = divmod(len(chunks.get(b"PLTE", b"")), 3)
    alphas = chunks.get(b"tRNS", b"")
    if odd or not 1 <= count <= 256 or len(alphas) > 256:  # noqa: PLR2004 - what a byte counts
        return False
    return not alphas.endswith(b"\n")  # which Pillow's pattern for one transparent index takes for an end of line


def _chunks(body: bytes, kinds: tuple[bytes, ...]) -> dict[bytes, bytes] | None:
    """Return the chunks after the head by name; None unless each is sound, of these kinds, in this order and alone."""
    found: dict[bytes, bytes] = {}
    at, expected = 33, iter(kinds)
    while at + 12 <= len(body):
        length, name = _CHUNK.unpack_from(body, at)
        end = at + 8 + length
        if name not in expected or zlib.crc32(body[at + 4 : end]) != int.from_bytes(body[end : end + 4], "big"):
            return None  # looking for a name in an iterator uses up what comes before it
        found[name] = body[at + 8 : end]
        at = end + 4
    return found if at == len(body) and b"IEND" in found and b"IDAT" in found else None
