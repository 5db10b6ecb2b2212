"""The webhook from its command to a real Prefect server, with the manifest read by the Hub's own client."""

import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from huggingface_hub import HfApi

from flows.hub_manifest import hub_version
from flows.releasing import RELEASED, release_event, tell_server
from flows.webhook.deliveries import Memory
from flows.webhook.service import SECRET_VARIABLE
from pipeline.build import build
from pipeline.manifest import Manifest, seal_of
from pipeline.records import DatasetVersion
from pipeline.release import DamagedRelease
from tests.raw_stores import creatures, make_store, sample_source
from tests.webhooks import (
    NAME,
    NEW_TAG,
    SECRET,
    SHA,
    TAG,
    VERSION,
    address_of,
    ended,
    environment,
    hub_with,
    payload,
    serving,
    until,
    updated,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    folder = tmp_path_factory.mktemp("release")
    store = make_store(folder / "raw", creatures(12))
    release = build(sample_source(), store, folder / "built", name=NAME).with_manifest(version=TAG)
    return replace(release.manifest, seal=seal_of(release.manifest))


def version_on(monkeypatch: pytest.MonkeyPatch, body: bytes | None, size: int | None = None) -> DatasetVersion:
    with hub_with(body, size) as address, monkeypatch.context() as patch:
        patch.setattr("pipeline.publishing.client.hub_client", lambda: HfApi(endpoint=address))
        return hub_version(NAME, SHA)


def test_the_version_is_read_from_the_manifest_at_the_commit(
    manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = version_on(monkeypatch, manifest.to_json().encode())
    assert found == DatasetVersion(repo_id=NAME, tag=TAG, revision=SHA, digest=manifest.digest)


def test_a_manifest_that_is_missing_huge_broken_or_altered_is_no_release(
    manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DamagedRelease, match="there is no manifest"):
        version_on(monkeypatch, None)
    with pytest.raises(DamagedRelease, match="no manifest of ours has more"):
        version_on(monkeypatch, b"{}", size=1 << 40)
    with pytest.raises(DamagedRelease, match="damaged"):
        version_on(monkeypatch, b"{}")
    with pytest.raises(DamagedRelease, match="sealed"):
        version_on(monkeypatch, replace(manifest, digest="0" * 64).to_json().encode())


# ---- the event


def test_the_event_is_what_the_trigger_of_the_training_waits_for_and_is_known_by_what_it_is_about() -> None:
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    (trigger,) = next(item["triggers"] for item in deployments if item["name"] == "train-model")
    event = release_event(VERSION, f"hub:{NAME}")
    assert trigger["expect"] == [RELEASED]
    assert set(trigger["parameters"]) == set(event.payload)
    assert release_event(VERSION, f"hub:{NAME}") == event
    others = [replace(VERSION, tag="v9.0.0"), replace(VERSION, revision="c" * 40), replace(VERSION, repo_id="a/b")]
    ids = {release_event(other, f"hub:{NAME}").id for other in others}
    assert len({*ids, event.id, release_event(VERSION, Path("/releases")).id}) == 5


@contextlib.contextmanager
def prefect_that_has(events: list[str]) -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    """Serve what a Prefect server answers about events, on loopback; yield its address and what it is sent."""
    sent: list[tuple[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)  # no version, no token against forgery: the client goes on

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            sent.append((self.path, asked))
            found = [{"id": one} for one in events if self.path == "/api/events/filter" and one in str(asked)]
            body = json.dumps({"events": found, "total": len(found)}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api", sent
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_event_that_prefect_keeps_already_is_not_told_again() -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    event = release_event(VERSION, f"hub:{NAME}")
    for kept, told in ([], 1), ([str(event.id)], 0):
        with prefect_that_has(kept) as (api, sent), temporary_settings({PREFECT_API_URL: api}):
            asyncio.run(tell_server(event))
        emitted = [said for path, (said, *_) in ((path, said) for path, said in sent if path == "/api/events")]
        assert [said["id"] for said in emitted] == [str(event.id)] * told
        assert [said["payload"] for said in emitted] == [event.payload] * told


# ---- the command, and a real Prefect server


def test_the_command_refuses_to_start_without_secret_server_or_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from flows import cli, webhook_commands

    assert webhook_commands.webhook
    start = ["webhook", "serve", "--data", str(tmp_path)]
    monkeypatch.delenv(SECRET_VARIABLE, raising=False)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    assert cli.run(start) == 2
    assert SECRET_VARIABLE in capsys.readouterr().err
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)
    assert cli.run(start) == 2
    assert "PREFECT_API_URL" in capsys.readouterr().err
    assert cli.run([*start, "--port", "70000"]) == 2
    assert SECRET not in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_serves_alone_says_no_secret_and_ends_well_on_ctrl_c(tmp_path: Path) -> None:
    nobody = {"PREFECT_API_URL": "http://127.0.0.1:9/api", "HF_ENDPOINT": "http://127.0.0.1:9", SECRET_VARIABLE: SECRET}
    nobody["HF_TOKEN"] = "hf_canarytoken"  # noqa: S105 - a canary
    with ended(serving(tmp_path, **nobody)) as process:
        address = address_of(process)
        with ended(serving(tmp_path, **nobody)) as second:
            assert second.wait(60) == 1
            assert second.stderr
            assert "another process is listening" in second.stderr.read()
        right = {"X-Webhook-Secret": SECRET}
        assert httpx.post(f"{address}?secret={SECRET}", json=payload()).status_code == 401
        assert httpx.post(address, json=payload(), headers=right).status_code == 202
        assert process.stderr
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        said = ""
        while "is not announced yet" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        watchdog.cancel()
        said += process.stderr.read()
    assert "without a secret" in said
    assert SECRET not in said
    assert "hf_canarytoken" not in said
    assert [tag.ref for tag in Memory(folder=tmp_path / "webhooks").waiting()] == [f"{NAME}@{TAG}"]


@pytest.fixture
def prefect(tmp_path: Path) -> Iterator[str]:
    """Give the API of a real Prefect server of our own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (tmp_path / "server.log").open("w") as log:
        known = environment(tmp_path / "server", DO_NOT_TRACK="1")
        process = subprocess.Popen(command, env=known, stdout=log, stderr=subprocess.STDOUT, text=True)
        with ended(process):
            api = f"http://127.0.0.1:{port}/api"

            def answers() -> bool:
                assert process.poll() is None, (tmp_path / "server.log").read_text()
                with contextlib.suppress(httpx.HTTPError):
                    return httpx.get(f"{api}/health").status_code == 200
                return False

            until(answers, 120)
            yield api


@pytest.mark.slow
def test_prefect_keeps_one_event_of_two_deliveries_and_of_one_that_was_forgotten(
    tmp_path: Path, prefect: str, manifest: Manifest
) -> None:
    def stored() -> list[dict[str, Any]]:
        wanted = {"filter": {"event": {"name": ["pixelbytes.dataset.released"]}}}
        events: list[dict[str, Any]] = httpx.post(f"{prefect}/events/filter", json=wanted).json()["events"]
        return events

    right = {"X-Webhook-Secret": SECRET}
    memory = Memory(folder=tmp_path / "webhooks")
    with hub_with(manifest.to_json().encode()) as hub:
        known = {"PREFECT_API_URL": prefect, "HF_ENDPOINT": hub, SECRET_VARIABLE: SECRET}
        with ended(serving(tmp_path, **known)) as process:
            address = address_of(process)
            for _ in range(2):
                assert httpx.post(address, json=payload(), headers=right).status_code in {200, 202}
            until(lambda: memory.knows(NEW_TAG) and bool(stored()))
            (tmp_path / "webhooks" / "announced" / f"{NEW_TAG.key}.json").unlink()  # as if we had been killed before
            assert httpx.post(address, json=payload(), headers=right).status_code == 202
            until(lambda: memory.knows(NEW_TAG))
            assert httpx.post(address, json=payload(updated("refs/tags/v9.9.9")), headers=right).status_code == 202
    time.sleep(6)  # the server keeps events in batches, every 5 s
    (event,) = stored()
    told = release_event(replace(VERSION, digest=manifest.digest), f"hub:{NAME}")
    assert (event["id"], event["payload"]) == (str(told.id), told.payload)
    assert event["resource"]["prefect.resource.id"] == f"pixelbytes.dataset.{NAME}"
