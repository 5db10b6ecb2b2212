"""What `pixelbytes deploy` does: a server, its deployments and a worker, on this machine, until it is interrupted."""

import os
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from urllib.parse import urlsplit

from flows.console import err
from flows.deploy.deployments import (
    Deployment,
    deploy_all,
    make_pool,
    require_project,
    schedules_of,
    set_schedules,
)
from flows.deploy.worker import hear_signals
from flows.errors import UsageError
from flows.guard import Guarded
from flows.settings import DataRoot, serving_environment
from pipeline.locks import only_one

API = "PREFECT_API_URL"
DATABASE = "PREFECT_SERVER_DATABASE_CONNECTION_URL"
LONGEST_START = 180.0  # seconds until a server must answer
SHORTEST_LIFE = 5.0  # seconds; a worker that died earlier cannot work here
SHOWN = 2_000  # characters of a log that are shown when something ended by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployOptions:
    """What is brought up, and how."""

    port: int = 4200  # of the server; 0: a free one
    database: str | None = None  # None: SQLite in the data root, or what the environment says
    worker: bool = True
    active: bool | None = None  # schedules on or off; None: as they stand on the server, off where they are new
    limit: int | None = None  # runs that the worker has at the same time


def deploy(root: DataRoot, folder: Path, how: DeployOptions) -> None:
    """Bring everything up, say where it stands, and hold it up until SIGINT or SIGTERM.

    UsageError when `folder` is no root of this project or the port is taken; RuntimeError when something does not come
    up, or ends by itself: then all of it is ended.
    """
    deployments = require_project(folder)
    hear_signals()
    with only_one(root.deployed, "deploying from"), Guarded() as guarded, suppress(KeyboardInterrupt):
        api = os.environ.get(API) or _serve(guarded, root, folder, how)
        os.environ.update(serving_environment(root, api=api))  # before Prefect is imported
        _deploy(deployments, root, folder, how)
        worker = _work(guarded, root, folder, how) if how.worker else None
        err.print(told(deployments, root, api, how), markup=False, soft_wrap=True)
        while worker := _hold(guarded, root, worker):
            worker = _work(guarded, root, folder, how)


def _serve(guarded: Guarded, root: DataRoot, folder: Path, how: DeployOptions) -> str:
    """Start a server on loopback; return its API once it answers."""
    port = _free(how.port)
    environment = serving_environment(root)
    Path(environment["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)
    if how.database:
        environment[DATABASE] = how.database
    log = root.deployed / "server.log"
    err.print(f"starting Prefect's server on port {port} (its log: {log})", style="dim", markup=False, soft_wrap=True)
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    server = guarded.start(command, log, environment, folder)
    _until_it_answers(port, server, root)
    return f"http://127.0.0.1:{port}/api"


def _free(port: int) -> int:
    """Return the port, or a free one for 0; UsageError when it is taken."""
    try:
        with socket.create_server(("127.0.0.1", port)) as listening:
            return int(listening.getsockname()[1])
    except OSError as error:
        raise UsageError(
            f"port {port} of 127.0.0.1 is taken ({error.strerror}): name another with --port, 0 for a free one, or the "
            f"server that stands there with {API}=http://127.0.0.1:{port}/api."
        ) from error


def _until_it_answers(port: int, server: "Popen[bytes]", root: DataRoot) -> None:
    import http.client

    until = time.monotonic() + LONGEST_START
    while time.monotonic() < until:
        if server.poll() is not None:
            raise RuntimeError(
                "Prefect's server did not start. Where it keeps its runs elsewhere than in the data root, see that the "
                f"address of --database or {DATABASE} is right (postgresql+asyncpg://USER@HOST:PORT/NAME) and its "
                f"database up. The end of its log: {_end_of(root.deployed / 'server.log')}"
            )
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        with suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/api/health")
            if connection.getresponse().status == 200:  # noqa: PLR2004 - OK
                return
        connection.close()
        time.sleep(0.2)
    raise RuntimeError(f"Prefect's server did not answer for {LONGEST_START:.0f} s: see {root.deployed}/server.log.")


def _deploy(deployments: tuple[Deployment, ...], root: DataRoot, folder: Path, how: DeployOptions) -> None:
    """Make pool and deployments; schedules stand afterwards as was asked, or as they stood."""
    err.print("deploying prefect.yaml", style="dim")
    names = tuple(one.name for one in deployments)
    make_pool()
    before = schedules_of(names)
    deploy_all(folder, os.environ, root.deployed / "deploy.log")
    after = schedules_of(names)
    set_schedules({name: before.get(name, False) if how.active is None else how.active for name in after})


def told(deployments: tuple[Deployment, ...], root: DataRoot, api: str, how: DeployOptions) -> str:
    """Return what a person should know of what stands where; no secret of an address stands in it."""
    shown = without_secrets(api)
    lines = [f"Prefect stands at {shown.removesuffix('/api')} (its UI), and has these deployments:"]
    active = schedules_of(tuple(one.name for one in deployments))
    for one in deployments:
        on = "" if one.name not in active else (", on" if active[one.name] else ", off: --activate switches it on")
        lines.append(f"  {one.name:<16} {one.starts}{on}")
    working = f"a worker runs them (its log: {root.deployed / 'worker.log'})"
    lines += [
        f"The data root is {root.root}; "
        + (working if how.worker else "no worker runs here: pixelbytes worker starts one"),
        "Start a run by hand, in another terminal:",
        f"  export {API}={shown}",
        f"  {Path(sys.executable).parent}/prefect deployment run rebuild-dataset/rebuild-dataset --param source=sample",
        "Ctrl-C ends all of it.",
    ]
    return "\n".join(lines)


def without_secrets(address: str) -> str:
    """Return an address without the name and password that it may hold.

    >>> without_secrets("postgresql+asyncpg://me:secret@localhost:5432/prefect")
    'postgresql+asyncpg://localhost:5432/prefect'
    """
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _work(guarded: Guarded, root: DataRoot, folder: Path, how: DeployOptions) -> "Popen[bytes]":
    """Start a worker."""
    limit = [] if how.limit is None else ["--limit", str(how.limit)]
    command = [sys.executable, "-m", "flows.cli", "worker", *limit]
    return guarded.start(command, root.deployed / "worker.log", os.environ, folder)


def _hold(guarded: Guarded, root: DataRoot, worker: "Popen[bytes] | None") -> "Popen[bytes]":
    """Return the worker once it has died, so that another takes its place; RuntimeError when that would not help."""
    began = time.monotonic()
    while (process := guarded.ended()) is None:
        time.sleep(0.2)
    if process is not worker:
        raise RuntimeError(f"Prefect's server ended by itself: {_end_of(root.deployed / 'server.log')}")
    if time.monotonic() - began < SHORTEST_LIFE:
        raise RuntimeError(f"the worker ended as soon as it was started: {_end_of(root.deployed / 'worker.log')}")
    err.print("the worker died: another one takes its place, and its runs", markup=False)
    return process


def _end_of(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - SHOWN))
        return f"{file.read().decode(errors='replace').strip()}\n(all of it: {log})"
