"""The same release on a real Ray cluster, ours or another's, even when a worker is killed in the middle."""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployed import until
from tests.pooled import Job, built, prepared, under

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def wanted(data: Path) -> str:
    return prepared(data)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> "Iterator[tuple[str, subprocess.Popen[bytes]]]":
    """A Ray head with two workers that listens on loopback alone; its address and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    options = [f"--port={port}", "--num-cpus=2", "--include-dashboard=false", "--disable-usage-stats", "--block"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    command = [Path(sys.executable).with_name("ray"), "start", "--head", *options]
    head = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    try:
        until(lambda: next(under(head.pid, "raylet/raylet"), 0))
        yield f"127.0.0.1:{port}", head
    finally:
        left = list(under(head.pid, ""))
        head.send_signal(signal.SIGTERM)
        head.wait()
        for process in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


def test_a_cluster_of_our_own_gives_the_bytes_of_threads(data: Path, wanted: str) -> None:
    assert built(Job(str(data), "ray", workers=2)) == (wanted, 0)


def test_a_cluster_that_loses_a_worker_in_the_middle_gives_them_too_and_goes_on_running(
    data: Path, wanted: str, cluster: "tuple[str, subprocess.Popen[bytes]]"
) -> None:
    address, head = cluster
    digest, killed = built(Job(str(data), "ray", address=address, above=head.pid, victim="ray::build-part"))
    assert digest == wanted
    assert killed
    assert head.poll() is None
