"""What a benchmark gives: two ways of doing the same work, run in turn in one process, and their ratio."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One comparison: rates in units per second, medians of interleaved runs."""

    name: str
    unit: str
    reference: str  # what the usual way is
    usual: float
    ours: float
    target: float  # of ours over usual
    note: str = ""

    @property
    def ratio(self) -> float:
        """How many times faster ours is."""
        return self.ours / self.usual


def in_turn(
    usual: Callable[[], object], ours: Callable[[], object], amount: float, runs: int = 7
) -> tuple[float, float]:
    """Return the median rates of both ways, each run in turn after one warm-up of each."""
    usual()
    ours()
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(runs):
        for way, kept in zip((usual, ours), times, strict=True):
            start = time.perf_counter()
            way()
            kept.append(time.perf_counter() - start)
    return amount / statistics.median(times[0]), amount / statistics.median(times[1])
