"""What the folder of a Hub keeps: through restarts, kills and any row of commits."""

import base64
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pytest
import requests
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import HfHubHTTPError
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.hub_server.commits import Copy, Delete, Operation, Put, Request, apply_request, changed, read_request
from flows.hub_server.errors import HubError
from flows.hub_server.objects import regular_file
from flows.hub_server.repo import Repo
from flows.hub_server.running import running_hub
from flows.hub_server.store import Store, opened_store

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # the client's own way to upload
PATHS = ("a", "b", "d/a", "d/b", "d/e/a", "f")
steps = st.lists(
    st.lists(
        st.one_of(
            st.tuples(st.just("put"), st.sampled_from(PATHS), st.binary(max_size=3)),
            st.tuples(st.just("delete"), st.sampled_from(PATHS), st.just(b"")),
            st.tuples(st.just("drop"), st.sampled_from(("d", "d/e", "x")), st.just(b"")),
            st.tuples(st.just("copy"), st.sampled_from(PATHS), st.sampled_from([path.encode() for path in PATHS])),
        ),
        max_size=5,
    ),
    max_size=6,
)
Step = tuple[str, str, bytes]


def operation(step: Step, keep: dict[str, bytes]) -> Operation:
    """Return the operation of a step; contents are kept by digest, as the store would."""
    kind, path, data = step
    if kind == "put":
        entry = regular_file(path, data)
        keep[entry.sha256] = data
        return Put(entry)
    if kind == "copy":
        return Copy(path, data.decode(), "")
    return Delete(path, kind == "drop")


def modelled(files: dict[str, bytes], row: list[Step]) -> dict[str, bytes] | None:
    """Return what a dict would hold after the steps; None when one of them cannot be."""
    files = dict(files)
    for kind, path, data in row:
        if kind == "put":
            files[path] = data
        elif kind == "copy":
            if data.decode() not in files:
                return None
            files[path] = files[data.decode()]
        else:
            gone = [name for name in files if (name.startswith(f"{path}/") if kind == "drop" else name == path)]
            if not gone:
                return None
            for name in gone:
                del files[name]
    return files


@settings(max_examples=25)
@given(steps)
def test_any_row_of_commits_is_a_row_of_dicts(rows: list[list[Step]]) -> None:
    with tempfile.TemporaryDirectory() as folder, opened_store(Path(folder)) as store:
        repo = store.create("dataset", "org", "set", private=False, who="x")
        blobs: dict[str, bytes] = {}
        expected: list[tuple[str, dict[str, bytes]]] = []
        files: dict[str, bytes] = {}
        for row in rows:
            after = modelled(files, row)
            request = Request("a", "", repo.head, [operation(step, blobs) for step in row])
            if after is None:
                with pytest.raises(HubError):
                    apply_request(store, repo, "main", request, "x")
            else:
                files = after
                expected.append((apply_request(store, repo, "main", request, "x"), files))
        for commit, held in expected:
            tree = repo.tree(commit)
            assert {path: blobs[one.sha256] for path, one in tree.items() if path != ".gitattributes"} == held
        assert [one.oid for one in repo.history(repo.head)][:-1] == [commit for commit, _ in expected][::-1]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Repo]]:
    """A store with one empty repository."""
    with opened_store(tmp_path_factory.mktemp("store")) as store:
        yield store, store.create("model", "org", "set", private=False, who="x")


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reading_of_commits(place: tuple[Store, Repo], body: bytes) -> None:
    store, repo = place
    for begun in (b"", b'{"key": "header", "value": {"summary": "a"}}\n'):
        try:
            request = read_request(store, repo, BytesIO(begun + body))
            changed(repo, repo.head, request.operations)
        except HubError as error:
            assert error.status in {400, 404, 413}  # noqa: PT017 - most bodies are refused, some are not


def test_a_restart_finds_everything_as_it_was(tmp_path: Path) -> None:
    told = []
    for run in range(2):
        with running_hub(tmp_path) as hub:
            api = HfApi(endpoint=hub.endpoint, token=hub.token)
            if run == 0:
                api.create_repo("org/set", repo_type="dataset", private=True)
                adds = [CommitOperationAdd("a.txt", b"1"), CommitOperationAdd("b.parquet", b"2")]
                api.create_commit("org/set", adds, commit_message="x", repo_type="dataset")
                api.create_tag("org/set", tag="v1", repo_type="dataset")
                api.create_pull_request("org/set", "later", repo_type="dataset")
            info = api.dataset_info("org/set", revision="v1", files_metadata=True)
            told.append((hub.token, info, api.list_repo_refs("org/set", repo_type="dataset")))
            assert [one.num for one in api.get_repo_discussions("org/set", repo_type="dataset")] == [1]
    assert told[0] == told[1]


def test_two_hubs_never_share_a_folder(tmp_path: Path) -> None:
    with running_hub(tmp_path), pytest.raises(RuntimeError, match="another Hub"), running_hub(tmp_path):
        pass


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with running_hub(tmp_path / "a") as hub:
        port = int(hub.endpoint.rsplit(":", 1)[1])
        with pytest.raises(OSError, match=str(port)), running_hub(tmp_path / "b", port=port):
            pass


def test_of_many_commits_on_one_head_one_is_made(tmp_path: Path) -> None:
    with running_hub(tmp_path) as hub:
        api = HfApi(endpoint=hub.endpoint, token=hub.token)
        api.create_repo("org/set", repo_type="dataset")
        head = api.dataset_info("org/set").sha
        start = threading.Barrier(6)

        def attempt(number: int) -> int:
            start.wait()
            operation = CommitOperationAdd(f"{number}.txt", b"1")
            try:
                api.create_commit("org/set", [operation], commit_message="x", repo_type="dataset", parent_commit=head)
            except HfHubHTTPError as error:
                return int(error.response.status_code)
            return 200

        with ThreadPoolExecutor(6) as pool:
            assert sorted(pool.map(attempt, range(6))) == [200, 412, 412, 412, 412, 412]
        assert len(api.dataset_info("org/set").siblings or ()) == 2


CHILD = """
import sys
from pathlib import Path
from flows.hub_server.repo import Repo
from flows.hub_server.running import running_hub
with running_hub(Path(sys.argv[1])) as hub:
    print(hub.endpoint, flush=True)
    sys.stdin.read()
"""


def commit_by_hand(endpoint: str, token: str, number: int) -> str:
    """Commit a file without the client, which would wait half a minute for a server that died."""
    files = {f"{number}.txt": b"new", "n.txt": b"%d" % number}
    rows: list[dict[str, object]] = [{"key": "header", "value": {"summary": "x"}}]
    for path, data in files.items():
        value = {"path": path, "content": base64.b64encode(data).decode(), "encoding": "base64"}
        rows.append({"key": "file", "value": value})
    body = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    address, headers = f"{endpoint}/api/datasets/org/set/commit/main", {"Authorization": f"Bearer {token}"}
    return str(requests.post(address, data=body, headers=headers, timeout=10).json()["commitOid"])


@pytest.mark.slow
@pytest.mark.parametrize("after", [0.0, 0.02, 0.05, 0.1, 0.2])
def test_a_kill_leaves_every_commit_whole(tmp_path: Path, after: float) -> None:
    command = [sys.executable, "-c", CHILD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        endpoint = child.stdout.readline().strip()
        token = (tmp_path / "token").read_text().strip()
        HfApi(endpoint=endpoint, token=token).create_repo("org/set", repo_type="dataset")
        made: list[str] = []
        killer = threading.Timer(after, child.kill)
        killer.start()
        with suppress(requests.ConnectionError, requests.exceptions.ChunkedEncodingError):  # before an answer, or in it
            while True:
                made.append(commit_by_hand(endpoint, token, len(made)))
        killer.join()
    with running_hub(tmp_path) as hub:
        repo = Repo("dataset", "org/set", tmp_path / "repos" / "datasets" / "org" / "set", tmp_path / "scratch")
        api = HfApi(endpoint=hub.endpoint, token=hub.token)
        kept = [one.commit_id for one in api.list_repo_commits("org/set", repo_type="dataset")][::-1][1:]
        assert kept[: len(made)] == made
        assert len(kept) - len(made) in {0, 1}  # the last one may have been made without an answer
        for number, commit in enumerate(kept):
            tree = repo.tree(commit)
            assert set(tree) == {".gitattributes", "n.txt", *(f"{n}.txt" for n in range(number + 1))}
            for entry in tree.values():
                assert (tmp_path / "blobs" / entry.sha256[:2] / entry.sha256).stat().st_size == entry.size
        assert not list((tmp_path / "scratch").iterdir())
