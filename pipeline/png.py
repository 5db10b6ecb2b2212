"""Sprites as PNG files: palette indices stored as they are, so that the same sprite has the same bytes for ever.

The pixels are not deflated but lie in stored blocks. Parquet's zstd packs the whole column anyway, and better so:
per record of the bestiary a deflated sprite takes 189 bytes on disk and 60 µs to make with Pillow (27 µs with zlib
alone), a stored one 185 bytes and 4 µs. No version of zlib has a say in the bytes, and reading is a tenth faster.
(`python -m tests.bench layouts` prints the figures again.)
"""

import io
import struct
import warnings
import zlib
from functools import lru_cache

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from palettes.palette import Palette

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_ZLIB_HEAD = b"\x78\x01"  # deflate with a window of 32 KiB, the fastest level
_BLOCK = 0xFFFF  # bytes that one stored block can hold
_SPARE_BYTES = 1 << 16  # of a foreign file, for its palette, texts and heads
_NUMBERS = bytes(range(256))
_BYTES_A_PIXEL = 8  # of a foreign file: 16-bit RGBA, not packed at all


def encode_png(sprite: UInt8[np.ndarray, "h w"], palette: Palette) -> bytes:
    """Return a sprite as a PNG whose pixels are its palette indices and whose colours are the palette's.

    ValueError when an index has no colour or the sprite no pixel.

    >>> from palettes.palette import load_palette
    >>> len(encode_png(np.zeros((25, 25), dtype=np.uint8), load_palette("nes")))
    895
    """
    h, w = sprite.shape
    if not sprite.size or sprite.tobytes().translate(None, _NUMBERS[: len(palette)]):
        raise ValueError(f"a sprite of shape {sprite.shape} is empty or uses colours outside the palette.")
    lines = np.zeros((h, w + 1), dtype=np.uint8)  # each line begins with its filter: 0, none
    lines[:, 1:] = sprite
    return b"".join((_head(h, w, palette.rgb.tobytes()), _chunk(b"IDAT", _stored(lines.tobytes())), _END))


def shows(body: bytes, sprite: UInt8[np.ndarray, "h w"], palette: Palette) -> bool:
    """Tell whether a PNG shows just this sprite: at once for bytes of ours, else by its pixels.

    Safe for any bytes: what is no PNG, is damaged, of another size, animated, see-through anywhere or far larger
    than the sprite could need shows something else. Nothing is decoded before size and length are known.
    """
    if body == encode_png(sprite, palette):
        return True
    rgb = _pixels(body, sprite.shape)
    return rgb is not None and bool(np.array_equal(rgb, palette.rgb[sprite]))


def _pixels(body: bytes, shape: tuple[int, ...]) -> UInt8[np.ndarray, "h w 3"] | None:
    """Return the colours of an opaque still PNG of h×w pixels; None for anything else."""
    if len(body) > _SPARE_BYTES + _BYTES_A_PIXEL * shape[0] * shape[1]:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a size that is refused below
            image = Image.open(io.BytesIO(body), formats=("PNG",))
            if image.size != shape[::-1] or getattr(image, "n_frames", 1) != 1:
                return None
            rgba = np.asarray(image.convert("RGBA"))
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, struct.error, Image.DecompressionBombError):
        return None  # what Pillow raises for bytes that are no PNG or a damaged one
    return rgba[..., :3] if rgba.shape[:2] == shape and bool((rgba[..., 3] == 255).all()) else None  # noqa: PLR2004


def _stored(data: bytes) -> bytes:
    """Return a zlib stream that holds the data in stored blocks."""
    blocks = [_ZLIB_HEAD]
    for start in range(0, len(data), _BLOCK):
        piece = data[start : start + _BLOCK]
        last = start + _BLOCK >= len(data)
        blocks += (struct.pack("<BHH", last, len(piece), len(piece) ^ _BLOCK), piece)
    blocks.append(zlib.adler32(data).to_bytes(4, "big"))
    return b"".join(blocks)


def _chunk(kind: bytes, body: bytes) -> bytes:
    named = kind + body
    return len(body).to_bytes(4, "big") + named + zlib.crc32(named).to_bytes(4, "big")


@lru_cache(maxsize=1 << 10)
def _head(h: int, w: int, rgb: bytes) -> bytes:
    """Return what stands before the pixels: 8-bit indices into a palette, not interlaced."""
    size = struct.pack(">IIBBBBB", w, h, 8, 3, 0, 0, 0)
    return b"".join((_SIGNATURE, _chunk(b"IHDR", size), _chunk(b"PLTE", rgb)))


_END = _chunk(b"IEND", b"")
