"""The Hub's webhook: which of its deliveries say that a release was tagged, and the small app that takes them."""

import asyncio
import hashlib
import hmac
import json
import logging
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipeline.release import NAME, VERSION

if TYPE_CHECKING:
    from flows.webhook.deliveries import Deliveries

SECRET_VARIABLE = "PIXELBYTES_WEBHOOK_SECRET"  # noqa: S105 - the name of a variable
HEADER = "X-Webhook-Secret"
SHORTEST_SECRET = 16  # characters
MAX_BODY = 64 * 1024  # bytes of a delivery
SLOWEST_BODY = 10.0  # seconds that a delivery may take to arrive
PAYLOAD_VERSION = 3
TAGS = "refs/tags/"
log = logging.getLogger("pixelbytes.webhook")
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NOTHING = re.compile(r"0{40}|0{64}")  # how git itself writes that there was, or is, no such ref


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTag:
    """A version tag that a dataset's repo has just got. ValueError when a name cannot be one of ours."""

    repo_id: str  # org/name
    tag: str  # v1.0.0
    revision: str  # what the tag names: a commit's sha

    def __post_init__(self) -> None:
        """Check what the types cannot say."""
        if not (NAME.fullmatch(self.repo_id) and VERSION.fullmatch(self.tag) and _SHA.fullmatch(self.revision)):
            raise ValueError("a new tag is a dataset org/name, a version such as v1.0.0 and the sha of a commit.")

    @property
    def ref(self) -> str:
        """Return `org/name@v1.0.0`."""
        return f"{self.repo_id}@{self.tag}"

    @property
    def key(self) -> str:
        """Return what this tag is known by: a digest of its repo, ref and sha, safe as the name of a file."""
        return hashlib.sha256(f"{self.repo_id}\n{TAGS}{self.tag}\n{self.revision}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Ignored:
    """A delivery that is none of our business, and why; the reason quotes nothing of it."""

    reason: str


def require_secret(environment: Mapping[str, str]) -> bytes:
    """Return the secret that deliveries must carry; ValueError when there is none, or none that is one."""
    secret = environment.get(SECRET_VARIABLE, "")
    if len(secret) < SHORTEST_SECRET:
        have = f"has {len(secret)} characters" if secret else "is not set"
        raise ValueError(
            f"{SECRET_VARIABLE} {have}, and a webhook without a secret obeys anybody: set it to the one given to the "
            f"Hub, at least {SHORTEST_SECRET} characters, such as `openssl rand -hex 32` writes."
        )
    if not (secret.isascii() and secret.isprintable()) or secret != secret.strip():
        raise ValueError(
            f"{SECRET_VARIABLE} holds what a header cannot carry: use ASCII characters, no space around them."
        )
    return secret.encode()


def decide(body: bytes) -> tuple[NewTag, ...] | Ignored:
    """Return the version tags that a delivery says are new in a dataset, or why there is nothing to do.

    ValueError when the body is no payload of version 3.

    >>> decide(b'{"event": {"scope": "discussion"}, "repo": {"type": "dataset"}, "webhook": {"version": 3}}')
    Ignored(reason='nothing in a repo was changed')
    """
    payload = _table(_parsed(body), "the payload")
    if (version := _table(payload.get("webhook"), "webhook").get("version")) != PAYLOAD_VERSION:
        told = version if type(version) is int and abs(version) < MAX_BODY else "another"
        raise ValueError(f"the payload has version {told}, but only {PAYLOAD_VERSION} is understood")
    scope = _text(_table(payload.get("event"), "event").get("scope"), "event.scope")
    repo = _table(payload.get("repo"), "repo")
    if scope != "repo.content" and not scope.startswith("repo.content."):  # the Hub may narrow its scopes some day
        return Ignored("nothing in a repo was changed")
    if _text(repo.get("type"), "repo.type") != "dataset":
        return Ignored("the repo is no dataset")
    name = _text(repo.get("name"), "repo.name")
    if not NAME.fullmatch(name):
        return Ignored("the repo's name is not of the form org/name")
    return _new_tags(name, payload.get("updatedRefs"))


def _new_tags(name: str, refs: object) -> tuple[NewTag, ...] | Ignored:
    if not isinstance(refs, list | None):
        raise ValueError("updatedRefs is no list")  # noqa: TRY004 - one error for all of a payload
    found = [_new_tag(name, _table(ref, "updatedRefs")) for ref in refs or []]
    tags = tuple(dict.fromkeys(item for item in found if isinstance(item, NewTag)))
    reasons = dict.fromkeys(item.reason for item in found if isinstance(item, Ignored))
    return tags or Ignored("; ".join(reasons) or "no ref was changed")


def _new_tag(name: str, update: dict[str, object]) -> NewTag | Ignored:
    """Return the version tag that one updated ref is, or why it is none."""
    ref, old, new = (update.get(key) for key in ("ref", "oldSha", "newSha"))
    tag = _text(ref, "ref").removeprefix(TAGS)
    if tag == ref or not VERSION.fullmatch(tag):
        return Ignored("a ref is no version tag")
    if new is None or _is_nothing(new):
        return Ignored("a version tag was deleted")
    if old is not None and not _is_nothing(old):
        return Ignored("a version tag was moved")
    if not isinstance(new, str) or not _SHA.fullmatch(new):
        raise ValueError("newSha is no sha of a commit")
    return NewTag(repo_id=name, tag=tag, revision=new)


def _is_nothing(sha: object) -> bool:
    return isinstance(sha, str) and bool(_NOTHING.fullmatch(sha))


def _parsed(body: bytes) -> object:
    try:
        parsed: object = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("the body is no JSON") from None  # its own words would quote the body
    return parsed


def _table(value: object, where: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ValueError(f"{where} is no table of keys")  # noqa: TRY004 - one error for all of a payload
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{where} is no text")  # noqa: TRY004 - as above
    return value


def webhook_app(secret: bytes, deliveries: "Deliveries") -> Starlette:
    """Return the app: POST /webhook for the Hub, GET /healthz for whoever watches it.

    It answers at once, and works afterwards: 202 accepted, 200 ignored (with the reason), 400 no payload, 401 without
    the secret, 405, 408 and 413 when it is too slow or too large, 503 when too many wait. Nothing of a delivery that
    was not understood, and nothing of any secret, stands in an answer or in the log.
    """

    async def receive(request: Request) -> Response:
        given = request.headers.getlist(HEADER)
        if len(given) != 1 or not hmac.compare_digest(given[0].encode("latin-1"), secret):
            log.warning("refused a delivery %s secret", "with a wrong" if given else "without a")
            return _answer(401, "refused", f"the header {HEADER} is missing or wrong")
        try:
            async with asyncio.timeout(SLOWEST_BODY):
                body = await _body(request)
        except TimeoutError:
            return _answer(408, "refused", f"the body took longer than {SLOWEST_BODY:.0f} s")
        except ClientDisconnect:
            return _answer(400, "refused", "the body ended early")
        if body is None:
            return _answer(413, "refused", f"the body has more than {MAX_BODY:,} bytes")
        return _handled(body, deliveries)

    async def healthz(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        deliveries.resume()
        yield
        await deliveries.stop()

    routes = [Route("/webhook", receive, methods=["POST"]), Route("/healthz", healthz, methods=["GET"])]
    return Starlette(routes=routes, lifespan=lifespan)


async def _body(request: Request) -> bytes | None:
    """Return the body, or None as soon as it is too large, whatever its Content-Length says."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            return None
    return bytes(body)


def _handled(body: bytes, deliveries: "Deliveries") -> Response:
    try:
        decided = decide(body)
    except ValueError as error:
        log.warning("refused a delivery: %s", error)
        return _answer(400, "refused", str(error))
    if isinstance(decided, Ignored):
        return _answer(200, "ignored", decided.reason)
    taken = {tag.ref: deliveries.accept(tag) for tag in decided}
    if "full" in taken.values():
        return _answer(503, "refused", "too many tags wait, or they cannot be noted: deliver this again later")
    if set(taken.values()) == {"known"}:
        return _answer(200, "ignored", "this was announced before")
    releases = [ref for ref, how in taken.items() if how == "taken"]
    return JSONResponse({"status": "accepted", "releases": releases}, status_code=202)


def _answer(code: int, status: str, reason: str) -> Response:
    return JSONResponse({"status": status, "reason": reason}, status_code=code)
