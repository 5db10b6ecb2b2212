"""What the Hub tells when something moved."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

import pytest
from huggingface_hub import CommitOperationAdd, HfApi

from flows.hub_server.running import running_hub
from flows.hub_server.webhooks import Webhook

Told = dict[str, object]
SECRET = "a secret of the test"  # noqa: S105 - of nothing


class Ear(NamedTuple):
    """Who listens: where, and what was heard (the secret and the payload)."""

    url: str
    heard: "SimpleQueue[tuple[str | None, Told]]"


@pytest.fixture
def ear() -> Iterator[Ear]:
    heard: SimpleQueue[tuple[str | None, Told]] = SimpleQueue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.put((self.headers["X-Webhook-Secret"], json.loads(body)))
            self.send_response(500 if heard.qsize() == 1 else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Ear(f"http://127.0.0.1:{server.server_port}/hook", heard)
        server.shutdown()
        thread.join()


def test_every_ref_that_moves_is_told_in_order_with_the_secret(tmp_path: Path, ear: Ear) -> None:
    with running_hub(tmp_path / "hub", webhook=Webhook(url=ear.url, secret=SECRET)) as hub:
        api = HfApi(endpoint=hub.endpoint, token=hub.token)
        api.create_repo("org/set", repo_type="dataset", private=True)
        first = api.dataset_info("org/set").sha
        operation = CommitOperationAdd("a.txt", b"1")
        made = api.create_commit("org/set", [operation], commit_message="x", repo_type="dataset").oid
        api.create_tag("org/set", tag="v1.0.0", repo_type="dataset")
        api.delete_tag("org/set", tag="v1.0.0", repo_type="dataset")
    told = [ear.heard.get(timeout=5) for _ in range(4)]
    assert {secret for secret, _ in told} == {SECRET}
    assert [payload["updatedRefs"] for _, payload in told] == [
        [{"ref": "refs/heads/main", "oldSha": None, "newSha": first}],
        [{"ref": "refs/heads/main", "oldSha": first, "newSha": made}],
        [{"ref": "refs/tags/v1.0.0", "oldSha": None, "newSha": made}],
        [{"ref": "refs/tags/v1.0.0", "oldSha": made, "newSha": None}],
    ]
    last = told[-1][1]
    assert last["event"] == {"action": "update", "scope": "repo.content"}
    repo, told_by = last["repo"], last["webhook"]
    assert isinstance(repo, dict)
    assert isinstance(told_by, dict)
    assert told_by["version"] == 3
    assert (repo["type"], repo["name"], repo["private"], repo["headSha"]) == ("dataset", "org/set", True, made)


def test_nobody_listening_is_logged_and_keeps_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with running_hub(tmp_path / "hub", webhook=Webhook(url="http://127.0.0.1:9/", secret=SECRET)) as hub:
        HfApi(endpoint=hub.endpoint, token=hub.token).create_repo("org/set", repo_type="dataset")
    assert "was not told" in caplog.text
    assert SECRET not in caplog.text
    assert SECRET not in repr(Webhook(url="http://127.0.0.1:9/", secret=SECRET))


def test_a_webhook_is_an_address_of_the_web() -> None:
    with pytest.raises(ValueError, match="http"):
        Webhook(url="file:///etc/passwd")
