"""A version with more changes than one commit takes: prepared in a pull request, merged once it is whole."""

from collections.abc import Callable, Iterator

import pytest
from huggingface_hub import HfApi

from pipeline.publishing import hub_repo
from pipeline.publishing.faults import HubError
from pipeline.publishing.proposals import Proposals
from tests.on_hub import IGNORE_CLIENT, NAME, World, world

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings(IGNORE_CLIENT)]
BY_HAND = [
    pytest.param({"notes.txt": b"by hand"}, id="a new file", marks=pytest.mark.slow),
    pytest.param({"README.md": b"---\nlicense: mit\n---\nby hand\n"}, id="a file of ours"),
]


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("hub")) as made:
        yield made


@pytest.fixture
def hub(lasting: World, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(hub_repo, "PER_COMMIT", 5)
    lasting.reset()
    return lasting


def pulls(hub: World) -> list[str]:
    """Return how the pull requests stand, oldest first."""
    found = hub.api.get_repo_discussions(NAME, repo_type="dataset")
    return [one.status for one in sorted(found, key=lambda one: one.num)]


def by_hand(hub: World, files: dict[str, bytes]) -> None:
    for path, body in files.items():
        hub.api.upload_file(path_or_fileobj=body, path_in_repo=path, repo_id=NAME, repo_type="dataset")


def whole(hub: World) -> None:
    """See that v1.1.0 stands, and main holds it and nothing else."""
    assert hub.sound_versions() == {"v1.0.0": hub.old.manifest.digest, "v1.1.0": hub.new.manifest.digest}
    assert hub.tree("main") == hub.tree("v1.1.0")


def test_a_large_version_is_merged_whole(hub: World) -> None:
    done = hub.store(warm=True).publish(hub.new)
    steps = hub.steps()
    assert steps.count("commit") > 1
    assert steps.count("merge") == steps.count("tag") == 1
    assert done.version.tag == "v1.1.0"
    assert pulls(hub) == ["merged"]
    whole(hub)
    assert hub.store(warm=True).publish(hub.new).new is False


def test_what_was_prepared_is_gone_on_with_and_sent_once(hub: World) -> None:
    hub.hub.faults.add("commit", "answer", status=403, times=99, skip=1)
    with pytest.raises(HubError, match="filling pull request 1"):
        hub.store(warm=True).publish(hub.new)
    hub.hub.faults.clear()
    before = hub.steps()
    hub.store(warm=True).publish(hub.new)
    after = hub.steps()
    assert before.count("commit") == 2
    was, now = hub.tree("v1.0.0"), hub.tree("v1.1.0")
    large = [path for path in now if path.endswith((".parquet", ".png")) and was.get(path) != now[path]]
    assert before.count("lfs-put") + after.count("lfs-put") == len(large)
    assert pulls(hub) == ["merged"]
    whole(hub)


def meanwhile(monkeypatch: pytest.MonkeyPatch, owner: type, method: str, what: Callable[[], object]) -> None:
    """Let something happen once, right after a method was called for the first time."""
    original, left = getattr(owner, method), [what]

    def hooked(self: object, *args: object, **kwargs: object) -> object:
        done = original(self, *args, **kwargs)
        while left:
            left.pop()()
        return done

    monkeypatch.setattr(owner, method, hooked)


@pytest.mark.parametrize("files", BY_HAND)
def test_a_change_of_main_while_it_is_prepared_starts_anew(
    hub: World, monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes]
) -> None:
    meanwhile(monkeypatch, Proposals, "filled", lambda: by_hand(hub, files))
    hub.store(warm=True).publish(hub.new)
    assert pulls(hub) == ["closed", "merged"]
    whole(hub)


@pytest.mark.parametrize("files", BY_HAND)
def test_a_change_of_main_right_before_the_merge_ends_well_too(
    hub: World, monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes]
) -> None:
    original, left = HfApi.merge_pull_request, [files]

    def hooked(self: HfApi, *args: object, **kwargs: object) -> object:
        while left:
            by_hand(hub, left.pop())
        return original(self, *args, **kwargs)

    monkeypatch.setattr(HfApi, "merge_pull_request", hooked)
    hub.store(warm=True).publish(hub.new)
    whole(hub)


def test_a_change_of_main_right_after_the_merge_ends_well_too(hub: World, monkeypatch: pytest.MonkeyPatch) -> None:
    meanwhile(monkeypatch, HfApi, "merge_pull_request", lambda: by_hand(hub, {"notes.txt": b"by hand"}))
    hub.store(warm=True).publish(hub.new)
    whole(hub)


def test_somebody_elses_version_while_ours_is_prepared_comes_first(hub: World, monkeypatch: pytest.MonkeyPatch) -> None:
    meanwhile(monkeypatch, Proposals, "filled", lambda: hub.store(warm=True).publish(hub.other))
    done = hub.store(warm=True).publish(hub.new)
    found = hub.sound_versions()
    assert list(found.values()) == [one.manifest.digest for one in (hub.old, hub.other, hub.new)]
    assert done.release.manifest.previous == "v1.1.0"


def test_a_pull_request_of_somebody_else_is_left_alone(hub: World) -> None:
    hub.api.create_pull_request(NAME, "v1.1.0: 2 added", repo_type="dataset")
    hub.store(warm=True).publish(hub.new)
    assert pulls(hub) == ["draft", "merged"]
    whole(hub)
