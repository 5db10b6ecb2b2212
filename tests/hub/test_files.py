"""Files over HTTP: parts, conditions, and what listings say of them."""

import hashlib
import http.client
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from huggingface_hub import CommitInfo, HfApi, HfFileSystem, hf_hub_download
from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.file_download import get_hf_file_metadata, hf_hub_url

from flows.hub_server import contents
from flows.hub_server.objects import git_oid
from flows.hub_server.running import RunningHub

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # the client's own way to upload
Commit = Callable[..., CommitInfo]
DATA = bytes(range(256)) * 40


@pytest.fixture
def address(hub: RunningHub, repo: str, commit: Commit) -> str:
    commit({"a.parquet": DATA, "a.txt": b"words"})
    return f"{hub.endpoint}/datasets/{repo}/resolve/main/a.parquet"


def test_metadata_tell_digest_size_and_commit(hub: RunningHub, repo: str, commit: Commit) -> None:
    made = commit({"a.parquet": DATA, "a.txt": b"words"})
    for path, etag in (("a.parquet", hashlib.sha256(DATA).hexdigest()), ("a.txt", git_oid(b"words"))):
        told = get_hf_file_metadata(hf_hub_url(repo, path, repo_type="dataset"), token=hub.token)
        assert (told.etag, told.commit_hash) == (etag, made.oid)
    assert told.size == 5


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [("0-0", 0, 0), ("5-9", 5, 9), ("10000-", 10_000, 10_239), ("-7", 10_233, 10_239), ("0-99999", 0, 10_239)],
)
def test_a_part_is_answered_alone(address: str, asked: str, first: int, last: int) -> None:
    answer = requests.get(address, headers={"Range": f"bytes={asked}"}, timeout=10)
    assert (answer.status_code, answer.content) == (206, DATA[first : last + 1])
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/10240"
    assert answer.headers["Content-Length"] == str(last - first + 1)


@pytest.mark.parametrize("asked", ["bytes=", "bytes=-", "bytes=9-5", "bytes=0-1,3-4", "lines=1-2", "bytes=x"])
def test_a_part_that_is_not_understood_is_the_whole(address: str, asked: str) -> None:
    answer = requests.get(address, headers={"Range": asked}, timeout=10)
    assert (answer.status_code, answer.content) == (200, DATA)


@pytest.mark.parametrize("asked", ["bytes=10240-", "bytes=99999-999999", "bytes=-0"])
def test_a_part_that_is_not_there_is_refused(address: str, asked: str) -> None:
    answer = requests.get(address, headers={"Range": asked}, timeout=10)
    assert (answer.status_code, answer.headers["Content-Range"]) == (416, "bytes */10240")


def test_what_the_client_has_is_not_sent_again(address: str) -> None:
    etag = requests.head(address, timeout=10).headers["ETag"]
    for condition in (etag, f'"other", W/{etag}', "*"):
        answer = requests.get(address, headers={"If-None-Match": condition}, timeout=10)
        assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", etag)
    assert requests.get(address, headers={"If-None-Match": '"other"'}, timeout=10).content == DATA


def test_a_part_of_another_file_is_the_whole(address: str) -> None:
    etag = requests.head(address, timeout=10).headers["ETag"]
    for condition, status in ((etag, 206), ('"other"', 200)):
        answer = requests.get(address, headers={"Range": "bytes=1-2", "If-Range": condition}, timeout=10)
        assert answer.status_code == status


def test_a_head_has_no_body(address: str) -> None:
    answer = requests.head(address, timeout=10)
    assert (answer.headers["Content-Length"], answer.headers["X-Linked-Size"], answer.content) == (
        "10240",
        "10240",
        b"",
    )


def test_nothing_that_was_put_runs_in_a_browser(hub: RunningHub, repo: str, commit: Commit) -> None:
    commit({"page.html": b"<script>alert(1)</script>"})
    answer = requests.get(f"{hub.endpoint}/datasets/{repo}/resolve/main/page.html", timeout=10)
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]


def test_what_is_missing_says_what_is_missing(hub: RunningHub, repo: str) -> None:
    def fetch(name: str, file: str, revision: str) -> str:
        return hf_hub_download(name, file, repo_type="dataset", revision=revision, token=hub.token)

    with pytest.raises(EntryNotFoundError):
        fetch(repo, "nothing", "main")
    with pytest.raises(RevisionNotFoundError):
        fetch(repo, "a", "v9")
    with pytest.raises(RepositoryNotFoundError):
        fetch("org/nothing", "a", "main")


def test_a_tree_is_told_folder_by_folder_or_whole(api: HfApi, repo: str, commit: Commit) -> None:
    commit({"data/x/a.parquet": b"1", "data/b.parquet": b"2", "c.txt": b"3"})

    def names(path: str | None, *, recursive: bool) -> list[str]:
        return [one.path for one in api.list_repo_tree(repo, path, recursive=recursive, repo_type="dataset")]

    assert names(None, recursive=False) == [".gitattributes", "c.txt", "data"]
    assert names("data", recursive=False) == ["data/b.parquet", "data/x"]
    assert names("data/x", recursive=True) == ["data/x/a.parquet"]
    assert names(None, recursive=True) == [
        ".gitattributes", "c.txt", "data", "data/b.parquet", "data/x", "data/x/a.parquet",
    ]  # fmt: skip
    for path in ("nothing", "c.txt", "dat"):
        with pytest.raises(EntryNotFoundError):
            names(path, recursive=False)


def test_a_long_tree_comes_in_pages_of_one_commit(
    api: HfApi, repo: str, commit: Commit, hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "_PAGE", 3)
    commit({f"a b/{number}.txt": b"1" for number in range(7)})
    found = api.list_repo_tree(repo, "a b", repo_type="dataset")
    first = next(iter(found))
    commit({"a b/0.txt": None})
    assert [first.path, *(one.path for one in found)] == [f"a b/{number}.txt" for number in range(7)]
    assert [one.step for one in hub.seen].count("tree") == 3


def test_each_path_tells_which_commit_changed_it_last(api: HfApi, repo: str, commit: Commit) -> None:
    first = commit({"data/a.txt": b"1", "b.txt": b"1"})
    second = commit({"b.txt": b"2"})
    told = api.get_paths_info(repo, ["data", "data/a.txt", "b.txt", "nothing"], expand=True, repo_type="dataset")
    assert {one.path: one.last_commit and one.last_commit.oid for one in told} == {
        "data": first.oid, "data/a.txt": first.oid, "b.txt": second.oid,
    }  # fmt: skip


def test_the_file_system_of_the_client_reads_and_lists(hub: RunningHub, repo: str, commit: Commit) -> None:
    commit({"data/a.parquet": DATA, "b.txt": b"words"})
    files = HfFileSystem(endpoint=hub.endpoint, token=hub.token)
    assert files.glob(f"datasets/{repo}/**/*.parquet") == [f"datasets/{repo}/data/a.parquet"]
    with files.open(f"datasets/{repo}/data/a.parquet", "rb", block_size=100) as file:
        file.seek(5000)
        assert file.read(300) == DATA[5000:5300]
    assert files.info(f"datasets/{repo}/b.txt")["size"] == 5


def test_information_is_as_wide_as_asked_for(api: HfApi, repo: str, commit: Commit) -> None:
    card = b"---\nlicense: mit\ntags: [pixel art]\nconfigs:\n- config_name: base\n  data_files: a.parquet\n---\n"
    made = commit({"README.md": card, "a.parquet": DATA})
    told = api.dataset_info(repo, revision=made.oid, files_metadata=True)
    shard = next(one for one in told.siblings or () if one.rfilename == "a.parquet")
    assert (shard.size, shard.lfs and shard.lfs.sha256) == (10_240, hashlib.sha256(DATA).hexdigest())
    assert told.card_data is not None
    assert told.card_data["license"] == "mit"
    assert "pixel art" in (told.tags or [])
    narrow = api.dataset_info(repo, expand=["sha", "private"])
    assert (narrow.sha, narrow.private, narrow.siblings) == (made.oid, False, None)


@pytest.mark.usefixtures("repo")
@pytest.mark.parametrize(
    "path",
    [
        "/datasets/org/sprites/resolve/main/../../../../token",
        "/datasets/org/sprites/resolve/main/..%2f..%2f..%2f..%2ftoken",
        "/datasets/org/sprites/resolve/..%2f..%2ftoken/a",
        "/datasets/..%2f..%2f/x/resolve/main/a",
        "/api/datasets/org/..%2F..%2F..",
        "/api/datasets/org/sprites/discussions/..%2f..%2frepo",
        "/_lfs/datasets/org/sprites/..%2f..%2f..%2f..%2ftoken",
        "//etc/passwd",
        "/%00",
        "/%ff%fe/x",
    ],
)
def test_no_address_leads_out_of_the_store(hub: RunningHub, path: str) -> None:
    connection = http.client.HTTPConnection(hub.endpoint.removeprefix("http://"), timeout=10)
    connection.request("GET", path, headers={"Authorization": f"Bearer {hub.token}"})
    answer = connection.getresponse()
    assert answer.status in {400, 404}
    assert hub.token.encode() not in answer.read()
    connection.close()


def test_a_model_lives_beside_a_dataset_of_the_same_name(api: HfApi, repo: str, hub: RunningHub) -> None:
    api.create_repo(repo, repo_type="model")
    api.upload_file(path_or_fileobj=DATA, path_in_repo="model.safetensors", repo_id=repo)
    assert {one.rfilename for one in api.model_info(repo).siblings or ()} == {".gitattributes", "model.safetensors"}
    assert {one.rfilename for one in api.dataset_info(repo).siblings or ()} == {".gitattributes"}
    assert Path(hf_hub_download(repo, "model.safetensors", token=hub.token)).read_bytes() == DATA
