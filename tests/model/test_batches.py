import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.batches import IGNORED, BatchReader, TokenTable, load_tokens, order_of, pad, read_windows, start_id
from model.config import Look, ModelConfig
from model.generate import InputStream
from palettes.vocabulary import Vocabulary
from pipeline.tokenizer import ORDERS, Order, encode_record, reorder
from tests.strategies import captions, sprites

VOCABULARY = Vocabulary()
looks = st.sampled_from(["ahead", "current"])


def table(count: int = 12, seed: int = 0) -> TokenTable:
    rng = np.random.default_rng(seed)
    records = []
    for i in range(count):
        sprite = rng.integers(0, 55, rng.integers(1, 8, 2)).astype(np.uint8)
        records.append((f"r{i}", encode_record(sprite, "a" * int(rng.integers(1, 30)), VOCABULARY)))
    return TokenTable.from_records(records)


@given(sprites(), captions, st.sampled_from(ORDERS), looks, st.sampled_from([1, 3, 5]))
def test_inputs_streamed_token_by_token_equal_inputs_built_whole(
    sprite: np.ndarray, caption: str, order: Order, look: Look, k: int
) -> None:
    config = ModelConfig(k=k, look=look)
    ids = encode_record(sprite, caption, VOCABULARY, order)
    stream = InputStream(1, config, order)
    streamed = [stream.first(), *(stream.push(ids[t : t + 1]) for t in range(len(ids) - 1))]
    assert np.array_equal(read_windows(ids, config), np.concatenate(streamed))


@given(sprites(), captions, st.sampled_from(ORDERS), st.sampled_from([1, 3, 5]))
def test_the_centre_of_an_input_is_the_token_before_and_the_first_tells_the_order(
    sprite: np.ndarray, caption: str, order: Order, k: int
) -> None:
    ids = encode_record(sprite, caption, VOCABULARY, order)
    for look in ("ahead", "current"):
        centres = read_windows(ids, ModelConfig(k=k, look=look))[:, k // 2, k // 2]
        assert centres.tolist() == [start_id(order), *ids[:-1].tolist()]
    assert order_of(ids) == order


@given(sprites(), captions, st.sampled_from(ORDERS), looks, st.data())
def test_no_input_knows_its_token_or_a_later_one(
    sprite: np.ndarray, caption: str, order: Order, look: Look, data: st.DataObject
) -> None:
    config = ModelConfig(k=3, look=look)
    ids = encode_record(sprite, caption, VOCABULARY, order)
    changed = ids.copy()
    free = np.flatnonzero(ids >= 58)
    at = int(free[data.draw(st.integers(0, len(free) - 1))])
    changed[at] = 58 + (ids[at] - 57) % 55
    assert np.array_equal(read_windows(ids, config)[: at + 1], read_windows(changed, config)[: at + 1])


@pytest.mark.parametrize("cache", [0, 2**30])
def test_an_epoch_reads_every_record_once_in_its_order_and_pads_with_nothing(cache: int) -> None:
    made, config = table(), ModelConfig(k=3)
    reader = BatchReader(made, config, cache)
    seen = []
    for batch in reader.epoch(200, 0.5, (3, 1)):
        assert batch.windows.shape[:2] == batch.targets.shape
        assert batch.tokens == int((batch.targets != IGNORED).sum())
        for windows, targets in zip(batch.windows, batch.targets, strict=True):
            ids = targets[targets != IGNORED].astype(np.uint8)
            assert np.array_equal(windows[: len(ids)], read_windows(ids, config))
            assert not windows[len(ids) :].any()
            seen.append(reorder(ids, "image_first").tobytes())
    assert sorted(seen) == sorted(made.record(i).tobytes() for i in range(len(made)))


def test_batches_hold_both_orders_in_the_share_asked_for() -> None:
    reader = BatchReader(table(60), ModelConfig(k=3))

    def orders(share: float) -> list[str]:
        return [
            order_of(row[row != IGNORED].astype(np.uint8))
            for batch in reader.epoch(500, share, (0,))
            for row in batch.targets
        ]

    assert set(orders(0.0)) == {"image_first"}
    assert set(orders(1.0)) == {"text_first"}
    assert 15 < orders(0.5).count("text_first") < 45


def test_batches_stay_within_their_tokens_and_repeat_with_their_seed() -> None:
    reader = BatchReader(table(40), ModelConfig(k=3))
    once = list(reader.epoch(300, 0.5, (1, 2)))
    again = list(reader.epoch(300, 0.5, (1, 2)))
    other = list(reader.epoch(300, 0.5, (1, 3)))
    assert all(batch.targets.size <= 300 for batch in once)
    assert len(once) == reader.steps(300, (1, 2))
    assert [b.targets.tobytes() for b in once] == [b.targets.tobytes() for b in again]
    assert [b.targets.tobytes() for b in once] != [b.targets.tobytes() for b in other]


def test_a_record_longer_than_a_batch_stands_alone() -> None:
    sizes = [len(batch.targets) for batch in BatchReader(table(), ModelConfig(k=3)).epoch(1, 0.0, (0,))]
    assert sizes == [1] * 12


def test_a_token_table_is_read_from_a_release_and_gives_each_record() -> None:
    made = table(5)

    class Release:
        def table(self, config: str, split: str) -> pa.Table:
            assert (config, split) == ("tokens", "validation")
            rows = [made.record(i).tolist() for i in range(5)]
            column = pa.array([[9], *rows], type=pa.list_(pa.uint8())).slice(1)
            return pa.table({"id": list(made.record_ids), "tokens": column})

    read = load_tokens(Release(), "validation")
    assert read.record_ids == made.record_ids
    assert all(np.array_equal(read.record(i), made.record(i)) for i in range(5))
    assert read.lengths.tolist() == made.lengths.tolist()


def test_an_empty_split_says_what_to_do() -> None:
    with pytest.raises(ValueError, match="holds no record"):
        BatchReader(TokenTable.from_records([]), ModelConfig())


def test_padding_puts_zeros_after_the_end() -> None:
    rows = [np.array([1, 2], dtype=np.uint8), np.array([3], dtype=np.uint8)]
    assert pad(rows).tolist() == [[1, 2], [3, 0]]


def test_crops_are_stretches_of_the_inputs_of_the_split() -> None:
    made, config = table(), ModelConfig(k=3)
    whole = np.concatenate([read_windows(made.record(i), config) for i in range(len(made))])
    crops = BatchReader(made, config).crops(np.array([0, 7, len(whole) - 5]), 5)
    assert np.array_equal(crops, np.stack([whole[:5], whole[7:12], whole[-5:]]))
    with pytest.raises(ValueError, match="larger cache"):
        BatchReader(made, config, cache=0).crops(np.array([0]), 5)
