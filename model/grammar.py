"""The grammar of a record, for B records at once: which ids may come next, so that what is drawn is always well formed.

A record is the shape `(h, w)`, the image, the caption, each closed by LF; the caption may come first. Sides are 1 to
`max_side` without leading zeros; a caption is 1 to `max_caption` bytes, 0xC2 and 0xA0 only as the pair that UTF-8
makes of a no-break space. B records, V vocabulary, P phases.
"""

from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Int64, UInt8

from palettes.vocabulary import BYTES, FIRST_COLOUR, LF, NUL, TAB, Vocabulary
from pipeline.tokenizer import Order


class Phase(IntEnum):
    """What a record waits for."""

    OPEN = 0  # (
    HEIGHT = 1  # a digit, or the comma
    SPACE = 2
    WIDTH = 3  # a digit, or )
    SHAPE_END = 4  # LF
    IMAGE = 5  # a colour, or the end of a row
    CAPTION = 6  # a byte, or LF
    PAIR = 7  # 0xA0 after 0xC2
    END = 8  # nothing more: NUL


ID = {chr(byte): i for i, byte in enumerate(BYTES)}
OPENING, CLOSING, COMMA, SPACE, ZERO = ID["("], ID[")"], ID[","], ID[" "], ID["0"]
FIRST_OF_PAIR, SECOND_OF_PAIR = ID["\xc2"], ID["\xa0"]
DIGITS = np.arange(10)


@dataclass(frozen=True, slots=True, kw_only=True)
class GrammarState:
    """Where each of B records stands."""

    phase: Int64[np.ndarray, "B"]
    sides: Int64[np.ndarray, "B 2"]  # h and w as far as read
    row: Int64[np.ndarray, "B"]
    column: Int64[np.ndarray, "B"]
    caption: Int64[np.ndarray, "B"]  # bytes read of it
    segments: Int64[np.ndarray, "B"]  # closed so far

    @property
    def ended(self) -> Bool[np.ndarray, "B"]:
        """Tell which records are complete."""
        done: Bool[np.ndarray, "B"] = self.phase == Phase.END
        return done


@dataclass(frozen=True)
class Grammar:
    """Masks of the ids that may come next."""

    vocabulary: Vocabulary
    order: Order = "image_first"
    max_side: int = 25
    max_caption: int = 1_000  # bytes

    def __post_init__(self) -> None:
        """Refuse bounds under which no record exists."""
        if self.max_side < 1 or self.max_caption < 1:
            raise ValueError(f"max_side is {self.max_side} and max_caption {self.max_caption}: both must be 1 or more.")

    def start(self, batch: int) -> GrammarState:
        """Return the state of B records of which nothing was read."""
        zeros = np.zeros(batch, dtype=np.int64)
        first = Phase.OPEN if self.order == "image_first" else Phase.CAPTION
        sides = np.zeros((batch, 2), dtype=np.int64)
        return GrammarState(phase=zeros + first, sides=sides, row=zeros, column=zeros, caption=zeros, segments=zeros)

    def mask(self, state: GrammarState) -> Bool[np.ndarray, "B V"]:
        """Return which ids may come next; each row allows at least one."""
        allowed: Bool[np.ndarray, "B V"] = self._by_phase[state.phase].copy()
        for phase, side, closer in ((Phase.HEIGHT, 0, COMMA), (Phase.WIDTH, 1, CLOSING)):
            at = np.flatnonzero(state.phase == phase)
            value = state.sides[at, side]
            grown = value[:, None] * 10 + DIGITS
            allowed[at, ZERO : ZERO + 10] = (grown >= 1) & (grown <= self.max_side)
            allowed[at, closer] = value >= 1
        at = np.flatnonzero(state.phase == Phase.IMAGE)
        full = state.column[at] == state.sides[at, 1]
        last = state.row[at] == state.sides[at, 0] - 1
        allowed[at, FIRST_COLOUR : FIRST_COLOUR + len(self.vocabulary.palette)] = ~full[:, None]
        allowed[at, TAB], allowed[at, LF] = full & ~last, full & last
        at = np.flatnonzero(state.phase == Phase.CAPTION)
        left = self.max_caption - state.caption[at]
        allowed[at, LF + 1 : FIRST_COLOUR] &= left[:, None] >= 1
        allowed[at, FIRST_OF_PAIR] = left >= 2  # noqa: PLR2004 - a pair
        allowed[at, LF] = state.caption[at] >= 1
        return allowed

    def advance(self, state: GrammarState, ids: UInt8[np.ndarray, "B"]) -> GrammarState:
        """Return the state after one more id of each record; ValueError names the first that the grammar forbids."""
        legal = self.mask(state)[np.arange(len(ids)), ids]
        if not legal.all():
            b = int(np.argmin(legal))
            phase = Phase(int(state.phase[b])).name
            raise ValueError(f"record {b}: {self.vocabulary.name(int(ids[b]))} cannot stand where {phase} is due.")
        return self.follow(state, ids)

    def follow(self, state: GrammarState, ids: UInt8[np.ndarray, "B"]) -> GrammarState:
        """Return what `advance` does, for ids already known to be allowed."""
        told = ids.astype(np.int64)
        digit = (told >= ZERO) & (told < ZERO + 10)
        sides = state.sides.copy()
        for phase, side in ((Phase.HEIGHT, 0), (Phase.WIDTH, 1)):
            grows = digit & (state.phase == phase)
            sides[grows, side] = sides[grows, side] * 10 + told[grows] - ZERO
        in_image, in_caption = state.phase == Phase.IMAGE, np.isin(state.phase, (Phase.CAPTION, Phase.PAIR))
        row_ended = in_image & (told == TAB)
        closed = (told == LF) & ~state.ended
        segments = state.segments + closed
        return replace(
            state,
            phase=self._next_phase(state.phase, told, segments, closed),
            sides=sides,
            row=state.row + row_ended,
            column=np.where(row_ended, 0, state.column + in_image),
            caption=state.caption + (in_caption & ~closed),
            segments=segments,
        )

    def read(self, ids: UInt8[np.ndarray, "L"]) -> GrammarState:
        """Return the state of one record after a prefix; ValueError says where it breaks the grammar."""
        state = self.start(1)
        for place in range(len(ids)):
            try:
                state = self.advance(state, ids[place : place + 1])
            except ValueError as error:
                raise ValueError(f"at token {place}: {error}") from error
        return state

    def why_not(self, ids: UInt8[np.ndarray, "L"]) -> str | None:
        """Return what is wrong with a whole record, or None when it is well formed.

        >>> Grammar(Vocabulary()).why_not(np.array([6, 3], dtype=np.uint8))
        'at token 1: record 0:   cannot stand where HEIGHT is due.'
        """
        try:
            state = self.read(ids)
        except ValueError as error:
            return str(error)
        return (
            None if state.ended[0] else f"it ends after {len(ids)} ids, where {Phase(int(state.phase[0])).name} is due."
        )

    def accepts(self, ids: UInt8[np.ndarray, "L"]) -> bool:
        """Tell whether ids are one whole, well-formed record."""
        return self.why_not(ids) is None

    @cached_property
    def _by_phase(self) -> Bool[np.ndarray, "P V"]:
        """What each phase allows whatever else is known; sides, rows and lengths are looked at in `mask`."""
        table = np.zeros((len(Phase), len(self.vocabulary)), dtype=np.bool_)
        for phase, token in ((Phase.OPEN, OPENING), (Phase.SPACE, SPACE), (Phase.SHAPE_END, LF), (Phase.END, NUL)):
            table[phase, token] = True
        table[Phase.PAIR, SECOND_OF_PAIR] = True
        table[Phase.CAPTION, LF + 1 : FIRST_COLOUR] = True
        table[Phase.CAPTION, SECOND_OF_PAIR] = False
        return table

    def _next_phase(
        self,
        phase: Int64[np.ndarray, "B"],
        told: Int64[np.ndarray, "B"],
        segments: Int64[np.ndarray, "B"],
        closed: Bool[np.ndarray, "B"],
    ) -> Int64[np.ndarray, "B"]:
        opened = self._opened[segments]  # what follows a segment that was just closed
        moves = (
            closed,
            phase == Phase.OPEN,
            (phase == Phase.HEIGHT) & (told == COMMA),
            phase == Phase.SPACE,
            (phase == Phase.WIDTH) & (told == CLOSING),
            (phase == Phase.CAPTION) & (told == FIRST_OF_PAIR),
            phase == Phase.PAIR,
        )
        after = (opened, Phase.HEIGHT, Phase.SPACE, Phase.WIDTH, Phase.SHAPE_END, Phase.PAIR, Phase.CAPTION)
        moved: Int64[np.ndarray, "B"] = np.select(moves, after, default=phase)
        return moved

    @cached_property
    def _opened(self) -> Int64[np.ndarray, "4"]:
        """The phase that begins after so many closed segments."""
        image = (Phase.OPEN, Phase.IMAGE)
        phases = (*image, Phase.CAPTION) if self.order == "image_first" else (Phase.CAPTION, *image)
        return np.array([*phases, Phase.END], dtype=np.int64)
