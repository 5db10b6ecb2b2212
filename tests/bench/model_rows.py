"""The networks' rows of the benchmark: the usual way and ours in turn, in one process, as medians and ratios."""

import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch

from model.batches import BatchReader, TokenTable
from model.config import ModelConfig
from model.embedding import PxByEmbed
from model.generate import InputStream
from model.network import Network
from palettes.vocabulary import Vocabulary
from pipeline.tokenizer import encode_record
from tests.bench.rows import Row

VOCABULARY = Vocabulary()
PAPER = ModelConfig(k=3, look="current", dropout=0.0)
B, L = 32, 256  # a batch of the paper


def race(reference: Callable[[], float], ours: Callable[[], float], rounds: int = 5) -> tuple[float, float]:
    """Return the median rates of two ways run in turn; each returns the work it did, and warms up once."""
    rates: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 1):
        for way, found in zip((reference, ours), rates, strict=True):
            begun = time.perf_counter()
            work = way()
            if number:
                found.append(work / (time.perf_counter() - begun))
    return statistics.median(rates[0]), statistics.median(rates[1])


def table(records: int = 64, caption: int = 850) -> TokenTable:
    """Return records of about 1,500 ids, as long as a creature's."""
    rng = np.random.default_rng(0)
    text = "".join(rng.choice(list("abcdefghij klmnopqrst"), caption))
    rows = [
        (f"r{i}", encode_record(rng.integers(0, 55, (25, 25)).astype(np.uint8), text, VOCABULARY))
        for i in range(records)
    ]
    return TokenTable.from_records(rows)


def batches() -> Row:
    """Random batches of windows: from rows of nested lists (what a list column gives), and from ids held once."""
    made = table()
    reader, rng = BatchReader(made, PAPER), np.random.default_rng(1)
    nested = [reader.crops(np.array([at]), L)[0].tolist() for at in range(0, len(made.ids) - L, 997)]

    def from_lists() -> float:
        for _ in range(4):
            torch.from_numpy(np.array([nested[i] for i in rng.integers(0, len(nested), B)], dtype=np.uint8))
        return 4

    def from_ids() -> float:
        for _ in range(1000):
            torch.from_numpy(reader.crops(rng.integers(0, len(made.ids) - L, B), L))
        return 1000

    usual, ours = race(from_lists, from_ids)
    return Row(
        name=f"batches ({B}, {L}, 3, 3) at random",
        unit="batches/s",
        reference="rows of nested lists",
        usual=usual,
        ours=ours,
        target=20,
    )


def embedding(d_model: int, target: float) -> Row:
    """PxByEmbed, forward and backward: as it is defined, and folded into tables."""
    config = ModelConfig(k=3, d_model=d_model)
    made = PxByEmbed(config, len(VOCABULARY))
    windows = torch.from_numpy(BatchReader(table(24), config).crops(np.arange(B) * 700, L))

    def run(forward: Callable[[torch.Tensor], torch.Tensor]) -> float:
        made.zero_grad()
        forward(windows).square().mean().backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return 1

    usual, ours = race(lambda: run(made.unfolded), lambda: run(made), rounds=9)
    name = f"PxByEmbed folded, D {d_model}, forward + backward"
    return Row(name=name, unit="steps/s", reference="as it is defined", usual=usual, ours=ours, target=target)


def generation(length: int, target: float) -> Row:
    """Tokens drawn per second, one record at a time: reading the growing sequence again, and stepping."""
    torch.manual_seed(0)
    network = Network(PAPER, len(VOCABULARY)).eval()
    windows = torch.from_numpy(BatchReader(table(2), PAPER).crops(np.array([0]), length))
    ids = table(2).ids

    @torch.inference_mode()
    def again() -> float:
        places = np.linspace(1, length, 16).astype(int).tolist()  # their mean cost is that of all lengths
        for place in places:
            int(network(windows[:, :place])[0, -1].argmax())
        return len(places)

    @torch.inference_mode()
    def step() -> float:
        stream, state, folded = InputStream(1, PAPER, "image_first"), network.initial_state(1), network.embedding.fold()
        seen = stream.first()
        for place in range(length):
            logits, state = network.step(torch.from_numpy(seen), state, folded)
            int(logits[0].argmax())
            seen = stream.push(ids[place : place + 1])
        return length

    usual, ours = race(again, step)
    return Row(
        name=f"generation at length {length}",
        unit="tokens/s",
        reference="reading all again",
        usual=usual,
        ours=ours,
        target=target,
    )


def rows() -> Iterator[Row]:
    """Yield the rows one after the other."""
    yield batches()
    yield embedding(81, 3)
    yield embedding(256, 5)
    yield generation(256, 5)
    yield generation(1024, 12)
