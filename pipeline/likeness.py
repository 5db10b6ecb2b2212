"""Whether two sprites draw the same picture, whatever their colours, mirrored or not: fingerprints, and exact looks.

A picture's drawing is where neighbouring pixels differ. A fingerprint of 64 bytes finds candidates by it; `alike`
decides, by the drawing and by whether one picture's colours tell the other's. Both depend on nothing but the sprites
they are given, so that a pair which is found once is found in every smaller or larger set.
"""

import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import islice, product

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int, Int64, Integer, Shaped, UInt8

from pipeline.one_thread import on_one_thread

Sprite = UInt8[np.ndarray, "h w"]  # palette indices
Other = UInt8[np.ndarray, "H W"]  # the same, of another size
Drawn = UInt8[np.ndarray, "_ _"]  # one of several, each of its own size
Sprites = Iterable[Drawn]

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
BATCH = 128  # sprites whose bits are made at once
NUMBERS = bytes(range(256))
Edges = tuple[Bool[np.ndarray, "_ _"], Bool[np.ndarray, "_ _"]]  # across and down


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
        rows.append(_batch(batch))
    return np.concatenate(rows)


def _batch(sprites: Sequence[Drawn]) -> UInt8[np.ndarray, "n 64"]:
    sides = np.array([sprite.shape for sprite in sprites], dtype=np.int64).T
    for place in np.flatnonzero((sides < 1).any(axis=0) | (sides > LARGEST).any(axis=0)).tolist():
        _checked(sprites[place])
    drawn, inside = padded(sprites, *sides.max(axis=1).tolist())
    across = (drawn[:, :, 1:] != drawn[:, :, :-1]) & inside[:, :, 1:]
    down = (drawn[:, 1:] != drawn[:, :-1]) & inside[:, 1:]
    edges = np.count_nonzero(across, axis=(1, 2)) + np.count_nonzero(down, axis=(1, 2))
    plain = _are_plain(edges, *sides)
    left, right = _densities(across, down, *sides)
    digests = b"".join(map(_digest, sprites, plain.tolist(), _leanings(left - right).tolist()))
    head = np.frombuffer(digests, dtype=np.uint8).reshape(-1, DIGEST)
    with on_one_thread():
        bits = np.packbits(np.concatenate([left + right, np.abs(left - right)], axis=1) @ _mixture() > 0, axis=1)
    return np.concatenate([head, (sides * ~plain).T.astype(np.uint8), bits], axis=1)


def padded(
    sprites: Sequence[Drawn], high: int, wide: int
) -> tuple[UInt8[np.ndarray, "n H W"], Bool[np.ndarray, "n H W"]]:
    """Return sprites in the upper left corners of one array, and where each one's pixels are."""
    sides = np.array([sprite.shape for sprite in sprites], dtype=np.int64).reshape(-1, 2)
    rows, columns = np.arange(high) < sides[:, :1], np.arange(wide) < sides[:, 1:]
    inside = rows[:, :, None] & columns[:, None]
    drawn = np.zeros(inside.shape, dtype=np.uint8)
    drawn[inside] = np.frombuffer(b"".join([sprite.tobytes() for sprite in sprites]), dtype=np.uint8)
    return drawn, inside


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
    one, other = map(_edges, (_checked(a), _checked(b)))
    counts, sides = np.array([_counted(one), _counted(other)]), np.array([a.shape, b.shape]).T
    plain = _are_plain(counts, *sides).tolist()
    if plain[0] == plain[1] and a.shape == b.shape and _either(a, plain=plain[0]) == _either(b, plain=plain[0]):
        return True
    if any(plain) or not sides_agree(*sides.T).all() or not balanced(*counts[:, None]).all():
        return False
    small, large = sorted((a, b), key=lambda sprite: sprite.shape)  # stretching rounds: one order for a pair
    return any(_shifted(small, face) or _stretched(small, face) for face in (large, large[:, ::-1]))


def sides_agree(a: Int[np.ndarray, "*n"], b: Int[np.ndarray, "*n"]) -> Bool[np.ndarray, "*n"]:
    """Tell for pairs of sides, in px, whether twins may have them."""
    agree: Bool[np.ndarray, "*n"] = np.abs(a - b) <= np.maximum(SLACK, np.maximum(a, b) // SLACK_SHARE)
    return agree


def balanced(one: Int[np.ndarray, "*n"], other: Int[np.ndarray, "*n"]) -> Bool[np.ndarray, "*n"]:
    """Tell for pairs of drawings, by how many edges they have, whether they can coincide."""
    balance: Bool[np.ndarray, "*n"] = np.minimum(one, other) >= (DRAWN - ROUNDED) * np.maximum(one, other)
    return balance


def _checked(sprite: Sprite) -> Sprite:
    if not sprite.size or max(sprite.shape) > LARGEST:
        h, w = sprite.shape
        raise ValueError(f"the sprite has {h}×{w} px: give one of 1 to {LARGEST} px a side.")
    return sprite


def _edges(sprite: Sprite) -> Edges:
    """Return where a pixel differs from its right neighbour, and from the one below."""
    return sprite[:, 1:] != sprite[:, :-1], sprite[1:] != sprite[:-1]


def _counted(edges: Edges) -> int:
    return sum(int(np.count_nonzero(plane)) for plane in edges)


def _are_plain(
    edges: Int[np.ndarray, "*n"], h: Int[np.ndarray, "*n"], w: Int[np.ndarray, "*n"]
) -> Bool[np.ndarray, "*n"]:
    """Tell whether sprites of so many edges, of h × w px, are plain."""
    plain: Bool[np.ndarray, "*n"] = (edges < LEAST) | (2 * h * w - h - w - edges < LEAST)
    return plain


def _digest(sprite: Sprite, plain: bool, leaning: float) -> bytes:  # noqa: FBT001 - a row of a table
    """Return 8 bytes that only the same picture has, up to mirroring and, unless it is plain, to colours."""
    if plain or not leaning:
        face = _either(sprite, plain=plain)
    else:
        face = _numbered(sprite.tobytes() if leaning > 0 else sprite[:, ::-1].tobytes())
    return hashlib.sha256(bytes((plain, *sprite.shape)) + face).digest()[:DIGEST]


def _leanings(apart: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, "n"]:
    """Return numbers whose sign mirroring turns round, exactly: sums are whole; 0 where left and right are alike."""
    first = (apart != 0).argmax(axis=1)
    return np.take_along_axis(apart, first[:, None], axis=1)[:, 0]


def _either(sprite: Sprite, *, plain: bool) -> bytes:
    """Return the smaller of a sprite's and its mirror image's pixels, numbered unless it is plain."""
    faces = sprite.tobytes(), sprite[:, ::-1].tobytes()
    return min(faces) if plain else min(map(_numbered, faces))


def _numbered(pixels: bytes) -> bytes:
    """Return the pixels with their colours numbered in reading order: the same for every recolouring."""
    colours, rest = b"", pixels
    while rest := rest.lstrip(colours):
        colours += rest[:1]
    return pixels.translate(bytes.maketrans(colours, NUMBERS[: len(colours)]))


def _shifted(a: Sprite, b: Other) -> bool:
    """Tell whether a sprite agrees with another one, laid over it in some place, unstretched."""
    one, other = _edges(a), _edges(b)
    places = list(product(offsets(len(a), len(b)), offsets(a.shape[1], b.shape[1])))
    common = np.array([_common(one, other, *place) for place in places])
    hits = np.flatnonzero(coincide(common, np.full_like(common, _counted(one) + _counted(other))))
    return any(tells(*overlap(a, b, *places[hit])) for hit in hits.tolist())


def _stretched(a: Sprite, b: Other) -> bool:
    """Tell whether a sprite agrees with another one that is brought to its size, or the other way round."""
    if a.shape == b.shape:
        return False
    pairs = ((a, resized(b, a.shape)), (resized(a, b.shape), b))
    return any(_same_drawing(*pair) and tells(*pair) for pair in pairs)


def _same_drawing(a: Sprite, b: Sprite) -> bool:
    one, other = _edges(a), _edges(b)
    both = _counted(one) + _counted(other)
    return bool(coincide(np.array([_common(one, other, 0, 0)]), np.array([both])).all())


def _common(one: Edges, other: Edges, y: int, x: int) -> int:
    """Return how many edges coincide when pixel (0, 0) of one drawing lies on (y, x) of the other."""
    planes = zip(one, other, strict=True)
    return sum(int(np.count_nonzero(np.logical_and(*overlap(a, b, y, x)))) for a, b in planes)


def offsets(a: int, b: int) -> range:
    """Return where a side of `a` px may begin on one of `b` px: whole within it, and one px to either side."""
    return range(min(0, b - a) - 1, max(0, b - a) + 2)


def overlap(
    a: Shaped[np.ndarray, "h w"], b: Shaped[np.ndarray, "H W"], y: int, x: int
) -> tuple[Shaped[np.ndarray, "i j"], Shaped[np.ndarray, "i j"]]:
    """Return what both show when pixel (0, 0) of `a` lies on (y, x) of `b`."""
    h = max(0, min(len(a), len(b) - y) + min(0, y))
    w = max(0, min(a.shape[1], b.shape[1] - x) + min(0, x))
    top, left = max(0, -y), max(0, -x)
    return a[top : top + h, left : left + w], b[top + y : top + y + h, left + x : left + x + w]


def resized(sprite: Sprite, shape: tuple[int, ...]) -> UInt8[np.ndarray, "H W"]:
    """Return the sprite at another size, by nearest pixel."""
    rows, columns = map(nearest, sprite.shape, shape)
    resized: UInt8[np.ndarray, "H W"] = sprite[rows[:, None], columns]
    return resized


def nearest(old: int, new: int) -> Int64[np.ndarray, "n"]:
    """Return which of the `old` lines of a side are shown by each of `new` lines."""
    lines: Int64[np.ndarray, "n"] = (2 * np.arange(new) + 1) * old // (2 * new)
    return lines


def coincide(common: Integer[np.ndarray, "*n"], both: Int[np.ndarray, "*n"]) -> Bool[np.ndarray, "*n"]:
    """Tell whether enough edges coincide, of `both` drawings' edges added up; few edges must nearly all do so."""
    union = both - common
    enough: Bool[np.ndarray, "*n"] = common >= union * (1 - (1 - DRAWN) * np.minimum(1.0, union / MANY))
    return enough


def tells(a: Sprite, b: Sprite) -> bool:
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


def _densities(
    across: Bool[np.ndarray, "n H v"],
    down: Bool[np.ndarray, "n u W"],
    h: Int64[np.ndarray, "n"],
    w: Int64[np.ndarray, "n"],
) -> tuple[Float64[np.ndarray, "n 144"], Float64[np.ndarray, "n 144"]]:
    """Return how dense drawings' edges are where in their left half, and in the mirrored right one.

    All numbers are whole: up to here within float32 (no cell reaches 2²⁴), and in what is made of them within float64,
    so that no machine rounds otherwise.
    """
    high, wide = across.shape[1], down.shape[2]
    pixels, edges = _spreads()
    maps = np.empty((len(h), 2, GRID, GRID), dtype=np.float32)
    np.matmul(pixels[h, :, :high] @ across, edges[w, :, : wide - 1].transpose(0, 2, 1), out=maps[:, 0])
    np.matmul(edges[h, :, : high - 1] @ down, pixels[w, :, :wide].transpose(0, 2, 1), out=maps[:, 1])
    left, right = maps[..., : GRID // 2], maps[..., : GRID // 2 - 1 : -1]
    return left.astype(np.float64).reshape(len(h), -1), right.astype(np.float64).reshape(len(h), -1)


@lru_cache(maxsize=1)
def _spreads() -> tuple[Float32[np.ndarray, "100 12 99"], Float32[np.ndarray, "100 12 98"]]:
    """Return how much each pixel of a side, and each edge between two, counts in each grid cell, for every length."""
    tables = np.zeros((2, LARGEST + 1, GRID, LARGEST), dtype=np.float32)
    for n in range(1, LARGEST + 1):
        centres = (2 * np.arange(GRID) + 1) * n
        for table, at in zip(tables, (np.arange(1, 2 * n, 2), np.arange(2, 2 * n, 2)), strict=True):
            # a tent that reaches one and a half cells to either side
            table[n, :, : len(at)] = np.maximum(0.0, 3 * n - np.abs(at * GRID - centres[:, None]))
    return tables[0], tables[1, :, :, :-1]


@lru_cache(maxsize=1)
def _mixture() -> Float64[np.ndarray, "288 432"]:
    """Return how much each cell counts in each bit's sum: fixed, and such that equal cells give 0."""
    cells = GRID * GRID
    bits = np.unpackbits(np.frombuffer(hashlib.shake_128(b"pixelbytes").digest(BITS * cells // 4), dtype=np.uint8))
    signs = bits.reshape(BITS, 2, cells) * 2.0 - 1
    return np.ascontiguousarray((cells * signs - signs.sum(axis=2, keepdims=True)).reshape(BITS, -1).T)
