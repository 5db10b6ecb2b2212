"""Processes that end with us, however we end."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

# Reads the pids that it is told, with a minus those that ended; when its input ends without the word "done", whoever
# wrote is dead: it ends them, the last first, kindly, and after a while not, with all that they had started.
_GUARD = """
import os, pathlib, signal, sys, time
pids = []
for line in sys.stdin:
    if line.strip() == "done":
        sys.exit()
    pid = int(line)
    pids.append(pid) if pid > 0 else pids.remove(-pid)

def children():
    found = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            found.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    return found

def tree(pid):
    known, found = children(), [pid]
    for one in found:
        found += known.get(one, [])
    return found

def end(pid, sign):
    try:
        os.kill(pid, sign)
    except (ProcessLookupError, PermissionError):
        return False
    return True

for pid in reversed(pids):
    all_of_it = tree(pid)
    end(pid, signal.SIGTERM)
    until = time.monotonic() + GRACE
    while end(pid, 0) and time.monotonic() < until:
        time.sleep(0.05)
    for one in all_of_it:
        end(one, signal.SIGKILL)
"""
GRACE = 20.0  # seconds that a process has to end by itself


@dataclass(slots=True)
class Guarded:
    """A context whose processes are ended when it ends, the last one first; also when this process is killed.

    A kill that cannot be caught (kill -9) ends the pipe to a guard, which then does the same.
    """

    _guard: "subprocess.Popen[bytes] | None" = None
    _started: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    def __enter__(self) -> "Guarded":
        """Start the guard."""
        command = [sys.executable, "-S", "-E", "-c", _GUARD.replace("GRACE", str(GRACE))]
        self._guard = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603
        return self

    def start(
        self, command: Sequence[str], log: Path, environment: Mapping[str, str], folder: Path
    ) -> "subprocess.Popen[bytes]":
        """Start a process in a session of its own (Ctrl-C reaches only us), whose output goes on in a log."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            process = subprocess.Popen(  # noqa: S603 - our own commands, no shell
                command,
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self._started.append(process)
        self._tell(process.pid)
        return process

    def ended(self) -> "subprocess.Popen[bytes] | None":
        """Return the first process that has ended by itself, if any, and forget it."""
        found = next((one for one in self._started if one.poll() is not None), None)
        if found:
            self._started.remove(found)
            self._tell(-found.pid)
        return found

    def _tell(self, pid: int) -> None:
        assert self._guard is not None  # noqa: S101 - within the context
        assert self._guard.stdin is not None  # noqa: S101 - a pipe
        self._guard.stdin.write(f"{pid}\n".encode())
        self._guard.stdin.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes and the guard. A second Ctrl-C leaves what is left to the guard."""
        for process in reversed(self._started):
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if self._guard is not None:
            self._guard.communicate(b"done\n")
