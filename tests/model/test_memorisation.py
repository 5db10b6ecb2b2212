"""A copied sprite is found, mirrored or not; agreement is a share of cells; palettes are compared by shares."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.memorisation import memorisation, nearest_sprites, palette_distance


def sprites(count: int, seed: int, colours: int = 6) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, colours, size=rng.integers(3, 9, size=2)).astype(np.uint8) for _ in range(count)]


TRAIN = sprites(7, seed=1)


@given(st.integers(0, 6), st.booleans())
def test_a_copy_is_found_even_mirrored(at: int, mirrored: bool) -> None:
    copy = TRAIN[at][:, ::-1] if mirrored else TRAIN[at]
    found = nearest_sprites([copy], TRAIN)
    assert (found.copies, found.agreement[0], found.place[0], bool(found.mirrored[0])) == (1, 1.0, at, mirrored)


@given(st.integers(0, 2**32 - 1))
def test_agreement_is_what_counting_cell_by_cell_gives(seed: int) -> None:
    asked = [*sprites(2, seed, colours=2), np.zeros((8, 8), dtype=np.uint8)]  # so that the canvas has an even side
    found = nearest_sprites(asked, TRAIN)
    side_by_side = [(sprite, mirror) for mirror in (False, True) for sprite in TRAIN]
    assert max(max(sprite.shape) for sprite in (*asked, *TRAIN)) == 8
    for i, one in enumerate(asked):
        canvas = np.full((8, 8), 99, dtype=np.uint8)  # both on the same canvas, whatever their sides
        top, left = (8 - one.shape[0]) // 2, (8 - one.shape[1]) // 2
        canvas[top : top + one.shape[0], left : left + one.shape[1]] = one
        best = max(on_canvas(canvas, sprite[:, ::-1] if mirror else sprite) for sprite, mirror in side_by_side)
        assert found.agreement[i] == pytest.approx(best)


def on_canvas(canvas: np.ndarray, sprite: np.ndarray) -> float:
    equal = union = 0
    top, left = (8 - sprite.shape[0]) // 2, (8 - sprite.shape[1]) // 2
    for y in range(8):
        for x in range(8):
            inside = 0 <= y - top < sprite.shape[0] and 0 <= x - left < sprite.shape[1]
            covers = canvas[y, x] != 99
            union += inside or bool(covers)
            equal += inside and bool(covers) and sprite[y - top, x - left] == canvas[y, x]
    return equal / union


def test_sizes_that_differ_never_agree_wholly() -> None:
    small, large = np.zeros((3, 3), dtype=np.uint8), np.zeros((5, 3), dtype=np.uint8)
    assert nearest_sprites([small], [large]).agreement.tolist() == [9 / 15]


def test_copies_stand_out_against_held_out_sprites() -> None:
    train, held_out = sprites(40, seed=2), sprites(40, seed=3)
    copied = memorisation(train[:10], train, held_out)
    fresh = memorisation(sprites(40, seed=4), train, held_out)
    assert (copied.copies, copied.nearer_than_real, copied.mean_agreement) == (10, 1.0, 1.0)
    assert (fresh.copies, copied.held_out_copies) == (0, 0)
    assert fresh.nearer_than_real < 0.25
    assert fresh.held_out_quantiles[0] <= fresh.held_out_quantiles[1] <= fresh.held_out_quantiles[2] < 1


def test_palettes_are_as_far_apart_as_their_shares() -> None:
    red, blue = np.zeros((2, 2), dtype=np.uint8), np.ones((4, 4), dtype=np.uint8)
    assert palette_distance([red], [blue]) == 1
    assert palette_distance([red, blue], [blue, red]) == 0
    assert palette_distance([red, blue], [blue]) == 0.5


@pytest.mark.parametrize(("asked", "train"), [([], TRAIN), (TRAIN, [])])
def test_nothing_to_compare_is_refused(asked: list[np.ndarray], train: list[np.ndarray]) -> None:
    with pytest.raises(ValueError, match="at least one"):
        nearest_sprites(asked, train)
