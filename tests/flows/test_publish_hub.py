"""Publishing to the Hub by the real command: the event goes out once, and the token goes nowhere."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest

from flows import dataset_tasks as tasks
from flows import rebuild_dataset as flows
from flows import releasing
from flows.hub_server.running import RunningHub, running_hub
from pipeline.publishing.hub_repo import HubRepo
from pipeline.publishing.hub_store import HubStore
from pipeline.publishing.references import Destination
from pipeline.publishing.staging import Published
from pipeline.records import DatasetVersion
from tests.on_hub import IGNORE_CLIENT, NAME, World, built, world

pytestmark = pytest.mark.filterwarnings(IGNORE_CLIENT)
WHAT_TO_DO = re.compile(r"failed.*(again|hf auth login|ask its owner|smaller shards|spelling)")
ROOT = Path(__file__).parent.parent.parent


class Killed(BaseException):
    """Stands for kill -9: nothing that comes after it is done."""


# the event ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("hub")) as made:
        yield made


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """The ids of the events that went out."""
    found: list[UUID] = []

    def announce(version: DatasetVersion, store: Path | str) -> None:
        found.append(releasing.release_event(version, store).id)

    monkeypatch.setattr(releasing, "announce", announce)
    monkeypatch.setattr(tasks, "publish_release", tasks.publish_release.fn)
    return found


def publish(hub: World, root: Path, monkeypatch: pytest.MonkeyPatch) -> Published:
    store = HubStore(root / "hub", endpoint=hub.hub.endpoint)
    to = Destination(store=store, name=NAME, address=f"hub:{NAME}")
    monkeypatch.setattr(flows, "destination", lambda *_, **__: to)
    done: Published = flows.publish_dataset.fn(str(hub.new.folder), f"hub:{NAME}", data=str(root))
    return done


def test_the_event_goes_out_once(
    lasting: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: list[UUID]
) -> None:
    lasting.reset()
    done = publish(lasting, tmp_path, monkeypatch)
    assert publish(lasting, tmp_path, monkeypatch).new is False
    assert told == [releasing.release_event(done.version, f"hub:{NAME}").id]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_whoever_is_killed_before_the_event_tells_it_next_time_under_the_same_id(
    lasting: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: list[UUID], moment: str
) -> None:
    lasting.reset()
    announce = releasing.announce

    def killed(version: DatasetVersion, store: Path | str) -> None:
        if moment == "after":
            announce(version, store)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(releasing, "announce", killed)
        with pytest.raises(Killed):
            publish(lasting, tmp_path, monkeypatch)
    assert lasting.tags().keys() == {"v1.0.0", "v1.1.0"}
    done = publish(lasting, tmp_path, monkeypatch)
    assert done.new is False
    publish(lasting, tmp_path, monkeypatch)
    event = releasing.release_event(done.version, f"hub:{NAME}").id
    assert told == [event] * (2 if moment == "after" else 1)  # Prefect's server keeps an id once


def test_whoever_is_killed_before_the_tag_tells_of_the_version_that_the_next_run_makes(
    lasting: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: list[UUID]
) -> None:
    lasting.reset()

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(HubRepo, "tag", killed)
        with pytest.raises(Killed):
            publish(lasting, tmp_path, monkeypatch)
    assert lasting.tags().keys() == {"v1.0.0"}
    assert told == []
    done = publish(lasting, tmp_path, monkeypatch)
    assert (done.new, len(told)) == (True, 1)
    assert lasting.sound_versions().keys() == {"v1.0.0", "v1.1.0"}


# the token ------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Command:
    """The real command, with a data root of its own."""

    hub: RunningHub
    data: Path

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        known = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "PREFECT_"))}
        given = {"HF_ENDPOINT": self.hub.endpoint, "HF_TOKEN": self.hub.token, "HF_HOME": str(self.data / "hf")}
        return subprocess.run(
            [sys.executable, "-m", "flows.cli", *arguments, "--data", str(self.data)],
            env={**known, **given, **environment},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )


def where_it_stands(secret: str, *roots: Path) -> list[str]:
    """Return the files that hold a secret, in any of the encodings that it may have there."""
    wanted = re.compile(b"|".join(re.escape(secret.encode(code)) for code in ("utf-8", "utf-16-le")))
    files = (path for root in roots for path in root.rglob("*") if path.is_file())
    return [str(path) for path in files if wanted.search(path.read_bytes())]


CASES = {
    "success": ("", 0, {}),
    "commit, debugged": ("commit", 413, {"PREFECT_LOGGING_LEVEL": "DEBUG"}),
    "read back": ("resolve", 403, {}),
    "upload, debugged": ("lfs-put", 403, {"PREFECT_LOGGING_LEVEL": "DEBUG"}),
    "token unknown": ("create", 401, {}),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_token_stands_nowhere_whatever_happens(tmp_path: Path, case: str) -> None:
    step, status, environment = CASES[case]
    release = built(tmp_path / "made", 10)
    with running_hub(tmp_path / "hub") as hub:
        command = Command(hub, tmp_path / "data")
        if step:
            hub.faults.add(step, "answer", status=status, times=999)
        json = [] if "debugged" in case else ["--json"]
        done = command.run("publish", str(release.folder), "--to", f"hub:{NAME}", *json, **environment)
        said = [done.stdout, done.stderr]
        assert done.returncode == (1 if step else 0), done.stderr
        assert step == "" or WHAT_TO_DO.search(" ".join(done.stderr.split()))
        assert environment or "Traceback" not in done.stderr
        if not step:
            for arguments in (
                ("verify", f"hub:{NAME}@v1.0.0"),
                ("publish", str(release.folder), "--to", f"hub:{NAME}"),
            ):
                more = command.run(*arguments)
                assert more.returncode == 0
                said += [more.stdout, more.stderr]
        assert hub.token not in "".join(said)
        found = where_it_stands(hub.token, tmp_path)
        assert {Path(path).parent for path in found} <= {tmp_path / "hub"}, "only the Hub's own list of keys has it"
        assert found, "where it stands is looked for in vain"
