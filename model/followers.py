"""What stood before at places alike: sums over earlier places of one key, linear in the number of places.

M places of any records, W tokens that may follow.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

ID_BITS = 7  # of a packed key; an id of a larger vocabulary may share its key with another's, which costs bits only
RECORD_SHIFT = 48  # bits that a key takes at most: above them the number of its record in the batch
MOST_RECORDS = 2 ** (63 - RECORD_SHIFT)


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
