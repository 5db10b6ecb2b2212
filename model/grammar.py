"""The grammar of a record, for B records at once: which ids may come next, so that what is drawn is always well formed.

A record is the shape `(h, w)`, the image, the caption, each closed by LF; the caption may come first. Sides are 1 to
`max_side` without leading zeros; a caption is 1 to `max_caption` bytes, 0xC2 and 0xA0 only as the pair that UTF-8
makes of a no-break space. B records, V vocabulary, P places in a record.

Most ids change nothing but a place and a count, so that a step looks closer only where a row, a caption or a segment
ends or begins.
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


OPEN, HEIGHT, GAP, WIDTH, SHAPE_END, COLOUR, BYTE, PAIR, END = map(int, Phase)  # plain numbers compare much faster
# places where counting has left fewer choices than elsewhere in their phase
ROW_END, IMAGE_END, FIRST_BYTE, ONLY_BYTE, LAST_BYTE, CAPTION_END = range(9, 15)
PLACES = 15
PHASES = (*Phase, *(Phase.IMAGE,) * 2, *(Phase.CAPTION,) * 4)  # of each place
ENDLESS = 1 << 60  # ids, where nothing is counted
ID = {chr(byte): i for i, byte in enumerate(BYTES)}
OPENING, CLOSING, COMMA, SPACE, ZERO = ID["("], ID[")"], ID[","], ID[" "], ID["0"]
FIRST_OF_PAIR, SECOND_OF_PAIR = ID["\xc2"], ID["\xa0"]
DIGITS = np.arange(10)


@dataclass(frozen=True, slots=True, kw_only=True)
class GrammarState:
    """Where each of B records stands."""

    place: Int64[np.ndarray, "B"]  # a phase, or one of the places in it where less is left
    left: Int64[np.ndarray, "B"]  # ids until the row or the caption is full
    sides: Int64[np.ndarray, "B 2"]  # h and w as far as read
    rows: Int64[np.ndarray, "B"]  # of the image, from the one being read on

    @property
    def ended(self) -> Bool[np.ndarray, "B"]:
        """Tell which records are complete."""
        done: Bool[np.ndarray, "B"] = self.place == END
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
        place, left = (OPEN, ENDLESS) if self.order == "image_first" else (self._first_byte, self.max_caption)
        sides = np.zeros((batch, 2), dtype=np.int64)
        return GrammarState(place=zeros + place, left=zeros + left, sides=sides, rows=zeros)

    def mask(self, state: GrammarState) -> Bool[np.ndarray, "B V"]:
        """Return which ids may come next; each row allows at least one."""
        allowed: Bool[np.ndarray, "B V"] = self._allowed[state.place]
        for place, side, closer in ((HEIGHT, 0, COMMA), (WIDTH, 1, CLOSING)):
            at = (state.place == place).nonzero()[0]
            if len(at):
                value = state.sides[at, side]
                grown = value[:, None] * 10 + DIGITS
                allowed[at, ZERO : ZERO + 10] = (grown >= 1) & (grown <= self.max_side)
                allowed[at, closer] = value >= 1
        return allowed

    def advance(self, state: GrammarState, ids: UInt8[np.ndarray, "B"]) -> GrammarState:
        """Return the state after one more id of each record; ValueError names the first that the grammar forbids."""
        legal = self.mask(state)[np.arange(len(ids)), ids]
        if not legal.all():
            b = int(np.argmin(legal))
            phase = PHASES[state.place[b]].name
            raise ValueError(f"record {b}: {self.vocabulary.name(int(ids[b]))} cannot stand where {phase} is due.")
        return self.follow(state, ids)

    def follow(self, state: GrammarState, ids: UInt8[np.ndarray, "B"]) -> GrammarState:
        """Return what `advance` does, for ids already known to be allowed."""
        place, left = self._moves[state.place, ids], state.left - 1
        at = ((place != state.place) | (left <= 1) | (place == HEIGHT) | (place == WIDTH)).nonzero()[0]
        if not len(at):
            return GrammarState(place=place, left=left, sides=state.sides, rows=state.rows)
        sides, rows, was, now = state.sides.copy(), state.rows.copy(), state.place[at], place[at]
        for reading, side in ((HEIGHT, 0), (WIDTH, 1)):
            grows = at[(was == reading) & (now == reading)]
            sides[grows, side] = sides[grows, side] * 10 + ids[grows] - ZERO
        in_image = now == COLOUR
        rows[at] = np.where(in_image & (was == SHAPE_END), sides[at, 0], rows[at] - (was == ROW_END))
        count = np.where(in_image & (was != COLOUR), sides[at, 1], left[at])
        count[now == self._first_byte] = self.max_caption
        count[(now == OPEN) | (now == END)] = ENDLESS
        now = np.where(in_image & (count <= 0), np.where(rows[at] > 1, ROW_END, IMAGE_END), now)
        now = np.where((now == BYTE) & (count <= 1), np.where(count == 1, LAST_BYTE, CAPTION_END), now)
        place[at], left[at] = now, count
        return GrammarState(place=place, left=left, sides=sides, rows=rows)

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
        return None if state.ended[0] else f"it ends after {len(ids)} ids, where {PHASES[state.place[0]].name} is due."

    def accepts(self, ids: UInt8[np.ndarray, "L"]) -> bool:
        """Tell whether ids are one whole, well-formed record."""
        return self.why_not(ids) is None

    @property
    def _first_byte(self) -> int:
        return FIRST_BYTE if self.max_caption > 1 else ONLY_BYTE

    @cached_property
    def _allowed(self) -> Bool[np.ndarray, "P V"]:
        """What may stand at each place; which digits may, and whether a side may end, is looked at in `mask`."""
        table = np.zeros((PLACES, len(self.vocabulary)), dtype=np.bool_)
        for place, token in ((OPEN, OPENING), (GAP, SPACE), (SHAPE_END, LF), (PAIR, SECOND_OF_PAIR), (END, NUL)):
            table[place, token] = True
        table[COLOUR, FIRST_COLOUR : FIRST_COLOUR + len(self.vocabulary.palette)] = True
        table[ROW_END, TAB] = table[IMAGE_END, LF] = True
        for place in (BYTE, FIRST_BYTE, ONLY_BYTE, LAST_BYTE):
            table[place, LF + 1 : FIRST_COLOUR] = True
            table[place, FIRST_OF_PAIR] = place in {BYTE, FIRST_BYTE}
            table[place, SECOND_OF_PAIR] = False
        table[[BYTE, LAST_BYTE, CAPTION_END], LF] = True
        return table

    @cached_property
    def _moves(self) -> Int64[np.ndarray, "P V"]:
        """The place after each place and id, as far as no counting tells more."""
        moves = np.repeat(np.arange(PLACES)[:, None], len(self.vocabulary), axis=1)
        moves[OPEN], moves[GAP] = HEIGHT, WIDTH
        moves[HEIGHT, COMMA], moves[WIDTH, CLOSING], moves[SHAPE_END, LF], moves[ROW_END, TAB] = (
            GAP, SHAPE_END, COLOUR, COLOUR,
        )  # fmt: skip
        bytes_due = [BYTE, FIRST_BYTE, ONLY_BYTE, LAST_BYTE, CAPTION_END]
        moves[[*bytes_due, PAIR]] = BYTE
        moves[bytes_due, FIRST_OF_PAIR] = PAIR
        image_first = self.order == "image_first"
        moves[IMAGE_END, LF], moves[bytes_due, LF] = (self._first_byte, END) if image_first else (END, OPEN)
        return moves
