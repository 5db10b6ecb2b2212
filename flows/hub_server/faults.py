"""Faults on demand: which request of which step goes wrong, and how."""

import threading
from dataclasses import dataclass, field
from typing import Literal, get_args

STEPS = (
    "whoami", "validate-yaml", "create", "settings", "info", "refs", "tree", "paths-info", "preupload",
    "lfs-batch", "lfs-put", "lfs-verify", "commit", "tag", "branch", "resolve", "discussion", "merge",
)  # fmt: skip
Kind = Literal["answer", "after", "cut", "cut after", "hang", "hang after", "slow"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(slots=True, kw_only=True)
class Fault:
    """A fault that waits for its requests."""

    step: str
    kind: Kind
    status: int
    times: int  # requests it still spoils
    skip: int  # requests it still lets through


@dataclass(slots=True)
class Faults:
    """The faults of one Hub; any thread may add to them while it runs."""

    _waiting: list[Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, step: str, kind: str, *, status: int = 500, times: int = 1, skip: int = 0) -> None:
        """Spoil the next `times` requests of a step, after `skip` that pass.

        "answer": answer `status` and do nothing. "after": do it, then answer `status`. "cut": close the connection in
        the middle of the body, that of the request for a PUT, else that of the answer. "cut after": do it, then close
        without an answer. "hang": no answer until the client goes. "hang after": do it, then the same. "slow": do it,
        and drip the answer.
        """
        found = next((known for known in KINDS if known == kind), None)
        if step not in STEPS:
            raise ValueError(f"{step!r} is no step: give one of {', '.join(STEPS)}.")
        if found is None:
            raise ValueError(f"{kind!r} is no kind of fault: give one of {', '.join(KINDS)}.")
        with self._lock:
            self._waiting.append(Fault(step=step, kind=found, status=status, times=times, skip=skip))

    def clear(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._waiting.clear()

    @property
    def waiting(self) -> int:
        """Return how many requests are still to be spoiled."""
        with self._lock:
            return sum(fault.times for fault in self._waiting)

    def take(self, step: str) -> Fault | None:
        """Return the fault that this request of a step meets, if any; it counts for every fault of the step."""
        with self._lock:
            met = None
            for fault in [fault for fault in self._waiting if fault.step == step]:
                if fault.skip > 0:
                    fault.skip -= 1
                elif met is None:
                    met = fault
                    fault.times -= 1
            self._waiting = [fault for fault in self._waiting if fault.times > 0]
            return met
