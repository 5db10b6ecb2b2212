"""The rows about drawing records: reading the growing sequence again for each token, and going on from a state.

What is timed is `generate` as the command uses it, grammar, chances and windows included, on one thread; the usual way
is read without any of these. (The network alone, one record at a time, is a row of model_rows.)
"""

import statistics
import time
from collections.abc import Iterator
from itertools import product

import numpy as np
import torch

from model.batches import read_windows
from model.config import Core, ModelConfig
from model.generate import SampleConfig, generate
from model.network import Network
from palettes.vocabulary import LF, Vocabulary
from tests.bench.rows import Row, in_turn

VOCABULARY = Vocabulary()
NOTHING = np.zeros(0, dtype=np.uint8)
CORES: tuple[Core, ...] = ("lstm", "transformer", "mamba")
TARGETS = {256: 5.0, 1024: 12.0}  # how many times faster at each length
PLACES = 16  # lengths at which the growing sequence is read; their mean cost is that of all lengths
RECORDS = (1, 16)  # alone, and side by side
AROUND = 10  # tokens of a record beside its caption: shape, one pixel, separators


def network(core: Core) -> Network:
    """Return a network at the paper's sizes that goes on with a caption as long as it may."""
    torch.manual_seed(0)
    made = Network(ModelConfig(core=core, k=3, look="current", dropout=0.0), len(VOCABULARY)).eval()
    with torch.no_grad():
        made.head.bias[LF] = -1e9
    return made


def drawn(made: Network, length: int, records: int) -> list[np.ndarray]:
    """Draw records of so many tokens."""
    how = SampleConfig(max_side=1, max_caption=length - AROUND)
    return generate(made, VOCABULARY, [NOTHING] * records, "text_first", how)


def growing(made: Network, length: int, records: int) -> tuple[float, float]:
    """Return tokens/s of reading all again, and ours."""
    windows = torch.from_numpy(np.stack([read_windows(ids, made.config) for ids in drawn(made, length, records)]))
    places = np.linspace(1, length, PLACES).astype(int).tolist()

    @torch.inference_mode()
    def again() -> None:
        for place in places:
            made(windows[:, :place])[:, -1].argmax(dim=1)

    again_rate, our_rate = in_turn(again, lambda: drawn(made, length, records), 1, runs=5)
    return again_rate * PLACES * records, our_rate * length * records


def rows() -> Iterator[Row]:
    """Yield the rows one after the other, on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for core in CORES:
            made = network(core)
            for records, (length, target) in product(RECORDS, TARGETS.items()):
                usual, ours = growing(made, length, records)
                name = f"drawing {records} at once, {core}, length {length}"
                yield Row(
                    name=name, unit="tokens/s", reference="reading all again", usual=usual, ours=ours, target=target
                )
            yield steady(core, made)
        yield batched()
    finally:
        torch.set_num_threads(threads)


def batched(records: int = 64, length: int = 256) -> Row:
    """Many records side by side, against one after the other."""
    made = network("lstm")
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(3):
        for count, kept in zip((1, records), times, strict=True):
            begun = time.perf_counter()
            drawn(made, length, count)
            kept.append((time.perf_counter() - begun) / (count * length))
    usual, ours = (1 / statistics.median(kept) for kept in times)
    name = f"drawing, lstm, {records} records side by side"
    return Row(name=name, unit="tokens/s", reference="one at a time", usual=usual, ours=ours, target=5)


def steady(core: Core, made: Network) -> Row:
    """One record of 1024 tokens against four of 256, one after the other."""

    def four() -> None:
        for _ in range(4):
            drawn(made, 256, 1)

    usual, ours = in_turn(four, lambda: drawn(made, 1024, 1), 1024, runs=3)
    name = f"drawing one record, {core}, cost per token stays"
    return Row(name=name, unit="tokens/s", reference="at length 256", usual=usual, ours=ours, target=0.7)
