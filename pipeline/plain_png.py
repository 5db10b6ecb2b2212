"""Plain PNGs, read at once: Pillow's decoder without the ceremony of its file reader, which takes half of the time.

Plain is a still, non-interlaced PNG of one byte a channel, or of palette indices, with nothing in it but its head, its
palette, its pixels and its end, in this order and with sound checksums. Sprites are. Anything else is left to the
ordinary reader, which knows what to make of it or says what is wrong: what is read here is what it would have read.
"""

import struct
import zlib
from dataclasses import dataclass

from PIL import Image

PNG = b"\x89PNG\r\n\x1a\n"
_HEAD = struct.Struct(">IIBBBBB")  # width, height, bits a channel, kind, compression, filters, interlaced
_CHUNK = struct.Struct(">I4s")
_LEAST = 8 + 25 + 12  # bytes of signature, head and end
_RAW = {(8, 2): "RGB", (8, 6): "RGBA", (8, 0): "L", (8, 4): "LA", (1, 3): "P;1", (2, 3): "P;2", (4, 3): "P;4", (8, 3): "P"}
_PALETTE = (b"PLTE", b"tRNS", b"IDAT", b"IEND")
_WITHOUT = (b"IDAT", b"IEND")


@dataclass(frozen=True, slots=True)
class PlainPng:
    """A decoded picture; where its mode is P, its palette as the file has it."""

    image: Image.Image
    entries: bytes  # red, green and blue of each index
    alphas: bytes  # of the first indices; those without one are opaque


def read_plain(body: bytes) -> PlainPng | None:
    """Return the picture of a plain PNG, None for any other bytes. Sizes are the caller's to check before."""
    if len(body) < _LEAST or body[:16] != PNG + b"\0\0\0\rIHDR":
        return None
    width, height, depth, kind, *rest = _HEAD.unpack_from(body, 16)
    raw = _RAW.get((depth, kind))
    chunks = _chunks(body, _PALETTE if kind == 3 else _WITHOUT)  # noqa: PLR2004 - a palette picture's kind
    if raw is None or any(rest) or not width or not height or chunks is None:
        return None
    entries, alphas = chunks.get(b"PLTE", b""), chunks.get(b"tRNS", b"")
    if raw[0] == "P" and not _is_plain_palette(entries, alphas):
        return None
    try:
        image = Image.frombytes(raw.partition(";")[0], (width, height), chunks[b"IDAT"], "zip", raw)
    except ValueError:  # the pixels are damaged or end early
        return None
    return PlainPng(image, entries, alphas)


def _is_plain_palette(entries: bytes, alphas: bytes) -> bool:
    if not 3 <= len(entries) <= 3 * 256 or len(entries) % 3 or len(alphas) > 256:  # noqa: PLR2004 - what a byte counts
        return False
    return not alphas.endswith(b"\n")  # which Pillow's pattern for one transparent index takes for an end of line


def _chunks(body: bytes, kinds: tuple[bytes, ...]) -> dict[bytes, bytes] | None:
    """Return the chunks after the head by name; None unless they are of these kinds, in this order, sound and all."""
    if zlib.crc32(body[12:29]) != int.from_bytes(body[29:33], "big"):
        return None
    found: dict[bytes, bytes] = {}
    at, place = 33, 0
    while at + 12 <= len(body):
        length, name = _CHUNK.unpack_from(body, at)
        end = at + 8 + length
        if name not in kinds[place:] or zlib.crc32(body[at + 4 : end]) != int.from_bytes(body[end : end + 4], "big"):
            return None
        if name in found:
            if name != b"IDAT":
                return None
            found[name] += body[at + 8 : end]
        else:
            found[name] = body[at + 8 : end]
        place, at = kinds.index(name), end + 4
    return found if at == len(body) and name == b"IEND" and b"IDAT" in found else None
