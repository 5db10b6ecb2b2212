"""Which runs are lost, and what becomes of them; the processes are real ones."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.deploy.recovery import TIMES, Found, found_of, verdict
from flows.deploy.run_processes import RunProcess, end_processes, run_processes
from tests.deployed import lives, until

WORKER = 100
RUN = Found(id=UUID(int=1), name="swift-hare", state="RUNNING", message="", pid=7, times=0)
FLOW = RunProcess(pid=7, parent=WORKER, session=7)
ORPHAN = replace(FLOW, parent=1)
CHILD = RunProcess(pid=8, parent=7, session=7)
KILLED = "Process exited with status code: -9. Process was killed."
states = st.sampled_from(["PENDING", "RUNNING"])


@given(states, st.sampled_from([(FLOW,), (ORPHAN,), (CHILD, ORPHAN)]), st.integers(0, 2 * TIMES))
def test_what_lives_is_left_alone_whoever_its_parent_is(
    state: str, processes: tuple[RunProcess, ...], times: int
) -> None:
    assert verdict(replace(RUN, state=state, times=times), processes, WORKER) == "leave"


@given(states, st.sampled_from([(), (CHILD,), (replace(FLOW, pid=9, session=9),)]), st.integers(0, 2 * TIMES))
def test_what_died_is_run_again_so_many_times_also_when_something_that_it_started_still_lives(
    state: str, processes: tuple[RunProcess, ...], times: int
) -> None:
    found = verdict(replace(RUN, state=state, times=times), processes, WORKER)
    assert found == ("run again" if times < TIMES else "give up")


def test_a_run_whose_pid_was_never_noted_is_known_by_the_leader_of_its_session() -> None:
    unknown = replace(RUN, state="PENDING", pid=None)
    assert verdict(unknown, (ORPHAN,), WORKER) == "leave"
    assert verdict(unknown, (CHILD,), WORKER) == "run again"


def test_a_cancelled_run_is_left_to_its_own_worker_and_ended_when_that_one_died() -> None:
    cancelling = replace(RUN, state="CANCELLING")
    assert verdict(cancelling, (FLOW,), WORKER) == "leave"
    for processes in ((ORPHAN,), (CHILD,), ()):
        assert verdict(cancelling, processes, WORKER) == "cancel"


@pytest.mark.parametrize(
    ("state", "message", "what"),
    [
        ("CRASHED", KILLED, "run again"),
        ("CRASHED", "Flow run infrastructure exited with non-zero status code 137.", "run again"),
        ("CRASHED", "Execution was aborted by a termination signal.", "run again"),
        ("CRASHED", "Request to http://127.0.0.1:4200/api/x failed: ConnectError: refused.", "run again"),
        ("CRASHED", "Process exited with status code: 1. Process exited with a general error.", "leave"),
        ("CRASHED", "Flow run could not start: no such flow", "leave"),
        ("CRASHED", "", "leave"),
        ("FAILED", "Flow run encountered an exception: TrainingStopped: stopped by SIGTERM at step 3", "run again"),
        ("FAILED", "Flow run encountered an exception: GateError: schema: 3 rows differ", "leave"),
    ],
)
def test_an_end_is_made_good_only_when_the_run_was_not_to_blame(state: str, message: str, what: str) -> None:
    assert verdict(replace(RUN, state=state, message=message), (), WORKER) == what


def test_a_cancelled_flow_that_says_itself_that_it_crashed_is_not_run_again() -> None:
    ended = replace(RUN, state="CRASHED", message="Execution was aborted by a termination signal.", cancelled=True)
    assert verdict(ended, (), WORKER) == "cancel"


def test_what_was_given_up_is_not_told_of_again() -> None:
    hopeless = replace(RUN, state="CRASHED", message=KILLED, times=TIMES)
    assert verdict(hopeless, (), WORKER) == "give up"
    assert verdict(replace(hopeless, given_up=True), (), WORKER) == "leave"


@pytest.mark.parametrize(
    ("infrastructure", "pid"), [("4711", 4711), ("host:4711", 4711), ("", None), (None, None), ("x:y", None)]
)
def test_the_pid_is_read_whoever_noted_it(infrastructure: str | None, pid: int | None) -> None:
    from prefect.client.schemas.objects import FlowRun

    labels = {"pixelbytes.run-again": 2}
    run = FlowRun(flow_id=uuid4(), infrastructure_pid=infrastructure, labels=labels, parameters={"repo_id": "a/b"})
    assert (found_of(run).pid, found_of(run).times, found_of(run).about) == (pid, 2, "a/b")


# ---- real processes

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"
PATIENT = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', sys.argv[1]]); time.sleep(600)"


@contextmanager
def running(run: UUID, program: str, *words: str) -> Iterator["subprocess.Popen[bytes]"]:
    known = {**os.environ, "PREFECT__FLOW_RUN_ID": str(run)}
    command = [sys.executable, "-c", program, *words]
    process = subprocess.Popen(command, env=known, stdout=subprocess.PIPE, start_new_session=True)
    try:
        yield process
    finally:
        end_processes(run, 0.1)
        process.communicate()


def test_the_processes_of_a_run_are_found_by_its_id_and_only_the_flow_leads() -> None:
    run, other = uuid4(), uuid4()
    with running(run, PATIENT, "import time; time.sleep(600)") as flow, running(other, STUBBORN):
        found = until(lambda: (all_of_it := run_processes().get(run, ())) and len(all_of_it) == 2 and all_of_it)
        assert [one.leads for one in sorted(found, key=lambda one: one.pid != flow.pid)] == [True, False]
        assert {one.parent for one in found} == {os.getpid(), flow.pid}
        flow.send_signal(signal.SIGKILL)
        flow.wait()
        (left,) = run_processes()[run]
        assert not left.leads
        assert len(run_processes()[other]) == 1


def test_all_processes_of_a_run_are_ended_also_those_that_do_not_want_to_and_no_others() -> None:
    run, other = uuid4(), uuid4()
    with running(run, PATIENT, STUBBORN) as flow, running(other, STUBBORN) as left:
        assert flow.stdout
        assert flow.stdout.readline()  # the child hears no SIGTERM now
        pids = [one.pid for one in run_processes()[run]]
        assert end_processes(run, 0.5)
        assert not any(map(lives, pids))
        assert run not in run_processes()
        assert left.poll() is None


def test_a_dead_process_that_nobody_waited_for_does_not_live() -> None:
    run = uuid4()
    with running(run, "") as flow:
        until(lambda: not lives(flow.pid))
        assert run not in run_processes()
