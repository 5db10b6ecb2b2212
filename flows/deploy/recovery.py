"""Runs whose process died are run again: found by the worker of the same machine, before it works and while it does."""

import logging
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal
from uuid import UUID

from flows.deploy.run_processes import RunProcess, can_look, end_processes, run_processes
from flows.notices import Notice, tell

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun, State

TIMES = 3  # that a run is run again
AFTER = timedelta(days=1)  # a run that crashed longer ago stays as it is
GRACE = 30.0  # seconds that a cancelled flow has to end by itself
MAX_ABOUT = 200  # characters
PAGE = 200  # runs that the server gives at once
# labels of a run
WORKER, AGAIN, GIVEN_UP = "prefect.worker.name", "pixelbytes.run-again", "pixelbytes.given-up"
CANCELLED = (
    "pixelbytes.cancelled"  # a flow that is ended by SIGTERM says itself that it crashed: it shall not run again
)
Verdict = Literal["leave", "run again", "give up", "cancel"]
log = logging.getLogger("pixelbytes.recovery")
#: What is said of a run that did nothing wrong itself: a signal ended its process (an exit code below 0, or 128 and
#: more), the machine asked it to end, or the server went away under it.
_DIED = {
    "CRASHED": re.compile(
        r"status code:? (-\d+|129|1[345]\d)\b|by (an interrupt|a termination) signal|by the runtime environment"
        r"|Request to http\S+ failed"
    ),
    "FAILED": re.compile(r"\bTrainingStopped: "),  # a training that hears SIGTERM keeps its state, and ends by itself
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A run of this machine as the server knows it."""

    id: UUID
    name: str
    state: str  # PENDING, RUNNING, CANCELLING, CRASHED or FAILED
    message: str  # of the state
    pid: int | None  # of its flow
    times: int  # that it was run again before
    about: str = ""  # the dataset that it was started for
    given_up: bool = False
    cancelled: bool = False  # somebody asked for its end


def found_of(run: "FlowRun") -> Found:
    """Return what decides about a run."""
    pid, times = run.infrastructure_pid or "", run.labels.get(AGAIN, 0)
    return Found(
        id=run.id,
        name=run.name,
        state=run.state_type.value if run.state_type else "",
        message=(run.state.message or "") if run.state else "",
        pid=int(pid.rpartition(":")[2]) if pid.rpartition(":")[2].isdecimal() else None,
        times=times if isinstance(times, int) else 0,
        about=str(run.parameters.get("repo_id") or run.parameters.get("reference") or run.name)[:MAX_ABOUT],
        given_up=GIVEN_UP in run.labels,
        cancelled=CANCELLED in run.labels,
    )


def verdict(run: Found, processes: Sequence[RunProcess], worker: int) -> Verdict:
    """Return what becomes of a run, by its living processes and the pid of this worker.

    What lives is left alone, also when its worker died: it tells the server itself how it ended. Only who was asked to
    end, and has no worker any more that sees to it, is ended.
    """
    flow = next((one for one in processes if one.pid == run.pid or (run.pid is None and one.leads)), None)
    if run.state == "CANCELLING":
        return "leave" if flow and flow.parent == worker else "cancel"
    if run.cancelled and run.state in _DIED:
        return "cancel"
    ended = _DIED.get(run.state)
    if flow or run.given_up or (ended is not None and not ended.search(run.message)):
        return "leave"
    return "run again" if run.times < TIMES else "give up"


@dataclass(slots=True)
class Recovery:
    """Finds the lost runs of one worker, by its name, and sees to them.

    A worker's name is that of its machine and data root, so another machine's runs are never touched.
    """

    worker: str
    pid: int = field(default_factory=os.getpid)
    _suspected: set[tuple[UUID, str]] = field(default_factory=set)

    def look(self, *, sure: bool = False, stopped: bool = False) -> Mapping[UUID, Verdict]:
        """See to the lost runs; return what became of each. Does nothing where no process can be looked at.

        While its worker lives, a run whose process ended may just not have been told of: it must be found lost twice,
        in the same state. `sure` says that no worker lives that could tell. `stopped` says that the worker was asked
        to end and ended its runs: they are not to blame, and this does not count.
        """
        from prefect.client.orchestration import get_client

        if not can_look():
            return {}
        with get_client(sync_client=True) as client:
            runs = [found_of(run) for run in _runs_of(client, self.worker)]  # before the processes: these only come
            alive = run_processes()
            lost = {run: verdict(run, alive.get(run.id, ()), self.pid) for run in runs}
            lost = {run: what for run, what in lost.items() if what != "leave"}
            known, self._suspected = self._suspected, {(run.id, run.state) for run in lost}
            certain = {run: what for run, what in lost.items() if sure or (run.id, run.state) in known}
            for run, what in certain.items():
                _see_to(client, run, what, counted=not stopped)
        return {run.id: what for run, what in certain.items()}


def _runs_of(client: "SyncPrefectClient", worker: str) -> list["FlowRun"]:
    """Return the runs that this worker, or one of the same name before it, began and that did not end well."""
    from prefect.client.schemas import filters
    from prefect.client.schemas.objects import StateType
    from prefect.types import DateTime

    going = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
    ended = [StateType.CRASHED, StateType.FAILED]
    since = filters.FlowRunFilterEndTime(after_=DateTime.now("UTC") - AFTER)
    asked = (
        filters.FlowRunFilter(state=filters.FlowRunFilterState(type=filters.FlowRunFilterStateType(any_=going))),
        filters.FlowRunFilter(
            state=filters.FlowRunFilterState(type=filters.FlowRunFilterStateType(any_=ended)),
            end_time=since,
        ),
    )
    found: dict[UUID, FlowRun] = {}
    for wanted in asked:
        for offset in range(0, 100 * PAGE, PAGE):
            page = client.read_flow_runs(flow_run_filter=wanted, limit=PAGE, offset=offset)
            found.update({run.id: run for run in page})
            if len(page) < PAGE:
                break
    return [run for run in found.values() if run.deployment_id and run.labels.get(WORKER) == worker]


def _see_to(client: "SyncPrefectClient", run: Found, what: Verdict, *, counted: bool) -> None:
    """Do what was decided about a run. What its flow had started, and still lives, is ended first."""
    from prefect.states import AwaitingRetry, Cancelled, Crashed

    if what == "cancel":
        client.update_flow_run_labels(run.id, {CANCELLED: True})
    if not end_processes(run.id, GRACE if what == "cancel" else 1.0):
        log.warning("run %s cannot be ended: some of its processes ignore a kill; tried again later", run.name)
        return
    if what == "cancel":
        _set(client, run, Cancelled(message="Cancelled: its worker had died, so the next one ended its processes."))
    elif what == "run again":
        again = "Its worker was stopped: the next one runs it again."
        if counted:
            client.update_flow_run_labels(run.id, {AGAIN: run.times + 1})
            again = f"Its process died: run again, {run.times + 1} of {TIMES} times."
        _set(client, run, AwaitingRetry(scheduled_time=datetime.now(UTC), message=again))
    else:
        why = f"its process died {TIMES + 1} times: look at the memory of this machine and at the run's log"
        client.update_flow_run_labels(run.id, {GIVEN_UP: True})
        if run.state not in _DIED:
            _set(client, run, Crashed(message=f"Given up: {why}."))
        tell(Notice(what="given up", ref=run.about, why=why, run=run.name))
    log.warning("run %s (%s, %s) was lost: %s", run.name, run.id, run.state.lower(), what)


def _set(client: "SyncPrefectClient", run: Found, state: "State[object]") -> None:
    """Set a run's state whatever the rules say; so the slot that it holds of a concurrency limit is given back."""
    client.set_flow_run_state(run.id, state, force=True)
