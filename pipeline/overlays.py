"""Where the drawings of many pairs of sprites coincide: the work of `alike`, for whole arrays of pairs at once.

A drawing is rows of bits: a sprite's edges across in the lower half of a row, its edges down in the upper one. Letters
of the shapes: W words of 64 bits that one row takes, R rows (the last one is empty), N faces, M pairs.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int64, UInt8, UInt64

from pipeline.likeness import Drawn, Other, Sprite, coincide, nearest, offsets, overlap, resized, tells

WORD = 64  # bits
FlatSprite = tuple[int, int, bytes]  # height and width, px; the pixels, row by row
PACKED = 128  # sprites whose bits are made at once: unpacked, they take some hundred times the room


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """The pixels of n sprites, one behind the other: what travels between processes at little cost."""

    sides: Int64[np.ndarray, "2 n"]  # height and width, px
    ends: Int64[np.ndarray, "n+1"]  # where the first one's pixels begin, and where each one's end
    cells: bytes

    def sprite(self, place: int) -> Sprite:
        """Return one of the sprites."""
        start, end = self.ends[place : place + 2].tolist()
        return np.frombuffer(self.cells[start:end], dtype=np.uint8).reshape(self.sides[:, place])


def flat(sprite: Drawn) -> FlatSprite:
    """Return a sprite as it is stacked."""
    high, wide = sprite.shape
    return high, wide, sprite.tobytes()


def stacked(sprites: Iterable[FlatSprite]) -> Stack:
    """Return sprites as one stack, in their order."""
    kept = list(sprites)
    sides = np.array([sprite[:2] for sprite in kept], dtype=np.int64).reshape(-1, 2).T
    ends = np.concatenate([np.zeros(1, dtype=np.int64), sides.prod(axis=0).cumsum()])
    return Stack(sides=sides, ends=ends, cells=b"".join([cells for *_, cells in kept]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Faces:
    """The drawings of n sprites: face i is sprite i's, face n + i its mirror image's."""

    sides: Int64[np.ndarray, "2 N"]  # height and width, px
    near: UInt64[np.ndarray, "W R N"]  # where a pixel differs from its neighbour to the right, and below
    far: UInt64[np.ndarray, "W R N"]  # and where from the one after that: neighbours when a line between is left out
    edges: Int64[np.ndarray, "N"]  # bits of `near`


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """How two sprites lie on one another: `one` at a place of the other, or stretched to its size, or the reverse."""

    mirrored: bool  # the other one is
    y: int = 0  # where pixel (0, 0) of `one` lies on the other
    x: int = 0
    stretched: Literal["", "one", "other"] = ""  # which is brought to the size of its partner


def faces(sprites: Stack) -> Faces:
    """Return the drawings of sprites, each of at most 99 px a side."""
    high, wide = sprites.sides.max(axis=1, initial=1).tolist()
    half = next(bits for bits in (WORD // 2, WORD, 2 * WORD) if wide + max(2, wide // 12) + 1 <= bits)
    pixels, count = np.frombuffer(sprites.cells, dtype=np.uint8), len(sprites.ends) - 1
    drawn: UInt64[np.ndarray, "2 W R 2 n"] = np.zeros((2, 2 * half // WORD, high + 1, 2, count), dtype=np.uint64)
    for at in range(0, count, PACKED):
        sides, ends = sprites.sides[:, at : at + PACKED], sprites.ends[at : at + PACKED + 1]
        packed = _packed(pixels[ends[0] : ends[-1]], sides, half)
        drawn[:, :, : packed.shape[2], :, at : at + PACKED] = packed.reshape(*packed.shape[:3], 2, -1)
    near, far = drawn.reshape(*drawn.shape[:3], -1)
    return Faces(sides=np.tile(sprites.sides, 2), near=near, far=far, edges=_count(near))


def _packed(
    pixels: UInt8[np.ndarray, "_"], sides: Int64[np.ndarray, "2 m"], half: int
) -> UInt64[np.ndarray, "2 W r 2*m"]:
    """Return the drawings of m sprites, near and far ones, and behind them those of their mirror images."""
    high, wide = sides.max(axis=1).tolist()
    beyond = wide + 2  # two columns without a pixel: of what lies behind one another, none is taken for a neighbour
    inside = (np.arange(high) < sides[0, :, None])[:, :, None] & (np.arange(beyond) < sides[1, :, None])[:, None]
    drawn = np.zeros((2, *inside.shape), dtype=np.uint8)
    drawn[0][inside] = pixels
    drawn[1][inside] = np.ascontiguousarray(drawn[0, :, :, ::-1])[np.ascontiguousarray(inside[:, :, ::-1])]
    bits = np.zeros((2, *drawn.shape[:2], high + 1, 2 * half), dtype=np.bool_)
    flat = drawn.reshape(2, -1)
    across = np.zeros(drawn.shape, dtype=np.bool_)
    for plane, gap in zip(bits, (1, 2), strict=True):
        across.reshape(2, -1)[:, :-gap] = (flat[:, gap:] != flat[:, :-gap]) & inside.ravel()[gap:]
        plane[:, :, :high, :wide] = across[..., :wide]
        down = (drawn[:, :, gap:] != drawn[:, :, :-gap]) & inside[:, gap:]
        plane[:, :, : down.shape[2], half : half + wide] = down[..., :wide]
    words: UInt64[np.ndarray, "2 W r 2*m"] = _in_words(bits.reshape(2, -1, high + 1, 2 * half)).transpose(0, 3, 2, 1)
    return words


def shifted(drawn: Faces, one: Int64[np.ndarray, "M"], other: Int64[np.ndarray, "M"]) -> Iterator[tuple[int, Overlay]]:
    """Yield, by their places, pairs of sprites whose drawings coincide unstretched, and how; some more than once.

    Sprite `one` must be the smaller one by (height, width), as `alike` orders a pair: what is mirrored is `other`.
    """
    for members, (high, wide) in _kinds(drawn, one, other):
        a = drawn.near[:, :, one[members]]
        for mirrored in (False, True):
            faced = _faced(drawn, other[members], mirrored=mirrored)
            b = drawn.near[:, :, faced]
            both = drawn.edges[one[members]] + drawn.edges[faced]
            for x in offsets(0, wide):
                left, right = _moved(a, max(0, x)), _moved(b, max(0, -x))
                for y in offsets(0, high):
                    common = _count(left[:, max(0, -y) : _end(-y)] & right[:, max(0, y) : _end(y)])
                    for hit in members[coincide(common, both)].tolist():
                        yield hit, Overlay(mirrored=mirrored, y=y, x=x)


def stretched(
    drawn: Faces, one: Int64[np.ndarray, "M"], other: Int64[np.ndarray, "M"]
) -> Iterator[tuple[int, Overlay]]:
    """Yield the same for pairs that coincide when one sprite is brought to the size of the other."""
    for members, apart in _kinds(drawn, one, other):
        if apart == (0, 0):
            continue
        a = one[members]
        brought = _brought(drawn, a, drawn.sides[:, other[members]])
        for mirrored in (False, True):
            b = _faced(drawn, other[members], mirrored=mirrored)
            for hit in members[_same(brought, drawn, b)].tolist():
                yield hit, Overlay(mirrored=mirrored, stretched="one")
            for hit in members[_same(_brought(drawn, b, drawn.sides[:, a]), drawn, a)].tolist():
                yield hit, Overlay(mirrored=mirrored, stretched="other")


def agrees(a: Sprite, b: Other, how: Overlay) -> bool:
    """Tell whether the colours of two sprites, laid over one another, tell each other."""
    face = b[:, ::-1] if how.mirrored else b
    if how.stretched == "other":
        return tells(a, resized(face, a.shape))
    if how.stretched == "one":
        return tells(resized(a, face.shape), face)
    return tells(*overlap(a, face, how.y, how.x))


def _kinds(
    drawn: Faces, one: Int64[np.ndarray, "M"], other: Int64[np.ndarray, "M"]
) -> Iterator[tuple[Int64[np.ndarray, "m"], tuple[int, int]]]:
    """Yield the places of the pairs whose sides differ by the same, and by how much."""
    high, wide = drawn.sides[:, other] - drawn.sides[:, one]
    kind = high * (2 * WORD) + wide  # no side is longer than 99 px
    order = kind.argsort(kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(kind[order])) + 1):
        if members.size:
            yield members, (int(high[members[0]]), int(wide[members[0]]))


def _faced(drawn: Faces, sprites: Int64[np.ndarray, "M"], *, mirrored: bool) -> Int64[np.ndarray, "M"]:
    return sprites + drawn.edges.size // 2 if mirrored else sprites


def _end(y: int) -> int | None:
    """Return where rows end of which the first `y`, when it is positive, have no partner in the other drawing."""
    return y if y < 0 else None


def _count(words: UInt64[np.ndarray, "W R M"]) -> Int64[np.ndarray, "M"]:
    """Return how many bits are set in each drawing."""
    counts: Int64[np.ndarray, "M"] = np.bitwise_count(words).sum(axis=(0, 1), dtype=np.uint16).astype(np.int64)
    return counts


def _moved(words: UInt64[np.ndarray, "W R M"], x: int) -> UInt64[np.ndarray, "W R M"]:
    """Return drawings moved by x < 64 px to the right, or to the left where x is negative."""
    if not x:
        return words
    up, by, back = x > 0, np.uint64(abs(x)), np.uint64(WORD - abs(x))
    moved = words << by if up else words >> by
    if up:
        moved[1:] |= words[:-1] >> back
    else:
        moved[:-1] |= words[1:] << back
    return moved


def _same(brought: UInt64[np.ndarray, "W R M"], drawn: Faces, of: Int64[np.ndarray, "M"]) -> Bool[np.ndarray, "M"]:
    """Tell which drawings coincide with those of faces, pixel on pixel."""
    common = _count(brought & drawn.near[:, :, of])
    same: Bool[np.ndarray, "M"] = coincide(common, _count(brought) + drawn.edges[of])
    return same


def _brought(drawn: Faces, of: Int64[np.ndarray, "M"], to: Int64[np.ndarray, "2 M"]) -> UInt64[np.ndarray, "W R M"]:
    """Return the drawings that faces have when they are resized to other sides, as `resized` does."""
    words, rows = drawn.near.shape[:2]
    (high, wide), (new_high, new_wide) = drawn.sides[:, of], to
    kinds, kind = _sizes(high, new_high)
    lines = np.stack([_lines(*size, rows) for size in kinds], axis=1)[:, kind]
    whole, joined = np.stack([_row_masks(*size, rows, words) for size in kinds], axis=3)[..., kind]
    far = drawn.far[:, lines, of]
    near = drawn.near[:, lines, of] & whole | far & joined
    kinds, kind = _sizes(wide, new_wide)
    masks = np.stack([_column_masks(*size, words) for size in kinds], axis=4)[..., kind]
    brought: UInt64[np.ndarray, "W R M"] = np.zeros_like(near)
    for skipped, (whole, joined) in enumerate(masks, start=min(0, kinds[0][0] - kinds[0][1])):
        brought |= _moved(near, -skipped) & whole | _moved(far, -skipped) & joined
    return brought


def _sizes(
    old: Int64[np.ndarray, "M"], new: Int64[np.ndarray, "M"]
) -> tuple[list[tuple[int, int]], Int64[np.ndarray, "M"]]:
    """Return the different pairs of an old and a new side, and which of them each pair has."""
    codes, kind = np.unique(old * (2 * WORD) + new, return_inverse=True)
    return [divmod(code, 2 * WORD) for code in codes.tolist()], kind


@lru_cache(maxsize=1024)
def _lines(old: int, new: int, rows: int) -> Int64[np.ndarray, "R"]:
    """Return for each row of a resized drawing the row that it shows; beyond its height the empty last one."""
    lines = np.full(rows, rows - 1, dtype=np.int64)
    lines[:new] = nearest(old, new)
    return lines


@lru_cache(maxsize=1024)
def _row_masks(old: int, new: int, rows: int, words: int) -> UInt64[np.ndarray, "2 W R"]:
    """Return what to keep of a row's near edges, and of its far ones: those down when the row below is left out.

    Where a row is repeated, nothing differs from the one below. Sides of twins never differ by so much that two
    neighbours are left out together.
    """
    keep = np.zeros((2, rows, words * WORD), dtype=np.bool_)
    across, down = np.split(keep, 2, axis=2)
    across[0] = True
    gaps = np.diff(nearest(old, new))
    down[0, : new - 1][gaps == 1] = True
    down[1, : new - 1][gaps == 2] = True  # noqa: PLR2004 - one line between them
    return _in_words(keep).transpose(0, 2, 1)


@lru_cache(maxsize=1024)
def _column_masks(old: int, new: int, words: int) -> UInt64[np.ndarray, "S 2 W 1"]:
    """Return what to keep of near edges, and of far ones, moved to the left by 0 … old - new px, or those below 0."""
    shown = nearest(old, new)
    skipped = shown - np.arange(new) - min(0, old - new)
    gaps = np.diff(shown, append=shown[-1])
    keep = np.zeros((abs(old - new) + 1, 2, words * WORD), dtype=np.bool_)
    at = np.arange(new)
    keep[skipped, 0, words * WORD // 2 + at] = True
    keep[skipped, 0, at] = gaps == 1
    keep[skipped, 1, at] = gaps == 2  # noqa: PLR2004 - one line between them
    return _in_words(keep)[..., None]


def _in_words(bits: Bool[np.ndarray, "*n B"]) -> UInt64[np.ndarray, "*n W"]:
    packed: UInt64[np.ndarray, "*n W"] = np.packbits(bits, axis=-1, bitorder="little").view("<u8").astype(np.uint64)
    return packed
