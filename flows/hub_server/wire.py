"""The outermost layer: only names of this machine, a record of every request, and the faults that were asked for."""

import asyncio
import threading
from dataclasses import dataclass, field
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flows.hub_server.errors import HubError, error_for
from flows.hub_server.faults import Fault, Faults
from flows.hub_server.routes import OTHER, route_of, target_of

_OURS = frozenset({"127.0.0.1", "localhost", "[::1]"})
_DRIPS, _PAUSE = 20, 0.05  # parts of a slow body, and seconds between two of them
_REMEMBERED = 10_000  # requests: a Hub may run for weeks
_GONE = 2.0  # seconds a closed connection may take to go


@dataclass(slots=True, kw_only=True)
class Seen:
    """A request that came, and what it got; status 0 while there is no answer, or when there never was one."""

    method: str
    path: str
    step: str
    status: int = 0
    bytes_in: int = 0
    bytes_out: int = 0


@dataclass(slots=True, kw_only=True)
class Wire:
    """The connection to clients; `closing` is set when the Hub ends, so that nothing hangs on."""

    inner: ASGIApp
    faults: Faults
    seen: list[Seen] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or spoil it."""
        if scope["type"] != "http":
            return
        raw = bytes(scope.get("raw_path") or b"").decode("latin-1")
        route = route_of(scope["method"], target_of(raw))
        seen = Seen(method=scope["method"], path=raw, step=route.step if route else OTHER)
        self.seen.append(seen)
        del self.seen[:-_REMEMBERED]
        receive, send = _counted(seen, receive, send)
        if not _is_ours(scope):
            message = "This Hub answers to names of this machine only."
            error = HubError(status=HTTPStatus.MISDIRECTED_REQUEST, message=message)
            await error.response()(scope, receive, send)
            return
        fault = self.faults.take(seen.step)
        if fault is None:
            await self.inner(scope, receive, send)
        else:
            await self._spoil(fault, scope, receive, send)

    async def _spoil(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        match fault.kind:
            case "answer":
                await _drain(receive)
                await error_for(fault.status, _code(fault)).response()(scope, receive, send)
            case "after":
                await self.inner(scope, receive, _nowhere)
                await error_for(fault.status, _code(fault)).response()(scope, receive, send)
            case "cut" if scope["method"] == "PUT":
                await _half(scope, receive)
                await _hang_up(scope, receive)
            case "cut":
                await self.inner(scope, receive, _cut(scope, send))
                await _hang_up(scope, receive)
            case "cut after":
                await self.inner(scope, receive, _nowhere)
                await _hang_up(scope, receive)
            case "hang":
                await self._hang(scope, receive)
            case "hang after":
                await self.inner(scope, receive, _nowhere)
                await self._hang(scope, receive)
            case "slow":
                await self.inner(scope, receive, _drip(send))

    async def _hang(self, scope: Scope, receive: Receive) -> None:
        """Answer nothing until the client goes, or the Hub ends."""
        while not self.closing.is_set():
            try:
                message = await asyncio.wait_for(receive(), 2 * _PAUSE)
            except TimeoutError:
                continue
            if message["type"] == "http.disconnect":
                return
        await _hang_up(scope, receive)


def _is_ours(scope: Scope) -> bool:
    """Tell whether the client believes to talk to this machine; a page of the web that got here by its DNS does not."""
    host = Headers(scope=scope).get("host", "")
    name = host if host.endswith("]") else host.rsplit(":", 1)[0] if ":" in host else host
    return name.lower() in _OURS


def _counted(seen: Seen, receive: Receive, send: Send) -> tuple[Receive, Send]:
    """Return receive and send that count what passes, before it passes."""

    async def received() -> Message:
        message = await receive()
        seen.bytes_in += len(message.get("body", b""))
        return message

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            seen.status = int(message["status"])
        seen.bytes_out += len(message.get("body", b""))
        await send(message)

    return received, sent


async def _nowhere(message: Message) -> None:
    """Let an answer fall."""
    del message


async def _drain(receive: Receive) -> None:
    """Read a body to its end, so that the client is there for the answer."""
    while (message := await receive())["type"] == "http.request" and message.get("more_body"):
        pass


async def _half(scope: Scope, receive: Receive) -> None:
    """Read half of a body."""
    left = int(Headers(scope=scope).get("content-length", "0")) // 2
    while left > 0 and (message := await receive())["type"] == "http.request" and message.get("more_body"):
        left -= len(message.get("body", b""))


async def _hang_up(scope: Scope, receive: Receive) -> None:
    """Close the connection, once what was written has gone, and wait until it is closed."""
    transport: asyncio.Transport = scope["state"]["transport"]
    if scope["method"] == "PUT":
        transport.abort()
    else:
        transport.close()
    try:
        async with asyncio.timeout(_GONE):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        transport.abort()


def _cut(scope: Scope, send: Send) -> Send:
    """Return a send that lets out the head and half of the body; nothing at all when there is no body."""
    waiting: list[Message] = []
    left = 0

    async def cut(message: Message) -> None:
        nonlocal left
        if message["type"] == "http.response.start":
            length = int(Headers(raw=message["headers"]).get("content-length", "0"))
            left = 0 if scope["method"] == "HEAD" else length // 2
            waiting.append(message)
            return
        body = message.get("body", b"")[:left]
        if not body:
            return
        while waiting:
            await send(waiting.pop())
        left -= len(body)
        await send({"type": "http.response.body", "body": body, "more_body": True})

    return cut


def _drip(send: Send) -> Send:
    """Return a send that lets a body out in about twenty parts, with pauses."""
    part = 1

    async def dripped(message: Message) -> None:
        nonlocal part
        if message["type"] == "http.response.start":
            length = int(Headers(raw=message["headers"]).get("content-length", "0"))
            part = max(1, -(-length // _DRIPS))
            await send(message)
            return
        body = message.get("body", b"")
        for start in range(0, len(body), part):
            await asyncio.sleep(_PAUSE)
            await send({"type": "http.response.body", "body": body[start : start + part], "more_body": True})
        if not message.get("more_body"):
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    return dripped


def _code(fault: Fault) -> str:
    """Return the code that the Hub sends with a status where it stands for a repository that cannot be had."""
    return "RepoNotFound" if fault.status in {HTTPStatus.NOT_FOUND, HTTPStatus.UNAUTHORIZED} else ""
