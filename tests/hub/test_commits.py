"""Commits, as the real client sends them."""

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from huggingface_hub import (
    CommitInfo,
    CommitOperationAdd,
    CommitOperationCopy,
    CommitOperationDelete,
    HfApi,
    snapshot_download,
)
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, RevisionNotFoundError

from flows.hub_server import commits
from flows.hub_server.running import RunningHub

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # the client's own way to upload
Commit = Callable[..., CommitInfo]
Content = Callable[[str], dict[str, bytes]]


def lines(*operations: tuple[str, dict[str, object]], parent: str = "") -> bytes:
    header: dict[str, object] = {"summary": "by hand", "description": ""}
    rows = [("header", header | ({"parentCommit": parent} if parent else {})), *operations]
    return b"".join(json.dumps({"key": key, "value": value}).encode() + b"\n" for key, value in rows)


def regular(path: str, data: bytes = b"x") -> tuple[str, dict[str, object]]:
    return "file", {"path": path, "content": base64.b64encode(data).decode(), "encoding": "base64"}


def post(hub: RunningHub, repo: str, body: bytes) -> requests.Response:
    headers = {"Authorization": f"Bearer {hub.token}", "Content-Type": "application/x-ndjson"}
    return requests.post(f"{hub.endpoint}/api/datasets/{repo}/commit/main", data=body, headers=headers, timeout=10)


def test_a_new_repository_holds_its_attributes_only(api: HfApi, repo: str) -> None:
    info = api.dataset_info(repo, files_metadata=True)
    assert [sibling.rfilename for sibling in info.siblings or ()] == [".gitattributes"]
    assert [one.title for one in api.list_repo_commits(repo, repo_type="dataset")] == ["initial commit"]


def test_small_texts_are_kept_by_git_and_shards_as_large_files(
    api: HfApi, repo: str, commit: Commit, hub: RunningHub
) -> None:
    commit({"notes.md": b"text", "data/a.parquet": b"PAR1"})
    told = api.dataset_info(repo, files_metadata=True).siblings or ()
    assert {one.rfilename: one.lfs.size for one in told if one.lfs} == {"data/a.parquet": 4}
    assert [one.step for one in hub.seen if one.step.startswith("lfs")] == ["lfs-batch", "lfs-put", "lfs-verify"]


def test_an_object_that_is_there_is_not_put_again(hub: RunningHub, commit: Commit, content: Content) -> None:
    commit({"a.parquet": b"same"})
    hub.seen.clear()
    commit({"b.parquet": b"same"})
    assert [one.step for one in hub.seen if one.step.startswith("lfs")] == ["lfs-batch"]
    assert content("main") == {"a.parquet": b"same", "b.parquet": b"same"}


def test_an_object_of_another_repository_must_be_put_again(api: HfApi, hub: RunningHub, commit: Commit) -> None:
    commit({"a.parquet": b"secret"})
    api.create_repo("org/other", repo_type="dataset")
    hub.seen.clear()
    operation = CommitOperationAdd("a.parquet", b"secret")
    api.create_commit("org/other", [operation], commit_message="copy", repo_type="dataset")
    assert "lfs-put" in [one.step for one in hub.seen]


def test_files_that_did_not_change_make_no_commit(commit: Commit, hub: RunningHub) -> None:
    first = commit({"notes.md": b"text", "a.parquet": b"PAR1"})
    again = commit({"notes.md": b"text", "a.parquet": b"PAR1"})
    assert again.oid == first.oid
    assert [one.step for one in hub.seen].count("commit") == 1


def test_a_commit_on_an_old_head_is_refused(api: HfApi, repo: str, commit: Commit, content: Content) -> None:
    head = api.dataset_info(repo).sha
    commit({"a.txt": b"1"}, parent_commit=head)
    with pytest.raises(HfHubHTTPError, match="412") as caught:
        commit({"b.txt": b"2"}, parent_commit=head)
    assert caught.value.response.status_code == 412
    assert content("main") == {"a.txt": b"1"}


def test_files_and_folders_are_deleted_and_moved_in_one_commit(api: HfApi, repo: str, content: Content) -> None:
    adds = [CommitOperationAdd(path, path.encode()) for path in ("a.txt", "old/b.txt", "old/c.parquet", "d.parquet")]
    api.create_commit(repo, adds, commit_message="begin", repo_type="dataset")
    change: list[CommitOperationAdd | CommitOperationCopy | CommitOperationDelete] = [
        CommitOperationDelete("a.txt"),
        CommitOperationDelete("old/"),
        CommitOperationCopy("d.parquet", "new/d.parquet"),
        CommitOperationAdd("e.txt", b"e"),
    ]
    api.create_commit(repo, change, commit_message="change", repo_type="dataset")
    assert content("main") == {"d.parquet": b"d.parquet", "new/d.parquet": b"d.parquet", "e.txt": b"e"}


def test_what_is_not_there_cannot_be_deleted(commit: Commit, content: Content) -> None:
    with pytest.raises(EntryNotFoundError, match="A file with this name doesn't exist"):
        commit({"a.txt": b"1", "nothing.txt": None})
    with pytest.raises(EntryNotFoundError):
        commit({"nothing/": None})
    assert content("main") == {}


def test_a_file_is_copied_by_the_hub_itself(hub: RunningHub, repo: str, commit: Commit, content: Content) -> None:
    commit({"a.txt": b"1"})
    assert post(hub, repo, lines(("copyFile", {"path": "b.txt", "srcPath": "a.txt"}))).ok
    assert content("main") == {"a.txt": b"1", "b.txt": b"1"}


def test_one_file_is_deleted(api: HfApi, repo: str, commit: Commit, content: Content) -> None:
    commit({"a.txt": b"1", "b.txt": b"2"})
    api.delete_file("a.txt", repo, repo_type="dataset")
    assert content("main") == {"b.txt": b"2"}


def test_a_folder_goes_up_and_comes_down_again(api: HfApi, repo: str, tmp_path: Path, hub: RunningHub) -> None:
    made = {"README.md": b"---\nlicense: mit\n---\n", "data/a.parquet": b"PAR1" * 99, "data/sub/b.txt": "é".encode()}
    for path, data in made.items():
        (tmp_path / "up" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "up" / path).write_bytes(data)
    api.upload_folder(repo_id=repo, folder_path=tmp_path / "up", repo_type="dataset")
    down = Path(snapshot_download(repo, repo_type="dataset", token=hub.token))
    assert {path: (down / path).read_bytes() for path in made} == made
    assert not list((hub.root / "scratch").iterdir())


@pytest.mark.parametrize(
    "path", ["../out", "/etc/passwd", "a/../../b", ".git/config", "a/.GIT/x", "a//b", "a\\b", "a\0b", "a\nb", "", "."]
)
def test_a_path_that_leads_out_is_refused(hub: RunningHub, repo: str, path: str, content: Content) -> None:
    value: dict[str, object] = {"path": path, "oid": "0" * 64}
    for operation in (regular(path), ("deletedFolder", value), ("lfsFile", value)):
        answer = post(hub, repo, lines(regular("good"), operation))
        assert answer.status_code == 400, answer.text
    assert content("main") == {}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json\n",
        b"[]\n",
        lines(("strange", {})),
        lines(("file", {"path": "a", "content": 1})),
        lines(("file", {"path": "a", "content": "%", "encoding": "base64"})),
        lines(("lfsFile", {"path": "a", "oid": "a" * 64})),
        lines(("lfsFile", {"path": "a", "oid": "../../token"})),
        lines(regular("a"), regular("a/b")),
        b'{"key": "header", "value": {"summary": ""}}\n',
        b"[" * 100_000 + b"\n",
    ],
)
def test_what_is_no_commit_changes_nothing(hub: RunningHub, repo: str, body: bytes, content: Content) -> None:
    assert post(hub, repo, body).status_code == 400
    assert content("main") == {}


def test_a_large_text_must_go_the_way_of_large_files(
    hub: RunningHub, repo: str, commit: Commit, content: Content
) -> None:
    large = b"line\n" * 2_200_000
    assert post(hub, repo, lines(regular("a.txt", large))).status_code in {400, 413}
    commit({"a.txt": large})
    assert content("main") == {"a.txt": large}
    assert "lfs-put" in [one.step for one in hub.seen]


@pytest.mark.parametrize(("limit", "path"), [("MOST_BYTES", "a.txt"), ("MOST_LARGE", "a.parquet")])
def test_a_commit_that_is_too_large_is_refused(
    commit: Commit, content: Content, monkeypatch: pytest.MonkeyPatch, limit: str, path: str
) -> None:
    monkeypatch.setattr(commits, limit, 2)
    files = {f"{number}/{path}": b"x" for number in range(3)}
    with pytest.raises(HfHubHTTPError) as caught:
        commit(files)
    assert caught.value.response.status_code == 413
    assert content("main") == {}
    del files[f"0/{path}"]
    commit(files)
    assert content("main") == files


def test_an_object_that_is_not_what_was_announced_is_refused(hub: RunningHub, repo: str) -> None:
    headers = {"Authorization": f"Bearer {hub.token}"}
    git = f"{hub.endpoint}/datasets/{repo}.git/info/lfs/objects"
    wanted = json.dumps({"operation": "upload", "objects": [{"oid": "a" * 64, "size": 4}]})
    told = requests.post(f"{git}/batch", data=wanted, headers=headers, timeout=10).json()
    address = told["objects"][0]["actions"]["upload"]["href"]
    assert requests.put(address, data=b"1234", timeout=10).status_code == 400
    assert requests.put(address, data=b"1", timeout=10).status_code == 400
    assert requests.put(address, data=b"1" * 5, timeout=10).status_code == 413
    assert requests.put(address.replace("size=4", "size=5"), data=b"1" * 5, timeout=10).status_code == 403
    assert (
        requests.post(f"{git}/verify", json={"oid": "a" * 64, "size": 4}, headers=headers, timeout=10).status_code
        == 404
    )
    assert not list((hub.root / "scratch").iterdir())


def test_a_commit_goes_to_a_branch_that_is_there(commit: Commit) -> None:
    with pytest.raises(RevisionNotFoundError):
        commit({"a.txt": b"1"}, revision="nowhere")


def test_the_card_is_judged_before_a_commit(commit: Commit) -> None:
    with pytest.raises(ValueError, match="config_name"):
        commit({"README.md": b"---\nconfigs:\n- data_files: a\n---\n"})
    with pytest.warns(UserWarning, match="empty or missing yaml metadata"):
        commit({"README.md": b"# Only words"})


def test_a_file_that_is_ignored_stays_away(commit: Commit, content: Content) -> None:
    commit({".gitignore": b"*.log\ntmp/\n!keep.log\n", "a.log": b"1", "keep.log": b"2", "tmp/b": b"3"})
    assert set(content("main")) == {".gitignore", "keep.log"}


def test_history_is_told_page_by_page(api: HfApi, repo: str, commit: Commit, hub: RunningHub) -> None:
    first = commit({"a.txt": b"0"}).oid
    made = [first, *(post(hub, repo, lines(regular("a.txt", b"%d" % n))).json()["commitOid"] for n in range(1, 55))]
    told = api.list_repo_commits(repo, repo_type="dataset", formatted=True)
    assert [one.commit_id for one in told][:-1] == made[::-1]
    assert told[0].authors == ["pixelbytes"]


def test_a_name_that_leads_out_is_no_name_of_a_repository(hub: RunningHub) -> None:
    headers = {"Authorization": f"Bearer {hub.token}"}
    for name in ("..", "a..b", "a.git", "-", "a/b/c", "x" * 97, "a b", ""):
        answer = requests.post(
            f"{hub.endpoint}/api/repos/create", json={"name": name, "type": "dataset"}, headers=headers, timeout=10
        )
        assert answer.status_code == 400, name
