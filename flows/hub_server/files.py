"""A file of a commit over HTTP: digests, conditional requests and ranges."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

import anyio
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from flows.hub_server.errors import HubError
from flows.hub_server.objects import FileEntry

_CHUNK = 2**18  # bytes
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


class BlobResponse(Response):
    """A part of a file on disk, read while it is sent."""

    def __init__(self, path: Path, span: range, status: int, headers: Mapping[str, str]) -> None:
        """Answer the bytes `span` of the file at `path`."""
        super().__init__(b"", status, {**headers, "Content-Length": str(len(span))})
        self._path, self._span = path, span

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head, and the bytes unless only the head was asked for."""
        del receive
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if scope["method"] != "HEAD":
            async with await anyio.open_file(self._path, "rb") as file:
                await file.seek(self._span.start)
                left = len(self._span)
                while left > 0 and (chunk := await file.read(min(_CHUNK, left))):
                    left -= len(chunk)
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def file_response(path: Path, entry: FileEntry, commit: str, asked: Headers) -> Response:
    """Return the answer for a file: whole, a part, 304 when the client has it, 416 for a part that is not there."""
    headers = _head(entry, commit)
    if _has_it(asked.get("if-none-match"), entry.etag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    fresh = asked.get("if-range") in {None, f'"{entry.etag}"'}
    span = _span(asked.get("range") if fresh else None, entry)
    if span is None:
        return BlobResponse(path, range(entry.size), HTTPStatus.OK, headers)
    headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{entry.size}"
    return BlobResponse(path, span, HTTPStatus.PARTIAL_CONTENT, headers)


def _head(entry: FileEntry, commit: str) -> dict[str, str]:
    """Return the headers of every answer about a file; a browser is told to run nothing of it."""
    headers = {
        "X-Repo-Commit": commit,
        "ETag": f'"{entry.etag}"',
        "Accept-Ranges": "bytes",
        "Content-Type": "application/octet-stream" if entry.lfs else "text/plain; charset=utf-8",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    if entry.lfs:
        headers |= {"X-Linked-Etag": f'"{entry.sha256}"', "X-Linked-Size": str(entry.size)}
    return headers


def _has_it(condition: str | None, etag: str) -> bool:
    known = {part.strip().removeprefix("W/").strip('"') for part in (condition or "").split(",")}
    return condition is not None and (condition.strip() == "*" or etag in known)


def _span(asked: str | None, entry: FileEntry) -> range | None:
    """Return the bytes asked for; None for all of them, which is also the answer to what is not understood."""
    match = _RANGE.fullmatch(asked.strip()) if asked else None
    if match is None or match.group(0) == "bytes=-":
        return None
    first, last = match.groups()
    if first and last and int(first) > int(last):
        return None
    start = int(first) if first else max(entry.size - int(last), 0)
    stop = min(int(last) + 1, entry.size) if first and last else entry.size
    if start >= stop:
        headers = (("Content-Range", f"bytes */{entry.size}"),)
        status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
        raise HubError(status=status, message="The range is not satisfiable.", headers=headers)
    return range(start, stop)
