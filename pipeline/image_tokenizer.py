"""Pictures as ids: the small interface by which tokenisations of a sprite are compared, and the palette's own.

Axes: h, w of a sprite in px, L ids of one picture. The caption of a record is never a tokenizer's business.
To compare another one, write an object with these five names and give it to `model.audit.audit` in a tuple.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8, UInt16

from palettes.vocabulary import Vocabulary
from pipeline.tokenizer import decode, encode, shape_text


@runtime_checkable
class ImageTokenizer(Protocol):
    """One way to write a sprite as ids.

    The ids of a picture tell everything: its height and width too, so that lengths compare. `lossless` speaks of the
    release's own sprite, the palette indices: decode(encode(sprite)) has the same shape and the same index at every
    pixel, for every sprite of the palette. What the palette itself lost of the picture it was made from is no part of
    it. A lossy tokenizer keeps the shape and answers with indices of the same palette.
    """

    @property
    def name(self) -> str:
        """Name in tables, such as `palette`."""

    @property
    def vocab_size(self) -> int:
        """Ids it may use: every id is below it; 65,536 at most."""

    @property
    def lossless(self) -> bool:
        """Tell whether each sprite comes back as it was."""

    def encode(self, sprite: UInt8[np.ndarray, "h w"]) -> UInt16[np.ndarray, "L"]:
        """Return the ids of a sprite (palette indices)."""

    def decode(self, ids: UInt16[np.ndarray, "L"]) -> UInt8[np.ndarray, "h w"]:
        """Return the sprite that the ids of one picture stand for."""


@dataclass(frozen=True)
class PaletteTokenizer:
    """The tokenisation of the `tokens` config: the shape as text, one id for each pixel, one for the end of each row.

    >>> sprite = np.array([[1, 0]], dtype=np.uint8)
    >>> PaletteTokenizer(Vocabulary()).encode(sprite).tolist()  # (1, 2) and LF; two colours and LF
    [6, 14, 9, 3, 15, 7, 2, 59, 58, 2]
    """

    vocabulary: Vocabulary
    name: str = "palette"
    lossless: bool = True

    @property
    def vocab_size(self) -> int:
        """All ids of the vocabulary, the caption's bytes included: it is one for both."""
        return len(self.vocabulary)

    def encode(self, sprite: UInt8[np.ndarray, "h w"]) -> UInt16[np.ndarray, "L"]:
        """Return the ids of the shape and of the picture; ValueError for a sprite outside the palette."""
        return encode((shape_text(*sprite.shape), sprite), self.vocabulary).astype(np.uint16)

    def decode(self, ids: UInt16[np.ndarray, "L"]) -> UInt8[np.ndarray, "h w"]:
        """Return the sprite; ValueError when the ids are not a shape and a picture of that shape."""
        if len(ids) and int(ids.max()) >= self.vocab_size:
            raise ValueError(f"id {int(ids.max())} is outside the vocabulary of {self.vocab_size} ids.")
        segments = decode(ids.astype(np.uint8), self.vocabulary)
        if len(segments) != 2 or isinstance(sprite := segments[1], str):  # noqa: PLR2004 - shape and picture
            raise ValueError(f"a picture is its shape and its pixels; these ids hold {len(segments)} segments.")
        if segments[0] != shape_text(*sprite.shape):
            raise ValueError(f"the ids announce the shape {segments[0]!r}, but the picture is {sprite.shape}.")
        return sprite


def image_tokenizers(vocabulary: Vocabulary) -> tuple[ImageTokenizer, ...]:
    """Return the tokenisations that an audit compares."""
    return (PaletteTokenizer(vocabulary),)


def round_trip(
    tokenizer: ImageTokenizer, sprite: UInt8[np.ndarray, "h w"], record: str
) -> tuple[UInt16[np.ndarray, "L"], UInt8[np.ndarray, "h w"]]:
    """Return a sprite's ids and the sprite they give back; ValueError when the tokenizer does not keep its word.

    It breaks it by an id beyond its vocabulary, by another shape, and, when it says that it is lossless, by any pixel.
    """
    ids = tokenizer.encode(sprite)
    if not len(ids) or int(ids.max()) >= tokenizer.vocab_size:
        told = f"the id {int(ids.max())}" if len(ids) else "no id"
        raise ValueError(
            f"{tokenizer.name} gave {told} for the sprite of {record}, but has {tokenizer.vocab_size} ids: "
            "state its true vocab_size, and write at least one id."
        )
    back = tokenizer.decode(ids)
    if back.shape != sprite.shape:
        raise ValueError(
            f"{tokenizer.name} gives the sprite of {record} back as {back.shape}, but it is {sprite.shape}: "
            "its ids must tell the shape."
        )
    if tokenizer.lossless and (wrong := int((back != sprite).sum())):
        raise ValueError(
            f"{tokenizer.name} says that it is lossless, but gives {wrong} of {sprite.size} pixels of {record} back "
            "as other colours: mend it, or let it say lossless = False."
        )
    return ids, back
