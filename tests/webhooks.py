"""Deliveries of the Hub's webhook, and the app, a Hub and a command to give them to, all on loopback."""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import uvicorn
from starlette.testclient import TestClient

from flows.releasing import ReleaseEvent
from flows.webhook.deliveries import Deliveries, Memory
from flows.webhook.service import NewTag, webhook_app
from pipeline.records import DatasetVersion

SECRET = "canary-of-the-webhook-0123456789"  # noqa: S105 - a canary, nobody's secret
SHA, OLD = "a" * 40, "b" * 40
NAME, TAG = "pixelbytes/sample", "v1.2.0"
NEW_TAG = NewTag(repo_id=NAME, tag=TAG, revision=SHA)
VERSION = DatasetVersion(repo_id=NAME, tag=TAG, revision=SHA, digest="d" * 64)
ROOT = Path(__file__).parents[1]


def updated(ref: object = f"refs/tags/{TAG}", old: object = None, new: object = SHA) -> dict[str, object]:
    return {"ref": ref, "oldSha": old, "newSha": new}


def payload(*refs: object, scope: object = "repo.content", **repo: object) -> dict[str, Any]:
    return {
        "event": {"action": "update", "scope": scope},
        "repo": {"type": "dataset", "name": NAME, "id": "1", "private": False, "headSha": SHA, **repo},
        "updatedRefs": list(refs or [updated()]),
        "webhook": {"id": "2", "version": 3},
    }


def body_of(said: object) -> bytes:
    return json.dumps(said).encode()


@dataclass
class Bench:
    """The app with a Hub and a Prefect that are functions, and what they were asked."""

    folder: Path
    read: Callable[[str, str], DatasetVersion] = lambda _repo, revision: replace(VERSION, revision=revision)
    failing: list[Exception] = field(default_factory=list)  # what telling Prefect raises, one each time
    told: list[ReleaseEvent] = field(default_factory=list)
    delays: tuple[float, ...] = (0.0, 0.0)

    async def tell(self, event: ReleaseEvent) -> None:
        if self.failing:
            raise self.failing.pop(0)
        self.told.append(event)

    @contextlib.contextmanager
    def client(self) -> Iterator["Told"]:
        memory = Memory(folder=self.folder)
        deliveries = Deliveries(memory=memory, read=self.read, tell=self.tell, delays=self.delays)
        with TestClient(webhook_app(SECRET.encode(), deliveries)) as client:
            yield Told(client, deliveries)


@dataclass
class Told:
    """A client of the app, and the way to wait until all that it started is done."""

    client: TestClient
    deliveries: Deliveries

    def post(self, said: object, secret: str = SECRET) -> Any:
        return self.client.post("/webhook", content=body_of(said), headers={"X-Webhook-Secret": secret})

    def settle(self) -> None:
        assert self.client.portal
        self.client.portal.call(self.deliveries.settled)


@contextlib.contextmanager
def served(deliveries: Deliveries) -> Iterator[str]:
    """Serve the app on a free port of loopback, in a thread."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(webhook_app(SECRET.encode(), deliveries), log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        listening.close()


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


@contextlib.contextmanager
def hub_with(body: bytes | None, size: int | None = None) -> Iterator[str]:
    """Serve one manifest on loopback as the Hub does, or none."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            there = body is not None and self.path == f"/datasets/{NAME}/resolve/{SHA}/manifest.json"
            self.send_response(200 if there else 404)
            self.send_header("X-Repo-Commit", SHA)
            if there and body is not None:
                self.send_header("ETag", '"0123456789abcdef"')
                self.send_header("Content-Length", str(size or len(body)))
            else:
                self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def environment(folder: Path, **more: str) -> dict[str, str]:
    known = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "PIXELBYTES_"))}
    (folder / "prefect").mkdir(parents=True, exist_ok=True)  # Prefect does not make it
    return {**known, "PREFECT_HOME": str(folder / "prefect"), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", **more}


def serving(folder: Path, *options: str, **more: str) -> "subprocess.Popen[str]":
    program = "import sys; from flows import cli, webhook_commands; sys.exit(cli.run(sys.argv[1:]))"
    command = [sys.executable, "-c", program, "webhook", "serve", "--port", "0", "--data", str(folder), *options]
    return subprocess.Popen(command, cwd=ROOT, env=environment(folder, **more), stderr=subprocess.PIPE, text=True)


@contextlib.contextmanager
def ended(process: "subprocess.Popen[str]") -> Iterator["subprocess.Popen[str]"]:
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stderr:
            process.stderr.close()


def address_of(process: "subprocess.Popen[str]") -> str:
    assert process.stderr
    line = process.stderr.readline()
    found = re.search(r"http://127\.0\.0\.1:\d+/webhook", line)
    assert found, line
    return found[0]
