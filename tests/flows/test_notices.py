"""Who is told, of what, how often; and that neither a webhook nor a name from a site can do harm."""

import logging
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.settings import PREFECT_LOGGING_TO_API_ENABLED, temporary_settings

from flows import notices
from flows.notices import Notice, notice_of, notify, tell
from flows.webhook import post as webhook_post
from flows.webhook.post import post_json
from tests.receivers import OK, receiver

NOTICE = Notice(
    what="failed",
    ref="org/name",
    why="rebuild-dataset: GateError: too few.\nMore.",
    pages=("http://a/1", "http://a/2"),
    run="calm-owl",
)
REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/elsewhere\r\n\r\n"
BUSY = b"HTTP/1.1 503 Busy\r\n\r\n"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setattr(webhook_post, "WAITS", (0.0, 0.01, 0.02))
    monkeypatch.delenv(notices.URL_VARIABLE, raising=False)
    monkeypatch.setenv("PIXELBYTES_DATA", str(tmp_path))
    with temporary_settings({PREFECT_LOGGING_TO_API_ENABLED: False}):  # no server is started for a line
        yield


@pytest.fixture
def log() -> Iterator[list[str]]:
    """Give the lines that Prefect's loggers say; they do not reach those of pytest."""
    lines: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.levelname} {record.getMessage()}")

    handler, loggers = Kept(), [logging.getLogger(name) for name in ("prefect.pixelbytes", "prefect.flow_runs")]
    for one in loggers:
        one.addHandler(handler)
        one.setLevel(logging.DEBUG)
    yield lines
    for one in loggers:
        one.removeHandler(handler)


def test_a_notice_is_one_line_in_the_log_and_nothing_more_by_default(log: list[str]) -> None:
    tell(NOTICE)
    (line,) = log
    assert line.startswith("ERROR notice: org/name failed (run calm-owl): rebuild-dataset: GateError: too few. More.")
    assert "http://a/1 and 1 more" in line


def test_good_news_is_no_error(log: list[str]) -> None:
    tell(Notice(what="promoted", ref="org/model@v1.0.0", why="it pays less"))
    assert log == ["INFO notice: org/model@v1.0.0 promoted: it pays less"]


def test_the_webhook_gets_the_notice_as_json(monkeypatch: pytest.MonkeyPatch, log: list[str]) -> None:
    with receiver() as got:
        monkeypatch.setenv(notices.URL_VARIABLE, got.url)
        tell(NOTICE)
    (body,) = got.bodies
    assert set(body) == {"text", "what", "ref", "why", "pages", "run", "time"}
    assert (body["what"], body["ref"], body["run"]) == ("failed", "org/name", "calm-owl")
    assert body["why"] == "rebuild-dataset: GateError: too few.\nMore."
    assert body["pages"] == ["http://a/1", "http://a/2"]
    assert got.heads[0].startswith("POST /hooks/s3cr3t?room=1 HTTP/1.1")
    assert "content-type: application/json" in got.heads[0].lower()
    assert len(log) == 1


@pytest.mark.parametrize(
    ("answers", "asked", "arrived"),
    [
        ([OK], 1, True),
        ([b"HTTP/1.0 204 No Content\r\n\r\n"], 1, True),
        ([BUSY, BUSY, OK], 3, True),
        ([b"", b"HTTP/1.1 429 Later\r\n\r\n", OK], 3, True),
        ([BUSY], 3, False),
        ([b"hello\r\n"], 3, False),
        ([b"x" * 100_000], 3, False),
        ([REDIRECT], 1, False),
        ([b"HTTP/1.1 404 Not Found\r\n\r\n"], 1, False),
    ],
)
def test_what_may_pass_is_tried_thrice_and_no_redirect_is_followed(
    answers: list[bytes], asked: int, *, arrived: bool
) -> None:
    with receiver(answers) as got:
        why = post_json(got.url, {"a": 1})
    assert (len(got.heads), why == "") == (asked, arrived)


def test_a_receiver_that_says_nothing_is_left_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_post, "SECONDS", 0.05)
    with receiver([None]) as got:
        assert post_json(got.url, {}) == "it could not be sent (TimeoutError)"
    assert len(got.heads) == 3


@pytest.mark.parametrize("end", ["refused", "redirect", "odd"])
def test_a_failing_webhook_is_one_more_line_without_its_address(
    monkeypatch: pytest.MonkeyPatch, log: list[str], capfd: pytest.CaptureFixture[str], end: str
) -> None:
    with receiver([REDIRECT]) as got:
        at = {"refused": "http://127.0.0.1:1/s3cr3t", "redirect": got.url, "odd": "ftp://s3cr3t.example.org"}
        monkeypatch.setenv(notices.URL_VARIABLE, at[end])
        tell(NOTICE)
    assert len(log) == 2
    seen = "".join(capfd.readouterr()) + "".join(log)
    assert "s3cr3t" not in seen
    assert "127.0.0.1" not in seen


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost",
        "file:///etc/passwd",
        "http://",
        "http://[",
        "http://a:b@host/",
        "http://a b/",
        "http://a/\r\nX: 1",
        "http://host:99999999/",
        "http://" + "a" * 3_000,
        "https://é.example",
    ],
)
def test_what_is_no_address_is_refused_without_being_told(url: str) -> None:
    why = post_json(url, {})
    assert "no http:// or https:// one" in why
    assert "passwd" not in why


@given(st.text(max_size=3_000), st.lists(st.text(max_size=800), max_size=80), st.text(max_size=300))
def test_whatever_a_site_calls_its_pages_a_notice_is_bounded_and_one_line(why: str, pages: list[str], ref: str) -> None:
    notice = Notice(what="failed", ref=ref, why=why, pages=tuple(pages))
    line, body = notice.line(), notice.to_json()
    assert line.isprintable()
    assert not {"<", ">", "`"} & set(line)
    assert len(str(body)) < 60_000
    assert all(text.replace("\n", "").isprintable() for text in (*body["pages"], body["why"]))  # type: ignore[misc, attr-defined]


def test_a_notice_wakes_no_chat_room() -> None:
    line = Notice(what="failed", ref="a/b@v1.0.0", why="<!channel> @everyone @here [x](y)").line()
    assert "<!" not in line
    assert "@everyone" not in line
    assert "a/b@v1.0.0" in line


# the hook -------------------------------------------------------------------------------------------------------------


def run_of(parameters: dict[str, Any]) -> FlowRun:
    return FlowRun(id=uuid4(), name="calm-owl", flow_id=uuid4(), parameters=parameters)


def ended(kind: StateType, message: str) -> State[Any]:
    return State(type=kind, message=message)


FLOW: Any = SimpleNamespace(name="rebuild-dataset")
SHORT = (
    "Flow run encountered an exception: GateError: crawl 1 of s yielded less.\n"
    "  Beast <http://127.0.0.1:1/wiki/Beast>: no section\n  3 × nothing: A <http://h/A>, A <http://h/A>, B <http://h/B>"
)


def test_a_run_that_a_survey_stopped_is_told_with_its_pages() -> None:
    notice = notice_of("rebuild-dataset", "calm-owl", {"repo_id": "org/name"}, ended(StateType.FAILED, SHORT))
    assert (notice.what, notice.ref, notice.run) == ("failed", "org/name", "calm-owl")
    assert notice.why.startswith("rebuild-dataset: GateError: crawl 1 of s yielded less.")
    assert notice.pages == ("http://127.0.0.1:1/wiki/Beast", "http://h/A", "http://h/B")


@pytest.mark.parametrize(
    ("parameters", "ref"),
    [
        ({"repo_id": "org/name", "tag": "v1.0.0"}, "org/name@v1.0.0"),
        ({"name": "org/name", "version": "v1.0.0"}, "org/name@v1.0.0"),
        ({"release": "/data/builds/x"}, "/data/builds/x"),
        ({"repo_id": ["odd"]}, "rebuild-dataset"),
        ({}, "rebuild-dataset"),
    ],
)
def test_a_notice_names_what_the_run_was_about(parameters: dict[str, Any], ref: str) -> None:
    assert notice_of("rebuild-dataset", "r", parameters, ended(StateType.CRASHED, "died")).ref == ref


def test_a_run_is_told_once_for_each_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, log: list[str]) -> None:
    run = run_of({"repo_id": "org/name", "data": str(tmp_path / "own")})
    with receiver() as got:
        monkeypatch.setenv(notices.URL_VARIABLE, got.url)
        for told in ("Execution was cancelled by a signal", "Flow run process exited with -15"):
            notify(FLOW, run, ended(StateType.CRASHED, told))
        for _ in range(2):
            notify(FLOW, run, ended(StateType.FAILED, SHORT))
        notify(FLOW, run_of({"repo_id": "org/name", "data": str(tmp_path / "own")}), ended(StateType.FAILED, SHORT))
    assert [body["what"] for body in got.bodies] == ["crashed", "failed", "failed"]
    assert len(log) == 3
    assert len(list((tmp_path / "own" / "notices").iterdir())) == 3


def test_what_was_told_is_not_kept_for_ever(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / str(number)).touch()
    notices._forget_old(tmp_path, most=2)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_data_root_that_cannot_be_written_still_lets_a_notice_out(tmp_path: Path, log: list[str]) -> None:
    (tmp_path / "file").touch()
    notify(FLOW, run_of({"data": str(tmp_path / "file")}), ended(StateType.FAILED, "x"))
    assert any("notice: rebuild-dataset failed" in line for line in log)


def test_what_did_not_reach_the_webhook_is_told_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run = run_of({"data": str(tmp_path)})
    monkeypatch.setenv(notices.URL_VARIABLE, "http://127.0.0.1:1/x")
    notify(FLOW, run, ended(StateType.FAILED, SHORT))
    with receiver() as got:
        monkeypatch.setenv(notices.URL_VARIABLE, got.url)
        for _ in range(2):
            notify(FLOW, run, ended(StateType.FAILED, SHORT))
    assert len(got.bodies) == 1
