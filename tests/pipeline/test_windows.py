import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.tokenizer import Segment, encode
from pipeline.tokenizer import grids as grids_of
from pipeline.windows import WindowStream, causal_mask, causal_windows, record_windows, windows_ahead
from tests.strategies import VOCABULARY, grids, segments, sides_of_a_window


def by_definition(grid: np.ndarray, k: int) -> np.ndarray:
    """Cell by cell, as the dataset's page says it."""
    h, w = grid.shape
    r = k // 2
    out = np.zeros((h * w, k, k), dtype=np.uint8)
    for y in range(h):
        for x in range(w):
            for i in range(k):
                for j in range(k):
                    row, column = y + i - r, x + j - r
                    if (i < r or (i == r and j <= r)) and 0 <= row < h and 0 <= column < w:
                        out[y * w + x, i, j] = grid[row, column]
    return out


@given(grids(), sides_of_a_window)
def test_windows_are_what_the_definition_says(grid: np.ndarray, k: int) -> None:
    assert np.array_equal(causal_windows(grid, k), by_definition(grid, k))


@given(grids(), sides_of_a_window)
def test_the_centres_give_the_ids_back(grid: np.ndarray, k: int) -> None:
    assert np.array_equal(causal_windows(grid, k)[:, k // 2, k // 2], grid.ravel())


@given(grids(), sides_of_a_window, st.data())
def test_a_window_never_sees_the_future(grid: np.ndarray, k: int, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, grid.size - 1))
    changed = grid.copy().ravel()
    changed[at] ^= 128
    before, after = causal_windows(grid, k), causal_windows(changed.reshape(grid.shape), k)
    assert np.array_equal(before[:at], after[:at])


@given(segments, sides_of_a_window)
def test_streamed_windows_equal_built_ones(found: list[Segment], k: int) -> None:
    ids = encode(found, VOCABULARY)
    built = record_windows(grids_of(ids), k)
    stream = WindowStream(1, k)
    hidden = windows_ahead(built)
    for place, token in enumerate(ids):
        assert np.array_equal(stream.ahead()[0], hidden[place])
        assert np.array_equal(stream.push(np.array([token], dtype=np.uint8))[0], built[place])


@given(st.lists(segments, min_size=2, max_size=4), sides_of_a_window)
def test_records_streamed_side_by_side_do_not_touch(records: list[list[Segment]], k: int) -> None:
    ids = [encode(found, VOCABULARY) for found in records]
    length = min(map(len, ids))
    stream = WindowStream(len(ids), k)
    for place in range(length):
        together = stream.push(np.array([record[place] for record in ids], dtype=np.uint8))
        for b, record in enumerate(ids):
            assert np.array_equal(together[b], record_windows(grids_of(record), k)[place])


@given(segments, sides_of_a_window)
def test_windows_take_k_times_k_bytes_a_token_and_are_those_of_each_segment_alone(found: list[Segment], k: int) -> None:
    ids = encode(found, VOCABULARY)
    windows = record_windows(grids_of(ids), k)
    assert windows.nbytes == len(ids) * k * k
    assert np.array_equal(windows, np.concatenate([causal_windows(grid, k) for grid in grids_of(ids)]))


def test_a_text_far_longer_than_the_stream_began_with_still_equals() -> None:
    ids = encode(["abc " * 200], VOCABULARY)
    stream = WindowStream(1, 5)
    streamed = np.concatenate([stream.push(ids[i : i + 1]) for i in range(len(ids))])
    assert np.array_equal(streamed, record_windows(grids_of(ids), 5))


@pytest.mark.parametrize("k", [0, 2, 4, -1])
def test_an_even_k_is_refused_with_the_way_out(k: int) -> None:
    with pytest.raises(ValueError, match=f"k is {k}, but a window needs a centre: choose an odd k"):
        causal_windows(np.zeros((2, 2), dtype=np.uint8), k)
    with pytest.raises(ValueError, match="needs a centre"):
        WindowStream(1, k)


def test_the_mask_keeps_half_of_the_cells() -> None:
    assert [int(causal_mask(k).sum()) for k in (1, 3, 5)] == [1, 5, 13]
