"""A release is announced once, whatever is told how often, and whatever fails in between."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from flows.releasing import release_event
from flows.webhook import deliveries as webhook_deliveries
from flows.webhook.deliveries import Deliveries, Memory
from flows.webhook.service import MAX_BODY
from pipeline.records import DatasetVersion
from tests.webhooks import NAME, NEW_TAG, OLD, SECRET, TAG, VERSION, Bench, payload, served, until, updated


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "webhooks")


def test_a_new_tag_becomes_the_event_that_publishing_emits(bench: Bench) -> None:
    with bench.client() as told:
        answer = told.post(payload())
        told.settle()
    assert (answer.status_code, answer.json()) == (202, {"status": "accepted", "releases": [f"{NAME}@{TAG}"]})
    assert bench.told == [release_event(VERSION, f"hub:{NAME}")]
    assert bench.told[0].payload["digest"] == VERSION.digest


def test_a_replay_does_nothing_even_after_a_restart(bench: Bench) -> None:
    with bench.client() as told:
        told.post(payload())
        told.settle()
        assert told.post(payload()).json() == {"status": "ignored", "reason": "this was announced before"}
    with bench.client() as told:
        assert told.post(payload()).status_code == 200
        told.settle()
    assert len(bench.told) == 1


def test_the_same_tag_on_another_commit_or_in_another_repo_is_another_release(bench: Bench) -> None:
    bench.read = lambda repo, revision: replace(VERSION, repo_id=repo, revision=revision)
    with bench.client() as told:
        for said in (payload(), payload(updated(new=OLD)), payload(name="other/sample")):
            assert told.post(said).status_code == 202
        told.settle()
    assert len({event.id for event in bench.told}) == 3


def test_killed_after_the_event_and_before_it_was_remembered_the_same_event_is_told_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.delays = ()
    with monkeypatch.context() as patch, bench.client() as told:
        patch.setattr(Memory, "keep", _raise(OSError("no space left")))
        told.post(payload())
        told.settle()
        assert not told.deliveries.memory.knows(NEW_TAG)
    with bench.client() as told:
        assert told.post(payload()).status_code == 202
        told.settle()
    assert bench.told == [release_event(VERSION, f"hub:{NAME}")] * 2


def test_what_was_accepted_before_a_crash_is_announced_after_the_restart(bench: Bench) -> None:
    memory = Memory(folder=bench.folder)
    memory.note(NEW_TAG)
    (bench.folder / "waiting" / f"{'0' * 64}.json").write_text('{"repo_id": "../../etc", "tag": 1}')
    (bench.folder / "waiting" / f".{'1' * 64}.json.part").write_text("half")
    with bench.client() as told:
        told.settle()
        assert told.deliveries.memory.knows(NEW_TAG)
    assert [event.payload["tag"] for event in bench.told] == [TAG]
    assert not list((bench.folder / "waiting").iterdir())


def test_stopping_in_the_middle_leaves_the_tag_waiting_for_the_next_start(bench: Bench) -> None:
    bench.delays, bench.failing = (3600.0,), [httpx.ConnectError("refused")]
    with bench.client() as told:
        assert told.post(payload()).status_code == 202
    assert not bench.told
    with bench.client() as told:
        told.settle()
    assert len(bench.told) == 1


def test_a_hub_or_a_prefect_that_does_not_answer_is_asked_again(bench: Bench) -> None:
    asked = []

    def second_time(_repo: str, _revision: str) -> DatasetVersion:
        asked.append(1)
        if len(asked) == 1:
            raise TimeoutError
        return VERSION

    bench.read, bench.failing = second_time, [httpx.ConnectError("refused")]
    with bench.client() as told:
        told.post(payload())
        told.settle()
    assert len(asked) == 3
    assert len(bench.told) == 1


def test_after_the_last_try_a_replay_begins_anew(bench: Bench) -> None:
    bench.failing = [httpx.ConnectError("refused")] * 3
    with bench.client() as told:
        told.post(payload())
        told.settle()
        assert not bench.told
        assert not list(told.deliveries.memory.waiting())
        assert told.post(payload()).status_code == 202
        told.settle()
    assert len(bench.told) == 1


@pytest.mark.parametrize(
    "read",
    [
        lambda _repo, _revision: replace(VERSION, repo_id="other/sample"),
        lambda _repo, _revision: replace(VERSION, tag="v1.2.1"),
        lambda _repo, _revision: replace(VERSION, tag="unreleased"),
    ],
)
def test_a_manifest_of_another_name_or_version_announces_nothing_and_says_so(
    read: Callable[[str, str], DatasetVersion], bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.read = read
    with bench.client() as told:
        told.post(payload())
        told.settle()
        assert not told.deliveries.memory.knows(NEW_TAG)
    assert not bench.told
    assert "its manifest says that it is" in caplog.text


def test_when_too_many_wait_the_hub_is_told_to_come_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_deliveries, "MOST_WAITING", 1)
    bench.delays, bench.failing = (3600.0,), [httpx.ConnectError("refused")]
    with bench.client() as told:
        assert told.post(payload()).status_code == 202
        assert told.post(payload(updated(new=OLD))).status_code == 503
        assert told.post(payload()).status_code == 202  # it waits already


def test_a_full_disk_is_no_failure_of_the_app(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Memory, "note", _raise(OSError("no space left")))
    with bench.client() as told:
        assert told.post(payload()).status_code == 503


def test_the_memory_is_bounded_and_forgets_the_oldest(tmp_path: Path) -> None:
    memory = Memory(folder=tmp_path, most=3)
    tags = [replace(NEW_TAG, revision=f"{count:040x}") for count in range(5)]
    for count, tag in enumerate(tags):
        memory.keep(tag, release_event(VERSION, "hub:a/b"))
        (written,) = tmp_path.glob(f"announced/{tag.key}.json")
        os.utime(written, (count, count))
        before = written.read_bytes()
        memory.keep(tag, release_event(VERSION, "hub:c/d"))
        assert written.read_bytes() == before  # never written again
    assert [memory.knows(tag) for tag in tags] == [False, False, True, True, True]


def test_two_equal_deliveries_at_the_same_time_are_answered_at_once_and_make_one_event(bench: Bench) -> None:
    answered = threading.Event()

    def slow(_repo: str, _revision: str) -> DatasetVersion:
        assert answered.wait(20)
        return VERSION

    deliveries = Deliveries(memory=Memory(folder=bench.folder), read=slow, tell=bench.tell)
    with served(deliveries) as address, ThreadPoolExecutor(2) as pool:

        def deliver() -> int:
            right = {"X-Webhook-Secret": SECRET}
            return httpx.post(f"{address}/webhook", json=payload(), headers=right, timeout=20).status_code

        codes = [job.result() for job in [pool.submit(deliver), pool.submit(deliver)]]
        answered.set()
        until(lambda: deliveries.memory.knows(NEW_TAG))
        assert httpx.get(f"{address}/healthz").json() == {"status": "ok"}
        assert httpx.post(f"{address}/webhook", content=b"x" * 10 * MAX_BODY).status_code == 401
    assert codes == [202, 202]
    assert len(bench.told) == 1


def _raise(error: Exception) -> Callable[..., None]:
    def raising(*_: object) -> None:
        raise error

    return raising
