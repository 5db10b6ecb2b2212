"""Each fault, and what it leaves behind: nothing, or the whole of what was asked for."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from huggingface_hub import CommitInfo, HfApi, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils._http import parse_ratelimit_headers
from starlette.responses import JSONResponse
from starlette.types import Message

from flows.hub_server.faults import STEPS, Faults
from flows.hub_server.running import RunningHub
from flows.hub_server.wire import _drip

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # the client's own way to upload
Commit = Callable[..., CommitInfo]
Content = Callable[[str], dict[str, bytes]]
SHARD = b"PAR1" * 250_000


@pytest.mark.parametrize("status", [403, 409, 412, 413, 429, 500, 503])
def test_an_answer_instead_of_a_commit_changes_nothing(
    hub: RunningHub, commit: Commit, content: Content, status: int
) -> None:
    hub.faults.add("commit", "answer", status=status)
    with pytest.raises(HfHubHTTPError) as caught:
        commit({"a.txt": b"1"})
    assert caught.value.response.status_code == status
    assert content("main") == {}
    commit({"a.txt": b"1"})
    assert content("main") == {"a.txt": b"1"}


def test_an_error_after_a_commit_hides_that_it_happened(hub: RunningHub, commit: Commit, content: Content) -> None:
    hub.faults.add("commit", "after", status=500)
    with pytest.raises(HfHubHTTPError, match="500"):
        commit({"a.txt": b"1"})
    assert content("main") == {"a.txt": b"1"}


@pytest.mark.parametrize("kind", ["cut", "cut after"])
def test_a_connection_that_is_cut_hides_that_a_commit_happened(
    hub: RunningHub, commit: Commit, content: Content, kind: str
) -> None:
    hub.faults.add("commit", kind)
    with pytest.raises(Exception, match=r"(?i)disconnect|peer closed"):
        commit({"a.txt": b"1"})
    assert content("main") == {"a.txt": b"1"}
    assert hub.seen[-1].step != "commit"


def test_a_tag_may_be_set_behind_an_error(hub: RunningHub, repo: str, api: HfApi) -> None:
    hub.faults.add("tag", "after", status=500)
    with pytest.raises(HfHubHTTPError):
        api.create_tag(repo, tag="v1", repo_type="dataset")
    with pytest.raises(HfHubHTTPError) as caught:
        api.create_tag(repo, tag="v1", repo_type="dataset")
    assert caught.value.response.status_code == 409


def test_an_upload_that_is_cut_leaves_nothing_and_is_taken_up_again(
    hub: RunningHub, commit: Commit, content: Content
) -> None:
    hub.faults.add("lfs-put", "cut")
    commit({"a.parquet": SHARD})  # the client tries once more by itself
    puts = [one for one in hub.seen if one.step == "lfs-put"]
    assert [one.status for one in puts] == [0, 200]
    assert 0 <= puts[0].bytes_in < puts[1].bytes_in == len(SHARD)
    assert content("main") == {"a.parquet": SHARD}
    assert not list((hub.root / "scratch").iterdir())


def test_too_many_requests_are_told_when_to_come_again(hub: RunningHub, commit: Commit, content: Content) -> None:
    hub.faults.add("whoami", "answer", status=429)
    told = parse_ratelimit_headers(requests.get(f"{hub.endpoint}/api/whoami-v2", timeout=10).headers)
    assert told is not None
    assert (told.remaining, told.reset_in_seconds) == (0, 0)
    hub.faults.add("preupload", "answer", status=429)
    commit({"a.txt": b"1"})
    assert content("main") == {"a.txt": b"1"}


def test_a_download_that_is_cut_is_taken_up_by_the_client(hub: RunningHub, repo: str, commit: Commit) -> None:
    commit({"a.parquet": SHARD})
    hub.faults.add("resolve", "cut", skip=1)  # the first is the HEAD
    path = hf_hub_download(repo, "a.parquet", repo_type="dataset", token=hub.token)
    assert Path(path).read_bytes() == SHARD
    parts = [one for one in hub.seen if one.step == "resolve" and one.method == "GET"]
    assert [one.bytes_out for one in parts] == [
        len(SHARD) // 2,
        len(SHARD),
    ]  # less than a chunk of the client's is lost


def test_a_slow_body_comes_whole(hub: RunningHub, repo: str, commit: Commit) -> None:
    commit({"a.parquet": SHARD})
    hub.faults.add("resolve", "slow")
    address = f"{hub.endpoint}/datasets/{repo}/resolve/main/a.parquet"
    with requests.get(address, timeout=10, stream=True) as answer:
        parts = list(answer.iter_content(len(SHARD)))
        assert b"".join(parts) == SHARD


def test_a_slow_body_comes_in_many_parts() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def nothing() -> Message:
        return {"type": "http.disconnect"}

    async def answer() -> None:
        await JSONResponse("x" * 98)({"type": "http"}, nothing, _drip(send))

    asyncio.run(answer())
    bodies = [message["body"] for message in sent[1:]]
    assert [len(body) for body in bodies] == [5] * 20 + [0]


@pytest.mark.parametrize(("kind", "tags"), [("hang", []), ("hang after", ["v1"])])
def test_a_request_that_hangs_does_nothing_or_all(
    hub: RunningHub, repo: str, api: HfApi, kind: str, tags: list[str]
) -> None:
    hub.faults.add("tag", kind)
    headers = {"Authorization": f"Bearer {hub.token}"}
    with pytest.raises(requests.ReadTimeout):
        requests.post(f"{hub.endpoint}/api/datasets/{repo}/tag/main", json={"tag": "v1"}, headers=headers, timeout=0.3)
    assert [tag.name for tag in api.list_repo_refs(repo, repo_type="dataset").tags] == tags


def test_every_step_meets_its_fault(hub: RunningHub, repo: str, commit: Commit) -> None:
    commit({"a.txt": b"1"}, create_pr=True)
    for step in STEPS:
        hub.faults.add(step, "answer", status=403)
    root, headers = f"{hub.endpoint}/api/datasets/{repo}", {"Authorization": f"Bearer {hub.token}"}
    git = f"{hub.endpoint}/datasets/{repo}.git/info/lfs/objects"
    asked = [
        ("GET", f"{hub.endpoint}/api/whoami-v2"), ("POST", f"{hub.endpoint}/api/validate-yaml"),
        ("POST", f"{hub.endpoint}/api/repos/create"),
        ("PUT", f"{root}/settings"), ("GET", f"{root}/revision/main"), ("GET", f"{root}/refs"),
        ("GET", f"{root}/tree/main"), ("POST", f"{root}/paths-info/main"), ("POST", f"{root}/preupload/main"),
        ("POST", f"{git}/batch"), ("PUT", f"{hub.endpoint}/_lfs/datasets/{repo}/{'a' * 64}"),
        ("POST", f"{git}/verify"), ("POST", f"{root}/commit/main"), ("POST", f"{root}/tag/main"),
        ("POST", f"{root}/branch/b"), ("HEAD", f"{hub.endpoint}/datasets/{repo}/resolve/main/a.txt"),
        ("GET", f"{root}/discussions"), ("POST", f"{root}/discussions/1/merge"),
    ]  # fmt: skip
    hub.seen.clear()
    answers = [requests.request(method, url, data=b"x", headers=headers, timeout=10) for method, url in asked]
    assert [answer.status_code for answer in answers] == [403] * len(STEPS)
    assert [one.step for one in hub.seen] == list(STEPS)
    assert hub.faults.waiting == 0


def test_faults_come_as_often_as_they_were_asked_for() -> None:
    faults = Faults()
    faults.add("commit", "answer", times=2, skip=1)
    assert [bool(faults.take("commit")) for _ in range(5)] == [False, True, True, False, False]
    faults.add("commit", "answer")
    assert faults.take("tag") is None
    faults.clear()
    assert faults.take("commit") is None


@pytest.mark.parametrize(("step", "kind"), [("push", "answer"), ("commit", "explode")])
def test_a_fault_that_cannot_be_says_which_can(step: str, kind: str) -> None:
    with pytest.raises(ValueError, match="give one of"):
        Faults().add(step, kind)
