"""Rebuilds against a real Prefect server: killed, told to stop, locked out, cut off from their site, run twice."""

import os
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from pipeline.crawl.raw import RawStore
from pipeline.locks import only_one
from pipeline.publishing.folder_store import FolderStore
from pipeline.sample.wiki import Served, serve_wiki
from pipeline.verify import verify
from tests.own_wiki import large_wiki, source_file
from tests.rebuilder import NAME, STAGES, Rebuilder, prefect_server, rebuilder, session
from tests.receivers import Receiver, receiver
from tests.webhooks import until

pytestmark = pytest.mark.slow
COUNT = 24
LONG = 240
INTERRUPTED = 130


@dataclass(slots=True)
class Bench:
    """A wiki, a process that rebuilds from it, and what an undisturbed rebuild came to."""

    served: Served
    process: Rebuilder
    api: str
    told: Receiver
    source: Path
    root: Path
    digest: str = ""

    def rebuild(self, data: Path, **more: object) -> int:
        """Rebuild into a data root; return how that ended, once nothing of it lives."""
        pid = self.start(data, **more)
        ended = self.process.end()
        until(lambda: not session(pid), LONG)
        return ended

    def log(self) -> str:
        return (self.root / "rebuilder.log").read_text()

    def start(self, data: Path, **more: object) -> int:
        return self.process.start(**{"source": str(self.source), "repo_id": NAME, "data": str(data), **more})

    def crawled(self, data: Path, stage: str) -> bool:
        """Put the undisturbed crawl into a new data root, unless a crawl is the question; tell whether it is there."""
        if stage != "crawl":
            shutil.copytree(self.root / "undisturbed" / "raw", data / "raw")
        return stage != "crawl"

    def artifacts(self) -> dict[str, str]:
        """Return the newest artifact of each key that Prefect's server has."""
        found = httpx.post(f"{self.api}/artifacts/filter", json={"sort": "CREATED_DESC"}, timeout=60).json()
        return {one["key"]: one["data"] for one in reversed(found) if one["key"]}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    root = tmp_path_factory.mktemp("survives")
    with (
        serve_wiki(large_wiki(COUNT)) as served,
        receiver() as told,
        prefect_server(root) as api,
        rebuilder(root, api, PIXELBYTES_NOTICE_URL=told.url) as process,
    ):
        made = Bench(served, process, api, told, source_of(root, served.port), root)
        assert made.rebuild(root / "undisturbed") == 0, made.log()[-4000:]
        made.digest = only_release(root / "undisturbed")
        yield made


def source_of(folder: Path, port: int, **changes: str) -> Path:
    """Write the source of the wiki on a port, with other values of some of its keys."""
    folder.mkdir(exist_ok=True)
    path = source_file(folder, port)
    text = path.read_text().replace("min_listings = 400", "min_listings = 4")
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    return path


def only_release(data: Path) -> str:
    """Return the digest of the one version that stands, whole; nothing half done lies beside it."""
    store = FolderStore(data / "releases")
    assert store.versions(NAME) == ("v1.0.0",)
    release = store.open(NAME)
    assert verify(release) == ()
    assert sorted(path.name for path in store.folder(NAME).iterdir()) == [".lock", "latest", "v1.0.0"]
    assert not list((data / "announcing").iterdir())
    return release.manifest.digest


KILLED = [(stage, signal.SIGKILL) for stage in STAGES]
TOLD = [("crawl", signal.SIGTERM), ("build", signal.SIGTERM), ("build", signal.SIGINT)]  # by a worker, by Ctrl-C


@pytest.mark.parametrize(("stage", "kill"), [*KILLED, *TOLD], ids=lambda one: getattr(one, "name", one))
def test_a_rebuild_stopped_at_a_stage_leaves_nothing_alive_and_the_next_one_finishes(
    bench: Bench, tmp_path: Path, stage: str, kill: signal.Signals
) -> None:
    offline, told = bench.crawled(tmp_path, stage), len(bench.told.bodies)
    ended = bench.rebuild(tmp_path, strike=stage, signal=int(kill), workers=2, offline=offline)
    assert ended == (INTERRUPTED if kill == signal.SIGINT else -kill)
    assert [one["what"] for one in bench.told.bodies[told:]] == ["crashed"] * (kill != signal.SIGKILL)
    assert bench.rebuild(tmp_path, offline=offline) == 0, bench.log()[-4000:]
    assert only_release(tmp_path) == bench.digest
    assert len(RawStore(tmp_path / "raw" / "my-bestiary").crawl_names()) == 1


@pytest.mark.parametrize("stage", ["crawl", "build"])
def test_a_stage_that_takes_too_long_is_ended_with_all_that_it_started(
    bench: Bench, tmp_path: Path, stage: str
) -> None:
    offline = bench.crawled(tmp_path, stage)
    assert bench.rebuild(tmp_path, strike=stage, signal=0, workers=2, offline=offline, time_limits={stage: 5}) == 1
    assert bench.log().rstrip().endswith("TaskRunTimeoutError: Scope timed out after 5.0 second(s).")
    assert bench.rebuild(tmp_path, offline=offline) == 0
    assert only_release(tmp_path) == bench.digest


def test_of_two_rebuilds_one_waits_or_says_whom_it_would_have_to_wait_for(bench: Bench, tmp_path: Path) -> None:
    asked = len(bench.served.wiki.asked)
    with only_one(tmp_path / "locks" / "pixelbytes", "rebuilding", "beasts.lock", signed=True):
        assert bench.rebuild(tmp_path) == 1
        assert f"another process is rebuilding {NAME}" in bench.log()
        assert f"(process {os.getpid()} since" in bench.log()
        bench.start(tmp_path, patience=LONG)
        time.sleep(1)  # so that it may well have begun, if it does not wait
        assert len(bench.served.wiki.asked) == asked
    assert bench.process.end() == 0
    assert only_release(tmp_path) == bench.digest


def test_what_was_built_from_the_same_pages_by_another_process_is_not_built_again(bench: Bench, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(bench.root / "undisturbed", data, symlinks=True)
    other = {"store": str(tmp_path / "other"), "strike": "build"}  # a build would kill it
    assert bench.rebuild(data, **other) == 0, bench.log()[-4000:]
    assert FolderStore(tmp_path / "other").open(NAME).manifest.digest == bench.digest
    next((data / "builds" / NAME / "tokens").glob("train-*")).unlink()
    assert bench.rebuild(data, offline=True, **other) == -signal.SIGKILL
    assert bench.rebuild(data, offline=True) == 0
    assert only_release(data) == bench.digest
    shown = bench.artifacts()
    assert {"release-pixelbytes-beasts", "gates-pixelbytes-beasts"} <= set(shown)
    assert "Nothing changed: this version stands" in shown["release-pixelbytes-beasts"]
    assert f"{COUNT} of {COUNT}" in shown["release-pixelbytes-beasts"]


def test_a_site_that_changed_its_pages_stops_the_rebuild_and_everybody_is_told_which(
    bench: Bench, tmp_path: Path
) -> None:
    told, asked = len(bench.told.bodies), "Biology"
    source = source_of(tmp_path / "changed", bench.served.port, **{f'"{asked}"': '"Nothing so called"'})
    assert bench.rebuild(tmp_path, source=str(source)) == 1
    (notice,) = bench.told.bodies[told:]
    assert (notice["what"], notice["ref"]) == ("failed", NAME)
    assert "yielded less than its source asserts" in notice["why"]
    page = f"http://127.0.0.1:{bench.served.port}/wiki/Beast1_(creature)"
    assert page in notice["pages"]
    shown = bench.artifacts()["yields-my-bestiary"]
    assert "**FAILED**" in shown
    assert f"<{page}>" in shown
    assert not (tmp_path / "builds").exists()


def test_a_site_that_does_not_answer_is_asked_again_and_nobody_is_told(bench: Bench, tmp_path: Path) -> None:
    told, begun = len(bench.told.bodies), len(bench.log())
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    bench.start(tmp_path, source=str(source_of(tmp_path / "away", port)), quick=True)
    until(lambda: "It is tried again in a while" in bench.log()[begun:], LONG)
    with serve_wiki(bench.served.wiki, port):
        assert bench.process.end() == 0, bench.log()[begun:][-4000:]
    assert only_release(tmp_path)
    assert len(bench.told.bodies) == told
