"""A publisher that is killed between any two steps, and two at once: what stands is whole, the next run finishes."""

import os
import signal
import threading
from collections.abc import Iterator, Sequence

import pytest

from pipeline.publishing import hub_repo
from pipeline.publishing.hub_store import HubStore
from pipeline.verify import verify
from tests.on_hub import EVERY, IGNORE_CLIENT, NAME, World, world
from tests.publisher import KILLED, Publisher, publisher

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings(IGNORE_CLIENT)]
MOMENTS = {"hang": 0.0, "hang after": 0.1}  # the request came and did nothing; or did its work, and nobody knows
QUICK = (("hang", "lfs-put"), ("hang after", "commit"), ("hang", "tag"))
FEW = 5  # files of one commit, where a version is to go by a pull request


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("hub")) as made:
        yield made


@pytest.fixture(scope="module")
def process(hub: World) -> Iterator[Publisher]:
    with publisher(hub.hub.token) as made:
        yield made


def killed(hub: World, process: Publisher, what: str, store: HubStore, fault: tuple[str, str, int]) -> bool:
    """Kill a job when its n-th request of a step came; tell whether it came to that."""
    kind, step, skip = fault
    hub.hub.faults.add(step, kind, skip=skip)
    child = process.start(what, store, NAME, hub.new.folder, hub_repo.PER_COMMIT)
    ended: list[int] = []
    waiting = threading.Thread(target=lambda: ended.append(process.end()))
    waiting.start()
    while hub.hub.faults.waiting and waiting.is_alive():
        threading.Event().wait(0.002)
    threading.Event().wait(MOMENTS[kind])
    if waiting.is_alive():
        os.kill(child, signal.SIGKILL)
    waiting.join()
    came = hub.hub.faults.waiting == 0
    hub.hub.faults.clear()
    assert ended[0] in {0, KILLED}
    return came


def among(count: int) -> Sequence[int]:
    """Return which of a step's requests: the first and the last; all with PIXELBYTES_EVERY."""
    return range(count) if EVERY else sorted({0, count - 1})


def survives(hub: World, process: Publisher, fault: tuple[str, str, int]) -> bool:
    """Publish, be killed, publish again; tell whether there is such a moment."""
    hub.reset()
    store = hub.store(warm=True)
    came = killed(hub, process, "publish", store, fault)
    before, after = {"v1.0.0": hub.old.manifest.digest}, {"v1.1.0": hub.new.manifest.digest}
    found = hub.sound_versions()
    assert found in (before, before | after), fault
    done = store.publish(hub.new)
    assert done.new is (found == before), fault
    assert hub.sound_versions() == before | after, fault
    titles = [one.title for one in hub.api.list_repo_commits(NAME, repo_type="dataset")]
    assert len([title for title in titles if title.startswith("v1.1.0")]) == 1, fault
    return came


@pytest.mark.parametrize(("kind", "step"), QUICK)
def test_a_publisher_killed_at_a_step_leaves_all_or_nothing(
    hub: World, process: Publisher, kind: str, step: str
) -> None:
    assert survives(hub, process, (kind, step, 0))


@pytest.mark.slow
@pytest.mark.parametrize("large", [False, True], ids=["one commit", "pull request"])
def test_a_publisher_killed_at_any_request_leaves_all_or_nothing(
    hub: World, process: Publisher, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    monkeypatch.setattr(hub_repo, "PER_COMMIT", FEW if large else hub_repo.PER_COMMIT)
    hub.reset()
    hub.store(warm=True).publish(hub.new)
    steps = hub.steps()
    for kind in MOMENTS if EVERY or not large else ["hang after"]:
        for step in dict.fromkeys(steps):
            for skip in among(steps.count(step)):
                assert survives(hub, process, (kind, step, skip))


@pytest.mark.parametrize("skip", [9])
def test_a_download_that_is_killed_goes_on(hub: World, process: Publisher, skip: int) -> None:
    hub.reset()
    store = hub.store()
    assert killed(hub, process, "pull", store, ("hang", "resolve", skip))
    assert verify(store.open(NAME)) == ()


@pytest.mark.slow
def test_a_download_that_is_killed_at_any_request_goes_on(hub: World, process: Publisher) -> None:
    hub.reset()
    hub.steps()
    hub.store().open(NAME)
    steps = hub.steps()
    for step in dict.fromkeys(steps):
        for skip in among(steps.count(step)):
            store = hub.store()
            assert killed(hub, process, "pull", store, ("hang", step, skip))
            release = store.open(NAME)
            assert verify(release) == ()
            assert {path.name for path in (store.cache / NAME).iterdir() if not path.name.startswith(".")} == {
                release.revision
            }


@pytest.mark.parametrize("same", [pytest.param(True, marks=pytest.mark.slow), False])
def test_two_processes_at_once_both_end_well(hub: World, process: Publisher, same: bool) -> None:
    hub.reset()
    theirs, store = hub.new if same else hub.other, hub.store(warm=True)
    process.start("publish", store, NAME, theirs.folder)
    done = hub.store(warm=True).publish(hub.new)
    assert process.end() == 0
    found = hub.sound_versions()
    assert found[done.version.tag] == hub.new.manifest.digest
    assert sorted(found.values()) == sorted({one.manifest.digest for one in (hub.old, theirs, hub.new)})
