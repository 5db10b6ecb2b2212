"""Each fault at each step of a publication: the old release stands, or the new one whole; the next run finishes."""

import re
from collections.abc import Iterator, Sequence
from itertools import product

import pytest

from flows.hub_server.faults import Faults
from pipeline.publishing import hub_repo
from pipeline.publishing.faults import HubError
from pipeline.publishing.hub_store import HubStore
from tests.on_hub import EVERY, IGNORE_CLIENT, NAME, World, world

pytestmark = pytest.mark.filterwarnings(IGNORE_CLIENT)

FAULTS = {
    **{str(status): ("answer", status) for status in (401, 403, 404, 409, 412, 413, 429, 500)},
    "500 after": ("after", 500),
    "cut": ("cut", 500),
    "cut after": ("cut after", 500),
    "hang": ("hang", 500),
    "hang after": ("hang after", 500),
    "slow": ("slow", 500),
}
PASSING = frozenset(
    {"429", "500", "500 after", "cut", "cut after", "hang", "slow"}
)  # once, nobody needs to know of them
SMALL = (
    "refs", "info", "tree", "preupload", "lfs-batch", "lfs-put", "lfs-verify", "validate-yaml", "commit", "resolve",
    "tag",
)  # fmt: skip
FIRST = ("create", "settings")
LARGE = ("discussion", "merge", "commit", "tree")
FINAL = frozenset({"401", "403", "404", "413"})  # once is as bad as ever
OFTEN = {"once": 1, "lasting": 999}
WHAT_TO_DO = re.compile(
    r"run the same command again|hf auth login|ask its owner|spelling|smaller shards|wait", re.IGNORECASE
)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("hub")) as made:
        yield made


def cells(steps: tuple[str, ...]) -> Sequence[object]:
    """Return step, fault and how often; those on a diagonal in every run, each fault at each step in the slow one.

    There a fault comes once or lasts, in turn; with PIXELBYTES_EVERY both.
    """
    found = []
    for (row, step), (column, fault), (time, often) in product(enumerate(steps), enumerate(FAULTS), enumerate(OFTEN)):
        if often == "once" and fault in FINAL:
            continue
        if not EVERY and fault not in FINAL and (row + column + time) % 2:
            continue
        quick = (column - 5 * row) % len(FAULTS) == 0 and row // 2 % 2 == time and row % 2 == 0
        found.append(pytest.param(step, fault, often, marks=() if quick else pytest.mark.slow))
    return found


@pytest.mark.parametrize(("step", "fault", "often"), cells(SMALL))
def test_a_version_is_there_whole_or_not_at_all(hub: World, step: str, fault: str, often: str) -> None:
    hub.reset()
    survives(hub, hub.store(warm=True), (step, fault, often))


@pytest.mark.parametrize(("step", "fault", "often"), cells(FIRST))
def test_the_first_version_is_there_whole_or_not_at_all(hub: World, step: str, fault: str, often: str) -> None:
    hub.reset(empty=True)
    survives(hub, hub.store(gated="auto"), (step, fault, often))
    info = hub.api.dataset_info(NAME)
    assert (info.private, info.gated) == (False, "auto")


@pytest.mark.parametrize(("step", "fault", "often"), cells(LARGE))
def test_a_large_version_is_there_whole_or_not_at_all(
    hub: World, monkeypatch: pytest.MonkeyPatch, step: str, fault: str, often: str
) -> None:
    monkeypatch.setattr(hub_repo, "PER_COMMIT", 6)
    hub.reset()
    survives(hub, hub.store(warm=True), (step, fault, often))
    pulls = [one for one in hub.api.get_repo_discussions(NAME, repo_type="dataset") if one.is_pull_request]
    assert [one.status for one in pulls] == ["merged"]


def survives(hub: World, store: HubStore, cell: tuple[str, str, str]) -> None:
    """Publish with a fault, look at what stands, publish again without it."""
    step, fault, often = cell
    before = {"v1.0.0": hub.old.manifest.digest} if hub.tags() else {}
    expected = {**before, "v1.1.0" if before else "v1.0.0": hub.new.manifest.digest}
    spoil(hub.hub.faults, *cell)
    hub.hub.seen.clear()
    told = ""
    try:
        store.publish(hub.new)
    except HubError as error:
        told = str(error)
        assert hub.hub.token not in told
        assert WHAT_TO_DO.search(told), told
    hub.hub.faults.clear()
    assert step in hub.steps(), "the fault was never met"
    found = hub.sound_versions()
    assert found == expected if not told else found in (before, expected)
    if often == "once" and fault in PASSING:
        assert not told, "what passes by itself is nobody's business"
    done = store.publish(hub.new)
    assert done.new is (found == before)
    assert hub.sound_versions() == expected if done.new else hub.tags().keys() == expected.keys()
    made = [one.title for one in hub.api.list_repo_commits(NAME, repo_type="dataset")]
    assert len([title for title in made if title.startswith(done.version.tag)]) == 1, made


def spoil(faults: Faults, step: str, fault: str, often: str) -> None:
    kind, status = FAULTS[fault]
    faults.add(step, kind, status=status, times=OFTEN[often])
