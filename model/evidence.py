"""What was seen before, as evidence for the next token: in this record so far, and in the captions of training.

A core says how far each kind of evidence is to be believed at this place; its sum in bits is added to the logits. So
the answer stays one exact softmax, whatever the evidence, and a weight of zero is the plain network.

B batch, L places asked, T read before, N both, D d_model, V vocabulary, C neighbourhoods, O orders of n-grams, M
places of one kind, W tokens that may follow there.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional

from model.config import ModelConfig
from model.token_table import TokenTable
from palettes.vocabulary import FIRST_COLOUR, LF, TAB
from pipeline.windows import causal_mask

KINDS = 3
ORDERS = 5  # n-grams of up to four bytes before the one asked for
LEANINGS = (16.0, 16.0, 4.0, 4.0, 2.0)  # how far each order leans on the one below it, before training
ORDER_BITS = 3
RECORD_SHIFT = 54  # bits that a key takes at most: above them the number of its record in the batch
TOLD = 0.5  # share of the training records that are told of the counts
NO_KEY = torch.iinfo(torch.int64).max
UNSEEN = 0.4  # of an observation: what the shares of a neighbourhood leave to tokens never seen there
ID_BITS = 7  # of a packed key; an id of a larger vocabulary may share its key with another's, which costs bits only
# (rows up, columns to the right) of the cells that must be alike, from none to seven
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
        self.copied = _silent(config.d_model, len(known))
        self.record = _silent(config.d_model + 2 * self.kinds, KINDS * self.kinds)
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
        now = self.read(windows)
        both = now if seen is None else Seen(*(torch.cat(pair, dim=1) for pair in zip(seen, now, strict=True)))
        bits = self._copies(z, windows)
        here = torch.where(_in_picture(now.before))
        if len(here[0]):  # one place alone is seldom in the picture and in a text
            one, asked = windows.shape[1] == 1, windows.shape[1]
            with torch.no_grad():
                found = self._after_one(both)[here[0]] if one else self._after_many(both, asked)
            told = _weighed(self.record, z[here], found)
            wide = bits.new_zeros(len(told), self.size).index_copy(1, self.drawn, told.to(bits.dtype))
            bits = bits.index_put(here, wide, accumulate=True)
        if self.grams is not None and bool((now.before < FIRST_COLOUR).any()):
            bits = bits + functional.pad(self.grams(z, both.before), (0, self.size - FIRST_COLOUR))
        return bits, both

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


class Grams(nn.Module):
    """How often a byte followed the bytes before it in training: n-grams as a sorted table of fixed size.

    A training record must not be told what it contributed itself: while training, its own n-grams are taken off.
    """

    def __init__(self, config: ModelConfig) -> None:
        """Make an empty table of `config.counted` n-grams."""
        super().__init__()
        self.weigh = _silent(config.d_model + 2 * ORDERS, ORDERS)
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
                found = (found - _own(before)[here]).clamp(min=0)
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
        kept = counts.argsort(descending=True, stable=True)[: len(self.keys)].sort().values
        self.keys.fill_(NO_KEY)[: len(kept)] = keys[kept].to(self.keys.device)
        self.counts.zero_()[: len(kept)] = counts[kept].to(self.keys.device)

    def _odds(self, found: Float[Tensor, "M O V_bytes"]) -> Float[Tensor, "M O V_bytes"]:
        """Return the log of each order's chances times the number of bytes, each order leaning on the one below it.

        As in `model.counts`, but how far each leans is learned together with everything else.
        """
        p = torch.full_like(found[:, 0], 1 / FIRST_COLOUR)
        orders = []
        for order, b in enumerate(self.leaning.exp().float()):
            counts = found[:, order]
            lean = b * (counts > 0).sum(dim=-1, keepdim=True)
            total = counts.sum(dim=-1, keepdim=True) + lean
            p = torch.where(total > 0, (counts + lean * p) / total.clamp(min=1e-9), p)
            orders.append(p)
        odds: Tensor = torch.stack(orders, dim=1).log() + math.log(FIRST_COLOUR)
        return odds

    def _looked_up(self, contexts: Int64[Tensor, "M O"]) -> Float[Tensor, "M O V_bytes"]:
        """Return the counts of all bytes after each context: a run of neighbours in the sorted table."""
        first = torch.searchsorted(self.keys, contexts << ID_BITS).flatten()
        sizes = torch.searchsorted(self.keys, (contexts + 1) << ID_BITS).flatten() - first
        owner = torch.repeat_interleave(torch.arange(len(sizes), device=sizes.device), sizes)
        place = torch.arange(len(owner), device=sizes.device) + (first - sizes.cumsum(0) + sizes)[owner]
        out = torch.zeros(contexts.numel(), FIRST_COLOUR, device=contexts.device)
        out[owner, self.keys[place] & (2**ID_BITS - 1)] = self.counts[place].float()
        return out.view(*contexts.shape, FIRST_COLOUR)


def followers(keys: Int64[Tensor, "M"], tokens: Float[Tensor, "M W"], *, whole: bool = False) -> Float[Tensor, "M W"]:
    """Return for each place the sum of `tokens` at earlier places of the same key; with `whole` at all of them.

    By sorting places by key and subtracting running sums: linear in M and W.

    >>> keys, tokens = torch.tensor([4, 4, 5, 4]), torch.eye(4)
    >>> followers(keys, tokens)[3].tolist(), followers(keys, tokens, whole=True)[2].tolist()
    ([1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0])
    """
    grouped, order = keys.sort(stable=True)
    sums = functional.pad(tokens.index_select(0, order).cumsum(0), (0, 0, 1, 0))  # before each place, in that order
    place = torch.arange(len(keys), device=keys.device)
    border = functional.pad(grouped[1:] != grouped[:-1], (1, 0), value=True)[: len(keys)]
    begin = torch.where(border, place, 0).cummax(0).values
    until = place
    if whole:
        closing = functional.pad(border[1:], (0, 1), value=True)[: len(keys)]
        until = torch.where(closing, place + 1, len(keys)).flip(0).cummin(0).values.flip(0)
    back = order.argsort()  # where each place went
    return sums.index_select(0, until[back]) - sums.index_select(0, begin[back])


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


def _in_picture(before: Int64[Tensor, "B N"]) -> Bool[Tensor, "B N"]:
    """Tell which places stand in a picture, by the token before: a colour, or the end of a row."""
    return (before >= FIRST_COLOUR) | (before == TAB)


def _coins(records: int, device: torch.device) -> Float[Tensor, "B 1"]:
    """Return 0 or 1 for each record: what it is told of the counts while training.

    Told of them always, a core would find nothing easy left to learn in texts, and never come to what is hard.
    """
    return (torch.rand(records, 1, device=device) < TOLD).float()


def _silent(width: int, answers: int) -> nn.Linear:
    """Return a layer that says 0 until it is trained."""
    made = nn.Linear(width, answers)
    nn.init.zeros_(made.weight)
    nn.init.zeros_(made.bias)
    return made


def _weighed(weigh: nn.Linear, z: Float[Tensor, "M D"], found: Float[Tensor, "M C W"]) -> Float[Tensor, "M W"]:
    """Return the sum of the three kinds of evidence, each times what the core and the counts make of it."""
    total = found.sum(dim=-1, keepdim=True)
    share = found / (total + UNSEEN)
    sure = torch.cat([torch.log1p(total[..., 0]) / 4, share.amax(dim=-1)], dim=-1)
    weights = weigh(torch.cat([z, sure.to(z.dtype)], dim=-1)).float()
    seen, often, part = weights[:, None].chunk(KINDS, dim=-1)  # (M, 1, C) each
    told: Tensor = seen @ (found > 0).float() + often @ torch.log1p(2 * found) + part @ share
    return told[:, 0]
