"""Who may see and do what."""

import stat
from collections.abc import Callable

import pytest
import requests
from huggingface_hub import CommitInfo, CommitOperationAdd, HfApi
from huggingface_hub.errors import BadRequestError, GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

from flows.hub_server.running import RunningHub
from pipeline.publishing.client import hub_client

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # the client's own way to upload
Commit = Callable[..., CommitInfo]


def client(hub: RunningHub, who: str) -> HfApi:
    token: dict[str, str | bool] = {"nobody": False, "reader": hub.readonly_token, "stranger": hub.stranger_token}
    token["forger"] = "hf_forged"
    return HfApi(endpoint=hub.endpoint, token=token[who])


def status_of(error: HfHubHTTPError) -> int:
    return int(error.response.status_code)


def test_a_token_says_who_asks(hub: RunningHub) -> None:
    told = client(hub, "reader").whoami()
    assert (told["name"], told["auth"]["accessToken"]["role"]) == ("pixelbytes", "read")
    assert client(hub, "stranger").whoami()["name"] == "stranger"
    with pytest.raises(HfHubHTTPError) as caught:
        client(hub, "forger").whoami()
    assert status_of(caught.value) == 401


@pytest.mark.parametrize(("who", "status"), [("nobody", 401), ("forger", 401), ("reader", 403), ("stranger", 403)])
def test_nobody_else_writes(hub: RunningHub, repo: str, api: HfApi, who: str, status: int) -> None:
    before, other = api.dataset_info(repo).sha, client(hub, who)
    tries: list[Callable[[], object]] = [
        lambda: other.create_repo("org/new", repo_type="dataset"),
        lambda: other.create_commit(repo, [CommitOperationAdd("a", b"")], commit_message="x", repo_type="dataset"),
        lambda: other.create_tag(repo, tag="v1", repo_type="dataset"),
        lambda: other.create_branch(repo, branch="b", repo_type="dataset"),
        lambda: other.update_repo_settings(repo, private=True, repo_type="dataset"),
        lambda: other.create_discussion(repo, "hello", repo_type="dataset"),
        lambda: other.delete_repo(repo, repo_type="dataset"),
    ]
    for attempt in tries:
        with pytest.raises(HfHubHTTPError) as caught:
            attempt()
        assert status_of(caught.value) == status
    assert api.dataset_info(repo).sha == before
    assert not api.dataset_info(repo).private


@pytest.mark.parametrize("step", ["commit/main", "preupload/main", "tag/main", "branch/x", "discussions"])
def test_every_way_to_write_is_closed_to_those_without_a_token(hub: RunningHub, repo: str, step: str) -> None:
    answer = requests.post(f"{hub.endpoint}/api/datasets/{repo}/{step}", data=b"{}", timeout=10)
    assert answer.status_code == 401


def test_a_private_repository_looks_absent_to_others(hub: RunningHub, api: HfApi) -> None:
    api.create_repo("org/hidden", repo_type="dataset", private=True)
    api.upload_file(path_or_fileobj=b"1", path_in_repo="a.txt", repo_id="org/hidden", repo_type="dataset")
    for who, status in (("nobody", 401), ("stranger", 404)):
        other = client(hub, who)
        for absent in ("org/hidden", "org/nothing"):
            with pytest.raises(RepositoryNotFoundError) as caught:
                other.dataset_info(absent)
            assert status_of(caught.value) == status
            with pytest.raises(RepositoryNotFoundError):
                other.hf_hub_download(absent, "a.txt", repo_type="dataset")
        assert [one.id for one in other.list_datasets()] == []
    assert client(hub, "reader").dataset_info("org/hidden").private
    assert [one.id for one in api.list_datasets(author="org")] == ["org/hidden"]


def test_a_gated_repository_tells_of_its_files_but_keeps_them(hub: RunningHub, repo: str, api: HfApi) -> None:
    api.upload_file(path_or_fileobj=b"1", path_in_repo="a.txt", repo_id=repo, repo_type="dataset")
    api.update_repo_settings(repo, gated="manual", repo_type="dataset")
    for who in ("nobody", "stranger"):
        other = client(hub, who)
        assert other.dataset_info(repo).gated == "manual"
        with pytest.raises(GatedRepoError):
            other.hf_hub_download(repo, "a.txt", repo_type="dataset")
        with pytest.raises(GatedRepoError):
            other.auth_check(repo, repo_type="dataset")
    api.auth_check(repo, repo_type="dataset", write=True)
    api.update_repo_settings(repo, gated=False, repo_type="dataset")
    assert client(hub, "nobody").file_exists(repo, "a.txt", repo_type="dataset")


def test_a_repository_is_made_once_and_deleted_once(api: HfApi, hub: RunningHub) -> None:
    url = api.create_repo("org/once", repo_type="dataset", private=True)
    assert (url.repo_id, url.repo_type) == ("org/once", "dataset")
    with pytest.raises(HfHubHTTPError, match="409"):
        api.create_repo("org/once", repo_type="dataset")
    assert api.create_repo("org/once", repo_type="dataset", exist_ok=True) == url
    assert api.dataset_info("org/once").private
    api.update_repo_settings("org/once", private=False, repo_type="dataset")
    assert not api.dataset_info("org/once").private
    api.delete_repo("org/once", repo_type="dataset")
    with pytest.raises(RepositoryNotFoundError):
        api.delete_repo("org/once", repo_type="dataset")
    assert not api.repo_exists("org/once", repo_type="dataset")
    assert api.create_repo("mine").repo_id == "pixelbytes/mine"
    assert not list((hub.root / "scratch").iterdir())


def test_a_repository_moves_with_all_it_holds(api: HfApi, repo: str) -> None:
    head = api.dataset_info(repo).sha
    api.create_repo("org/taken", repo_type="dataset")
    with pytest.raises(HfHubHTTPError, match="409"):
        api.move_repo(repo, "org/taken", repo_type="dataset")
    api.move_repo(repo, "other/name", repo_type="dataset")
    assert api.dataset_info("other/name").sha == head
    assert not api.repo_exists(repo, repo_type="dataset")
    with pytest.raises(BadRequestError):
        api.move_repo("other/name", "../..", repo_type="dataset")


def test_a_space_is_kept_like_any_repository(api: HfApi) -> None:
    api.create_repo("org/demo", repo_type="space", space_sdk="static")
    api.upload_file(path_or_fileobj=b"<p>", path_in_repo="index.html", repo_id="org/demo", repo_type="space")
    assert "index.html" in api.list_repo_files("org/demo", repo_type="space")
    assert api.space_info("org/demo").id == "org/demo"


def test_tokens_lie_in_files_that_only_their_owner_reads(hub: RunningHub) -> None:
    for name in ("token", "readonly-token", "stranger-token"):
        path = hub.root / name
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_text().strip() in {hub.token, hub.readonly_token, hub.stranger_token}
        assert path.read_text().strip() not in repr(hub)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", ""])
def test_a_page_of_the_web_that_points_here_is_turned_away(hub: RunningHub, host: str) -> None:
    answer = requests.get(f"{hub.endpoint}/api/whoami-v2", headers={"Host": host}, timeout=10)
    assert answer.status_code in {400, 421}


def test_the_hub_listens_on_this_machine_only(hub: RunningHub) -> None:
    assert hub.endpoint.startswith("http://127.0.0.1:")
    by_name = hub.endpoint.replace("127.0.0.1", "localhost")
    hub_client(by_name)  # where our own client was used before, it is told of this name, too
    assert HfApi(endpoint=by_name, token=hub.token).create_repo("org/named").startswith(by_name)
