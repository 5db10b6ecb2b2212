"""The whole way, as a person runs it: from a wiki to a page, broken off anywhere, and run twice."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pipeline.crawl.raw import RawStore
from pipeline.publishing.folder_store import FolderStore
from pipeline.release import Release
from pipeline.verify import verify

pytestmark = pytest.mark.slow
NAME = "pixelbytes/sample"


def command(data: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "flows.cli", *arguments, "--data", str(data)]


def demo(data: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(data, "demo", "--preset", "tiny"), capture_output=True, text=True, check=True)


def parquet_bytes(release: Release) -> dict[str, bytes]:
    return {str(p.relative_to(release.folder)): p.read_bytes() for p in sorted(release.folder.rglob("*.parquet"))}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("unbroken")
    done = demo(data)
    page = Path(done.stdout.split("the page: ")[1].strip())
    assert page.is_file()
    return data


def test_the_demo_ends_with_a_page_an_evaluation_and_well_formed_drawings(unbroken: Path) -> None:
    (run,) = (unbroken / "runs").iterdir()
    page = (run / "report.html").read_text()
    for word in ("Counts2D", "NGram5", "LSTM", "data:image/png;base64,"):
        assert word in page
    evaluation = json.loads((run / "evaluation.json").read_text())
    assert evaluation["dataset"]["ref"] == f"{NAME}@v1.0.0"
    assert {"LSTM", "Bigram", "NGram5", "Counts2D"} <= {model["name"] for model in evaluation["models"]}
    drawn = json.loads((run / "samples" / "samples.json").read_text())
    assert len(drawn["from_nothing"]) == 15
    config = json.loads((run / "checkpoints" / "best" / "config.json").read_text())
    assert config["dataset"]["tag"] == "v1.0.0"
    assert config["dataset"]["digest"] == FolderStore(unbroken / "releases").open(NAME).manifest.digest


def test_the_second_demo_fetches_nothing_that_has_not_changed_and_publishes_nothing(unbroken: Path) -> None:
    store = RawStore(unbroken / "raw" / "sample")
    blobs = {path.name for path in store.root.glob("blobs/*/*")}
    run = next((unbroken / "runs").iterdir())
    weights = (run / "checkpoints" / "best" / "model.safetensors").read_bytes()
    told = demo(unbroken)
    assert "nothing changed since pixelbytes/sample@v1.0.0" in told.stderr.replace("\n", " ")
    assert len(store.crawl_names()) == 2
    pages = {Path(p).name for p in store.root.glob("blobs/*/*")} - blobs
    kept = store.latest_crawl()
    assert kept is not None
    assert not [r for r in kept.resources if r.kind in {"description", "miniature"} and r.sha256 in pages]
    assert FolderStore(unbroken / "releases").versions(NAME) == ("v1.0.0",)
    assert (run / "checkpoints" / "best" / "model.safetensors").read_bytes() == weights


def test_a_demo_killed_at_every_stage_ends_with_the_same_release_byte_for_byte(unbroken: Path, tmp_path: Path) -> None:
    def some(pattern: str, least: int = 1) -> Callable[[], bool]:
        return lambda: len(list(tmp_path.glob(pattern))) >= least

    moments = [
        some("raw/sample/blobs/*/*", 5),
        some("raw/sample/blobs/*/*", 400),
        some("builds/pixelbytes/.sample.part/tokens/*"),
        some("releases/pixelbytes/sample/.v1.0.0.part/*"),
        some("runs/*/checkpoints/last"),
    ]
    for reached in moments:
        kill_when(reached, tmp_path)
    demo(tmp_path)
    ours, theirs = (FolderStore(root / "releases").open(NAME) for root in (tmp_path, unbroken))
    assert parquet_bytes(ours) == parquet_bytes(theirs)
    assert ours.manifest.digest == theirs.manifest.digest
    assert FolderStore(tmp_path / "releases").versions(NAME) == ("v1.0.0",)
    assert verify(ours) == ()
    weights = [next((root / "runs").iterdir()) / "checkpoints/best/model.safetensors" for root in (tmp_path, unbroken)]
    one, other = (load_file(path) for path in weights)  # the order of the header's own keys is left to chance
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def kill_when(reached: Callable[[], bool], data: Path) -> None:
    """Start the demo and kill -9 its process as soon as a moment has come (or let it end, when it came too fast)."""
    process = subprocess.Popen(
        command(data, "demo", "--preset", "tiny"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    until = time.monotonic() + 180
    while process.poll() is None and not reached():
        assert time.monotonic() < until, "the moment never came"
        time.sleep(0.005)
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
    until = time.monotonic() + 10
    while server_of(data):
        assert time.monotonic() < until, "Prefect's server outlives the command"
        time.sleep(0.05)


def server_of(data: Path) -> list[int]:
    """Return the processes that keep their Prefect files in this data root."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"PREFECT_HOME={data}/prefect".encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
    return found


def test_training_refuses_a_release_that_is_not_the_one_announced(unbroken: Path) -> None:
    from flows.train_model import train_model

    with pytest.raises(ValueError, match="was announced"):
        train_model(NAME, "v1.0.0", "0" * 64, str(unbroken / "releases"), data=str(unbroken))
    with pytest.raises(ValueError, match=r"has no version 'v7\.0\.0'"):
        train_model(NAME, "v7.0.0", "", str(unbroken / "releases"), data=str(unbroken))


@pytest.mark.filterwarnings("ignore")
def test_publishing_emits_the_event_with_the_version_in_its_payload(tmp_path: Path) -> None:
    """Ask Prefect's own server, started by the flow, for the event."""
    script = """
import asyncio, sys, time
from flows.rebuild_dataset import rebuild_dataset
from flows.releasing import RELEASED
published = rebuild_dataset("sample", "pixelbytes/sample", data=sys.argv[1])
from prefect.client.orchestration import get_client
async def events():
    async with get_client() as client:
        for _ in range(40):
            answer = await client._client.post("/events/filter", json={"filter": {"event": {"name": [RELEASED]}}})
            if found := answer.json()["events"]:
                return found
            await asyncio.sleep(0.25)
    return []
(event,) = asyncio.run(events())
assert event["payload"]["tag"] == published.version.tag == "v1.0.0", event
assert event["payload"]["digest"] == published.version.digest, event
print("seen")
"""
    env = os.environ | {"PREFECT_HOME": str(tmp_path / "prefect"), "PREFECT_LOGGING_LEVEL": "CRITICAL"}
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, env=env, check=False
    )
    assert done.stdout.strip().endswith("seen"), done.stderr
