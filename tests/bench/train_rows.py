"""The rows about training: the usual loop, which scores one token a window, against whole records, for each core.

Both learn on one thread. The usual loop embeds windows as PxByEmbed is written; ours is what `train` does in a step.
The usual Transformer is the paper's: torch's own encoder without a mask, D a multiple of the heads, dropout within its
attention too. Ours drops as much, but nothing inside attention. The note tells the same loop with our core in it.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from model.batches import BatchReader, Member, TokenTable, load_tokens
from model.config import Core, ModelConfig, TrainConfig
from model.embedding import PxByEmbed
from model.feeds import VALIDATING, Feed, Place, RecordFeed, training_feed
from model.network import Network
from model.objective import BITS, loss_of, nats_of
from palettes.vocabulary import Vocabulary
from pipeline.build import build
from pipeline.crawl.raw import RawStore
from tests.augmented import augmented, make_large_store
from tests.bench.model_rows import race, table
from tests.bench.rows import Row
from tests.raw_stores import sample_source

PAPER = ModelConfig(k=3, look="current", dropout=0.0)
TRANSFORMER = ModelConfig(k=3, look="current", dropout=0.1, core="transformer")
CORES: dict[Core, tuple[ModelConfig, float]] = {  # and how many times faster ours has to be
    "lstm": (PAPER, 150),
    "transformer": (TRANSFORMER, 300),
    "mamba": (ModelConfig(k=3, look="current", dropout=0.0, core="mamba"), 150),
}
RECORDS = 256  # of the dataset that both ways learn for an equal time
SECONDS = 15.0  # of the processor, for each way
CPU = torch.device("cpu")


class Learner:
    """A network, and both ways to teach it."""

    def __init__(
        self, config: ModelConfig, made: TokenTable, rate: float = 1e-3, encoder: nn.Module | None = None
    ) -> None:
        """Start from the same parameters each time, with the core that the config names or another."""
        torch.manual_seed(0)
        self.network = Network(config, len(Vocabulary()))
        if encoder:
            self.network.core = encoder  # type: ignore[assignment]  # it reads whole sequences, which is all it has to
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=rate)
        recipe = TrainConfig(targets="last", text_first=0.0)
        self.windows = training_feed(made, config, recipe, Place(device=CPU))
        self.records = training_feed(made, config, TrainConfig(text_first=0.0, batch_tokens=8192), Place(device=CPU))

    def one_target(self, members: Sequence[Member]) -> float:
        """Learn as the paper does: embed 32 sequences of 256 windows as written, score the last place of each."""
        batch, embedding = self.windows.batch(members), self.network.embedding
        x = embedding.unfolded(batch.windows) if isinstance(embedding, PxByEmbed) else embedding(batch.windows)
        logits = self.network.head(self.network.norm(self.network.core(x)[:, -1]))
        return self._update(torch.nn.functional.cross_entropy(logits, batch.targets[:, -1], reduction="sum"), len(x))

    def every_place(self, members: Sequence[Member]) -> float:
        """Learn from each token of whole records."""
        batch = self.records.batch(members)
        return self._update(loss_of(self.network(batch.windows, self.network.embedding.fold()), batch), batch.tokens)

    def _update(self, nats: torch.Tensor, tokens: int) -> float:
        self.optimizer.zero_grad()
        (nats / tokens).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        return tokens


def speed(core: Core) -> Row:
    """Return the tokens of loss per second of both ways."""
    config, target = CORES[core]
    learner, note = Learner(config, table()), "one thread"
    windows, records = learner.windows.plan((0,))[0], learner.records.plan((0,))[0]
    other = _papers_transformer(config) if core == "transformer" else learner
    usual, ours = race(lambda: other.one_target(windows), lambda: learner.every_place(records), rounds=3)
    if other is not learner:
        same, _ = race(lambda: learner.one_target(windows), lambda: 0, rounds=3)
        note += f", {ours / same:.0f} × with our core in the usual loop"
    return Row(name=f"training, {core} 81/64/2", unit="tokens of loss/s", reference="one target per window",
               usual=usual, ours=ours, target=target,
               note=f"{learner.network.parameters_count:,} parameters, {note}")  # fmt: skip


def _papers_transformer(config: ModelConfig) -> Learner:
    """Return the paper's way of attention: its layers as torch makes them, D cut to a multiple of the heads."""
    width = config.d_model // config.heads * config.heads
    layer = nn.TransformerEncoderLayer(width, config.heads, 4 * width, config.dropout, batch_first=True)
    encoder = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)
    return Learner(replace(config, d_model=width, token_width=config.embedded_width), table(), encoder=encoder)


def held_out() -> Row:
    """Return the records that a thousand bits hold on validation, after as much time of the processor for each way."""
    with tempfile.TemporaryDirectory() as name:
        make_large_store(Path(name) / "raw", augmented(RECORDS))
        release = build(sample_source(), RawStore(Path(name) / "raw"), Path(name) / "built", name="tests/learned")
        made, judged = load_tokens(release, "train"), load_tokens(release, "validation")
    usual, ours = Learner(PAPER, made), Learner(PAPER, made, rate=3e-3)
    steps = (
        _learn_for(SECONDS, usual.windows, usual.one_target),
        _learn_for(SECONDS, ours.records, ours.every_place),
    )
    feed = RecordFeed(BatchReader(judged, PAPER), VALIDATING, CPU)
    nats = [nats_of(one.network, feed, feed.plan((0,))) / len(judged.ids) for one in (usual, ours)]
    bits = [one * len(judged.ids) / len(judged) * BITS for one in nats]
    return Row(name=f"held-out loss after {SECONDS:.0f} s of CPU", unit="records a kilobit",
               reference="one target per window", usual=1000 / bits[0], ours=1000 / bits[1], target=1.0,
               note=f"{nats[0]:.2f} and {nats[1]:.2f} nats a token after {steps[0]} and {steps[1]} steps")  # fmt: skip


def _learn_for(seconds: float, feed: Feed, step: Callable[[Sequence[Member]], float]) -> int:
    """Learn for so much time of the processor; return the steps done."""
    ends, steps = time.process_time() + seconds, 0
    for epoch in range(10**6):
        for members in feed.plan((0, epoch)):
            step(members)
            steps += 1
            if time.process_time() > ends:
                return steps
    return steps


def rows() -> Iterator[Row]:
    """Yield the rows one after the other, on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for core in CORES:
            yield speed(core)
        yield held_out()
    finally:
        torch.set_num_threads(threads)
