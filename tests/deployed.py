"""`pixelbytes deploy` on loopback, and what a test asks its server, worker and flows."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from flows.deploy.run_processes import run_processes

ROOT = Path(__file__).parents[1]
LONG = 240.0  # seconds that anything may take on a machine that does other things
ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


def until(holds: Callable[[], Any], told: Callable[[], str] = lambda: "", *, quick: bool = False) -> Any:
    """Return what a condition gives once it holds; `quick` for what is over in a moment."""
    end = time.monotonic() + LONG
    while not (found := holds()):
        assert time.monotonic() < end, f"it never came. {told()}"
        time.sleep(0.02 if quick else 0.3)
    return found


@dataclass(frozen=True)
class Deployed:
    """A deployment that stands."""

    process: "subprocess.Popen[str]"
    data: Path
    api: str
    said: str  # what the command told

    def ask(self, path: str, method: str = "POST", **body: Any) -> Any:
        """Ask the server's API, again while its SQLite is locked."""
        for _ in range(60):
            answer = httpx.request(method, f"{self.api}{path}", json=body, timeout=60)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
            time.sleep(0.5)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def deployment(self, name: str) -> dict[str, Any]:
        (found,) = self.ask("/deployments/filter", deployments={"name": {"any_": [name]}})
        return dict(found)

    def add_schedule(self, deployment: str, schedule: dict[str, Any]) -> None:
        answer = httpx.post(f"{self.api}/deployments/{deployment}/schedules", json=[schedule], timeout=60)
        answer.raise_for_status()

    def deaf(self) -> None:
        """Let no event start anything any more."""
        for one in self.ask("/automations/filter"):
            self.ask(f"/automations/{one['id']}", "PATCH", enabled=False)

    def cancel(self, run: UUID) -> None:
        """Ask a run to end, as a person does."""
        said = self.ask(f"/flow_runs/{run}/set_state", state={"type": "CANCELLING"})
        assert said["status"] == "ACCEPT", said

    def start(self, name: str, **parameters: Any) -> UUID:
        """Start a run by hand, as a person does."""
        run = self.ask(f"/deployments/{self.deployment(name)['id']}/create_flow_run", parameters=parameters)
        return UUID(run["id"])

    def run(self, run: UUID) -> dict[str, Any]:
        return dict(self.ask(f"/flow_runs/{run}", "GET"))

    def runs(self, name: str) -> list[dict[str, Any]]:
        return list(self.ask("/flow_runs/filter", deployments={"name": {"any_": [name]}}, sort="START_TIME_ASC"))

    def ended(self, run: UUID) -> dict[str, Any]:
        """Return a run once it has ended."""
        return dict(until(lambda: (now := self.run(run))["state_type"] in ENDED and now, told=lambda: self.tale(run)))

    def completed(self, run: UUID) -> dict[str, Any]:
        """Return a run once it has ended well."""
        found = self.ended(run)
        assert found["state_type"] == "COMPLETED", (found["state"], self.tale(run))
        return found

    def tale(self, run: UUID) -> str:
        """Return what is known of a run: for whoever reads why a test failed."""
        log = self.data / "deploy" / "runs" / f"{run}.log"
        told = log.read_text(errors="replace")[-3000:] if log.is_file() else "it has no log"
        return f"{self.run(run)['state']}\n{told}\n{(self.data / 'deploy' / 'worker.log').read_text()[-3000:]}"

    def flow(self, run: UUID) -> int:
        """Return the pid of a run's flow once it lives."""
        flow: int = until(lambda: next((one.pid for one in run_processes().get(run, ()) if one.leads), 0))
        return flow

    def worker(self) -> int:
        """Return the pid of the worker that lives."""
        pid: int = until(lambda: next((pid for pid in children(self.process.pid) if "worker" in words_of(pid)), 0))
        return pid


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def words_of(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def descendants(pid: int) -> list[int]:
    found = children(pid)
    for child in found:
        found += children(child)
    return found


def lives(pid: int) -> bool:
    """Tell whether a process lives; a dead one that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def environment(data: Path, **more: str) -> dict[str, str]:
    known = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "PIXELBYTES_"))}
    return {**known, "PIXELBYTES_DATA": str(data), "OMP_NUM_THREADS": "1", "NO_COLOR": "1", **more}


@contextlib.contextmanager
def deployed(data: Path, *options: str, **more: str) -> Iterator[Deployed]:
    """Bring a deployment up by our own command, on a free port; end it as Ctrl-C does."""
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from flows.cli import main; main()"
    )
    command = [sys.executable, "-c", program, "deploy", "--port", "0", *options]
    data.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment(data, **more), stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    watchdog = threading.Timer(LONG, process.kill)
    watchdog.start()
    try:
        assert process.stderr
        said = ""
        while "Ctrl-C ends" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        watchdog.cancel()
        found = re.search(r"PREFECT_API_URL=(\S+)", said)
        assert found
        yield Deployed(process, data, found[1], said)
    finally:
        watchdog.cancel()
        process.send_signal(signal.SIGINT)
        try:
            process.wait(90)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stderr:
            process.stderr.close()
