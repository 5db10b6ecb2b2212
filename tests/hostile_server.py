"""A small server on loopback that misbehaves, path by path, and counts what it managed to send."""

import gzip
import socket
import socketserver
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from html import escape

from pipeline.crawl.source_files import wiki_source
from pipeline.crawl.sources import WikiSource
from tests.wikis import png

LIST = "/list"
GIGABYTE = 1_000_000_000
_BUFFER = 65_536  # bytes the system may hold between the two ends: what was sent is then about what was taken
_CHUNK = b"\0" * 16_384
_STEP = 0.05  # seconds between two bytes of a drip


@dataclass(slots=True, kw_only=True)
class Wire:
    """One request, and the way to answer it as one likes."""

    target: str
    head: str
    connection: socket.socket
    answered: Callable[[], None]
    count: Callable[[int], None]

    def send(self, data: bytes) -> None:
        """Send bytes as they are; OSError when the other side has had enough."""
        self.answered()  # before the other side can have it all and ask for more
        self.connection.sendall(data)
        self.count(len(data))

    def reply(
        self, body: bytes = b"", status: int = 200, headers: Sequence[str] = (), length: int | None = None
    ) -> None:
        """Send an answer; `length` is what its Content-Length claims, -1 for none."""
        claimed = len(body) if length is None else length
        lines = [f"HTTP/1.1 {status} So", "Connection: close", *headers]
        if claimed >= 0:
            lines.append(f"Content-Length: {claimed}")
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + body)


Answer = Callable[[Wire], None]


@dataclass(slots=True)
class Hostile:
    """A server that is running: what it answers (404 else), what it was asked, and what it could send."""

    port: int
    paths: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    heads: dict[str, str] = field(default_factory=dict)  # path -> the last request's head
    times: list[float] = field(default_factory=list)  # of each request, in seconds
    sent: Counter[str] = field(default_factory=Counter)  # path -> bytes
    waiting: set[int] = field(default_factory=set)  # connections asked and not answered yet
    most: int = 0  # of them at once
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def host(self) -> str:
        """Return the server's host as sources name it."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Return where it is."""
        return f"http://{self.host}"


def page(body: bytes, *headers: str, status: int = 200) -> Answer:
    """Answer in good order."""
    return lambda wire: wire.reply(body, status, headers)


def redirect(to: str, status: int = 302) -> Answer:
    """Lead on to another address."""
    return lambda wire: wire.reply(b"", status, [f"Location: {to}"])


def robots(*lines: str) -> Answer:
    """Answer a robots.txt of these lines."""
    return page("\n".join(lines).encode(), "Content-Type: text/plain")


def endless(wire: Wire, *, claimed: int) -> None:
    """Send a gigabyte; `claimed` is its Content-Length, -1 for none."""
    wire.reply(png(1), length=claimed)
    for _ in range(GIGABYTE // len(_CHUNK)):
        wire.send(_CHUNK)


def drip(begin: bytes) -> Answer:
    """Send a beginning, then a byte now and then, for ever."""

    def answer(wire: Wire) -> None:
        wire.send(begin)
        while True:
            time.sleep(_STEP)
            wire.send(b"x")

    return answer


def cut(wire: Wire) -> None:
    """Close in the middle of the body."""
    wire.reply(png(1)[:40], length=4000)


def bomb(size: int, kind: str) -> Answer:
    """Answer with a small body that inflates to `size` bytes."""
    return page(gzip.compress(b"\0" * size), "Content-Encoding: gzip", f"Content-Type: {kind}")


def header_flood(wire: Wire) -> None:
    """Send headers for ever."""
    wire.send(b"HTTP/1.1 200 So\r\n")
    while True:
        wire.send(b"".join(b"X-%d: y\r\n" % number for number in range(2000)))


def interim_flood(wire: Wire) -> None:
    """Send answers that announce the answer, for ever."""
    while True:
        wire.send(b"HTTP/1.1 102 Wait\r\n\r\n" * 2000)


@contextmanager
def serve(paths: dict[str, Answer] | None = None, tls: ssl.SSLContext | None = None) -> Iterator[Hostile]:
    """Serve `paths` on 127.0.0.1 while the context lasts, each request on a connection of its own."""
    server = _Server(("127.0.0.1", 0), _Handler, tls)
    server.state = Hostile(int(server.server_address[1]), dict(paths or {}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def serve_three() -> Iterator[Hostile]:
    """Serve a site of three creatures, A to C, that behaves well, for tests to spoil."""
    with serve() as server:
        names = ("A", "B", "C")
        server.paths |= {f"/wiki/{name}": page(article(f"It is {name}.")) for name in names}
        server.paths |= {f"/{name}.png": page(png(place)) for place, name in enumerate(names)}
        server.paths[LIST] = page(list_page([(name, f"/{name}.png") for name in names]))
        yield server


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    state: Hostile

    def __init__(
        self, address: tuple[str, int], handler: type[socketserver.BaseRequestHandler], tls: ssl.SSLContext | None
    ) -> None:
        super().__init__(address, handler)
        self.tls = tls
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)  # handed on to the connections


class _Handler(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        state, connection = self.server.state, self.request
        with suppress(OSError):
            connection.settimeout(20)
            if self.server.tls is not None:
                connection = self.server.tls.wrap_socket(connection, server_side=True)
            head = self._head(connection)
            if not head:
                return
            target = head.split(" ")[1]
            with state.lock:
                state.asked.append(target)
                state.heads[target] = head
                state.times.append(time.monotonic())
                state.waiting.add(id(self))
                state.most = max(state.most, len(state.waiting))
            try:
                wire = Wire(
                    target=target,
                    head=head,
                    connection=connection,
                    answered=self._answered,
                    count=self._counter(target),
                )
                _answer(state.paths, target)(wire)
            finally:
                self._answered()
            connection.shutdown(socket.SHUT_WR)
            connection.close()

    def _answered(self) -> None:
        with self.server.state.lock:
            self.server.state.waiting.discard(id(self))

    def _counter(self, target: str) -> Callable[[int], None]:
        def count(size: int) -> None:
            with self.server.state.lock:
                self.server.state.sent[target] += size

        return count

    @staticmethod
    def _head(connection: socket.socket) -> str:
        head = b""
        while b"\r\n\r\n" not in head:
            more = connection.recv(65_536)
            if not more:
                return ""
            head += more
        return head.decode("latin-1")


def _answer(paths: dict[str, Answer], target: str) -> Answer:
    """Return what is answered for a target; what is said of a path holds for all its queries."""
    return paths.get(target) or paths.get(target.partition("?")[0]) or page(b"no such page", status=404)


def list_page(rows: Sequence[tuple[str, str]]) -> bytes:
    """Return a list page of the sample's kind: rows of a name, which is its page's title too, and a picture's src."""
    cells = "".join(
        f'<tr><td>{number}</td><td><img alt="{number}" src="{escape(src)}"></td>'
        f'<td><a href="/wiki/{number}" title="{escape(name)}">{escape(name)}</a></td><td>Kin</td></tr>'
        for number, (name, src) in enumerate(rows, start=1)
    )
    heads = "<tr><th>Number</th><th>Miniature</th><th>Name</th><th>Family</th></tr>"
    return f'<body><table class="tableaustandard sortable entetefixe">{heads}{cells}</table></body>'.encode()


def article(text: str = "It sleeps.") -> bytes:
    """Return a page with a describing section."""
    return f'<body><h2 id="Biology">Biology</h2><p>{text}</p></body>'.encode()


def source_of(*servers: Hostile, host: str = "", scheme: str = "http") -> WikiSource:
    """Return a local source whose list and pages lie on the first server, and pictures on all; impatient and fast."""
    sample = wiki_source("sample")
    first = host or servers[0].host
    texts = tuple(replace(text, page_url=f"{scheme}://{first}/wiki/{{title}}") for text in sample.texts)
    return replace(
        sample,
        bundled=False,
        local=True,
        start=(f"{scheme}://{first}{LIST}",),
        page_hosts=(first,),
        image_hosts=tuple({first: None} | {server.host: None for server in servers}),
        api=(),
        texts=texts,
        politeness=replace(sample.politeness, retries=0, concurrency=1),
        limits=replace(sample.limits, page_bytes=200_000, image_bytes=100_000, timeout=5.0),
    )
