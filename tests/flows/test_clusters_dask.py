"""The same release on a real Dask cluster, ours or another's, even when a worker is killed in the middle."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployed import until
from tests.pooled import Job, built, prepared

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def wanted(data: Path) -> str:
    return prepared(data)


@pytest.fixture
def cluster(tmp_path: Path) -> "Iterator[tuple[str, list[subprocess.Popen[bytes]]]]":
    """A scheduler and two workers on loopback, begun as on any machines; its address and the workers."""
    note = tmp_path / "scheduler.json"
    dask = [sys.executable, "-m", "distributed.cli"]
    commands = [
        ["dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(note)]
    ]
    worker = ["dask_worker", "--nthreads", "1", "--no-nanny", "--no-dashboard", "--memory-limit", "0"]
    commands += [[*worker, "--host", "127.0.0.1", "--scheduler-file", str(note)]] * 2
    begun = []
    try:
        for name, *options in commands:
            command = [*dask[:2], f"{dask[2]}.{name}", *options]
            begun.append(
                subprocess.Popen(command, stderr=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
            )
            until(lambda: note.is_file() and note.stat().st_size)
        yield json.loads(note.read_text())["address"], begun[1:]
    finally:
        for process in begun:
            process.kill()
            process.wait()


def test_a_cluster_of_our_own_gives_the_bytes_of_threads(data: Path, wanted: str) -> None:
    assert built(Job(str(data), "dask", workers=2)) == (wanted, 0)


def test_a_cluster_that_loses_a_worker_in_the_middle_gives_them_too_and_goes_on_running(
    data: Path, wanted: str, cluster: "tuple[str, list[subprocess.Popen[bytes]]]"
) -> None:
    address, (one, other) = cluster
    digest, killed = built(Job(str(data), "dask", address=address, above=one.pid))
    assert digest == wanted
    assert killed == one.pid
    assert one.wait() < 0
    assert other.poll() is None
