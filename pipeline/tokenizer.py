"""Segments to ids and back: decode is the inverse of encode.

A record is three segments: the shape `(h, w)` as text, the image, the caption. To each row of a segment a separator
is appended: TAB, or LF on the segment's last row. The caption may come first; the shape always stands before its image.
"""

from collections.abc import Sequence
from enum import IntEnum
from functools import lru_cache
from typing import Literal

import numpy as np
from jaxtyping import UInt8

from palettes.vocabulary import BYTES, FIRST_COLOUR, LF, NO_TOKEN, NUL, TAB, Vocabulary

Order = Literal["image_first", "text_first"]
ORDERS: tuple[Order, ...] = ("image_first", "text_first")
Segment = str | UInt8[np.ndarray, "_ _"]

# Texts and separators go through `bytes`: its methods look at a thousand ids in well under a microsecond.
_LF, _TAB, _NUL = bytes([LF]), bytes([TAB]), bytes([NUL])
_NO_ID = bytes([NO_TOKEN])
_NEVER_IN_TEXT = (_NO_ID, _NUL, _TAB, _LF)
_ID_TO_BYTE = bytes.maketrans(bytes(range(FIRST_COLOUR)), BYTES)
_BYTE_TO_ID = bytes(BYTES.index(byte) if byte in BYTES else NO_TOKEN for byte in range(256))
#: In a portion of captions LF stands between them, and may stand in none.
_CAPTION_TO_ID = bytes(NO_TOKEN if one in (NUL, TAB) else one for one in _BYTE_TO_ID)
_NUMBERS = bytes(range(256))
_FIRST = np.uint8(FIRST_COLOUR)


class Part(IntEnum):
    """What a token is for; metrics are told apart by it."""

    SHAPE = 0
    PIXELS = 1
    ROW_ENDS = 2
    CAPTION = 3


def encode(segments: Sequence[Segment], vocabulary: Vocabulary) -> UInt8[np.ndarray, "L"]:
    """Return the ids of texts and pictures (palette indices, h×w) in the order given."""
    parts = [
        _text_ids(one, vocabulary) if isinstance(one, str) else _image_ids(one, len(vocabulary.palette))
        for one in segments
    ]
    return np.frombuffer(bytearray().join(parts), dtype=np.uint8)


def encode_record(
    sprite: UInt8[np.ndarray, "h w"], caption: str, vocabulary: Vocabulary, order: Order = "image_first"
) -> UInt8[np.ndarray, "L"]:
    """Return the ids of one record.

    >>> encode_record(np.array([[1]], dtype=np.uint8), "a", Vocabulary()).tolist()
    [6, 14, 9, 3, 14, 7, 2, 59, 2, 32, 2]
    """
    image: tuple[Segment, ...] = (shape_text(*sprite.shape), sprite)
    return encode((*image, caption) if order == "image_first" else (caption, *image), vocabulary)


def encode_records(
    sprites: Sequence[UInt8[np.ndarray, "_ _"]], captions: Sequence[str], vocabulary: Vocabulary
) -> tuple[UInt8[np.ndarray, "N"], list[int]]:
    """Return the ids of records, image first, in one array, and where each begins, with the end of the last.

    All at once they cost half of what they do one by one. ValueError when one of them has no ids, as `encode_record`.

    >>> encode_records([np.array([[1]], dtype=np.uint8)], ["a"], Vocabulary())[0].tolist()
    [6, 14, 9, 3, 14, 7, 2, 59, 2, 32, 2]
    """
    texts = "\n".join(captions).encode().translate(_CAPTION_TO_ID)
    cells = np.frombuffer(b"".join([sprite.tobytes() for sprite in sprites]), dtype=np.uint8)
    said = texts.split(_LF) if captions else []
    fits = cells.max(initial=0) < len(vocabulary.palette) and all(sprite.size for sprite in sprites)
    if not fits or len(said) != len(captions) or _NO_ID in texts:
        for sprite, caption in zip(sprites, captions, strict=True):
            encode_record(sprite, caption, vocabulary)  # raises, and says what is wrong with it
    parts: list[bytes] = []
    starts = [0]
    for sprite, text in zip(sprites, said, strict=True):
        frame = _frame(*sprite.shape)
        parts += (frame, text, _LF)
        starts.append(starts[-1] + len(frame) + len(text) + 1)
    ids = np.frombuffer(bytearray().join(parts), dtype=np.uint8)
    ids[ids == NUL] = cells + _FIRST
    return ids, starts


@lru_cache(maxsize=4096)
def _frame(h: int, w: int) -> bytes:
    """Return the ids of a shape and of an image of it, whose colours are left NUL."""
    shape = shape_text(h, w).encode().translate(_BYTE_TO_ID)
    return shape + _LF + _TAB.join([_NUL * w] * h) + _LF


def shape_text(h: int, w: int) -> str:
    """Return the text of the shape segment, such as `(24, 25)`."""
    return f"({h}, {w})"


def grids(ids: UInt8[np.ndarray, "L"]) -> list[UInt8[np.ndarray, "_ _"]]:
    """Return each segment as a grid of ids with its separator column; ValueError when rows are not of one width.

    The grids are views of `ids`.
    """
    *segments, rest = ids.tobytes().split(_LF)
    if rest or not segments:
        raise ValueError(f"the {len(ids)} ids do not end with LF: the record is cut off.")
    found, start = [], 0
    for segment in segments:
        end = start + len(segment) + 1
        width = segment.find(_TAB) + 1 or len(segment) + 1
        if not _ruled(segment, width):
            raise ValueError(f"a segment of {end - start} ids has rows of different widths (the first: {width}).")
        found.append(ids[start:end].reshape(-1, width))
        start = end
    return found


def _ruled(segment: bytes, width: int) -> bool:
    """Tell whether, of a segment without its LF, separators stand at the end of each row and only there."""
    rows, left = divmod(len(segment) + 1, width)
    if left or _NUL in segment:
        return False
    return rows == 1 or (segment.count(_TAB) == rows - 1 and segment[width - 1 :: width] == _TAB * (rows - 1))


def decode(ids: UInt8[np.ndarray, "L"], vocabulary: Vocabulary) -> list[Segment]:
    """Return the segments of ids: a text for each one of bytes, palette indices for each one of colours."""
    segments: list[Segment] = []
    for grid in grids(ids):
        cells = grid[:, :-1]
        if cells.size and int(cells.min()) >= FIRST_COLOUR:
            segments.append(cells - np.uint8(FIRST_COLOUR))
        elif len(grid) == 1:
            segments.append(_text(cells[0], vocabulary))
        else:
            raise ValueError(f"a segment of {grid.shape[0]} rows holds bytes: only an image has more than one row.")
    return segments


def decode_record(ids: UInt8[np.ndarray, "L"], vocabulary: Vocabulary) -> tuple[UInt8[np.ndarray, "h w"], str]:
    """Return sprite and caption of one record in either order; ValueError when it is not well formed."""
    segments = decode(ids, vocabulary)
    images = [i for i, segment in enumerate(segments) if not isinstance(segment, str)]
    if len(segments) != 3 or len(images) != 1 or images[0] == 0:  # noqa: PLR2004 - shape, image, caption
        raise ValueError(f"a record is shape, image and caption; these ids hold {len(segments)} segments.")
    at = images[0]
    sprite, shape, caption = segments[at], segments[at - 1], segments[2 if at == 1 else 0]
    if isinstance(sprite, str) or not isinstance(caption, str) or shape != shape_text(*sprite.shape):
        raise ValueError(f"the record announces the shape {shape!r}, but its image says otherwise.")
    return sprite, caption


def parts(ids: UInt8[np.ndarray, "L"]) -> UInt8[np.ndarray, "L"]:
    """Return the Part of each token of a record; a shape's or caption's LF belongs to it, an image's to ROW_ENDS."""
    found = grids(ids)
    pictures = [grid.size > 1 and bool(grid[0, 0] >= FIRST_COLOUR) for grid in found]
    out = []
    for i, grid in enumerate(found):
        if pictures[i]:
            label = np.full(grid.shape, Part.PIXELS, dtype=np.uint8)
            label[:, -1] = Part.ROW_ENDS
        else:
            before_image = i + 1 < len(found) and pictures[i + 1]
            label = np.full(grid.shape, Part.SHAPE if before_image else Part.CAPTION, dtype=np.uint8)
        out.append(label.ravel())
    return np.concatenate(out)


def reorder(ids: UInt8[np.ndarray, "L"], order: Order) -> UInt8[np.ndarray, "L"]:
    """Return the same record with its image or its caption first."""
    ends = np.flatnonzero(ids == LF) + 1
    first, second, third = np.split(ids, ends[:-1])
    is_image_first = bool(second[0] >= FIRST_COLOUR)
    if is_image_first == (order == "image_first"):
        return ids
    return np.concatenate([third, first, second] if is_image_first else [second, third, first])


def _text_ids(text: str, vocabulary: Vocabulary) -> bytes:
    """Return the ids of a text and its LF; the vocabulary says why when a character has none."""
    ids = text.encode().translate(_BYTE_TO_ID)
    if any(never in ids for never in _NEVER_IN_TEXT):
        return vocabulary.encode_text(text).tobytes()  # raises, and names the character
    return ids + _LF


def _image_ids(sprite: UInt8[np.ndarray, "h w"], colours: int) -> bytes:
    """Return the ids of a picture, a separator after each row."""
    h, w = sprite.shape
    if not sprite.size or sprite.tobytes().translate(None, _NUMBERS[:colours]):
        raise ValueError(f"a sprite of shape {sprite.shape} is empty or uses colours outside the palette.")
    grid = np.empty((h, w + 1), dtype=np.uint8)
    np.add(sprite, _FIRST, out=grid[:, :w])
    grid[:, w] = TAB
    grid[-1, w] = LF
    return grid.tobytes()


def _text(ids: UInt8[np.ndarray, "n"], vocabulary: Vocabulary) -> str:
    """Return the text of ids that are bytes'; the vocabulary says why when one is not."""
    if ids.size and int(ids.max()) >= FIRST_COLOUR:
        return vocabulary.decode_text(ids)  # raises, and names the id
    return ids.tobytes().translate(_ID_TO_BYTE).decode("utf-8", errors="replace")
