"""Which failures are worth another try, after how long, and how long a stage may take."""

import errno
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from flows.console import err

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State, TaskRun
    from prefect.tasks import Task
P = ParamSpec("P")
R = TypeVar("R")
DELAYS = [10.0, 40.0, 160.0]  # seconds before each further try, each up to half more or less (JITTER)
JITTER = 0.5
HOUR = 3600.0
# Seconds that a stage may take: generous, for what hangs. Prefect raises in the flow's thread when they are over, which
# ends the crawler's process and, after what their hands are on, a build's workers; the next run goes on from there.
CRAWL = 24 * HOUR  # of a large wiki at its own pace; the next crawl continues it for so long (CONTINUED_FOR)
SURVEY = 2 * HOUR
BUILD = 24 * HOUR
CHECK = 6 * HOUR
PUBLISH = 12 * HOUR
_BROKEN = {
    errno.ECONNREFUSED,
    errno.ECONNRESET,
    errno.ECONNABORTED,
    errno.EPIPE,
    errno.ETIMEDOUT,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.ENETDOWN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds that stages of one rebuild may take, where not as usual (CRAWL and the like); None: as usual."""

    crawl: float | None = None
    survey: float | None = None
    build: float | None = None
    check: float | None = None
    publish: float | None = None  # also for reading the last release from a Hub

    def __post_init__(self) -> None:
        """Check what the types cannot say; ValueError for what is no time."""
        for stage, seconds in asdict(self).items():
            number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
            if seconds is not None and not (number and 0 < seconds < float("inf")):
                raise ValueError(f"the limit of {stage} is {seconds!r}: give seconds, such as {HOUR:g}.")


def limits(given: dict[str, float] | None) -> Limits:
    """Return the limits that a deployment gives by stage; ValueError for what is no stage or no time."""
    known = asdict(Limits())
    if unknown := sorted(set(given or {}) - set(known)):
        raise ValueError(f"limits know no stage {unknown[0]!r}: choose of {', '.join(known)}.")
    return Limits(**given or {})


def within(task: "Task[P, R]", seconds: float | None) -> "Task[P, R]":
    """Return a task that may take so long; the task itself when nothing is said."""
    return task if seconds is None else task.with_options(timeout_seconds=seconds)


def network_task(seconds: float | None = None, *, name: str | None = None) -> "Callable[[Callable[P, R]], Task[P, R]]":
    """Return what makes a Prefect task of a function that asks a site or a Hub: it is tried again when that failed.

    `seconds` is how long it may take, without end when nothing is said; `name` what its runs are called.
    """
    from prefect import task
    from prefect.cache_policies import NO_CACHE

    return task(
        cache_policy=NO_CACHE,
        retries=len(DELAYS),
        retry_delay_seconds=DELAYS,
        retry_jitter_factor=JITTER,
        retry_condition_fn=worth_another_try,
        timeout_seconds=seconds,
        task_run_name=name,
    )


def may_pass(error: BaseException) -> bool:
    """Tell whether the same may well be done some minutes later: the network, a site or a Hub failed, and not we.

    >>> may_pass(ConnectionResetError()), may_pass(OSError(28, "No space left on device")), may_pass(ValueError("k"))
    (True, False, False)
    """
    transient = getattr(error, "transient", None)  # HubError and CrawlError know it
    if transient is not None:
        return bool(transient)
    return any(map(_broke, _chain(error)))


def _broke(error: BaseException) -> bool:
    if isinstance(error, ssl.SSLCertVerificationError):
        return False
    if isinstance(error, ConnectionError | socket.gaierror | ssl.SSLError):
        return True
    return isinstance(error, OSError) and error.errno in _BROKEN


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it was raised from, which a library may wrap in one of its own."""
    seen: BaseException | None = error
    for _ in range(10):
        if seen is None or isinstance(seen, ValueError):
            return
        yield seen
        seen = seen.__cause__


def worth_another_try(task: "Task[..., Any]", _run: "TaskRun", state: "State[Any]") -> bool:
    """Tell whether a task is run once more, and say so to whoever waits; Prefect asks before each retry."""
    error = state.data
    again = isinstance(error, BaseException) and may_pass(error)
    if again:
        err.print(f"    {task.name}: {error} It is tried again in a while.", markup=False, soft_wrap=True)
    return again
