"""The processes of flow runs on this machine, as Linux tells of them: which live, whose they are, and how they end."""

import contextlib
import os
import signal
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

PROC = Path("/proc")
MARK = b"PREFECT__FLOW_RUN_ID="  # Prefect gives each flow process the id of its run by this variable
MAX_ENVIRONMENT = 2**20  # bytes read of a process's environment
_PARENT, _SESSION = 1, 3  # places in /proc/PID/stat after the name, which ends at the last parenthesis


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProcess:
    """A process that was started for a flow run."""

    pid: int
    parent: int
    session: int  # Prefect starts each run in a session of its own, whose leader is the flow itself

    @property
    def leads(self) -> bool:
        """Tell whether it is the flow itself, not something that the flow started."""
        return self.pid == self.session


def can_look() -> bool:
    """Tell whether this system shows the environment of processes; without it no run is known to be lost."""
    return (PROC / "self" / "environ").exists()


def run_processes() -> Mapping[UUID, tuple[RunProcess, ...]]:
    """Return the living processes of every flow run, by the run's id; those of other users are not seen.

    A pid alone says nothing, since the system gives it to somebody else some day: what counts is the id of the run in
    the environment that the process was started with.
    """
    found: dict[UUID, list[RunProcess]] = defaultdict(list)
    for folder in PROC.iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(OSError, ValueError):  # it ended meanwhile, or is not ours
                if (run := _run_of(folder)) is not None:
                    found[run].append(_process(folder))
    return {run: tuple(processes) for run, processes in found.items()}


def _run_of(folder: Path) -> UUID | None:
    with (folder / "environ").open("rb") as file:
        environment = file.read(MAX_ENVIRONMENT)
    for entry in environment.split(b"\0"):
        if entry.startswith(MARK):
            return UUID(entry.removeprefix(MARK).decode("ascii"))
    return None


def _process(folder: Path) -> RunProcess:
    fields = (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return RunProcess(pid=int(folder.name), parent=int(fields[_PARENT]), session=int(fields[_SESSION]))


def end_processes(run: UUID, grace: float) -> bool:
    """End all processes of a run, kindly first; tell whether none is left after `grace` seconds and a kill."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        _signal(run_processes().get(run, ()), sign)
        until = time.monotonic() + grace
        while run_processes().get(run):
            if time.monotonic() > until:
                break
            time.sleep(0.1)
        else:
            return True
    return False


def _signal(processes: Iterable[RunProcess], sign: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process.pid, sign)
