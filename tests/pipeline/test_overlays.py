"""Drawings of many sprites in words of bits: they say of each sprite, and of each pair, what looking at it says."""

import pickle
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Bool, UInt8

from pipeline import overlays
from pipeline.likeness import DIGEST, LARGEST, alike, balanced, fingerprints, sides_agree
from pipeline.overlays import Faces, agrees, faces, flat, shifted, stacked, stretched
from tests.strategies import sprites

Sprite = UInt8[np.ndarray, "_ _"]


def plane(drawn: Faces, name: str, face: int) -> Bool[np.ndarray, "R B"]:
    """Return the bits of one drawing, as they stand in its words."""
    words = np.ascontiguousarray(getattr(drawn, name)[:, :, face].T)
    bits: Bool[np.ndarray, "R B"] = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little").astype(np.bool_)
    return bits


def by_definition(sprite: Sprite, gap: int, shape: tuple[int, ...]) -> Bool[np.ndarray, "R B"]:
    """Look at every pixel of a sprite: does it differ from the one so far to its right, and from the one so far below?

    The last row of a drawing is empty, and its upper half belongs to the edges down.
    """
    bits = np.zeros(shape, dtype=np.bool_)
    (h, w), half = sprite.shape, shape[1] // 2
    for y in range(h):
        for x in range(w):
            bits[y, x] = x + gap < w and sprite[y, x] != sprite[y, x + gap]
            bits[y, half + x] = y + gap < h and sprite[y, x] != sprite[y + gap, x]
    return bits


def drawings_are_right(drawn: list[Sprite]) -> None:
    found = faces(stacked(map(flat, drawn)))
    both = [*drawn, *(sprite[:, ::-1] for sprite in drawn)]
    assert found.sides.T.tolist() == [list(sprite.shape) for sprite in both]
    for face, sprite in enumerate(both):
        for name, gap in (("near", 1), ("far", 2)):
            bits = plane(found, name, face)
            assert np.array_equal(bits, by_definition(sprite, gap, bits.shape))
        assert found.edges[face] == plane(found, "near", face).sum()


@given(st.lists(sprites(12), max_size=6), st.sampled_from([1, 2, 128]))
def test_drawings_hold_every_edge_of_a_sprite_and_of_its_mirror_image(drawn: list[Sprite], packed: int) -> None:
    before, overlays.PACKED = overlays.PACKED, packed
    try:
        drawings_are_right(drawn)
    finally:
        overlays.PACKED = before


@pytest.mark.parametrize("side", [1, 2, 29, 30, 59, 60, LARGEST])
def test_drawings_take_as_many_words_as_the_widest_sprite_needs(side: int) -> None:
    rng = np.random.default_rng(side)
    drawn = [rng.integers(0, 3, shape, dtype=np.uint8) for shape in [(3, side), (side, 2), (1, 1)]]
    drawings_are_right(drawn)
    assert faces(stacked(map(flat, drawn))).near.shape[0] == (1 if side < 30 else 2 if side < 60 else 4)


@given(st.lists(sprites(9), max_size=5))
def test_a_stack_that_travelled_holds_the_sprites(drawn: list[Sprite]) -> None:
    stack = pickle.loads(pickle.dumps(stacked(map(flat, drawn))))  # noqa: S301 - our own
    assert len(stack.ends) == len(drawn) + 1
    for place, sprite in enumerate(drawn):
        assert np.array_equal(stack.sprite(place), sprite)


def blocks(rng: np.random.Generator, h: int, w: int) -> Sprite:
    """Return a drawing of rectangles."""
    sprite = np.ones((h, w), dtype=np.uint8)
    for colour in range(2, 12):
        y, x = rng.integers(h - 2), rng.integers(w - 2)
        sprite[y : y + rng.integers(2, 7), x : x + rng.integers(2, 7)] = colour
    return sprite


def changed(sprite: Sprite, rng: np.random.Generator) -> Sprite:
    """Return a sprite with rows and columns left out or said twice, some pixels altered, and perhaps mirrored."""
    for axis in (0, 1):
        line, way = int(rng.integers(sprite.shape[axis])), int(rng.integers(4))
        if way == 0:
            sprite = np.delete(sprite, line, axis=axis)
        elif way == 1:
            sprite = np.insert(sprite, line, sprite.take(line, axis=axis), axis=axis)
    sprite = np.ascontiguousarray(sprite[:, :: rng.choice([-1, 1])])
    some = rng.choice(sprite.size, rng.integers(1, sprite.size // 60), replace=False)
    sprite.ravel()[some] = rng.integers(0, 55, len(some))
    return sprite


@pytest.mark.parametrize("seed", range(8))
def test_looking_at_many_pairs_finds_what_looking_at_each_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    olds = [blocks(rng, *rng.integers(16, 34, 2)) for _ in range(4)]
    drawn = sorted([*olds, *(changed(one, rng) for one in olds for _ in range(6))], key=lambda sprite: sprite.shape)
    prints = fingerprints(drawn)
    stack = stacked(map(flat, drawn))
    found = faces(stack)
    pairs = [
        (i, j)
        for i, j in combinations(range(len(drawn)), 2)
        if prints[i, DIGEST] and prints[j, DIGEST]  # neither is plain
        and sides_agree(np.array(drawn[i].shape), np.array(drawn[j].shape)).all()
        and balanced(found.edges[[i]], found.edges[[j]]).all()
        and prints[i, :DIGEST].tobytes() != prints[j, :DIGEST].tobytes()
    ]  # fmt: skip
    one, other = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    hits = {
        hit
        for look in (shifted, stretched)
        for hit, how in look(found, one, other)
        if agrees(stack.sprite(pairs[hit][0]), stack.sprite(pairs[hit][1]), how)
    }
    assert hits == {place for place, (i, j) in enumerate(pairs) if alike(drawn[i], drawn[j])}
    assert len(hits) > 10
