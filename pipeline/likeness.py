"""Whether two sprites draw the same picture, whatever their colours, mirrored or not: fingerprints, and exact looks.

A picture's drawing is where neighbouring pixels differ. A fingerprint of 64 bytes finds candidates by it; `alike`
decides, by the drawing and by whether one picture's colours tell the other's. Both depend on nothing but the sprites
they are given, so that a pair which is found once is found in every smaller or larger set.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

import numpy as np
from jaxtyping import Bool, Float64, Int, UInt8

Sprite = UInt8[np.ndarray, "h w"]  # palette indices
Other = UInt8[np.ndarray, "H W"]  # the same, of another size
Sprites = Iterable[UInt8[np.ndarray, "_ _"]]  # each of its own size

FINGERPRINT = 64  # bytes: the exact picture's digest, two sides, then bits that sum up the drawing
DIGEST, SIDES = 8, 10  # where the digest ends, and where the sides end
BITS = 8 * (FINGERPRINT - SIDES)  # that sum up the drawing
LARGEST = 99  # px a side: the shape segment has two digits a side
LEAST = 24  # neighbours that differ, and that do not: below, a picture is plain and its drawing says nothing
DRAWN = 0.74  # of both drawings' edges, what must lie at the same places
MANY = 120  # edges in both drawings together; where there are fewer, a larger share must coincide
ROUNDED = 0.1  # of a drawing's edges, how many more or fewer it may have when stretched
TOLD, TOLD_BACK = 0.70, 0.55  # how well colours must tell the other's colours: better and worse direction
SLACK, SLACK_SHARE = 2, 12  # px, or parts of the longer one, by which the sides of twins may differ
GRID = 12  # cells a side onto which a drawing is spread for its fingerprint
BATCH = 256  # sprites whose bits are made at once
ROW = 256  # bits of one row of a drawing: 128 for edges across, 128 for edges down; wide enough to be shifted


def fingerprint(sprite: Sprite) -> bytes:
    """Return 64 bytes that recolouring and horizontal mirroring leave as they are, and small changes nearly so.

    Bytes 0–7 digest the exact picture up to colours and mirroring; bytes 8–9 are height and width; the others sum up
    the drawing, so that twins differ in few bits. A plain picture is digested with its colours, and its sides are 0.
    Raises ValueError for a sprite without pixels or of more than 99 px a side.

    >>> face = np.array([[0, 1, 1, 2], [3, 1, 3, 1], [1, 2, 2, 1], [1, 0, 4, 4]], dtype=np.uint8)
    >>> len(fingerprint(face)), fingerprint(face) == fingerprint(face[:, ::-1])
    (64, True)
    """
    return fingerprints([sprite]).tobytes()


def fingerprints(sprites: Sprites) -> UInt8[np.ndarray, "n 64"]:
    """Return the fingerprints of sprites, one a row, in their order; ValueError as `fingerprint`."""
    rows = [np.zeros((0, FINGERPRINT), dtype=np.uint8)]
    ahead = iter(sprites)
    while batch := list(islice(ahead, BATCH)):
        heads, folds = zip(*map(_sketch, batch), strict=True)
        head = np.frombuffer(b"".join(heads), dtype=np.uint8).reshape(-1, SIDES)
        rows.append(np.concatenate([head, np.packbits(np.stack(folds) @ _mixture() > 0, axis=1)], axis=1))
    return np.concatenate(rows)


def _sketch(sprite: Sprite) -> tuple[bytes, Float64[np.ndarray, "288"]]:
    """Return a fingerprint's first bytes, and what its bits are made from."""
    _check(sprite)
    across, down = _edges(sprite)
    plain = _is_plain(across, down)
    sides = b"\0\0" if plain else bytes(sprite.shape)
    return _digest(sprite, plain=plain) + sides, _folded(across, down)


@dataclass(frozen=True, slots=True, kw_only=True)
class Portrait:
    """A sprite made ready for comparing: made once, compared many times."""

    sprite: Sprite
    digest: bytes  # equal for sprites that are equal up to colours and mirroring (plain ones: up to mirroring)
    plain: bool
    drawings: tuple[int, int]  # its edges, and its mirror image's, as a number: shifting the picture shifts its bits


def portrait(sprite: Sprite, digest: bytes = b"") -> Portrait:
    """Return the sprite's portrait, with its fingerprint's digest where that is known; ValueError as `fingerprint`."""
    _check(sprite)
    across, down = _edges(sprite)
    plain = _is_plain(across, down)
    mirrored = _drawing(across[:, ::-1], down[:, ::-1])
    return Portrait(
        sprite=sprite,
        digest=digest or _digest(sprite, plain=plain),
        plain=plain,
        drawings=(_drawing(across, down), mirrored),
    )


def alike(a: Sprite, b: Other) -> bool:
    """Tell whether two sprites are twins: one drawing and filling, up to colours, mirroring and small changes.

    Their sides may differ by 2 px or a twelfth. Laid over one another, shifted by as much or stretched, 74 % of the
    edges of both must coincide (more where there are fewer than 120), and colours must tell the other's colours: the
    share of errors that knowing one saves in guessing the other (Goodman and Kruskal's lambda, a pixel taken off for
    each colour) is 70 % in one direction and 55 % in the other. Pictures that are equal up to colours and mirroring
    are twins always; plain ones (under 24 edges, or under 24 equal neighbours) only when their colours are equal too.

    >>> rows = np.arange(100).reshape(10, 10) // 7 % 5
    >>> alike(rows.astype(np.uint8), 9 - rows[:, ::-1].astype(np.uint8))
    True
    """
    return alike_portraits(portrait(a), portrait(b))


def alike_portraits(a: Portrait, b: Portrait) -> bool:
    """Tell whether two sprites are twins, by their portraits; see `alike`."""
    if a.digest == b.digest:
        return True
    if a.plain or b.plain or not _may_be_twins(a.sprite.shape, b.sprite.shape):
        return False
    counts = a.drawings[0].bit_count(), b.drawings[0].bit_count()
    if min(counts) < (DRAWN - ROUNDED) * max(counts):
        return False
    if _order(b) < _order(a):  # stretching rounds: one order for a pair, so that the answer does not depend on it
        a, b = b, a
    faces = zip((b.sprite, b.sprite[:, ::-1]), b.drawings, strict=True)
    return any(_shifted(a, *face) or _stretched(a, face[0]) for face in faces)


def sides_agree(a: Int[np.ndarray, "*n"], b: Int[np.ndarray, "*n"]) -> Bool[np.ndarray, "*n"]:
    """Tell for pairs of sides, in px, whether twins may have them."""
    agree: Bool[np.ndarray, "*n"] = np.abs(a - b) <= np.maximum(SLACK, np.maximum(a, b) // SLACK_SHARE)
    return agree


def _may_be_twins(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return all(abs(i - j) <= max(SLACK, max(i, j) // SLACK_SHARE) for i, j in zip(a, b, strict=True))


def _check(sprite: Sprite) -> None:
    if not sprite.size or max(sprite.shape) > LARGEST:
        h, w = sprite.shape
        raise ValueError(f"the sprite has {h}×{w} px: give one of 1 to {LARGEST} px a side.")


def _edges(sprite: Sprite) -> tuple[Bool[np.ndarray, "h w-1"], Bool[np.ndarray, "h-1 w"]]:
    """Return where a pixel differs from its right neighbour, and from the one below."""
    return sprite[:, 1:] != sprite[:, :-1], sprite[1:] != sprite[:-1]


def _is_plain(across: Bool[np.ndarray, "h v"], down: Bool[np.ndarray, "u w"]) -> bool:
    edges = int(np.count_nonzero(across)) + int(np.count_nonzero(down))
    return edges < LEAST or across.size + down.size - edges < LEAST


def _digest(sprite: Sprite, *, plain: bool) -> bytes:
    """Return 8 bytes that only the same picture has, up to mirroring and, unless it is plain, to colours."""
    faces = (sprite, sprite[:, ::-1])
    key = bytes((plain, *sprite.shape))
    return min(
        hashlib.blake2b((face if plain else _numbered(face)).tobytes(), digest_size=DIGEST, key=key).digest()
        for face in faces
    )


def _numbered(sprite: Sprite) -> UInt8[np.ndarray, "h*w"]:
    """Return the pixels with their colours numbered as they come in reading order: the same for every recolouring."""
    flat = sprite.ravel()
    first = np.full(256, flat.size, dtype=np.intp)
    first[flat[::-1]] = np.arange(flat.size - 1, -1, -1)  # of equal indices the last assignment stays
    number = np.empty(256, dtype=np.uint8)
    number[first.argsort()] = np.arange(256, dtype=np.uint8)
    numbered: UInt8[np.ndarray, "h*w"] = number[flat]
    return numbered


def _drawing(across: Bool[np.ndarray, "h v"], down: Bool[np.ndarray, "u w"]) -> int:
    """Return the edges as a number of h·256 bits: pixel (y, x) has bits 256·y + x (across) and 256·y + 128 + x."""
    h, w = len(across), down.shape[1]
    rows = np.zeros((h, ROW), dtype=np.bool_)
    rows[:, : w - 1] = across
    rows[: h - 1, ROW // 2 : ROW // 2 + w] = down
    return int.from_bytes(np.packbits(rows, bitorder="little").tobytes(), "little")


def _order(one: Portrait) -> tuple[tuple[int, ...], bytes]:
    return one.sprite.shape, one.sprite.tobytes()


def _shifted(a: Portrait, b: Sprite, drawing: int) -> bool:
    """Tell whether a sprite agrees with another one, laid over it in some place, unstretched."""
    both = a.drawings[0].bit_count() + drawing.bit_count()
    places = ((y, x) for y in _offsets(len(a.sprite), len(b)) for x in _offsets(a.sprite.shape[1], b.shape[1]))
    for y, x in places:
        shift = ROW * y + x
        common = a.drawings[0] << shift & drawing if shift >= 0 else a.drawings[0] & drawing << -shift
        if _coincide(common.bit_count(), both) and _tells(*_overlap(a.sprite, b, y, x)):
            return True
    return False


def _stretched(a: Portrait, b: Sprite) -> bool:
    """Tell whether a sprite agrees with another one that is brought to its size, or the other way round."""
    if a.sprite.shape == b.shape:
        return False
    pairs = ((a.sprite, _resized(b, a.sprite.shape)), (_resized(a.sprite, b.shape), b))
    return any(_same_drawing(*pair) and _tells(*pair) for pair in pairs)


def _same_drawing(a: Sprite, b: Sprite) -> bool:
    one, other = _drawing(*_edges(a)), _drawing(*_edges(b))
    return _coincide((one & other).bit_count(), one.bit_count() + other.bit_count())


def _offsets(a: int, b: int) -> range:
    """Return where a side of `a` px may begin on one of `b` px: whole within it, and one px to either side."""
    return range(min(0, b - a) - 1, max(0, b - a) + 2)


def _overlap(a: Sprite, b: Other, y: int, x: int) -> tuple[UInt8[np.ndarray, "i j"], UInt8[np.ndarray, "i j"]]:
    """Return what both show when pixel (0, 0) of `a` lies on (y, x) of `b`."""
    h, w = min(len(a), len(b) - y) + min(0, y), min(a.shape[1], b.shape[1] - x) + min(0, x)
    top, left = max(0, -y), max(0, -x)
    return a[top : top + h, left : left + w], b[top + y : top + y + h, left + x : left + x + w]


def _resized(sprite: Sprite, shape: tuple[int, ...]) -> UInt8[np.ndarray, "H W"]:
    """Return the sprite at another size, by nearest pixel."""
    rows, columns = ((2 * np.arange(n) + 1) * old // (2 * n) for n, old in zip(shape, sprite.shape, strict=True))
    resized: UInt8[np.ndarray, "H W"] = sprite[rows[:, None], columns]
    return resized


def _coincide(common: int, both: int) -> bool:
    """Tell whether enough edges coincide, of `both` drawings' edges added up; few edges must nearly all do so."""
    union = both - common
    return common >= union * (1 - (1 - DRAWN) * min(1.0, union / MANY))


def _tells(a: Sprite, b: Sprite) -> bool:
    """Tell whether the colours of two overlaid sprites tell one another well enough."""
    width = int(b.max()) + 1
    pairs = a.astype(np.intp) * width + b
    table = np.bincount(pairs.ravel(), minlength=(int(a.max()) + 1) * width).reshape(-1, width)
    there, back = _saved(table), _saved(table.T)
    return bool(max(there, back) >= TOLD and min(there, back) >= TOLD_BACK)


def _saved(table: Int[np.ndarray, "A B"]) -> float:
    """Return the share of errors that knowing `a` saves in guessing `b`, less a pixel for each colour that is known."""
    columns = table.sum(axis=0)
    errors = int(columns.sum()) - int(columns.max())  # of who always guesses the commonest
    best = table.max(axis=1)
    told = int(best.sum()) - (int(np.count_nonzero(best)) - 1)
    return (told - int(columns.max())) / errors if errors else 0.0


def _folded(across: Bool[np.ndarray, "h v"], down: Bool[np.ndarray, "u w"]) -> Float64[np.ndarray, "288"]:
    """Return how dense a drawing's edges are where, in a form that mirroring leaves as it is.

    All numbers are whole and within float64, here and in what is made of them, so that no machine rounds otherwise.
    """
    h, w = len(across), down.shape[1]
    maps = np.empty((2, GRID, GRID))
    maps[0] = _spread(h, edges=False) @ across @ _spread(w, edges=True).T
    maps[1] = _spread(h, edges=True) @ down @ _spread(w, edges=False).T
    one, other = maps[..., : GRID // 2], maps[..., : GRID // 2 - 1 : -1]
    return np.concatenate([(one + other).ravel(), np.abs(one - other).ravel()])


@lru_cache(maxsize=256)
def _spread(n: int, *, edges: bool) -> Float64[np.ndarray, "12 m"]:
    """Return how much each of the n pixels of a side, or of the n - 1 edges between them, counts in each grid cell."""
    at = np.arange(2, 2 * n, 2) if edges else np.arange(1, 2 * n, 2)
    centres = (2 * np.arange(GRID) + 1) * n
    # a tent that reaches one and a half cells to either side
    tents: Float64[np.ndarray, "12 m"] = np.maximum(0.0, 3 * n - np.abs(at * GRID - centres[:, None]))
    return tents


@lru_cache(maxsize=1)
def _mixture() -> Float64[np.ndarray, "288 432"]:
    """Return how much each cell counts in each bit's sum: fixed, and such that equal cells give 0."""
    cells = GRID * GRID
    bits = np.unpackbits(np.frombuffer(hashlib.shake_128(b"pixelbytes").digest(BITS * cells // 4), dtype=np.uint8))
    signs = bits.reshape(BITS, 2, cells) * 2.0 - 1
    return np.ascontiguousarray((cells * signs - signs.sum(axis=2, keepdims=True)).reshape(BITS, -1).T)
