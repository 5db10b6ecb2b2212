"""A PNG encoder without zlib's compressor, so that no version of zlib can change the bytes.

It writes indexed pictures, 4 bits a pixel where 16 colours do, and one deflate block with the fixed Huffman code.
Matches are looked for at a few distances only, which suit enlarged pixels: the pixels before and the rows above.
The checksums come from zlib; they are fixed by the format.
"""

import struct
import zlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

_LENGTHS = (*range(3, 11), *(3 + ((4 + n % 4) << (n // 4 - 1)) for n in range(8, 28)), 258)  # least length of a code
_LONGEST = 258


def _length_code(length: int) -> tuple[int, int, int]:
    """Return (code, extra bits, their value) of a match length."""
    place = next(n for n in range(28, -1, -1) if _LENGTHS[n] <= length)
    bits = 0 if place in {*range(8), 28} else place // 4 - 1
    return 257 + place, bits, length - _LENGTHS[place]


def _distance_code(distance: int) -> tuple[int, int, int]:
    """Return (code, extra bits, their value) of a match distance."""
    if distance <= 4:  # noqa: PLR2004 - the first four have a code each
        return distance - 1, 0, 0
    bits = (distance - 1).bit_length() - 2
    code = 2 * bits + 2 + ((distance - 1) >> bits & 1)
    return code, bits, (distance - 1) & ((1 << bits) - 1)


class _Bits:
    """A stream of bits, lowest first."""

    def __init__(self) -> None:
        """Start empty."""
        self.value, self.count, self.done = 0, 0, bytearray()

    def put(self, value: int, count: int) -> None:
        """Append bits, lowest first."""
        self.value |= value << self.count
        self.count += count
        while self.count >= 8:  # noqa: PLR2004 - a byte
            self.done.append(self.value & 255)
            self.value >>= 8
            self.count -= 8

    def symbol(self, symbol: int) -> None:
        """Append a literal or length symbol of the fixed code, highest bit first."""
        if symbol < 144:  # noqa: PLR2004 - the four ranges of RFC 1951
            code, count = 0x30 + symbol, 8
        elif symbol < 256:  # noqa: PLR2004
            code, count = 0x190 + symbol - 144, 9
        elif symbol < 280:  # noqa: PLR2004
            code, count = symbol - 256, 7
        else:
            code, count = 0xC0 + symbol - 280, 8
        self.put(int(f"{code:0{count}b}"[::-1], 2), count)


def _longest_match(data: bytes, place: int, near: Sequence[int]) -> tuple[int, int]:
    """Return (length, distance) of the longest match at a place; length 2 where there is none."""
    best, back, size = 2, 0, len(data)
    for distance in near:
        end = place + best + 1
        if best == _LONGEST or end > size:
            break
        if distance <= place and data[place:end] == data[place - distance : end - distance]:
            while end < size and end - place < _LONGEST and data[end] == data[end - distance]:
                end += 1
            best, back = end - place, distance
    return best, back


def _deflate(data: bytes, row: int) -> bytes:
    """Return a zlib stream of the data; `row` bytes make a row."""
    bits = _Bits()
    bits.put(0b011, 3)  # last block, fixed code
    beside = {k * row + d for k in (1, 2, 3, 4, 6) for d in (-1, 0, 1)}
    near = sorted({1, 2, 3, *beside, *range(row, 12 * row, row)})
    place = 0
    while place < len(data):
        length, back = _longest_match(data, place, near)
        if back:
            symbol, extra, value = _length_code(length)
            bits.symbol(symbol)
            bits.put(value, extra)
            code, extra, value = _distance_code(back)
            bits.put(int(f"{code:05b}"[::-1], 2), 5)
            bits.put(value, extra)
            place += length
        else:
            bits.symbol(data[place])
            place += 1
    bits.symbol(256)
    bits.put(0, -bits.count % 8)
    return b"\x78\x01" + bytes(bits.done) + struct.pack(">I", zlib.adler32(data))


def _chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk with its length and checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def encode_png(picture: UInt8[np.ndarray, "H W 4"]) -> bytes:
    """Return a PNG of at most 256 colours, the same bytes everywhere; raise ValueError for more colours."""
    height, width, _ = picture.shape
    codes = np.ascontiguousarray(picture).reshape(-1, 4).view(">u4")[:, 0].astype(np.uint32)
    found, index = np.unique(codes, return_inverse=True)
    colours = found.astype(">u4").view(np.uint8).reshape(-1, 4)
    if len(colours) > 256:  # noqa: PLR2004 - what a byte can say
        raise ValueError(f"the picture has {len(colours)} colours, but a palette holds 256: draw with fewer.")
    lines: UInt8[np.ndarray, "H w"] = index.reshape(height, width).astype(np.uint8)
    depth = 8
    if len(colours) <= 16:  # noqa: PLR2004 - what four bits can say
        depth, even = 4, np.pad(lines, ((0, 0), (0, width % 2)))
        lines = (even[:, ::2] << 4 | even[:, 1::2]).astype(np.uint8)
    rows = np.pad(lines, ((0, 0), (1, 0)))  # filter 0 on each row
    head = struct.pack(">IIBBBBB", width, height, depth, 3, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", head)
        + _chunk(b"PLTE", colours[:, :3].tobytes())
        + _chunk(b"tRNS", colours[:, 3].tobytes())
        + _chunk(b"IDAT", _deflate(rows.tobytes(), rows.shape[1]))
        + _chunk(b"IEND", b"")
    )
