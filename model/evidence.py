"""What was seen before, as evidence for the next token: in this record so far, and in the captions of training.

A core says how far each kind of evidence is to be believed at this place; the sum is added to the logits. So
the answer stays one exact softmax, whatever the evidence, and a weight of zero is the plain network.

B batch, L places asked, T read before, N both, D d_model, V vocabulary, C neighbourhoods, O orders of n-grams, M
places of one kind, W tokens that may follow there.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional

from model.config import ModelConfig
from model.followers import ID_BITS, MOST_RECORDS, RECORD_SHIFT, followers
from model.grams import ORDERS, Grams, silent
from palettes.vocabulary import FIRST_COLOUR, LF, TAB
from pipeline.windows import causal_mask

KINDS = 3
UNSEEN = 0.4  # of an observation: what the shares of a neighbourhood leave to tokens never seen there
# (rows up, columns to the right) of the cells that must be alike, from none to six
NEIGHBOURHOODS: tuple[tuple[tuple[int, int], ...], ...] = (
    (),
    ((0, -1),),
    ((1, 0),),
    ((0, -1), (0, -2)),
    ((0, -1), (1, 0)),
    ((0, -1), (1, 0), (1, 1)),
    ((0, -1), (1, 0), (1, 1), (1, -1)),
    ((1, 0), (1, 1), (1, -1), (2, 0)),
    ((0, -1), (0, -2), (1, 0), (1, 1), (1, -1), (2, 0)),
)
LARGEST = max(map(len, NEIGHBOURHOODS))
NUMBER_BITS = 4  # of a key, for the number of its neighbourhood


class Seen(NamedTuple):
    """What was read of B records: the keys of each place's neighbourhoods, and the token read before it."""

    keys: Int64[Tensor, "B T C"]
    before: Int64[Tensor, "B T"]


class Evidence(nn.Module):
    """Logits to be added, from the core's answer, the windows, and what was read before."""

    def __init__(self, config: ModelConfig, vocabulary_size: int) -> None:
        """Make weights of zero, so that training begins with the plain network, and room for the counts."""
        super().__init__()
        self.size, k, r = vocabulary_size, config.k, config.k // 2
        cells = [(r - q // k, q % k - r) for q in causal_mask(k).ravel().nonzero()[0].tolist()]
        known = [cell for cell in cells if cell != (0, 0)]  # whose centre holds the token read last, not a neighbour
        neighbourhoods = [one for one in NEIGHBOURHOODS if set(one) <= set(known)]
        self.centre, hidden = r * k + r, k * k - 1  # a cell that always holds 0
        self.kinds = len(neighbourhoods)
        at = [[(r - up) * k + r + dx for up, dx in one] for one in neighbourhoods]
        alike = torch.tensor([one + [hidden] * (LARGEST - len(one)) for one in at])  # (C, cells of the largest)
        self.register_buffer("alike", alike, persistent=False)
        self.register_buffer("digits", 2 ** (NUMBER_BITS + ID_BITS * torch.arange(LARGEST)), persistent=False)
        self.register_buffer("numbers", torch.arange(self.kinds), persistent=False)
        around = [(r - up) * k + r + dx for up, dx in known]
        self.register_buffer("around", torch.tensor(around), persistent=False)
        drawn = torch.tensor([TAB, LF, *range(FIRST_COLOUR, vocabulary_size)])  # what stands in a picture
        self.register_buffer("drawn", drawn, persistent=False)
        self.copied = silent(config.d_model, len(known))
        self.record = silent(config.d_model + 2 * self.kinds, KINDS * self.kinds)
        self.grams = Grams(config) if config.counted else None
        self.alike: Tensor
        self.digits: Tensor
        self.numbers: Tensor
        self.around: Tensor
        self.drawn: Tensor

    def forward(
        self, z: Float[Tensor, "B L D"], windows: UInt8[Tensor, "B L k k"], seen: Seen | None = None
    ) -> tuple[Float[Tensor, "B L V"], Seen]:
        """Return what is to be added to the logits of L more places, and what was read with them."""
        if len(windows) > MOST_RECORDS:
            raise ValueError(f"{len(windows)} records at once are more than keys can tell apart: ask {MOST_RECORDS:,}.")
        now = self.read(windows)
        both = now if seen is None else Seen(*(torch.cat(pair, dim=1) for pair in zip(seen, now, strict=True)))
        added = self._copies(z, windows)
        here = torch.where(_in_picture(now.before))
        if len(here[0]):  # one place alone is seldom in the picture and in a text
            one, asked = windows.shape[1] == 1, windows.shape[1]
            with torch.no_grad():
                found = self._after_one(both)[here[0]] if one else self._after_many(both, asked)
            told = _weighed(self.record, z[here], found)
            wide = added.new_zeros(len(told), self.size).index_copy(1, self.drawn, told.to(added.dtype))
            added = added.index_put(here, wide, accumulate=True)
        if self.grams is not None and bool((now.before < FIRST_COLOUR).any()):
            added = added + functional.pad(self.grams(z, both.before), (0, self.size - FIRST_COLOUR))
        return added, both if seen is None else _kept(both)  # nothing goes on from a whole record

    def initial_state(self, batch: int) -> Seen:
        """Return what was read of B records at their beginning: nothing."""
        return Seen(keys=self.around.new_zeros(batch, 0, self.kinds), before=self.around.new_zeros(batch, 0))

    def read(self, windows: UInt8[Tensor, "B L k k"]) -> Seen:
        """Return the keys of places and the tokens before them."""
        cells = windows.flatten(2).to(torch.int64)
        keys = (cells[..., self.alike] * self.digits).sum(dim=-1) + self.numbers
        return Seen(keys=keys, before=cells[..., self.centre])

    def _copies(self, z: Float[Tensor, "B L D"], windows: UInt8[Tensor, "B L k k"]) -> Float[Tensor, "B L V"]:
        """Return a weight for the token of each cell around."""
        around = windows.flatten(2)[..., self.around].to(torch.int64)
        weights = self.copied(z)
        weights = weights.float() if weights.dtype == torch.bfloat16 else weights
        empty = weights.new_zeros(*z.shape[:2], self.size)
        out: Tensor = empty.scatter_add(2, around, weights * (around > 0))
        return out

    def _after_many(self, seen: Seen, asked: int) -> Float[Tensor, "M C W"]:
        """Return how often each token of a picture followed a place's neighbourhoods before: for the last places."""
        inside = _in_picture(seen.before)
        record, place = torch.where(inside)
        tokens = functional.one_hot(self._columns(seen.before.roll(-1, dims=1)[inside]), len(self.drawn)).float()
        last = place >= inside.shape[1] - asked
        mine = record << RECORD_SHIFT
        return torch.stack([followers(key + mine, tokens)[last] for key in seen.keys[inside].unbind(1)], dim=1)

    def _after_one(self, seen: Seen) -> Float[Tensor, "B C W"]:
        """Return the same for one more place of each record: by comparing it with all before."""
        alike = (seen.keys[:, :-1] == seen.keys[:, -1:]) & _in_picture(seen.before)[:, :-1, None]  # (B, T, C)
        followed = self._columns(seen.before[:, 1:])[:, None].expand(-1, alike.shape[2], -1)
        empty = torch.zeros(len(followed), alike.shape[2], len(self.drawn), device=followed.device)
        return empty.scatter_add(2, followed, alike.transpose(1, 2).float())

    def _columns(self, ids: Int64[Tensor, "..."]) -> Int64[Tensor, "..."]:
        """Return where `drawn` holds each id; those that stand in no picture go anywhere."""
        return torch.where(ids < FIRST_COLOUR, ids - TAB, ids - FIRST_COLOUR + 2).clamp(min=0, max=len(self.drawn) - 1)


def _kept(seen: Seen) -> Seen:
    """Return what may be asked for again: places in pictures and the ones after them, and the last few of texts.

    So what is held, and what a step compares, is bounded by the largest picture, however long the texts.
    """
    inside = functional.pad(_in_picture(seen.before).any(dim=0), (1, 0))
    kept = inside[1:] | inside[:-1]  # the token of a place is told by the place after it
    kept[-ORDERS - 1 :] = True
    return seen if bool(kept.all()) else Seen(keys=seen.keys[:, kept], before=seen.before[:, kept])


def _in_picture(before: Int64[Tensor, "B N"]) -> Bool[Tensor, "B N"]:
    """Tell which places stand in a picture, by the token before: a colour, or the end of a row."""
    return (before >= FIRST_COLOUR) | (before == TAB)


def _weighed(weigh: nn.Linear, z: Float[Tensor, "M D"], found: Float[Tensor, "M C W"]) -> Float[Tensor, "M W"]:
    """Return the sum of the three kinds of evidence, each times what the core and the counts make of it."""
    total = found.sum(dim=-1, keepdim=True)
    share = found / (total + UNSEEN)
    sure = torch.cat([torch.log1p(total[..., 0]) / 4, share.amax(dim=-1)], dim=-1)
    weights = weigh(torch.cat([z, sure.to(z.dtype)], dim=-1)).float()
    seen, often, part = weights[:, None].chunk(KINDS, dim=-1)  # (M, 1, C) each
    told: Tensor = seen @ (found > 0).float() + often @ torch.log1p(2 * found) + part @ share
    return told[:, 0]
