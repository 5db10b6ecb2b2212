"""What training lowers, what validation measures, and how fast to learn. B batch, L tokens, V vocabulary."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from model.batches import IGNORED, Batch, BatchReader, Member
from model.config import TrainConfig
from model.feeds import Feed, Reading, RecordFeed
from model.network import Network
from model.places import Tokens

BITS = 1 / math.log(2)  # a nat in bits


def learning_rate(config: TrainConfig, step: int, steps: int) -> float:
    """Return the learning rate of a step (from 0): a straight warm-up, then a cosine down to its final share.

    Without a warm-up and with a final share of 1 it stands still: the paper's.
    """
    warm = max(1, round(config.warm_up * steps))
    if step < warm:
        return config.learning_rate * (step + 1) / warm
    share = (step - warm) / max(1, steps - warm)
    return config.learning_rate * (config.final_share + (1 - config.final_share) * (1 + math.cos(math.pi * share)) / 2)


def loss_of(logits: Float[Tensor, "B L V"], batch: Batch | Tokens) -> Float[Tensor, ""]:
    """Return the summed nats of a batch's targets; places without one cost nothing."""
    targets = batch.targets if isinstance(batch, Tokens) else torch.from_numpy(batch.targets)
    return functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="sum")


def nats_of(network: Network, feed: Feed, plan: Sequence[Sequence[Member]]) -> float:
    """Return the summed nats of all targets of a plan, without dropout and in full precision."""
    network.eval()
    nats = 0.0
    with torch.inference_mode():
        folded = network.embedding.fold()
        for members in plan:
            batch = feed.batch(members)
            nats += float(loss_of(network(batch.windows, folded), batch))
    network.train()
    return nats


def validation_bits(network: Network, reader: BatchReader, batch_tokens: int = 16_384) -> float:
    """Return the mean bits of a record, image first, without dropout."""
    feed = RecordFeed(reader, Reading(batch_tokens=batch_tokens), torch.device("cpu"))
    return feed.per_record(nats_of(network, feed, feed.plan((0,))), 0) * BITS
