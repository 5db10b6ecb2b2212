"""Which failures are worth another try: those of a network, a site or a Hub, and none of ours."""

import socket
import ssl

import pytest

from flows import dataset_tasks as tasks
from flows.retrying import Limits, limits, may_pass, worth_another_try
from pipeline.crawl.run import CrawlError
from pipeline.publishing.audience import GateError
from pipeline.publishing.faults import HubError, hub_error


def caused(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError("reset"),
        ConnectionRefusedError("refused"),
        socket.gaierror(-3, "Temporary failure in name resolution"),
        ssl.SSLEOFError("the connection ended"),
        OSError(113, "No route to host"),
        HubError("the Hub has a fault of its own (502).", transient=True),
        CrawlError("the list could not be read: answered 503.", transient=True),
        caused(RuntimeError("a library's own words"), BrokenPipeError("broken")),
    ],
)
def test_what_the_network_or_a_site_did_may_pass(error: Exception) -> None:
    assert may_pass(error)


@pytest.mark.parametrize(
    "error",
    [
        GateError("a gate said no"),
        ValueError("k is 2"),
        OSError(28, "No space left on device"),
        FileNotFoundError("no such file"),
        PermissionError("not yours"),
        RuntimeError("another process is rebuilding org/name"),
        KeyboardInterrupt(),
        TimeoutError("Scope timed out after 10 second(s)."),  # Prefect's own, of a stage that took too long
        HubError("the token may not do this"),
        CrawlError("the budget of 5 requests is spent."),
        ssl.SSLCertVerificationError("self-signed certificate"),
        caused(ValueError("a page that cannot be read"), ConnectionResetError("reset")),
    ],
)
def test_what_would_only_fail_again_is_not_tried_again(error: BaseException) -> None:
    assert not may_pass(error)


def test_a_hub_error_knows_by_its_cause_whether_it_may_pass() -> None:
    import httpx2

    assert hub_error(httpx2.ConnectError("refused"), "publishing", "org/name").transient
    assert not hub_error(ValueError("odd"), "publishing", "org/name").transient


def test_only_what_asks_somebody_else_is_ever_tried_again() -> None:
    retried = {
        name: task.retries
        for name in dir(tasks)
        if (task := getattr(tasks, name)).__class__.__name__ == "Task" and task.retries
    }
    assert set(retried) == {"crawl_source", "last_release", "publish_release", "rollback_release"}
    assert {getattr(tasks, name).retry_condition_fn for name in retried} == {worth_another_try}
    for stage in ("survey_crawl", "build_release", "check_release", *retried):
        assert getattr(tasks, stage).timeout_seconds >= 3600


def test_limits_are_seconds_by_stage() -> None:
    assert limits({"crawl": 60}).crawl == 60
    assert limits(None) == Limits()
    with pytest.raises(ValueError, match="know no stage 'dance'"):
        limits({"dance": 1.0})
    for odd in (0, -1, float("nan"), float("inf"), True, "60"):
        with pytest.raises(ValueError, match="the limit of build is"):
            limits({"build": odd})  # type: ignore[dict-item]
