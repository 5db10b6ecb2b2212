import pickle
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jaxtyping import UInt8

from palettes.palette import load_palette
from pipeline import twins
from pipeline.likeness import DIGEST, SIDES, alike, fingerprint, fingerprints, sides_agree
from pipeline.looking import one_by_one
from pipeline.pixelize import pixelize
from pipeline.quantize import quantize
from pipeline.sample.bestiary import SampleRecord, load_bestiary
from pipeline.sample.load import sample_folder
from pipeline.twins import _check, clusters, joined_groups, leaks, twin_pairs
from tests.strategies import sprites

Sprite = UInt8[np.ndarray, "_ _"]
Change = Callable[[Sprite, np.random.Generator], Sprite]

seeds = st.integers(0, 2**32 - 1)


def creature(seed: int, h: int = 22, w: int = 25) -> Sprite:
    """Return a drawing of some rectangles and lines on a background: what pixel art is made of."""
    rng = np.random.default_rng(seed)
    sprite = np.ones((h, w), dtype=np.uint8)
    for colour in rng.permutation(np.arange(2, 55))[:14]:
        y, x = rng.integers(h - 2), rng.integers(w - 2)
        sprite[y : y + rng.integers(2, 9), x : x + rng.integers(2, 9)] = colour
    return sprite


def mirrored(sprite: Sprite, _: np.random.Generator) -> Sprite:
    return sprite[:, ::-1]


def recoloured(sprite: Sprite, rng: np.random.Generator) -> Sprite:
    colours: UInt8[np.ndarray, "55"] = rng.permutation(55).astype(np.uint8)
    changed: Sprite = colours[sprite]
    return changed


def retouched(sprite: Sprite, rng: np.random.Generator) -> Sprite:
    changed = sprite.copy()
    places = rng.choice(sprite.size, sprite.size // 50, replace=False)
    changed.ravel()[places] = rng.integers(0, 55, len(places))
    return changed


def touched(sprite: Sprite, rng: np.random.Generator) -> Sprite:
    changed = sprite.copy()
    changed.ravel()[rng.choice(sprite.size, 2, replace=False)] = rng.integers(0, 55, 2)
    return changed


def shifted(sprite: Sprite, _: np.random.Generator) -> Sprite:
    return np.pad(sprite, ((1, 0), (0, 0)), constant_values=sprite[0, 0])


def shrunk(sprite: Sprite, _: np.random.Generator) -> Sprite:
    return np.delete(np.delete(sprite, sprite.shape[0] // 2, axis=0), sprite.shape[1] // 2, axis=1)


def merged(sprite: Sprite, _: np.random.Generator) -> Sprite:
    colours, counts = np.unique(sprite, return_counts=True)
    rare, rarer = colours[counts.argsort()[[1, 0]]]
    return np.where(sprite == rarer, rare, sprite)


CHANGES: list[Change] = [mirrored, recoloured, retouched, shifted, shrunk, merged]


@dataclass(frozen=True, kw_only=True)
class Bestiary:
    """The bundled sample as sprites."""

    records: tuple[SampleRecord, ...]
    sprites: list[Sprite]
    prints: UInt8[np.ndarray, "n 64"]


@pytest.fixture(scope="module")
def bestiary() -> Bestiary:
    records, palette = load_bestiary(sample_folder()), load_palette("nes")
    found = []
    for record in records:
        rgb = pixelize((sample_folder() / "images" / record.image).read_bytes())
        found.append(quantize(np.ascontiguousarray(rgb), palette))
    return Bestiary(records=records, sprites=found, prints=fingerprints(found))


def distance(a: bytes, b: bytes) -> int:
    """Return in how many bits two fingerprints' summaries differ."""
    return (int.from_bytes(a[SIDES:], "big") ^ int.from_bytes(b[SIDES:], "big")).bit_count()


def partition(n: int, pairs: list[tuple[int, int]]) -> list[int]:
    labels: list[int] = clusters(n, np.array(pairs, dtype=np.int64).reshape(-1, 2)).tolist()
    return labels


@given(sprites(25))
def test_mirroring_leaves_every_fingerprint_as_it_is(sprite: Sprite) -> None:
    assert fingerprint(sprite[:, ::-1]) == fingerprint(sprite)


@given(seeds, st.permutations(range(55)))
def test_recolouring_leaves_a_drawings_fingerprint_as_it_is(seed: int, colours: list[int]) -> None:
    sprite = creature(seed)
    assert fingerprint(np.array(colours, dtype=np.uint8)[sprite]) == fingerprint(sprite)


@given(sprites(25), st.permutations(range(55)))
def test_recolouring_any_sprite_changes_at_most_the_digest(sprite: Sprite, colours: list[int]) -> None:
    other = fingerprint(np.array(colours, dtype=np.uint8)[sprite])
    assert other[DIGEST:] == fingerprint(sprite)[DIGEST:]


def symmetric(seed: int, colours: int) -> Sprite:
    """Return a drawing whose edges are equal when mirrored, though its colours need not be."""
    rng = np.random.default_rng(seed)
    left = rng.integers(0, colours, (9, 6)).astype(np.uint8)
    right: Sprite = rng.permutation(colours).astype(np.uint8)[left[:, ::-1]]
    return np.concatenate([left, right], axis=1)


def canonical(sprite: Sprite) -> list[int]:
    """Return what recolouring and mirroring leave as it is: the lesser of both faces, colours as numbers in order."""
    faces = []
    for face in (sprite, sprite[:, ::-1]):
        number = {colour: place for place, colour in enumerate(dict.fromkeys(face.ravel().tolist()))}
        faces.append([number[colour] for colour in face.ravel().tolist()])
    return min(faces)


@given(seeds, seeds, st.sampled_from([2, 3, 5]), st.sampled_from(CHANGES[:2]), st.booleans())
def test_digests_are_equal_exactly_where_pictures_are_up_to_colours_and_mirroring(
    seed: int,
    other: int,
    colours: int,
    change: Change,
    touch: bool,
) -> None:
    rng = np.random.default_rng(other)
    one = symmetric(seed, colours)
    two = change(one, rng)
    if touch:
        two = two.copy()
        two[rng.integers(9), rng.integers(12)] = two[rng.integers(9), rng.integers(12)]
    three = creature(other, 9, 12)
    prints = fingerprints([one, two, three, three[:, ::-1], symmetric(other, colours)])
    assume(prints[:, DIGEST].all())  # none is plain
    drawn = [one, two, three, three[:, ::-1], symmetric(other, colours)]
    for (a, first), (b, second) in combinations(zip(drawn, prints, strict=True), 2):
        assert (first[:DIGEST] == second[:DIGEST]).all() == (canonical(a) == canonical(b))


@given(st.lists(sprites(12), max_size=5))
def test_a_fingerprint_does_not_depend_on_what_is_made_with_it(drawn: list[Sprite]) -> None:
    together = fingerprints(drawn)
    assert [row.tobytes() for row in together] == [fingerprint(sprite) for sprite in drawn]


@given(sprites(25))
def test_every_sprite_is_its_own_twin(sprite: Sprite) -> None:
    assert alike(sprite, sprite)
    assert alike(sprite, sprite[:, ::-1])


@given(seeds, st.sampled_from(CHANGES), st.sampled_from(CHANGES))
def test_twins_are_twins_either_way_round(seed: int, change: Change, other: Change) -> None:
    rng = np.random.default_rng(seed)
    a = creature(seed)
    b = other(change(a, rng), rng)
    assert alike(a, b) == alike(b, a)


@given(sprites(12), sprites(12))
def test_any_two_sprites_are_alike_either_way_round(a: Sprite, b: Sprite) -> None:
    assert alike(a, b) == alike(b, a)


@pytest.mark.parametrize("change", CHANGES)
def test_the_bestiarys_changed_sprites_are_found_again(bestiary: Bestiary, change: Change) -> None:
    rng = np.random.default_rng(7)
    olds = bestiary.sprites[::12]
    news = [np.ascontiguousarray(change(sprite, rng)) for sprite in olds]
    both = [*olds, *news]
    labels = clusters(len(both), twin_pairs(fingerprints(both), one_by_one(both.__getitem__)))
    found = labels[: len(olds)] == labels[len(olds) :]
    assert found.mean() >= 0.95


@settings(max_examples=30)
@given(seeds, seeds)
def test_two_drawings_of_chance_are_no_twins(one: int, other: int) -> None:
    assume(one != other)
    a, b = creature(one), creature(other)
    assert not alike(a, b)
    assert distance(fingerprint(a), fingerprint(b)) > 70


@given(seeds, st.integers(3, 25), st.sampled_from([2, 3, 6, 20, 55]))
def test_noise_has_no_twins(seed: int, side: int, colours: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, colours, (2, side, side), dtype=np.uint8)
    assume(not (np.array_equal(a, b) or np.array_equal(a, b[:, ::-1])))
    assert not alike(a, b)


def disc(side: int, radius: float, colour: int = 5) -> Sprite:
    away = np.arange(side) - (side - 1) / 2
    return np.where(away[:, None] ** 2 + away**2 <= radius**2, colour, 1).astype(np.uint8)


def test_a_shared_silhouette_makes_no_twins() -> None:
    one, other = disc(25, 12.4), disc(25, 12.4)
    one[6:10, 5:20], one[14:18, 9:12] = 7, 8
    other[4:20:3, 8:18], other[10:20, 15:17] = 7, 9
    assert not alike(one, other)


def test_blobs_of_another_size_or_shape_are_no_twins() -> None:
    assert not alike(disc(25, 12.4), disc(25, 10))
    square = np.pad(np.full((19, 19), 5, dtype=np.uint8), 3, constant_values=1)
    assert not alike(disc(25, 12.4), square)


def test_plain_pictures_need_their_colours() -> None:
    stripe = np.array([[1, 2, 2, 1]] * 5, dtype=np.uint8)
    assert alike(stripe, stripe.copy())
    assert not alike(stripe, stripe + 3)
    both = fingerprints([stripe, stripe + 3])
    assert both[0, :DIGEST].tolist() != both[1, :DIGEST].tolist()


def test_sides_too_different_make_no_twins() -> None:
    sprite = creature(3)
    assert alike(sprite, np.pad(sprite, ((0, 2), (0, 0)), constant_values=1))
    assert not alike(sprite, np.pad(sprite, ((0, 3), (0, 0)), constant_values=1))


@pytest.mark.parametrize("shape", [(0, 4), (100, 4), (4, 100)])
def test_a_sprite_out_of_bounds_says_so(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"1 to 99 px"):
        fingerprint(np.zeros(shape, dtype=np.uint8))


@settings(max_examples=12, deadline=None)
@given(seeds, st.lists(st.tuples(st.integers(0, 3), st.sampled_from([mirrored, recoloured, touched])), max_size=5))
def test_the_search_joins_what_looking_at_every_pair_joins(seed: int, plan: list[tuple[int, Change]]) -> None:
    rng = np.random.default_rng(seed)
    drawn = [creature(seed + number) for number in range(4)]
    drawn += [np.ascontiguousarray(change(drawn[number], rng)) for number, change in plan]
    brute = [pair for pair in combinations(range(len(drawn)), 2) if alike(drawn[pair[0]], drawn[pair[1]])]
    found = twin_pairs(fingerprints(drawn), one_by_one(drawn.__getitem__))
    assert clusters(len(drawn), found).tolist() == partition(len(drawn), brute)
    assert all(i < j and alike(drawn[i], drawn[j]) for i, j in found.tolist())


def met_by_definition(prints: UInt8[np.ndarray, "n 64"]) -> list[list[int]]:
    """Compare all with all, bit by bit: which rows share a bucket of some table and are near."""
    bits = np.unpackbits(prints[:, SIDES:], axis=1)
    met = []
    for i, j in combinations(range(len(prints)), 2):
        differ = bits[i] != bits[j]
        near = differ[:128].sum() <= twins.HEAD_RADIUS and differ.sum() <= twins.RADIUS
        agree = sides_agree(prints[i, DIGEST:SIDES].astype(int), prints[j, DIGEST:SIDES].astype(int)).all()
        if near and agree and not differ[twins._keys()].any(axis=1).all():
            met.append([i, j])
    return met


@pytest.mark.parametrize("room", [1, 100, 1 << 17])
def test_candidates_are_what_their_definition_says_whatever_is_done_at_once(
    monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    for bound in ("ROWS", "COMPARED", "GATHERED", "UNPACKED"):
        monkeypatch.setattr(twins, bound, room)
    rng = np.random.default_rng(3)
    prints = np.repeat(fingerprints([creature(seed) for seed in range(3)]), 14, axis=0)
    noise = np.packbits(rng.random((len(prints), 432)) < rng.choice([0.02, 0.07, 0.12], (len(prints), 1)), axis=1)
    prints[:, SIDES:] ^= noise
    prints[::5, DIGEST] += 3
    found = twins._candidates(prints, map).tolist()
    assert found == met_by_definition(prints)
    assert 50 < len(found) < 3 * 91


def test_pairs_are_the_same_whoever_searches_the_tables() -> None:
    rng = np.random.default_rng(0)
    drawn = [touched(creature(seed // 3), rng) for seed in range(90)]
    prints = fingerprints(drawn)

    def elsewhere(work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        return [pickle.loads(pickle.dumps(work))(item) for item in pickle.loads(pickle.dumps(list(items)))]  # noqa: S301

    found = twin_pairs(prints, one_by_one(drawn.__getitem__), elsewhere)
    assert found.tolist() == twin_pairs(prints, one_by_one(drawn.__getitem__)).tolist()
    assert len(found) > 50


def test_thousands_of_equal_sprites_are_joined_without_looking() -> None:
    rng = np.random.default_rng(0)
    drawn = [recoloured(creature(1), rng)[:, :: rng.choice([-1, 1])] for _ in range(2000)]

    def never(row: int) -> Sprite:
        pytest.fail(f"sprite {row} was read, but its fingerprint says it all")

    found = twin_pairs(fingerprints(drawn), one_by_one(never))
    assert found.tolist() == [[0, row] for row in range(1, 2000)]


def test_a_bucket_full_of_near_twins_is_joined_by_few_looks() -> None:
    rng = np.random.default_rng(0)
    drawn = [touched(creature(1), rng) for _ in range(150)]
    looks: list[int] = []

    def look(row: int) -> Sprite:
        looks.append(row)
        return drawn[row]

    found = twin_pairs(fingerprints(drawn), one_by_one(look))
    assert len(found) == 149
    assert len(looks) <= 150


def test_sprites_without_twins_give_no_pairs() -> None:
    nothing = twin_pairs(fingerprints([]), one_by_one([].__getitem__))
    assert nothing.shape == (0, 2)
    drawn = [creature(seed) for seed in range(200)]
    assert twin_pairs(fingerprints(drawn), one_by_one(drawn.__getitem__)).shape == (0, 2)


def test_fingerprints_of_another_length_say_so() -> None:
    with pytest.raises(ValueError, match="32 bytes, not 64"):
        _check(np.zeros((2, 32), dtype=np.uint8))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=15), st.randoms())
def test_clusters_are_an_equivalence(pairs: list[tuple[int, int]], random: object) -> None:
    labels = partition(10, pairs)
    assert all(labels[i] == labels[j] for i, j in pairs)  # what is paired is together
    assert all(labels[label] == label <= row for row, label in enumerate(labels))  # the smallest row names its set
    random.shuffle(pairs)  # type: ignore[attr-defined]
    assert partition(10, [(j, i) for i, j in pairs]) == labels  # in whatever order


def test_groups_joined_by_twins_go_by_the_smallest_name() -> None:
    groups = ["newt", "newt", "crab", "ant", "bat"]
    assert joined_groups(groups, np.array([[1, 2], [2, 3]])) == {
        "ant": "ant",
        "bat": "bat",
        "crab": "ant",
        "newt": "ant",
    }
    assert joined_groups(groups, np.zeros((0, 2), dtype=np.int64)) == {name: name for name in groups}


def test_another_group_moves_nobody_unless_it_joins_under_a_smaller_name() -> None:
    pairs = np.array([[0, 1]])
    before = joined_groups(["crab", "newt"], pairs)
    assert joined_groups(["crab", "newt", "ant"], pairs) | before == joined_groups(["crab", "newt", "ant"], pairs)
    assert joined_groups(["crab", "newt", "owl"], np.array([[0, 1], [1, 2]]))["newt"] == before["newt"]
    assert joined_groups(["crab", "newt", "ant"], np.array([[0, 1], [1, 2]]))["newt"] == "ant"


def test_twins_in_two_splits_leak() -> None:
    rng = np.random.default_rng(0)
    drawn = [creature(1), creature(2), recoloured(creature(1), rng), retouched(creature(2), rng)]
    prints = fingerprints(drawn)
    assert leaks(["train", "train", "test", "train"], prints, one_by_one(drawn.__getitem__)).tolist() == [[0, 2]]
    assert leaks(["train", "test", "train", "test"], prints, one_by_one(drawn.__getitem__)).shape == (0, 2)


def test_the_bestiarys_families_stay_apart(bestiary: Bestiary) -> None:
    families = [record.family for record in bestiary.records]
    pairs = twin_pairs(bestiary.prints, one_by_one(bestiary.sprites.__getitem__))
    sizes = np.unique(clusters(len(families), pairs), return_counts=True)[1]
    assert sizes.max() <= 8
    crossing = [(i, j) for i, j in pairs.tolist() if families[i] != families[j]]
    assert len(crossing) <= 3
    forms = sum(1 for record in bestiary.records if record.form)
    assert len(pairs) >= 0.8 * forms  # most forms are recolours of their base form
