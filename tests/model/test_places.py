import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.batches import IGNORED, BatchReader, Member, TokenTable, read_windows
from model.config import Look, ModelConfig, TrainConfig
from model.feeds import VALIDATING, HeldRecords, RecordFeed, SequenceFeed
from model.places import NOWHERE, Places
from palettes.vocabulary import Vocabulary
from pipeline.tokenizer import ORDERS, Order, encode_record
from tests.strategies import captions, sprites

VOCABULARY = Vocabulary()
CPU = torch.device("cpu")
records = st.lists(st.tuples(sprites(), captions, st.sampled_from(ORDERS)), min_size=1, max_size=4)


def table(count: int = 9, seed: int = 0) -> TokenTable:
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(count):
        sprite = rng.integers(0, 55, rng.integers(1, 8, 2)).astype(np.uint8)
        rows.append((f"r{i}", encode_record(sprite, "a" * int(rng.integers(1, 30)), VOCABULARY)))
    return TokenTable.from_records(rows)


@given(records, st.sampled_from(["ahead", "current"]), st.sampled_from([1, 3, 5]))
def test_inputs_gathered_by_tables_equal_those_that_numpy_builds(
    drawn: list[tuple[np.ndarray, str, Order]], look: Look, k: int
) -> None:
    rows = [encode_record(sprite, caption, VOCABULARY, order) for sprite, caption, order in drawn]
    config = ModelConfig(k=k, look=look)
    places = Places.of_records(rows, CPU)
    every = torch.arange(len(places.ids))[None]
    built = np.concatenate([read_windows(ids, config) for ids in rows])
    assert np.array_equal(places.inputs(every, config)[0].numpy(), built)
    assert np.array_equal(places.targets(every)[0].numpy(), np.concatenate(rows))


def test_a_place_that_only_pads_has_an_empty_input_and_no_target() -> None:
    places = Places.of_records([table().record(0)], CPU)
    at = torch.tensor([[3, NOWHERE]])
    assert places.inputs(at, ModelConfig())[0, 0].any()
    assert not places.inputs(at, ModelConfig())[0, 1].any()
    assert places.targets(at)[0, 1] == IGNORED


@pytest.mark.parametrize("look", ["ahead", "current"])
def test_batches_made_on_the_device_equal_those_of_the_reader(look: Look) -> None:
    made, config = table(), ModelConfig(k=3, look=look)
    reader = BatchReader(made, config, mirrorable=np.ones(len(made), dtype=np.bool_))
    held = HeldRecords(made, config, CPU, mirrors=True)
    for members in reader.members(200, 0.5, (0, 1), mirror=0.5):
        expected, found = reader.batch(members), held.batch(members)
        assert np.array_equal(found.windows.numpy(), expected.windows)
        assert np.array_equal(found.targets.numpy(), expected.targets)
        assert found.tokens == expected.tokens


def test_a_feed_counts_targets_without_making_a_batch() -> None:
    feed = RecordFeed(BatchReader(table(), ModelConfig(k=3)), VALIDATING, CPU)
    for members in feed.plan((0,)):
        batch = feed.batch(members)
        assert feed.tokens(members) == batch.tokens == int((batch.targets != IGNORED).sum())


def sequences(recipe: TrainConfig) -> tuple[SequenceFeed, TokenTable]:
    made = table(30)
    return SequenceFeed(made, ModelConfig(k=3, look="current"), recipe, CPU), made


LAST = TrainConfig(targets="last", text_first=0.0, sequence=40, stride=16, batch_sequences=4)


def test_a_sequence_reads_the_split_as_it_stands_and_asks_for_its_last_token_alone() -> None:
    feed, made = sequences(LAST)
    whole = np.concatenate([read_windows(made.record(i), ModelConfig(k=3, look="current")) for i in range(len(made))])
    starts = []
    for members in feed.plan((0, 3)):
        batch = feed.batch(members)
        assert len(members) == batch.tokens == feed.tokens(members)
        for member, windows, targets in zip(members, batch.windows, batch.targets, strict=True):
            start = member.record
            starts.append(start)
            assert np.array_equal(windows.numpy(), whole[start : start + 40])
            assert targets[:-1].eq(IGNORED).all()
            assert targets[-1] == made.ids[start + 39]
    assert sorted(starts) == list(range(0, len(made.ids) - 39, 16))


def test_sequences_are_shuffled_by_the_seed_and_stand_a_batch_together() -> None:
    feed, _ = sequences(LAST)
    assert feed.plan((0, 1)) == feed.plan((0, 1)) != feed.plan((0, 2))
    assert {len(batch) for batch in feed.plan((0, 1))[:-1]} == {4}
    assert feed.per_record(12.0, 4) == pytest.approx(3 * table(30).lengths.mean())


def test_a_split_shorter_than_a_sequence_says_so() -> None:
    with pytest.raises(ValueError, match="holds 19 tokens, a sequence 256: choose a shorter one"):
        SequenceFeed(short(), ModelConfig(), TrainConfig(targets="last"), CPU)


def short() -> TokenTable:
    return TokenTable.from_records([("a", encode_record(np.zeros((2, 2), dtype=np.uint8), "abcde", VOCABULARY))])


def test_a_member_of_a_batch_is_image_first_and_not_mirrored_unless_it_is_said() -> None:
    assert Member(3) == (3, "image_first", False)
