"""A Hub on loopback for each test, and the real clients pointed at it."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import CommitInfo, CommitOperationAdd, CommitOperationDelete, HfApi, HfFileSystem

from flows.hub_server.running import RunningHub, running_hub

REPO = "org/sprites"
Files = dict[str, bytes]
CommitTo = Callable[..., CommitInfo]


@pytest.fixture(scope="session")
def lasting_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """One Hub for all tests that empty it behind them: starting one takes longer than most tests."""
    with running_hub(tmp_path_factory.mktemp("hub")) as running:
        yield running


@pytest.fixture
def hub(lasting_hub: RunningHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningHub]:
    """A Hub with nothing on it; huggingface_hub and datasets believe it to be theirs."""
    point_clients_at(lasting_hub, tmp_path, monkeypatch)
    lasting_hub.seen.clear()
    yield lasting_hub
    lasting_hub.faults.clear()
    for folder in (lasting_hub.root / "repos").glob("*/*"):
        shutil.rmtree(folder)


def point_clients_at(running: RunningHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the clients of this process ask that Hub, and keep what they fetch in the test's own folder."""
    import datasets.config
    from huggingface_hub import constants

    from pipeline.publishing.client import hub_client

    hub_client(running.endpoint)  # an earlier test may have bound this process' connections to another Hub
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, running.endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "ENDPOINT", running.endpoint)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_ENDPOINT", running.endpoint)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "arrow")
    monkeypatch.setattr(datasets.config, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setenv("HF_TOKEN", running.token)
    HfFileSystem.clear_instance_cache()


@pytest.fixture
def api(hub: RunningHub) -> HfApi:
    """The client of whoever may do everything."""
    return HfApi(endpoint=hub.endpoint, token=hub.token)


@pytest.fixture
def repo(api: HfApi) -> str:
    """An empty dataset repository."""
    api.create_repo(REPO, repo_type="dataset")
    return REPO


@pytest.fixture
def commit(api: HfApi, repo: str) -> CommitTo:
    """Commit files (None deletes one) to the dataset repository."""

    def send(files: dict[str, bytes | None], **more: object) -> CommitInfo:
        operations = [
            CommitOperationDelete(path) if data is None else CommitOperationAdd(path, data)
            for path, data in files.items()
        ]
        made: CommitInfo = api.create_commit(  # type: ignore[call-overload] # what is more is passed on
            repo, operations, commit_message="a change", repo_type="dataset", **more
        )
        return made

    return send


@pytest.fixture
def content(api: HfApi, hub: RunningHub, repo: str) -> Callable[[str], Files]:
    """Read all files of a revision, as anybody could who has its tree; without the attributes every repository has."""
    import requests

    def read(revision: str) -> Files:
        info = api.dataset_info(repo, revision=revision)
        address = f"{hub.endpoint}/datasets/{repo}/resolve/{info.sha}"
        names = [sibling.rfilename for sibling in info.siblings or () if sibling.rfilename != ".gitattributes"]
        headers = {"Authorization": f"Bearer {hub.token}"}
        return {name: requests.get(f"{address}/{name}", headers=headers, timeout=10).content for name in names}

    return read
