"""Serves the bestiary on loopback, to browsers directly and to the crawler as a proxy for its one address."""

import hashlib
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from pipeline.sample.api import answer
from pipeline.sample.load import load_wiki, sample_folder
from pipeline.sample.skin import STYLE, article, category_page, frame, front_page, list_page
from pipeline.sample.state import (
    CATEGORY_TITLE,
    EPOCH,
    HOST,
    LIST_TITLE,
    Creature,
    Fault,
    SampleWiki,
    http_date,
    page_path,
)

__all__ = [
    "HOST",
    "Creature",
    "Fault",
    "SampleWiki",
    "Served",
    "load_wiki",
    "run_forever",
    "sample_folder",
    "serve_sample",
    "serve_wiki",
]

_HTML = "text/html; charset=UTF-8"
_JSON = "application/json; charset=utf-8"
_OWN_HOSTS = frozenset({"", urlsplit(HOST).netloc})


class Reply(NamedTuple):
    """What a path answers."""

    status: int
    body: bytes
    content_type: str = _HTML
    modified: datetime | None = None  # None: neither Last-Modified nor ETag
    headers: tuple[tuple[str, str], ...] = ()


class Served(NamedTuple):
    """A wiki that is being served."""

    wiki: SampleWiki
    port: int
    url: str  # where a browser finds it, and what a crawler takes for its proxy


def reply(wiki: SampleWiki, target: str) -> Reply:
    """Return the answer for a request target: a path, or an absolute address as proxies receive it."""
    parts = urlsplit(target)
    if parts.netloc.lower() not in _OWN_HOSTS and not parts.netloc.startswith(("127.0.0.1:", "localhost:")):
        return Reply(HTTPStatus.BAD_GATEWAY, f"this proxy leads to {HOST} only, not to {parts.netloc}".encode())
    path = parts.path or "/"
    fault = wiki.take_fault(path)
    if fault is not None:
        return Reply(fault.status, fault.body, fault.content_type, None, fault.headers)
    if path == "/robots.txt":
        rules = "".join(f"Disallow: {prefix}\n" for prefix in wiki.disallow)
        body = f"User-agent: *\nCrawl-delay: {wiki.crawl_delay:g}\n{rules}"
        return Reply(HTTPStatus.OK, body.encode(), "text/plain", EPOCH)
    if path in ("/api.php", "/w/api.php"):
        return _api(wiki, parts.query)
    return _static(wiki, path)


def _api(wiki: SampleWiki, query: str) -> Reply:
    """Return the API's answer; as on a real wiki, even its mistakes are 200, and a header names them."""
    given = answer(wiki, {name: values[-1] for name, values in parse_qs(query, max_num_fields=50).items()})
    error = given.get("error")
    headers: tuple[tuple[str, str], ...] = ()
    if isinstance(error, dict):
        headers = (("MediaWiki-API-Error", str(error["code"])),)
        headers += (("Retry-After", "1"),) if error["code"] == "maxlag" else ()
    return Reply(HTTPStatus.OK, json.dumps(given, ensure_ascii=False).encode(), _JSON, None, headers)


def _static(wiki: SampleWiki, path: str) -> Reply:
    match unquote(path):
        case "/":
            return Reply(HTTPStatus.OK, front_page(wiki), _HTML, EPOCH)
        case "/style.css":
            return Reply(HTTPStatus.OK, STYLE.encode(), "text/css", EPOCH)
        case name if name == page_path(LIST_TITLE):
            return Reply(HTTPStatus.OK, list_page(wiki), _HTML, wiki.revisions[LIST_TITLE].time)
        case name if name == page_path(CATEGORY_TITLE):
            return Reply(HTTPStatus.OK, category_page(wiki))
        case _:
            return _page(wiki, path)


def _page(wiki: SampleWiki, path: str) -> Reply:
    """Return a picture or an article; a redirect shows its target, as on a real wiki."""
    picture = wiki.picture(path)
    if picture is not None:
        return Reply(HTTPStatus.OK, wiki.images[picture.image], "image/png", wiki.revisions[path].time)
    title = wiki.target(unquote(path.removeprefix("/wiki/")).replace("_", " "))
    creature = wiki.page(title) if path.startswith("/wiki/") else None
    if creature is None or title not in wiki.revisions:
        body = frame("Nothing here", "<p>The bestiary has no such page.</p>", path if path.isascii() else "/")
        return Reply(HTTPStatus.NOT_FOUND, body)
    body = frame(title, article(wiki, creature), page_path(title))
    return Reply(HTTPStatus.OK, body, _HTML, wiki.revisions[title].time)


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD, with 304 for those who have the page already."""

    protocol_version = "HTTP/1.1"
    server_version = "Bestiary/1"
    sys_version = ""
    timeout = 30
    wbufsize = 65_536  # headers and body leave together: apart, each answer waits 40 ms for an acknowledgement
    wiki: SampleWiki  # set by the class that `serve_wiki` makes

    def do_GET(self) -> None:
        """Answer with headers and body."""
        with self.wiki.lock:
            given = reply(self.wiki, self.path)
        self._send(given)

    def do_HEAD(self) -> None:
        """Answer with the headers only."""
        self.do_GET()

    def date_time_string(self, timestamp: float | None = None) -> str:  # noqa: ARG002 - overrides the real clock
        """Return the wiki's own time for the Date header."""
        return http_date(self.wiki.now)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the overridden argument
        """Stay silent: the wiki keeps its own list of requests."""

    def _send(self, given: Reply) -> None:
        etag = f'"{hashlib.sha256(given.body).hexdigest()[:16]}"' if given.modified else ""
        same = given.modified is not None and given.status == HTTPStatus.OK and self._has(etag, given.modified)
        status, body = (HTTPStatus.NOT_MODIFIED, b"") if same else (given.status, given.body)
        self.wiki.log(self.command, self.path, dict(self.headers.items()), int(status))
        self.send_response(status)
        if given.modified is not None:
            self.send_header("Last-Modified", http_date(given.modified))
            self.send_header("ETag", etag)
        for name, value in given.headers:
            self.send_header(name, value)
        if not same:
            self.send_header("Content-Type", given.content_type)
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def _has(self, etag: str, modified: datetime) -> bool:
        """Say whether the asker's copy is the current one; an ETag speaks before a date."""
        if "If-None-Match" in self.headers:
            return etag in self.headers["If-None-Match"]
        try:
            since = parsedate_to_datetime(self.headers.get("If-Modified-Since", ""))
        except (TypeError, ValueError):
            return False
        return since.replace(tzinfo=since.tzinfo or UTC) >= modified


class _Server(ThreadingHTTPServer):
    """A server that says nothing of those who leave before they are answered."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Report what goes wrong here, not what goes wrong there."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # passed on as it came


def _server(wiki: SampleWiki, port: int) -> ThreadingHTTPServer:
    handler = type("Handler", (_Handler,), {"wiki": wiki})
    try:
        server = _Server(("127.0.0.1", port), handler)
    except OSError as error:
        raise OSError(f"port {port} on 127.0.0.1 cannot be had ({error.strerror}): choose another, or 0.") from error
    server.daemon_threads = True
    return server


@contextmanager
def serve_wiki(wiki: SampleWiki, port: int = 0) -> Iterator[Served]:
    """Serve `wiki` on 127.0.0.1 in a thread while the context lasts; port 0 takes a free one."""
    server = _server(wiki, port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        found = int(server.server_address[1])
        yield Served(wiki=wiki, port=found, url=f"http://127.0.0.1:{found}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def serve_sample(folder: Path, port: int = 0) -> Iterator[Served]:
    """Serve the wiki made from a folder of records and images, as `serve_wiki` does."""
    with serve_wiki(load_wiki(folder), port) as served:
        yield served


def run_forever(folder: Path, port: int = 8090) -> None:
    """Serve the wiki of a folder until interrupted (Ctrl-C)."""
    server = _server(load_wiki(folder), port)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
