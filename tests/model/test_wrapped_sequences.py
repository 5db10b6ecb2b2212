"""The paper's sequences go round their own record, exactly as the excerpts of its evaluation do."""

from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.batches import IGNORED, read_windows
from model.config import ModelConfig, TrainConfig
from model.continuation import aligned, visible_start
from model.feeds import Feed, Place, SequenceFeed, WrappedSequenceFeed, training_feed, validation_feed
from model.generate import InputStream
from model.paper_metrics import excerpts_of
from model.paper_protocol import PaperProtocol
from model.token_table import TokenTable
from pipeline.tokenizer import grids
from pipeline.windows import record_windows
from tests.stripes import stripes

CPU = torch.device("cpu")
TABLE = stripes(12, 3)
RECIPE = TrainConfig(targets="last", wrap=True, text_first=0.0, sequence=20, stride=7, batch_sequences=5)
CURRENT = ModelConfig(k=3, look="current")


def feed_of(table: TokenTable = TABLE, recipe: TrainConfig = RECIPE, model: ModelConfig = CURRENT) -> Feed:
    return training_feed(table, model, recipe, Place(device=CPU))


@given(sequence=st.integers(1, 90), stride=st.integers(1, 40), k=st.sampled_from([1, 3, 5]), seed=st.integers(0, 9))
@settings(max_examples=25, deadline=None)
def test_a_sequence_is_its_record_mod_its_length_and_asks_for_what_comes_next(
    sequence: int, stride: int, k: int, seed: int
) -> None:
    table = stripes(4, seed)
    recipe = TrainConfig.from_json(RECIPE.to_json() | {"sequence": sequence, "stride": stride})
    feed = feed_of(table, recipe, ModelConfig(k=k, look="current"))
    seen = []
    for members in feed.plan((0,)):
        batch = feed.batch(members)
        assert batch.tokens == len(members)
        for member, windows, targets in zip(members, batch.windows, batch.targets, strict=True):
            seen.append(member.record)
            record = int(np.searchsorted(table.offsets, member.record, side="right")) - 1
            ids, start = table.record(record), member.record - int(table.offsets[record])
            places = (start + np.arange(sequence)) % len(ids)
            np.testing.assert_array_equal(windows.numpy(), record_windows(grids(ids), k)[places])
            assert int(targets[-1]) == ids[(start + sequence) % len(ids)]
            assert targets[:-1].eq(IGNORED).all()
    lengths = zip(table.offsets.tolist(), table.lengths.tolist(), strict=False)
    assert sorted(seen) == [first + start for first, length in lengths for start in range(0, length, stride)]


@pytest.mark.parametrize("look", ["ahead", "current"])
def test_training_reads_what_the_papers_excerpts_read(look: Literal["ahead", "current"]) -> None:
    protocol, model = PaperProtocol(given=20, continued=1), ModelConfig(k=3, look=look)
    recipe = TrainConfig.from_json(RECIPE.to_json() | {"stride": 21, "batch_sequences": 10**6})
    feed, asked = feed_of(TABLE, recipe, model), excerpts_of(TABLE, protocol)
    (members,) = feed.plan((0,))
    batch = feed.batch(sorted(members))
    stream = InputStream(len(asked.contexts), model, "image_first")
    told = aligned([context[visible_start(context[:-20], model.k) :] for context in asked.contexts])
    windows = [stream.push(column) for column in told.T][-20:]
    np.testing.assert_array_equal(batch.windows.numpy(), np.stack(windows, axis=1))
    np.testing.assert_array_equal(batch.targets[:, -1].numpy(), asked.targets[:, 0])


def test_a_record_shorter_than_a_sequence_goes_round_more_than_once() -> None:
    table = stripes(1, 0)
    recipe = TrainConfig.from_json(RECIPE.to_json() | {"sequence": 3 * len(table.ids) + 1, "stride": len(table.ids)})
    feed = feed_of(table, recipe)
    (members,) = feed.plan((0,))
    assert int(feed.batch(members).targets[0, -1]) == table.ids[1]


def test_a_recipe_without_wrap_reads_as_it_always_did() -> None:
    plain = TrainConfig.from_json({key: value for key, value in RECIPE.to_json().items() if key != "wrap"})
    assert plain.to_json() == TrainConfig.from_json(RECIPE.to_json() | {"wrap": False}).to_json()
    feed = validation_feed(TABLE, CURRENT, plain, Place(device=CPU))
    assert isinstance(feed, SequenceFeed)
    joined = np.concatenate([read_windows(TABLE.record(i), CURRENT) for i in range(len(TABLE))])
    np.testing.assert_array_equal(feed.batch(feed.plan((0,))[0][:1]).windows[0].numpy().shape, (20, 3, 3))
    start = feed.plan((0,))[0][0]
    np.testing.assert_array_equal(feed.batch([start]).windows[0].numpy(), joined[start.record : start.record + 20])


def test_validation_goes_round_too_and_tells_bits_of_a_mean_record() -> None:
    feed = validation_feed(TABLE, CURRENT, RECIPE, Place(device=CPU))
    assert isinstance(feed, WrappedSequenceFeed)
    assert feed.per_record(12.0, 4) == pytest.approx(3 * TABLE.lengths.mean())


def test_processes_share_a_batch_that_is_as_many_times_larger() -> None:
    feed = training_feed(TABLE, CURRENT, RECIPE, Place(device=CPU, processes=2))
    assert {len(members) for members in feed.plan((0,))[:-1]} == {10}


def test_whole_records_do_not_go_round() -> None:
    with pytest.raises(ValueError, match="wrap is true with targets 'all'"):
        feed_of(recipe=TrainConfig(wrap=True))
