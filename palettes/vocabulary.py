"""The one vocabulary of text and pictures: 58 bytes, then the palette's colours, then appended extras."""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import UInt8

from palettes.palette import Palette, load_palette

BYTES = b"\x00\t\n \"'()*,-+.0123456789\xc2\xa0:[];/%!abcdefghijklmnopqrstuvwxyz"
NUL, TAB, LF = 0, 1, 2  # padding; the end of an image row; the end of a segment
SEPARATORS = (TAB, LF)
FIRST_COLOUR = len(BYTES)  # 58
NO_TOKEN = 255  # in `byte_to_id`: this byte has no id

if len(BYTES) != 58 or len(set(BYTES)) != 58:  # noqa: PLR2004 - the paper's count, guarded at import
    raise RuntimeError("the byte table must hold 58 different bytes.")


@dataclass(frozen=True)
class Vocabulary:
    """Ids of bytes and colours. Extras (for other tokenisations) come after, so that no id ever moves."""

    palette: Palette = field(default_factory=lambda: load_palette("nes"))
    extras: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Count the ids: 113 for the NES palette without extras."""
        return FIRST_COLOUR + len(self.palette) + len(self.extras)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over bytes, colours and extras in id order; releases and checkpoints carry it."""
        parts = [BYTES, self.palette.rgb.tobytes(), *(extra.encode() for extra in self.extras)]
        return hashlib.sha256(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).hexdigest()

    @cached_property
    def byte_to_id(self) -> UInt8[np.ndarray, "256"]:
        """Map a byte to its id, or to NO_TOKEN."""
        table = np.full(256, NO_TOKEN, dtype=np.uint8)
        table[list(BYTES)] = np.arange(len(BYTES), dtype=np.uint8)
        return table

    def is_colour(self, token: int) -> bool:
        """Tell whether an id stands for a colour."""
        return FIRST_COLOUR <= token < FIRST_COLOUR + len(self.palette)

    def encode_text(self, text: str) -> UInt8[np.ndarray, "n"]:
        """Return the ids of a normalised text; ValueError names the first character without a token.

        >>> Vocabulary().encode_text("a b").tolist()
        [32, 3, 33]
        """
        ids = self.byte_to_id[np.frombuffer(text.encode("utf-8"), dtype=np.uint8)]
        bad = np.flatnonzero((ids == NO_TOKEN) | (ids <= LF))
        if len(bad):
            shown = text.encode("utf-8")[bad[0] : bad[0] + 4].decode("utf-8", errors="replace")[:1]
            raise ValueError(f"the text holds {shown!r}, which has no token: pass it through normalize_text first.")
        return ids

    def decode_text(self, ids: UInt8[np.ndarray, "n"]) -> str:
        """Return the text of byte ids; ValueError when an id is not a byte's.

        >>> Vocabulary().decode_text(np.array([32, 3, 33], dtype=np.uint8))
        'a b'
        """
        if len(ids) and int(ids.max()) >= FIRST_COLOUR:
            raise ValueError(f"id {int(ids.max())} is a colour or an extra, not a byte: it cannot stand in a text.")
        return bytes(BYTES[i] for i in ids.tolist()).decode("utf-8", errors="replace")

    def name(self, token: int) -> str:
        """Return a readable name of an id, for pages and messages: `a`, `TAB`, `#fcfcfc`."""
        if not 0 <= token < len(self):
            raise ValueError(f"id {token} is outside the vocabulary of {len(self)} ids.")
        if token in (NUL, *SEPARATORS):
            return ("NUL", "TAB", "LF")[token]
        if token < FIRST_COLOUR:
            return chr(BYTES[token])
        if self.is_colour(token):
            return f"#{self.palette.rgb[token - FIRST_COLOUR].tobytes().hex()}"
        return self.extras[token - FIRST_COLOUR - len(self.palette)]
