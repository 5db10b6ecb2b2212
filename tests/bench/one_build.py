"""Builds in a process of their own, so that memory and start are those of one build and of no other work.

Run by build_rows.py and test_scale.py. This process' memory is read where a new program begins to count anew; that of
its workers is the kernel's for the children of a process, which counts what this one had when it started them.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from pipeline.build import build
from pipeline.crawl.raw import RawStore
from pipeline.crawl.source_files import load_source
from pipeline.crawl.sources import Source
from pipeline.engines import processes
from pipeline.release import Release
from tests.raw_stores import sample_source

ROOT = Path(__file__).parents[2]
NAME = "pixelbytes/bench"
KILLED = -signal.SIGKILL  # how a process that was killed ends


class Job(NamedTuple):
    """What to build, how often, and when to be killed."""

    root: str  # of the raw store
    out: str
    folder: str = ""  # that the store was gathered from; the sample's wiki, when empty
    workers: int = 1
    runs: int = 1
    killed_at: float = 1.0  # share of the steps after which the process kills itself


class Cost(NamedTuple):
    """What a build cost."""

    records: int
    seconds: list[float]  # by the clock, of each run
    cpu: list[float]  # seconds of this process' own processor time, of each run: what a busy machine changes less
    peak: float  # MiB of this process at the highest
    peak_of_workers: float  # MiB of the largest worker; 0 without workers
    bytes_a_token: float  # of the `tokens` config on disk


def measured(job: Job) -> Cost:
    """Do `job` and return what it cost."""
    source, store = _source(job), RawStore(Path(job.root))
    seconds, cpu = [], []
    for _ in range(job.runs):
        begun, before = time.perf_counter(), time.process_time()
        pool, told = processes(job.workers), _killing(job.killed_at)
        release = build(source, store, Path(job.out), name=NAME, pool=pool, progress=told)
        seconds.append(time.perf_counter() - begun)
        cpu.append(time.process_time() - before)
    workers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024 if job.workers > 1 else 0.0
    count = sum(release.manifest.counts.values())
    return Cost(count, seconds, cpu, _peak(), workers, bytes_a_token(release))


def bytes_a_token(release: Release) -> float:
    """Return how many bytes on disk a token of a release's `tokens` takes."""
    size = sum(shard.bytes for shards in release.manifest.configs["tokens"].values() for shard in shards)
    return size / sum(release.manifest.tokens.values())


def in_own_process(job: Job) -> Cost | None:
    """Do `job` in a new process on one thread; None when it was killed as asked. RuntimeError when it failed."""
    command = [sys.executable, "-m", "tests.bench.one_build", json.dumps(job)]
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, env={**os.environ, **threads})
    if done.returncode == KILLED and job.killed_at < 1:
        return None
    if done.returncode:
        raise RuntimeError(f"the build of {job.root} ended with {done.returncode}: {done.stderr[-2000:]}")
    return Cost(*json.loads(done.stdout))


def _source(job: Job) -> Source:
    return load_source(Path(job.folder)) if job.folder else sample_source()


def _killing(share: float) -> Callable[[int, int], None]:
    """Return what kills this process once such a share of a build's steps is done."""

    def told(done: int, steps: int) -> None:
        if share < 1 and done >= share * steps:
            os.kill(os.getpid(), signal.SIGKILL)

    return told


def _peak() -> float:
    """Return the most MiB that this process has held; on systems other than Linux with what its parent had."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    print(json.dumps(measured(Job(*json.loads(sys.argv[1])))))
