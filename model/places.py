"""Windows made where the network is: ids and where each stands are held there, inputs are gathered by tables.

B batch, L places of a sequence, k side of a window, S cells of it that may be seen, N tokens held, R records.

In a segment of rows of one width, the cell `up` rows above and `dx` columns beside token t is token t − up·width + dx,
where the row reaches that far. So a row, a column and a width for each token are all that a window needs: 14 bytes a
token and variant, whatever k. The law: gathered inputs equal those of `read_windows`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int32, Int64, UInt8
from torch import Tensor

from model.batches import IGNORED, Member, ids_of, order_of, start_id
from model.config import ModelConfig
from model.token_table import TokenTable
from pipeline.tokenizer import ORDERS, grids
from pipeline.windows import causal_mask

NOWHERE = -1  # a place that only pads


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Some inputs and what is to be predicted, on the device of the network."""

    windows: UInt8[Tensor, "B L k k"]
    targets: Int64[Tensor, "B L"]  # IGNORED where nothing is asked
    tokens: int  # places with a target


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Every token of some records, one after the other, and where it stands in its segment."""

    ids: UInt8[Tensor, "N"]
    before: UInt8[Tensor, "N"]  # the token read last, or what starts the record
    first: Bool[Tensor, "N"]  # of its record
    row: Int32[Tensor, "N"]
    column: Int32[Tensor, "N"]
    width: Int32[Tensor, "N"]  # of the segment, separator included

    @classmethod
    def of_records(cls, records: Sequence[UInt8[np.ndarray, "_"]], device: torch.device) -> "Places":
        """Read whole records; ValueError when one is not well formed."""
        before, first, row, column, width = [], [], [], [], []
        for ids in records:
            before.append(np.concatenate([[np.uint8(start_id(order_of(ids)))], ids[:-1]]))
            first.append(np.arange(len(ids)) == 0)
            for grid in grids(ids):
                rows, columns = np.divmod(np.arange(grid.size, dtype=np.int32), np.int32(grid.shape[1]))
                row.append(rows)
                column.append(columns)
                width.append(np.full(grid.size, grid.shape[1], dtype=np.int32))
        held = (np.concatenate(one) for one in (records, before, first, row, column, width))
        on = [torch.from_numpy(one).to(device) for one in held]
        return cls(ids=on[0], before=on[1], first=on[2], row=on[3], column=on[4], width=on[5])

    def inputs(self, at: Int64[Tensor, "B L"], config: ModelConfig) -> UInt8[Tensor, "B L k k"]:
        """Return the input of each place, zeros where it is NOWHERE."""
        k, known = config.k, at != NOWHERE
        place = at.clamp(min=0)
        centre = place if config.look == "ahead" else (place - 1).clamp(min=0)
        seen = torch.from_numpy(np.flatnonzero(causal_mask(k))).to(at.device)  # (S,)
        up, dx = k // 2 - seen // k, seen % k - k // 2
        column = self.column[centre][..., None] + dx  # (B, L, S)
        width = self.width[centre][..., None]
        inside = (self.row[centre][..., None] >= up) & (column >= 0) & (column < width)
        if config.look == "current":  # nothing was read before a record
            inside &= ~self.first[place][..., None]
        source = (centre[..., None] - up * width + dx).clamp(min=0, max=len(self.ids) - 1)
        cells = torch.where(inside, self.ids[source], 0)
        cells[..., -1] = self.before[place]  # the last cell that may be seen is the centre
        out = torch.zeros(*at.shape, k * k, dtype=torch.uint8, device=at.device)
        out[..., seen] = torch.where(known[..., None], cells, 0)
        return out.view(*at.shape, k, k)

    def targets(self, at: Int64[Tensor, "B L"]) -> Int64[Tensor, "B L"]:
        """Return the token of each place, IGNORED where it is NOWHERE."""
        return torch.where(at == NOWHERE, IGNORED, self.ids[at.clamp(min=0)].to(torch.int64))


class HeldRecords:
    """The records of a split in each variant that may be asked for, held on a device."""

    def __init__(self, table: TokenTable, config: ModelConfig, device: torch.device, *, mirrors: bool) -> None:
        """Hold both orders, and their mirrored twins with `mirrors`: 14 bytes a token and variant."""
        self.config, self.table, self.device = config, table, device
        turns = (False, True) if mirrors else (False,)
        self._variants = {(order, turned): n for n, (turned, order) in enumerate((t, o) for t in turns for o in ORDERS)}
        everyone = (ids_of(table, Member(i, *kind)) for kind in self._variants for i in range(len(table)))
        self.places = Places.of_records(list(everyone), device)

    def batch(self, members: Sequence[Member]) -> Tokens:
        """Return some records side by side."""
        numbers = [member.record for member in members]
        shift = np.array([self._variants[member.order, member.mirrored] for member in members]) * len(self.table.ids)
        lengths = self.table.lengths[numbers]
        steps = np.arange(int(lengths.max()))
        starts = self.table.offsets[numbers] + shift
        at = torch.from_numpy(np.where(steps < lengths[:, None], starts[:, None] + steps, NOWHERE)).to(self.device)
        return Tokens(
            windows=self.places.inputs(at, self.config), targets=self.places.targets(at), tokens=int(lengths.sum())
        )
