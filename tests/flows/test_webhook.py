"""What the webhook takes, refuses and ignores, and what it never says."""

import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from flows.webhook.service import MAX_BODY, SECRET_VARIABLE, Ignored, decide, require_secret
from pipeline.records import DatasetVersion
from pipeline.release import DamagedRelease
from tests.webhooks import NEW_TAG, OLD, SECRET, SHA, Bench, body_of, payload, updated


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "webhooks")


# ---- which deliveries matter


def test_a_new_version_tag_of_a_dataset_is_found_among_other_refs_once() -> None:
    said = payload(updated("refs/heads/main", OLD), updated(), updated(old="0" * 40), updated("refs/tags/v2.0.0"))
    assert decide(body_of(said)) == (NEW_TAG, replace(NEW_TAG, tag="v2.0.0"))
    assert decide(body_of(payload(scope="repo.content.tags"))) == (NEW_TAG,)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (payload(updated(new=None, old=OLD)), "deleted"),
        (payload(updated(new="0" * 40, old=OLD)), "deleted"),
        (payload(updated(old=OLD)), "moved"),
        (payload(updated("refs/heads/v1.2.0")), "no version tag"),
        (payload(updated("refs/pr/1")), "no version tag"),
        (payload(updated("refs/tags/v1.2")), "no version tag"),
        (payload(updated("refs/tags/v1.2.0\n")), "no version tag"),
        (payload(updated("v1.2.0")), "no version tag"),
        (payload(updated("refs/tags/refs/tags/v1.2.0")), "no version tag"),
        (payload(type="model"), "no dataset"),
        (payload(type="space"), "no dataset"),
        (payload(name="sample"), "org/name"),
        (payload(name="../sample"), "org/name"),
        (payload(name="a/b/../c"), "org/name"),
        (payload(scope="repo"), "nothing in a repo"),
        (payload(scope="repo.contents"), "nothing in a repo"),
        (payload(scope="discussion.comment"), "nothing in a repo"),
        ({**payload(), "updatedRefs": None}, "no ref"),
        ({**payload(), "updatedRefs": []}, "no ref"),
    ],
)
def test_everything_else_is_ignored_with_its_reason(said: dict[str, Any], reason: str) -> None:
    decided = decide(body_of(said))
    assert isinstance(decided, Ignored)
    assert reason in decided.reason


@pytest.mark.parametrize(
    "said",
    [
        [],
        {},
        {**payload(), "webhook": {"version": 2}},
        {**payload(), "webhook": {"version": True}},
        {**payload(), "event": "update"},
        {**payload(), "updatedRefs": {}},
        {**payload(), "updatedRefs": ["refs/tags/v1.0.0"]},
        payload(updated(new="not a sha")),
        payload(updated(new=7)),
        payload(updated(ref=None)),
    ],
)
def test_what_is_no_payload_of_version_3_is_refused(said: object, bench: Bench) -> None:
    with bench.client() as told:
        answer = told.post(said)
    assert (answer.status_code, answer.json()["status"]) == (400, "refused")
    assert not bench.told


# ---- who may tell us, and how


def test_the_secret_must_be_given_long_enough_and_one_that_a_header_carries() -> None:
    assert require_secret({SECRET_VARIABLE: SECRET}) == SECRET.encode()
    for wrong in ({}, {SECRET_VARIABLE: ""}, {SECRET_VARIABLE: "x" * 15}, {SECRET_VARIABLE: SECRET + "é"}):
        with pytest.raises(ValueError, match=SECRET_VARIABLE) as error:
            require_secret(wrong)
        assert "x" * 15 not in str(error.value)
    for odd in (f" {SECRET}", f"{SECRET}\n", f"{SECRET}\0{SECRET}"):
        with pytest.raises(ValueError, match="header cannot carry") as error:
            require_secret({SECRET_VARIABLE: odd})
        assert SECRET not in str(error.value)


@pytest.mark.parametrize("headers", [{}, {"X-Webhook-Secret": "wrong"}, {"X-Webhook-Secret": SECRET[:-1]}])
def test_without_the_secret_nothing_is_read_and_nothing_happens(headers: dict[str, str], bench: Bench) -> None:
    with bench.client() as told:
        answer = told.client.post("/webhook", content=body_of(payload()), headers=headers)
        told.settle()
    assert answer.status_code == 401
    assert not bench.told


def test_two_secrets_a_strange_one_or_one_in_the_address_do_not_open(bench: Bench) -> None:
    with bench.client() as told:
        for headers in (
            [("X-Webhook-Secret", SECRET), ("X-Webhook-Secret", "x")],
            [(b"X-Webhook-Secret", b"\xff\xfe")],
        ):
            assert told.client.post("/webhook", content=b"{}", headers=headers).status_code == 401
        assert told.client.post(f"/webhook?secret={SECRET}", content=b"{}").status_code == 401


def test_other_methods_large_bodies_and_bad_json_have_their_answers(bench: Bench) -> None:
    right = {"X-Webhook-Secret": SECRET}
    with bench.client() as told:
        assert told.client.get("/webhook", headers=right).status_code == 405
        assert told.client.put("/webhook", headers=right).status_code == 405
        assert told.client.get("/healthz").json() == {"status": "ok"}
        assert told.client.post("/elsewhere", headers=right).status_code == 404
        padded = body_of(payload()).ljust(MAX_BODY)
        assert told.client.post("/webhook", content=padded + b" ", headers=right).status_code == 413
        lying = iter([padded, b" "])  # in parts, without a length
        assert told.client.post("/webhook", content=lying, headers=right).status_code == 413
        for bad in (b"", b"{", b"\xff", b"[" * 60_000, b"1" * 60_000, b"NaN"):
            assert told.client.post("/webhook", content=bad, headers=right).status_code == 400
        assert not bench.told
        assert told.client.post("/webhook", content=padded, headers=right).status_code == 202


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters()), inner, max_size=3),
    max_leaves=8,
)
PLACES = [("event",), ("event", "scope"), ("repo",), ("repo", "name"), ("repo", "type"), ("webhook",)]
PLACES += [("webhook", "version"), ("updatedRefs",)]
refs = st.fixed_dictionaries(
    {},
    optional={
        "ref": st.from_regex(r"refs/tags/v[0-9.]+") | anything,
        "oldSha": st.sampled_from([None, SHA, "0" * 40]) | anything,
        "newSha": st.from_regex(r"[0-9a-f]{40}", fullmatch=True) | anything,
    },
)


@st.composite
def altered_payloads(draw: st.DrawFn) -> dict[str, Any]:
    said = payload(*draw(st.lists(refs | anything, min_size=1, max_size=3)))
    for place in draw(st.lists(st.sampled_from(PLACES), max_size=2)):
        *way, last = place
        table = said[way[0]] if way else said
        if isinstance(table, dict):
            table[last] = draw(anything)
    return said


@pytest.fixture(scope="module")
def any_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    def no_release(_repo: str, _revision: str) -> DatasetVersion:
        raise DamagedRelease("there is none.")

    with Bench(tmp_path_factory.mktemp("any"), read=no_release).client() as told:
        yield told.client


@given(said=altered_payloads() | anything)
def test_no_payload_makes_the_app_fail_and_what_it_takes_is_safe_as_a_path(
    any_client: TestClient, said: object
) -> None:
    answer = any_client.post("/webhook", content=body_of(said), headers={"X-Webhook-Secret": SECRET})
    assert answer.status_code in {200, 202, 400}
    for ref in answer.json().get("releases", []):
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@v\d+\.\d+\.\d+", ref, re.ASCII)


@given(body=st.binary(max_size=300))
def test_no_bytes_make_the_app_fail(any_client: TestClient, body: bytes) -> None:
    answer = any_client.post("/webhook", content=body, headers={"X-Webhook-Secret": SECRET})
    assert answer.status_code in {200, 400}


# ---- secrets


def test_no_log_line_and_no_answer_holds_a_secret_or_the_body(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    canaries = [SECRET, "hf_canarytoken", "wrong-canary-secret", "body-canary"]
    answers = []
    bench.failing = [httpx.ConnectError("Bearer hf_canarytoken"), OSError("https://user:hf_canarytoken@host/")] * 2
    with bench.client() as told:
        answers.append(told.post(payload()))
        answers.append(told.post({**payload(), "note": "body-canary"}, "wrong-canary-secret"))
        answers.append(told.post({**payload(type="body-canary"), "note": "body-canary"}))
        answers.append(told.post({**payload(), "webhook": {"version": "body-canary"}}))
        answers.append(told.post(payload(updated("refs/tags/body-canary"))))
        answers.append(told.post(payload(updated(new="body-canary"))))
        told.settle()
    assert "is not announced" in caplog.text
    assert "wrong secret" in caplog.text
    for canary in canaries:
        assert canary not in caplog.text
        assert not [answer for answer in answers if canary in answer.text]
    kept = b"".join(path.read_bytes() for path in bench.folder.rglob("*") if path.is_file())
    assert not [canary for canary in canaries if canary.encode() in kept]
