"""The grammar of a record, for B records at once: which ids may come next, so that what is drawn is always well formed.

A record is the shape `(h, w)`, the image, the caption, each closed by LF; the caption may come first. Sides are 1 to
`max_side` without leading zeros; a caption is 1 to `max_caption` bytes, 0xC2 and 0xA0 only as the pair that UTF-8
makes of a no-break space. B records, V vocabulary, P phases.
"""

from dataclasses import dataclass
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


OPEN, HEIGHT, GAP, WIDTH, SHAPE_END, IMAGE, CAPTION, PAIR, END = map(int, Phase)  # plain numbers compare much faster
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

    @property
    def ended(self) -> Bool[np.ndarray, "B"]:
        """Tell which records are complete."""
        done: Bool[np.ndarray, "B"] = self.phase == END
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

    @property
    def longest(self) -> int:
        """Tokens of the longest record: its shape, its largest picture, its longest caption."""
        shape = len(f"({self.max_side}, {self.max_side})") + 1
        return shape + self.max_side * (self.max_side + 1) + self.max_caption + 1

    def start(self, batch: int) -> GrammarState:
        """Return the state of B records of which nothing was read."""
        zeros = np.zeros(batch, dtype=np.int64)
        first = OPEN if self.order == "image_first" else CAPTION
        sides = np.zeros((batch, 2), dtype=np.int64)
        return GrammarState(phase=zeros + first, sides=sides, row=zeros, column=zeros, caption=zeros)

    def mask(self, state: GrammarState) -> Bool[np.ndarray, "B V"]:
        """Return which ids may come next; each row allows at least one."""
        allowed: Bool[np.ndarray, "B V"] = self._by_phase[state.phase]
        present = set(state.phase.tolist())
        for phase, side, closer in ((HEIGHT, 0, COMMA), (WIDTH, 1, CLOSING)):
            if phase in present:
                at = np.flatnonzero(state.phase == phase)
                value = state.sides[at, side]
                grown = value[:, None] * 10 + DIGITS
                allowed[at, ZERO : ZERO + 10] = (grown >= 1) & (grown <= self.max_side)
                allowed[at, closer] = value >= 1
        if IMAGE in present:
            at = np.flatnonzero(state.phase == IMAGE)
            full = state.column[at] == state.sides[at, 1]
            last = state.row[at] == state.sides[at, 0] - 1
            allowed[at] = self._in_image[np.where(full, 1 + last, 0)]
        if CAPTION in present:
            at = np.flatnonzero(state.phase == CAPTION)
            count = state.caption[at]
            allowed[at] = self._in_caption[np.minimum(count, 1), np.maximum(np.minimum(self.max_caption - count, 2), 0)]
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
        phase, sides = state.phase, state.sides
        if not {HEIGHT, WIDTH}.isdisjoint(phase.tolist()):
            in_shape = np.flatnonzero((phase == HEIGHT) | (phase == WIDTH))
            sides, digit = sides.copy(), ids[in_shape].astype(np.int64) - ZERO
            grows = (digit >= 0) & (digit <= DIGITS[-1])
            at = in_shape[grows], (phase[in_shape][grows] == WIDTH).astype(np.int64)
            sides[at] = sides[at] * 10 + digit[grows]
        in_image = phase == IMAGE
        row_ended = in_image & (ids == TAB)
        in_caption = ((phase == CAPTION) | (phase == PAIR)) & (ids != LF)
        return GrammarState(
            phase=self._moves[phase, ids],
            sides=sides,
            row=state.row + row_ended,
            column=np.where(row_ended, 0, state.column + in_image),
            caption=state.caption + in_caption,
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
        for phase, token in ((OPEN, OPENING), (GAP, SPACE), (SHAPE_END, LF), (PAIR, SECOND_OF_PAIR), (END, NUL)):
            table[phase, token] = True
        return table

    @cached_property
    def _in_image(self) -> Bool[np.ndarray, "3 V"]:
        """What may stand inside a row, at its end, and at the end of the last one."""
        table = np.zeros((3, len(self.vocabulary)), dtype=np.bool_)
        table[0, FIRST_COLOUR : FIRST_COLOUR + len(self.vocabulary.palette)] = True
        table[1, TAB] = table[2, LF] = True
        return table

    @cached_property
    def _in_caption(self) -> Bool[np.ndarray, "2 3 V"]:
        """What may stand where nothing or something of a caption was read and 0, 1 or more bytes are left for it."""
        table = np.zeros((2, 3, len(self.vocabulary)), dtype=np.bool_)
        table[:, 1:, LF + 1 : FIRST_COLOUR] = True
        table[:, 1, FIRST_OF_PAIR] = table[:, :, SECOND_OF_PAIR] = False
        table[1, :, LF] = True
        return table

    @cached_property
    def _moves(self) -> Int64[np.ndarray, "P V"]:
        """The phase after each phase and id."""
        moves = np.repeat(np.arange(len(Phase))[:, None], len(self.vocabulary), axis=1)
        moves[OPEN], moves[GAP], moves[PAIR] = HEIGHT, WIDTH, CAPTION
        moves[HEIGHT, COMMA], moves[WIDTH, CLOSING], moves[CAPTION, FIRST_OF_PAIR] = GAP, SHAPE_END, PAIR
        image_first = self.order == "image_first"
        moves[SHAPE_END, LF] = IMAGE
        moves[IMAGE, LF], moves[CAPTION, LF] = (CAPTION, END) if image_first else (END, OPEN)
        return moves
