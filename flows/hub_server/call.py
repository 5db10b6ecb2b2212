"""One request: who asks this Hub for what, with the body read as far as its route wants it."""

import hashlib
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import anyio.to_thread
from starlette.requests import Request

from flows.hub_server.errors import error_for, repo_not_found
from flows.hub_server.keys import Keys, Who
from flows.hub_server.payload import Payload, object_from
from flows.hub_server.repo import Repo
from flows.hub_server.store import Store

MOST_JSON = 2**25  # bytes of a body that is read into memory
_TRUE = {"1", "true", "True"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spooled:
    """A body that was written to disk while it came."""

    path: Path
    size: int
    sha256: str


@dataclass(slots=True, kw_only=True)
class Call:
    """A request that was understood: the parts of its address behind the repository are `rest`."""

    store: Store
    keys: Keys
    request: Request
    who: Who
    repo: Repo | None = None
    rest: tuple[str, ...] = ()
    body: bytes = b""
    spooled: Spooled | None = None

    @property
    def here(self) -> Repo:
        """Return the repository the request is about."""
        if self.repo is None:
            raise repo_not_found(signed_in=bool(self.who.name))
        return self.repo

    @property
    def base(self) -> str:
        """Return the address of this Hub, as the client wrote it."""
        return f"http://{self.request.headers['host']}"

    @property
    def payload(self) -> Payload:
        """Return the JSON object of the body."""
        return object_from(self.body)

    def flag(self, name: str) -> bool:
        """Tell whether a switch of the query is on."""
        return self.request.query_params.get(name) in _TRUE

    def page(self, name: str = "p") -> int:
        """Return a number of the query, 0 when there is none."""
        given = self.request.query_params.get(name, "0")
        return int(given) if given.isascii() and given.isdigit() and len(given) < 10 else 0  # noqa: PLR2004


async def read_body(request: Request) -> bytes:
    """Return the body of a request; 413 when it is larger than anything that is read at once."""
    return b"".join([chunk async for chunk in _at_most(request.stream(), MOST_JSON)])


async def spool(chunks: AsyncIterator[bytes], scratch: Path, most: int) -> Spooled:
    """Write a body to disk while it comes, hashing it; 413 when it is longer than `most` bytes."""
    handle, name = tempfile.mkstemp(dir=scratch)
    digest, size = hashlib.sha256(), 0
    try:
        with os.fdopen(handle, "wb") as file:
            async for chunk in _at_most(chunks, most):
                size += len(chunk)
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            await anyio.to_thread.run_sync(os.fsync, file.fileno())
    except BaseException:
        drop(Path(name))
        raise
    return Spooled(path=Path(name), size=size, sha256=digest.hexdigest())


def drop(path: Path) -> None:
    """Take a spooled body away, if it is still there."""
    with suppress(FileNotFoundError):
        path.unlink()


async def _at_most(chunks: AsyncIterator[bytes], most: int) -> AsyncIterator[bytes]:
    """Pass the parts of a body on, as long as they are not more than `most` bytes together."""
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > most:
            raise error_for(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        yield chunk
