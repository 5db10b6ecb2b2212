"""A build on an engine in a process of its own, which may kill a worker of it halfway: SIGKILL, as a lost machine.

Run by test_clusters_dask.py and test_clusters_ray.py: what clusters and their libraries leave behind ends with it.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

from flows.app import root_for_flows
from flows.engines import EngineName, EngineOptions, pool_of
from pipeline import build as building
from pipeline.crawl.raw import RawStore
from pipeline.release import Release
from tests.augmented import augmented, make_large_store
from tests.raw_stores import sample_source

ROOT = Path(__file__).parents[1]
NAME = "pixelbytes/pooled"
RECORDS = 640
SHARD_ROWS = 16  # so that few records make many shards
SHARE = 0.55  # of the steps, after which a worker is killed: pictures are drawn, shards are being built


class Job(NamedTuple):
    """What to build where, and whom to kill."""

    data: str  # the data root, with a raw store `raw/sample`
    engine: EngineName
    workers: int = 1
    address: str | None = None
    above: int = 0  # a process: of those under it, one is killed that looks like
    victim: str = ""  # part of its command line


def prepared(data: Path) -> str:
    """Make a raw store in a data root, and return the digest of what threads build of it."""
    make_large_store(data / "raw" / "sample", augmented(RECORDS))
    digest, _ = built(Job(str(data), "threads", workers=2))
    return digest


def built(job: Job) -> tuple[str, int]:
    """Do a job in a new process; return its digest and the process that it killed, 0 if none."""
    command = [sys.executable, "-m", "tests.pooled", json.dumps(job)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PREFECT_API_URL": ""}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, env=environment, timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]
    *noise, told = done.stdout.splitlines()
    assert not noise, noise  # a command's stdout is for programs
    killed, digest = told.split()
    return digest, int(killed)


def digest_of(release: Release) -> str:
    """Return a digest over the bytes of every shard."""
    whole = sha256()
    for path in sorted(release.folder.rglob("*.parquet")):
        whole.update(path.read_bytes())
    return whole.hexdigest()


def under(above: int, looks: str) -> Iterator[int]:
    """Yield the processes under one, however deep, in whose command line a text stands."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue  # it has ended
    for found in parents:
        ancestor = found
        while ancestor and ancestor != above:
            ancestor = parents.get(ancestor, 0)
        if ancestor == above and looks in _command_line(found):
            yield found


def _command_line(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_text(errors="replace").replace("\0", " ")
    except OSError:
        return ""


class Killer(Thread):
    """Kills one worker while the last part of the steps is done."""

    def __init__(self, job: Job) -> None:
        super().__init__(daemon=True)
        self.job, self.killed, self._due = job, 0, Event()

    def told(self, done: int, steps: int) -> None:
        if done > steps * SHARE:
            self._due.set()

    def run(self) -> None:
        self._due.wait()
        while not (victim := next(under(self.job.above, self.job.victim), 0)):
            time.sleep(0.005)
        os.kill(victim, signal.SIGKILL)
        self.killed = victim


def _in_a_flow(build: Callable[[], Release]) -> Release:
    """Build as a rebuild does: in a task of a flow, neither of which could travel to a worker, for they hold a lock."""
    from prefect import flow, task

    @flow(validate_parameters=False)
    def around() -> Release:
        return task(persist_result=False)(build)()

    return around()


def _do(job: Job) -> None:
    root = root_for_flows(Path(job.data))
    building.SHARD_ROWS = SHARD_ROWS
    killer = Killer(job)
    if job.above:
        killer.start()
    pool = pool_of(EngineOptions(name=job.engine, workers=job.workers, address=job.address), root.root)
    store, out = RawStore(root.raw("sample")), root.built(NAME)

    def build() -> Release:
        return building.build(sample_source(), store, out, name=NAME, pool=pool, progress=killer.told)

    release = build() if job.address or job.engine == "threads" else _in_a_flow(build)
    print(killer.killed, digest_of(release))  # noqa: T201 - to whoever asked


if __name__ == "__main__":
    _do(Job(*json.loads(sys.argv[1])))
