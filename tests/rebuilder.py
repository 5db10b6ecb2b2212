"""Rebuilds in forks of one process that has Prefect and all else imported: each can be stopped at any stage.

`python -m tests.rebuilder` reads jobs as JSON, a line each, forks for it, and writes the fork's pid, then its status.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.webhooks import ROOT, ended, environment, until

NAME = "pixelbytes/beasts"
STAGES = ("crawl", "survey", "build", "remember", "check", "publish", "announce")
LONG = 240.0  # seconds that anything may take on a machine that does other things


@contextlib.contextmanager
def prefect_server(folder: Path) -> Iterator[str]:
    """Give the API of a real Prefect server of our own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "server.log").open("w") as log:
        known = environment(folder / "server", DO_NOT_TRACK="1")
        process = subprocess.Popen(command, env=known, stdout=log, stderr=subprocess.STDOUT, text=True)
        with ended(process):
            api = f"http://127.0.0.1:{port}/api"

            def answers() -> bool:
                assert process.poll() is None, (folder / "server.log").read_text()
                with contextlib.suppress(httpx.HTTPError):
                    return httpx.get(f"{api}/health").status_code == 200
                return False

            until(answers, LONG)
            yield api


@dataclass(slots=True)
class Rebuilder:
    """The process that forks; one job at a time."""

    process: "subprocess.Popen[str]"

    def start(self, **job: object) -> int:
        """Begin a rebuild, with the flow's own parameters; return the process that does it, a session of its own.

        `strike` names a stage at which it sends itself `signal`; with `quick`, retries come at once.
        """
        assert self.process.stdin
        print(json.dumps(job), file=self.process.stdin, flush=True)
        return self._number()

    def end(self) -> int:
        """Wait until the rebuild ended; return its exit code, negative when a signal ended it."""
        return os.waitstatus_to_exitcode(self._number())

    def _number(self) -> int:
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, "the rebuilder died"
        return int(line)


@contextlib.contextmanager
def rebuilder(folder: Path, api: str, **more: str) -> Iterator[Rebuilder]:
    """Start the process that forks, against a Prefect server; it ends with the block."""
    known = environment(folder / "client", PREFECT_API_URL=api, OMP_NUM_THREADS="1", **more)
    command = [sys.executable, "-m", "tests.rebuilder"]
    with (folder / "rebuilder.log").open("w") as log:
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=log, text=True, cwd=ROOT, env=known) as process:
            yield Rebuilder(process)
            assert process.stdin
            process.stdin.close()


def session(leader: int) -> list[int]:
    """Return the processes that live in a session: a rebuild and whatever it started."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, sid = status.read_text().rpartition(")")[2].split()[:4]
            if int(sid) == leader and state != "Z":
                found.append(int(status.parent.name))
    return found


def main() -> None:
    """Fork for each line of the standard input."""
    from flows import rebuild_dataset  # noqa: F401 - once, before anything is forked
    from pipeline.cards import card

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would ignore it
    card.plots = lambda *_: {}
    say = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what Prefect says is no answer
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os.setsid()
            os._exit(_rebuilt(json.loads(line)))
        print(child, file=say, flush=True)
        print(os.waitpid(child, 0)[1], file=say, flush=True)


def _rebuilt(job: dict[str, Any]) -> int:
    from flows import dataset_tasks as tasks
    from flows.rebuild_dataset import rebuild_dataset

    stage, number = job.pop("strike", ""), job.pop("signal", int(signal.SIGKILL))
    if stage:
        _arm(stage, lambda: _strike(number))
    if job.pop("quick", False):
        tasks.crawl_source.retry_delay_seconds = [1.0]
    try:
        rebuild_dataset(**job)
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001 - told to whoever reads the log
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    finally:
        sys.stderr.flush()
    return 0


def _strike(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(LONG)  # a signal that is heard ends it


def _arm(stage: str, strike: Callable[[], None]) -> None:
    """Let a stage strike: in the midst of crawl and build, before whatever else is done."""
    from flows import dataset_tasks as tasks
    from flows import releasing
    from pipeline.publishing.folder_store import FolderStore

    def before(where: Any, name: str) -> None:
        known = getattr(where, name)

        def struck(*given: Any, **named: Any) -> Any:
            strike()
            return known(*given, **named)

        setattr(where, name, struck)

    if stage == "crawl":
        known = tasks.collect
        tasks.collect = lambda *given, **named: known(
            *given, **named, progress=lambda now: strike() if now.done > 2 else None
        )
    elif stage == "build":
        build = tasks.build
        tasks.build = lambda *given, **named: build(
            *given, **{**named, "progress": lambda done, of: strike() if 2 * done > of > 0 else None}
        )
    else:
        where: dict[str, tuple[Any, str]] = {
            "survey": (tasks, "survey"),
            "remember": (tasks, "remember"),
            "check": (tasks, "check"),
            "publish": (FolderStore, "_stand"),
            "announce": (releasing, "announce"),
        }
        before(*where[stage])


if __name__ == "__main__":
    main()
