"""Hypothesis strategies shared by the floors."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from palettes.vocabulary import BYTES, Vocabulary
from pipeline.tokenizer import Segment

VOCABULARY = Vocabulary()
ASCII = bytes(b for b in BYTES if 0x20 <= b < 0x80).decode()

captions = st.text(ASCII, min_size=1, max_size=80)


def sprites(max_side: int = 9) -> st.SearchStrategy[np.ndarray]:
    """Return sprites: palette indices of any small shape."""
    sides = st.tuples(st.integers(1, max_side), st.integers(1, max_side))
    return sides.flatmap(lambda shape: hnp.arrays(np.uint8, shape, elements=st.integers(0, 54)))


def grids(max_side: int = 9) -> st.SearchStrategy[np.ndarray]:
    """Return grids of ids."""
    sides = st.tuples(st.integers(1, max_side), st.integers(1, max_side))
    return sides.flatmap(lambda shape: hnp.arrays(np.uint8, shape, elements=st.integers(1, 112)))


segments: st.SearchStrategy[list[Segment]] = st.lists(st.one_of(captions, sprites()), min_size=1, max_size=5)
sides_of_a_window = st.sampled_from([1, 3, 5, 7, 9])
