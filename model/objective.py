"""What training lowers, what validation measures, and how fast to learn. B batch, L tokens, V vocabulary."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from model.batches import IGNORED, Batch, BatchReader
from model.config import TrainConfig
from model.network import Network

BITS = 1 / math.log(2)  # a nat in bits


def learning_rate(config: TrainConfig, step: int, steps: int) -> float:
    """Return the learning rate of a step (from 0): a straight warm-up, then a cosine down to its final share."""
    warm = max(1, round(config.warm_up * steps))
    if step < warm:
        return config.learning_rate * (step + 1) / warm
    share = (step - warm) / max(1, steps - warm)
    return config.learning_rate * (config.final_share + (1 - config.final_share) * (1 + math.cos(math.pi * share)) / 2)


def loss_of(logits: Float[Tensor, "B L V"], batch: Batch) -> Float[Tensor, ""]:
    """Return the summed nats of a batch's targets; padded places cost nothing."""
    targets = torch.from_numpy(batch.targets).flatten()
    return functional.cross_entropy(logits.flatten(0, 1), targets, ignore_index=IGNORED, reduction="sum")


def validation_bits(network: Network, reader: BatchReader, batch_tokens: int = 16_384) -> float:
    """Return the mean bits of a record, image first, without dropout."""
    network.eval()
    nats = 0.0
    with torch.inference_mode():
        folded = network.embedding.fold()
        for batch in reader.epoch(batch_tokens, 0.0, (0,)):
            nats += float(loss_of(network(torch.from_numpy(batch.windows), folded), batch))
    network.train()
    return nats * BITS / len(reader.table)
