"""Publishes and pulls in forks of one process that has everything imported: each can be killed at any moment."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.publishing import hub_repo
from pipeline.publishing.hub_store import HubStore
from pipeline.release import Release

ROOT = Path(__file__).parent.parent
KILLED = -9


@dataclass(slots=True)
class Publisher:
    """The process that forks; one job at a time."""

    process: subprocess.Popen[str]

    def start(self, what: str, store: HubStore, name: str, build: Path, per_commit: int = 100) -> int:
        """Begin to `publish` a build, or to `pull` the newest version; return the process that does it."""
        job = {"what": what, "cache": str(store.cache), "endpoint": store.endpoint, "name": name, "folder": str(build)}
        job["per_commit"] = str(per_commit)
        assert self.process.stdin
        print(json.dumps(job), file=self.process.stdin, flush=True)
        return self._number()

    def end(self) -> int:
        """Wait until the job ended; return its exit code, negative when it was killed."""
        return os.waitstatus_to_exitcode(self._number())

    def _number(self) -> int:
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, "the publisher died"
        return int(line)


@contextmanager
def publisher(token: str) -> Iterator[Publisher]:
    """Start the process that forks; it ends with the block."""
    command = [sys.executable, "-m", "tests.publisher"]
    environment = {**os.environ, "HF_TOKEN": token, "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT, env=environment) as process:
        yield Publisher(process)
        assert process.stdin
        process.stdin.close()


def main() -> None:
    """Fork for each line of the standard input."""
    import huggingface_hub.hf_api  # noqa: F401 - once, before anything is forked

    from pipeline.cards import card

    card.plots = lambda *_: {}
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os._exit(_done(json.loads(line)))
        _say(child)
        _say(os.waitpid(child, 0)[1])


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def _done(job: dict[str, str]) -> int:
    hub_repo.PER_COMMIT = int(job["per_commit"])
    store = HubStore(Path(job["cache"]), endpoint=job["endpoint"])
    if job["what"] == "pull":
        store.open(job["name"])
    else:
        store.publish(Release.open(Path(job["folder"])))
    return 0


if __name__ == "__main__":
    main()
