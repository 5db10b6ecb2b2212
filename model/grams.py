"""N-grams of the training captions as evidence: a sorted table of fixed size inside the checkpoint.

B batch, L places asked, N read, D d_model, O orders of n-grams, M places of one kind.
"""

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from model.config import ModelConfig
from model.followers import ID_BITS, RECORD_SHIFT, followers
from model.token_table import TokenTable
from palettes.vocabulary import FIRST_COLOUR, LF

ORDERS = 5  # n-grams of up to four bytes before the one asked for
LEANINGS = (16.0, 16.0, 4.0, 4.0, 2.0)  # how far each order leans on the one below it, before training
MOST_LEANING = 10.0  # as a logarithm
ORDER_BITS = 3
LARGEST_COUNT = 2**24  # that float32 holds exactly
TOLD = 0.5  # share of the training records that are told of the counts
NO_KEY = torch.iinfo(torch.int64).max


class Grams(nn.Module):
    """How often a byte followed the bytes before it in training: n-grams as a sorted table of fixed size.

    A training record must not be told what it contributed itself: while training, its own n-grams are taken off.
    """

    def __init__(self, config: ModelConfig) -> None:
        """Make an empty table of `config.counted` n-grams."""
        super().__init__()
        self.weigh = silent(config.d_model + 2 * ORDERS, ORDERS)
        self.leaning = nn.Parameter(torch.tensor(LEANINGS).log())
        self.register_buffer("keys", torch.full((config.counted,), NO_KEY))
        self.register_buffer("counts", torch.zeros(config.counted, dtype=torch.int64))
        self.keys: Tensor
        self.counts: Tensor

    def forward(self, z: Float[Tensor, "B L D"], before: Int64[Tensor, "B N"]) -> Float[Tensor, "B L V_bytes"]:
        """Return the evidence for bytes of the last L of N places; none where the token read last is a colour."""
        asked = z.shape[1]
        reach = before if self.training else before[:, -asked - ORDERS :]
        here = before[:, -asked:] < FIRST_COLOUR
        with torch.no_grad():
            found = self._looked_up(_contexts(reach)[:, -asked:][here])
            if self.training:
                found = found - _own(before)[here]
                # where not all n-grams had room, a smaller count is one that the record alone lifted into the table
                found = torch.where(found < self._least(), 0.0, found)
        odds = self._odds(found)  # (M, O, bytes)
        sure = torch.cat([torch.log1p(found.sum(dim=-1)) / 4, odds.amax(dim=-1)], dim=-1)
        weights = self.weigh(torch.cat([z[here], sure.to(z.dtype)], dim=-1)).float()
        told = (weights[:, None] @ odds)[:, 0]
        if self.training:
            told = told * _coins(len(before), told.device)[torch.where(here)[0]]
        out: Tensor = told.new_zeros(*here.shape, FIRST_COLOUR).index_put(torch.where(here), told)
        return out

    def learn(self, table: TokenTable) -> None:
        """Count the n-grams of a split; where not all have room, those seen most often are kept."""
        pairs = []
        for i in range(len(table)):
            ids = torch.from_numpy(table.record(i).astype("int64"))[None]
            before = functional.pad(ids[:, :-1], (1, 0))
            told = (before < FIRST_COLOUR) & (ids < FIRST_COLOUR)
            pairs.append(((_contexts(before) << ID_BITS) + ids[..., None])[told].flatten())
        keys, counts = torch.unique(torch.cat(pairs), return_counts=True)
        counts = counts.clamp(max=LARGEST_COUNT)
        kept = counts.argsort(descending=True, stable=True)[: len(self.keys)].sort().values
        self.keys.fill_(NO_KEY)[: len(kept)] = keys[kept].to(self.keys.device)
        self.counts.zero_()[: len(kept)] = counts[kept].to(self.keys.device)

    def _odds(self, found: Float[Tensor, "M O V_bytes"]) -> Float[Tensor, "M O V_bytes"]:
        """Return the log of each order's chances times the number of bytes, each order leaning on the one below it.

        As in `model.counts`, but how far each leans is learned together with everything else.
        """
        p = torch.full_like(found[:, 0], 1 / FIRST_COLOUR)
        orders = []
        for order, b in enumerate(self.leaning.clamp(-MOST_LEANING, MOST_LEANING).exp().float()):
            counts = found[:, order]
            lean = b * (counts > 0).sum(dim=-1, keepdim=True)
            total = counts.sum(dim=-1, keepdim=True) + lean
            p = torch.where(total > 0, (counts + lean * p) / total.clamp(min=1e-9), p)
            orders.append(p)
        odds: Tensor = torch.stack(orders, dim=1).log() + math.log(FIRST_COLOUR)
        return odds

    def _least(self) -> Int64[Tensor, ""]:
        """Return the smallest count that was counted and held."""
        return self.counts.min().clamp(min=1)  # 1 where there is room left

    def require_sound(self) -> None:
        """Raise ValueError when the table is none that `learn` makes: a stranger may have written it."""
        told = self.keys < NO_KEY
        size = int(told.sum())
        keys, counts = self.keys[:size], self.counts
        if not (
            bool(told[:size].all())
            and bool((keys[1:] > keys[:-1]).all())
            and bool((keys >= 0).all() and (keys < 2**RECORD_SHIFT).all())
            and bool(((keys & (2**ID_BITS - 1)) < FIRST_COLOUR).all())
            and bool((counts[:size] > 0).all() and (counts <= LARGEST_COUNT).all() and (counts[size:] == 0).all())
        ):
            raise ValueError("the n-grams that the weights hold are not in order: they were changed; train it again.")

    def _looked_up(self, contexts: Int64[Tensor, "M O"]) -> Float[Tensor, "M O V_bytes"]:
        """Return the counts of all bytes after each context: a run of neighbours in the sorted table."""
        first = torch.searchsorted(self.keys, contexts << ID_BITS).flatten()
        sizes = torch.searchsorted(self.keys, (contexts + 1) << ID_BITS).flatten() - first
        owner = torch.repeat_interleave(torch.arange(len(sizes), device=sizes.device), sizes)
        place = torch.arange(len(owner), device=sizes.device) + (first - sizes.cumsum(0) + sizes)[owner]
        out = torch.zeros(contexts.numel(), FIRST_COLOUR, device=contexts.device)
        out[owner, self.keys[place] & (2**ID_BITS - 1)] = self.counts[place].float()
        return out.view(*contexts.shape, FIRST_COLOUR)


def _contexts(before: Int64[Tensor, "B N"]) -> Int64[Tensor, "B N O"]:
    """Return a key for the last 0, 1, … tokens read at each place; what lies behind a colour counts as nothing."""
    key, keys = torch.zeros_like(before), []
    told = torch.ones_like(before, dtype=torch.bool)
    for back in range(ORDERS):
        keys.append((key << ORDER_BITS) + back)
        one = functional.pad(before, (back, 0))[:, : before.shape[1]]
        told = told & (one < FIRST_COLOUR)
        key = (key << ID_BITS) + torch.where(told, one, 0)
    return torch.stack(keys, dim=-1)


def _own(before: Int64[Tensor, "B N"]) -> Float[Tensor, "B N O V_bytes"]:
    """Return the n-grams of whole records themselves, padded on the right with 0: how often at all, not only before."""
    place = torch.arange(before.shape[1], device=before.device)
    last = torch.where(before > 0, place, 0).amax(dim=1)  # its token stands in no window: LF ends every record
    after = functional.pad(before[:, 1:], (0, 1)).scatter(1, last[:, None], LF)
    told = (before < FIRST_COLOUR) & (after < FIRST_COLOUR) & (place <= last[:, None])
    tokens = functional.one_hot(torch.where(told, after, 0), FIRST_COLOUR).float() * told[..., None]
    mine = torch.arange(len(before), device=before.device)[:, None] << RECORD_SHIFT
    keys = (_contexts(before) + mine[..., None]).flatten(0, 1)
    found = [followers(one, tokens.flatten(0, 1), whole=True) for one in keys.unbind(1)]
    return torch.stack(found, dim=1).view(*before.shape, ORDERS, FIRST_COLOUR)


def _coins(records: int, device: torch.device) -> Float[Tensor, "B 1"]:
    """Return 0 or 1 for each record: what it is told of the counts while training.

    Told of them always, a core would find nothing easy left to learn in texts, and never come to what is hard.
    """
    return (torch.rand(records, 1, device=device) < TOLD).float()


def silent(width: int, answers: int) -> nn.Linear:
    """Return a layer that says 0 until it is trained."""
    made = nn.Linear(width, answers)
    nn.init.zeros_(made.weight)
    nn.init.zeros_(made.bias)
    return made
