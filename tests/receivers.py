"""An HTTP receiver on loopback that answers as a test says, and keeps what it got."""

import json
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass(slots=True)
class Receiver:
    """What came, in order."""

    port: int
    heads: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Return its address, with a secret in it."""
        return f"http://127.0.0.1:{self.port}/hooks/s3cr3t?room=1"


@contextmanager
def receiver(answers: Sequence[bytes | None] = (OK,)) -> Iterator[Receiver]:
    """Listen; the n-th request gets the n-th answer, all further ones the last; None never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        found = Receiver(server.getsockname()[1])
        over = threading.Event()
        thread = threading.Thread(target=_serve, args=(server, answers, found, over))
        thread.start()
        try:
            yield found
        finally:
            over.set()
            with socket.create_connection(("127.0.0.1", found.port)):
                thread.join()


def _serve(server: socket.socket, answers: Sequence[bytes | None], found: Receiver, over: threading.Event) -> None:
    silent = []  # connections that get no answer stay open
    while True:
        line, _ = server.accept()
        if over.is_set():
            line.close()
            break
        with line.makefile("rb") as read:
            head = b""
            while (part := read.readline()) not in {b"\r\n", b""}:
                head += part
            length = next(
                (int(one.split(b":")[1]) for one in head.lower().split(b"\r\n") if b"content-length" in one), 0
            )
            body = read.read(length)
        answer = answers[min(len(found.heads), len(answers) - 1)]
        found.heads.append(head.decode())
        found.bodies.append(json.loads(body))
        if answer is None:
            silent.append(line)
            continue
        line.sendall(answer)
        line.close()
    for line in silent:
        line.close()
