"""The ASGI application: understands an address, asks who may, reads the body, and lets a handler answer."""

import logging
from dataclasses import dataclass
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from flows.hub_server import lfs
from flows.hub_server.call import Call, drop, read_body, spool
from flows.hub_server.commits import MOST_BYTES
from flows.hub_server.errors import HubError, error_for
from flows.hub_server.keys import Keys, Who, may_read, may_write
from flows.hub_server.routes import Route, Target, route_of, target_of
from flows.hub_server.store import Store

LOG = logging.getLogger(__name__)
_COMMIT_BYTES = MOST_BYTES * 3 // 2  # of a commit's body: base64 takes a third more


@dataclass(frozen=True, slots=True)
class HubApp:
    """The Hub's API over a store."""

    store: Store
    keys: Keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except HubError as error:
            response = error.response()
        except ClientDisconnect:
            return  # nobody is left to answer
        except Exception:
            LOG.exception("%s %s failed", request.method, request.url.path)
            response = error_for(HTTPStatus.INTERNAL_SERVER_ERROR).response()
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        raw = bytes(request.scope.get("raw_path") or b"").decode("latin-1")
        target = target_of(raw)
        route = route_of(request.method, target)
        if target is None or route is None:
            raise HubError(status=HTTPStatus.NOT_FOUND, message="Sorry, we can't find the page you are looking for.")
        who = self.keys.who(request.headers.get("authorization"))
        call = await run_in_threadpool(self._admitted, request, who, route, target)
        try:
            await self._read(call, route)
            return await run_in_threadpool(route.handle, call)
        finally:
            if call.spooled is not None:
                drop(call.spooled.path)

    def _admitted(self, request: Request, who: Who, route: Route, target: Target) -> Call:
        """Return the call of somebody who may make it; else 401, 403 or 404, before any of the body is read."""
        call = Call(store=self.store, keys=self.keys, request=request, who=who, rest=target.rest)
        if target.kind is not None:
            call.repo = self.store.find(target.kind, target.owner, target.name)
        if route.rights == "signed":
            lfs.may_put(call)
        elif target.kind is not None:
            may_read(who, call.repo)
        if route.rights == "write":
            may_write(who)
        return call

    async def _read(self, call: Call, route: Route) -> None:
        """Read the body as the route wants it."""
        if route.body == "memory":
            call.body = await read_body(call.request)
        elif route.body == "disk":
            most = lfs.may_put(call) if route.rights == "signed" else _COMMIT_BYTES
            call.spooled = await spool(call.request.stream(), self.store.scratch, most)
