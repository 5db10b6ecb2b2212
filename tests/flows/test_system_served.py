"""The commands that look at the whole system, whole, with a real Prefect server beside them."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from flows.settings import DataRoot
from pipeline.crawl.raw import RawStore
from pipeline.crawl.run import crawl
from pipeline.crawl.source_files import wiki_source
from pipeline.publishing.folder_store import FolderStore
from pipeline.sample.load import load_wiki
from pipeline.sample.wiki import sample_folder, serve_wiki
from tests.deployed import environment
from tests.rebuilder import prefect_server

pytestmark = pytest.mark.slow
SAMPLE = wiki_source("sample")
HISTORY = "tests/history"
# Our command, killed where it writes the line of the first version: before it, or once it is written.
KILLED = """
import os, signal, sys
from flows.backfill.journal import Journal
from flows.cli import main
write, when = Journal.add, sys.argv.pop(1)
def killed(self, *entry):
    if when == "after":
        write(self, *entry)
    os.kill(os.getpid(), signal.SIGKILL)
Journal.add = killed
main()
"""
# The flow itself, asked for a crawl without a look at what stands before.
ASKED = """
import sys
from pathlib import Path
from flows.backfill.work import publish_crawl
from flows.settings import DataRoot
publish_crawl(DataRoot(Path(sys.argv[1])), "sample", sys.argv[2], None, sys.argv[3])
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API of a real server."""
    with prefect_server(tmp_path_factory.mktemp("server")) as api:
        yield api


def command(data: Path, *arguments: str, api: str = "") -> "subprocess.CompletedProcess[str]":
    """Run our command; without a server, where `api` names none."""
    return python(data, "-m", "flows.cli", *arguments, "--data", str(data), api=api)


def python(data: Path, *arguments: str, api: str = "") -> "subprocess.CompletedProcess[str]":
    """Run Python as our command does."""
    more = {"PREFECT_API_URL": api} if api else {}
    words = [sys.executable, *arguments]
    known = environment(data, **more)
    return subprocess.run(words, env=known, capture_output=True, text=True, timeout=900, check=False)


def create_run(api: str, name: str, state: str) -> None:
    """Let the server know a run that is in a state, as a worker would."""
    asked: dict[str, Any] = {"name": name, "flow_id": post(f"{api}/flows/", name="rebuild-dataset")["id"]}
    run = post(f"{api}/flow_runs/", **asked, state={"type": "PENDING"})
    told = {"type": state, "message": "the site changed: 3 pages"}
    post(f"{api}/flow_runs/{run['id']}/set_state", state=told, force=True)


def post(address: str, **body: Any) -> dict[str, Any]:
    """Ask the server, again while its SQLite is locked."""
    for _ in range(60):
        answer = httpx.post(address, json=body, timeout=60)
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            break
        time.sleep(0.5)
    return dict(answer.raise_for_status().json())


def test_runs_that_a_server_knows_are_told_by_their_flow_and_state(server: str, tmp_path: Path) -> None:
    create_run(server, "monday", "RUNNING")
    create_run(server, "last-week", "FAILED")
    done = command(tmp_path, "status", "--json", api=server)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    found = {work["about"]: (work["what"], work["state"], work["detail"]) for work in told["work"]}
    assert found["monday"][:2] == ("rebuild-dataset", "running")
    assert found["last-week"] == ("rebuild-dataset", "failed", "the site changed: 3 pages")
    assert "last-week" in command(tmp_path, "status", api=server).stdout


def test_a_server_that_says_nothing_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "raw" / "sample" / "crawls").mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        done = command(tmp_path, "status", "--json", api=f"http://127.0.0.1:{silent.getsockname()[1]}/api")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert "did not answer" in told["server"]
    assert told["crawls"][0]["source"] == "sample"


def test_crawls_of_the_past_become_the_versions_that_they_would_have_made(server: str, tmp_path: Path) -> None:
    wiki = load_wiki(sample_folder())
    edited = list(wiki.creatures)[3]
    with serve_wiki(wiki) as served:
        crawl(SAMPLE, RawStore(DataRoot(tmp_path).raw("sample")), proxy=served.url)
        wiki.replace_text(edited, "Now it lives on the moor. It eats heather, and sleeps by day. " * 5)
        crawl(SAMPLE, RawStore(DataRoot(tmp_path).raw("sample")), proxy=served.url)
    asked = ("backfill", "crawls", "sample", "--name", "tests/history", "--json")
    planned = command(tmp_path, *asked, "--dry-run", api=server)
    assert [piece["state"] for piece in json.loads(planned.stdout)["pieces"]] == ["left", "left"]
    done = command(tmp_path, *asked, api=server)
    assert done.returncode == 0, done.stderr
    told = [piece["told"] for piece in json.loads(done.stdout)["pieces"]]
    assert told == ["published tests/history@v1.0.0", "published tests/history@v1.0.1"]
    again = command(tmp_path, *asked, api=server)
    assert json.loads(again.stdout)["pieces"] == json.loads(done.stdout)["pieces"]
    assert "0 to do, 2 done before" in again.stderr
    rebuilt = command(tmp_path, "backfill", "rebuild", "tests/history", "--from", "v1.0.1")
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert "1 done, 0 failed, 0 left" in rebuilt.stdout
    followed = command(tmp_path, "lineage", "tests/history@v1.0.1", "--json")
    assert {link["state"] for link in json.loads(followed.stdout)["links"]} == {"verified", "stated"}


def test_killed_anywhere_and_overtaken_by_a_rebuild_no_older_crawl_follows_a_newer_one(
    server: str, tmp_path: Path
) -> None:
    wiki, store = load_wiki(sample_folder()), RawStore(DataRoot(tmp_path).raw("sample"))
    with serve_wiki(wiki) as served:
        for place in range(3):
            wiki.replace_text(list(wiki.creatures)[3 + place], "Now it lives on the moor. It eats heather. " * 8)
            crawl(SAMPLE, store, proxy=served.url)
    asked = ("backfill", "crawls", "sample", "--name", HISTORY)
    history = FolderStore(DataRoot(tmp_path).releases)
    for when in ("before", "after"):
        killed = python(tmp_path, "-c", KILLED, when, *asked, "--data", str(tmp_path), api=server)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert history.versions(HISTORY) == ("v1.0.0",)
    rebuilt = command(tmp_path, "rebuild", "sample", "--offline", "--name", HISTORY, api=server)
    assert rebuilt.returncode == 0, rebuilt.stderr
    done = command(tmp_path, *asked, "--json", api=server)
    assert done.returncode == 1, done.stderr
    pieces = json.loads(done.stdout)["pieces"]
    assert [piece["state"] for piece in pieces] == ["done", "failed", "done"]
    first, second, third = store.crawl_names()
    assert f"{second} is older than {third}" in pieces[1]["told"]
    assert (
        f"{second} is older than {third}"
        in python(tmp_path, "-c", ASKED, str(tmp_path), HISTORY, second, api=server).stderr
    )
    assert [release.manifest.crawl for release in history.history(HISTORY)] == [first, third]
