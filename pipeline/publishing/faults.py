"""What goes wrong between us and the Hub: what may pass by itself is asked again, the rest is told with what to do.

Nothing here ever shows a token: of an answer only its status and the Hub's own sentence are told, of a connection only
how it broke.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import httpx2
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils._http import parse_ratelimit_headers

T = TypeVar("T")
UNKNOWN, FORBIDDEN, ABSENT, CONFLICT, STALE, TOO_LARGE, TOO_MANY = 401, 403, 404, 409, 412, 413, 429
SERVER = 500  # and above: the Hub's own fault
WAITS = (1.0, 2.0, 4.0)  # seconds before something is asked once more
LONGEST_WAIT = 300.0  # seconds; the Hub counts requests in windows of five minutes
#: What the client raises when an answer never came, came broken or said no, also in the threads that send files.
UNANSWERED = (httpx2.HTTPError, httpx2.InvalidURL, OSError, RuntimeError, ValueError, KeyError, TypeError)

_HINTS = {
    UNKNOWN: "the Hub does not know the token: run `hf auth login`, or set HF_TOKEN to one that may write here.",
    FORBIDDEN: "the token may not do this: use one with write access to {repo}, or ask its owner.",
    ABSENT: "{repo} is not there, or is private and the token may not see it: check its spelling and the login.",
    CONFLICT: "something else changes {repo} at this moment: run the same command again.",
    STALE: "somebody else published to {repo} in between: run the same command again.",
    TOO_LARGE: "the Hub takes no file or commit so large: build with smaller shards, or ask the Hub for more room.",
    TOO_MANY: "the Hub asks for fewer requests: wait some minutes, then run the same command again.",
}
_AGAIN = "run the same command again: it goes on from what stands, and sends nothing twice."
_SECRET = re.compile(r"hf_\w+|Bearer\s+\S+")
_LONGEST_SENTENCE = 200  # characters of what the Hub says itself


class HubError(RuntimeError):
    """The Hub could not do what was asked; the last release stands as it did, and the same command may be run again.

    `transient` says that the same may well be done some minutes later, with nothing changed by anybody.
    """

    def __init__(self, told: str, *, transient: bool = False) -> None:
        """Say what happened, and whether it may pass by itself."""
        super().__init__(told)
        self.transient = transient


class Moved(Exception):  # noqa: N818 - it says what happened, and is no error yet
    """Somebody else changed the repo since it was read: what was planned must be planned anew."""


def answer_of(error: BaseException) -> BaseException:
    """Return what the client met, which it wraps where it sends files in threads, or looks for them on the disk."""
    inner: BaseException | None = error
    while inner is not None and not isinstance(inner, httpx2.HTTPError):
        inner = inner.__cause__
    return inner or error


def status_of(error: BaseException) -> int:
    """Return the HTTP status of an answer that said no; 0 when there was no answer."""
    found = answer_of(error)
    return found.response.status_code if isinstance(found, HfHubHTTPError) else 0


def may_pass(error: BaseException) -> bool:
    """Tell whether the same may well be done a moment later: the Hub was busy, broken, or did not answer."""
    status = status_of(error)
    if status:
        return status in {CONFLICT, TOO_MANY} or status >= SERVER
    return isinstance(answer_of(error), httpx2.TransportError)


def broke(error: BaseException) -> bool:
    """Tell whether a connection broke in a way that the client's own download does not try again."""
    return isinstance(error, httpx2.NetworkError | httpx2.RemoteProtocolError)


def pause(error: BaseException, wait: float) -> None:
    """Wait before the same is asked again, as long as the Hub says if it does."""
    found = answer_of(error)
    if isinstance(found, HfHubHTTPError) and found.response.status_code == TOO_MANY:
        limit = parse_ratelimit_headers(found.response.headers)
        wait = max(wait, limit.reset_in_seconds + 1 if limit else 0)
    time.sleep(min(wait, LONGEST_WAIT))


@contextmanager
def told(doing: str, repo: str) -> Iterator[None]:
    """Turn what the client raises into a HubError that says what was being done, what happened, and what to do."""
    try:
        yield
    except HubError:
        raise
    except UNANSWERED as error:
        raise hub_error(error, doing, repo) from None  # the client's own text may quote the request


def asked(call: Callable[[], T], doing: str, repo: str, again: Callable[[Exception], bool] = may_pass) -> T:
    """Return what a call gives that may be made twice; HubError when it fails, and goes on to.

    `again` tells which failures are worth another try.
    """
    for wait in WAITS:
        try:
            return call()
        except HubError:
            raise
        except UNANSWERED as error:
            if not again(error):
                raise hub_error(error, doing, repo) from None
            pause(error, wait)
    with told(doing, repo):
        return call()


def hub_error(error: BaseException, doing: str, repo: str) -> HubError:
    """Return what to tell about a failed request."""
    return HubError(f"{doing} failed{_reason(error, repo)}", transient=may_pass(error) or status_of(error) == STALE)


def _reason(error: BaseException, repo: str) -> str:
    status, found = status_of(error), answer_of(error)
    if hint := _HINTS.get(status):
        return f" ({status}): {hint.format(repo=repo)}{_sentence(found)}"
    if status >= SERVER:
        return f": the Hub has a fault of its own ({status}). Wait, then {_AGAIN}"
    if status:
        return f": the Hub answered {status}.{_sentence(found)} If it stays so, tell us."
    if isinstance(found, httpx2.TimeoutException):
        return f": the Hub did not answer in time. Check the network, then {_AGAIN}"
    if isinstance(found, httpx2.HTTPError | httpx2.InvalidURL):
        return f": the connection broke ({type(found).__name__}). Check HF_ENDPOINT and the network, then {_AGAIN}"
    return f" ({type(error).__name__}: {_plain(str(error))}): {_AGAIN}"


def _sentence(error: BaseException) -> str:
    """Return what the Hub itself says of it, such as that there is no room left."""
    said = error.server_message if isinstance(error, HfHubHTTPError) else None
    return f" The Hub says: {_plain(said)}" if said and said.strip() else ""


def _plain(text: str) -> str:
    line = " ".join(_SECRET.sub("***", text).split())
    return "".join(char for char in line if char.isprintable())[:_LONGEST_SENTENCE]
