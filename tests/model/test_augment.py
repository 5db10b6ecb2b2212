import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.augment import mirrorable, mirrored, tells_sides
from model.batches import BatchReader, TokenTable, ids_of, load_tokens
from model.config import ModelConfig
from palettes.vocabulary import Vocabulary
from pipeline.release import Release
from pipeline.tokenizer import ORDERS, Order, decode_record, encode_record
from tests.strategies import captions, sprites

VOCABULARY = Vocabulary()
SPRITE = np.arange(6, dtype=np.uint8).reshape(2, 3)


@given(sprites(), captions, st.sampled_from(ORDERS))
def test_a_mirrored_record_has_its_picture_left_for_right_and_its_own_caption(
    sprite: np.ndarray, caption: str, order: Order
) -> None:
    ids = encode_record(sprite, caption, VOCABULARY, order)
    turned, said = decode_record(mirrored(ids), VOCABULARY)
    assert np.array_equal(turned, sprite[:, ::-1])
    assert said == caption
    assert np.array_equal(mirrored(mirrored(ids)), ids)


@pytest.mark.parametrize(
    ("caption", "told"),
    [
        ("It looks to the right.", True),
        ("Its LEFT ear is bent.", True),
        ("It turns counterclockwise.", True),
        ("Son aile droite est bleue.", True),
        ("Il regarde à gauche.", True),
        ("Es schaut nach links.", True),
        ("Mira a la derecha.", True),
        ("Guarda a sinistra.", True),
        ("A bright cleft, upright in delight.", False),
        ("Un oiseau adroit.", False),
        ("", False),
    ],
)
def test_captions_that_tell_left_from_right_are_known(caption: str, told: bool) -> None:
    assert tells_sides(caption) is told


def small(captions: list[str]) -> TokenTable:
    return TokenTable.from_records(
        [(str(i), encode_record(SPRITE, said, VOCABULARY)) for i, said in enumerate(captions)]
    )


def test_records_that_tell_sides_are_never_mirrored_and_others_in_the_share_asked_for() -> None:
    made = small(["it looks left.", "it sleeps."] * 40)
    assert mirrorable(made).tolist() == [False, True] * 40
    reader = BatchReader(made, ModelConfig(k=3), mirrorable=mirrorable(made))
    members = [one for epoch in range(9) for batch in reader.members(400, 0.5, (1, epoch), 0.5) for one in batch]
    assert not any(one.mirrored for one in members if one.record % 2 == 0)
    assert 120 < sum(one.mirrored for one in members) < 240  # of 360 that may be
    assert len({tuple(sorted(m.record for m in members[i : i + 80] if m.mirrored)) for i in range(0, 720, 80)}) == 9


@pytest.mark.parametrize("cache", [0, 2**30])
def test_a_mirrored_member_is_read_mirrored(cache: int) -> None:
    made = small(["it sleeps.", "it eats."])
    reader = BatchReader(made, ModelConfig(k=3), cache, mirrorable(made))
    for members in reader.members(400, 0.5, (0,), 1.0):
        batch = reader.batch(members)
        for targets, member in zip(batch.targets, members, strict=True):
            ids = targets[targets >= 0].astype(np.uint8)
            assert np.array_equal(ids, ids_of(made, member))
            assert np.array_equal(decode_record(ids, VOCABULARY)[0], SPRITE[:, ::-1])


def test_mirroring_changes_neither_order_nor_batches() -> None:
    made = small(["it sleeps.", "it eats.", "it sings."] * 9)
    plain = BatchReader(made, ModelConfig(k=3)).members(300, 0.5, (4, 2))
    turned = BatchReader(made, ModelConfig(k=3), mirrorable=mirrorable(made)).members(300, 0.5, (4, 2), 0.5)
    assert [[one[:2] for one in batch] for batch in plain] == [[one[:2] for one in batch] for batch in turned]
    assert any(one.mirrored for batch in turned for one in batch)


def test_the_captions_of_a_release_are_judged_one_by_one(release: Release) -> None:
    made = load_tokens(release, "train")
    told = [tells_sides(decode_record(made.record(i), release.vocabulary)[1]) for i in range(len(made))]
    assert mirrorable(made).tolist() == [not one for one in told]
