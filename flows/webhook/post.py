"""One JSON object posted to an address that an operator named: bounded in time and size, and never told of in a log."""

import http.client
import json
import re
import time
from dataclasses import dataclass
from socket import socket
from urllib.parse import urlsplit

WAITS = (0.0, 1.0, 2.0)  # seconds before each try
SECONDS = 5.0  # for one try
IN_ALL = 15.0  # for all of them: a run that was told to stop has half a minute left
MAX_URL = 2_000  # characters
_BEGINNING = 512  # bytes of an answer that are looked at: its status stands there
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5]\d\d)[ \r\n]")
_BUSY, _SERVER = 429, 500


@dataclass(frozen=True, slots=True)
class _Address:
    """Where to post."""

    tls: bool
    host: str
    port: int | None
    path: str  # with its query


def post_json(url: str, body: dict[str, object]) -> str:
    """Post an object; return why it did not arrive, or nothing when the other side said 2xx.

    Plain words without the address, which may hold a secret. No redirect is followed, no proxy asked, and of an answer
    only its status is read. A network that breaks, 429 and 5xx are tried again; never raises an OSError or ValueError.
    """
    try:
        address = _address(url)
    except ValueError as error:
        return str(error)
    sent, until, why = json.dumps(body).encode(), time.monotonic() + IN_ALL, ""
    for wait in WAITS:
        if time.monotonic() + wait >= until:
            break
        time.sleep(wait)
        try:
            status = _asked(address, sent, min(until, time.monotonic() + SECONDS))
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = f"it could not be sent ({type(error).__name__})"  # the error's own text may name the host
            continue
        if 200 <= status < 300:  # noqa: PLR2004 - HTTP's own
            return ""
        why = f"the other side answered {status}"
        if status != _BUSY and status < _SERVER:
            break
    return why


def _address(url: str) -> _Address:
    """Return where to post; ValueError, which does not tell the address, for anything but a plain http(s) one."""
    plain = len(url) <= MAX_URL and url.isascii() and url.isprintable() and " " not in url
    try:
        parts = urlsplit(url if plain else "")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or parts.scheme not in {"http", "https"} or parts.username is not None:
        raise ValueError(f"the address is no http:// or https:// one of at most {MAX_URL:,} plain characters")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _Address(tls=parts.scheme == "https", host=host, port=port, path=path)


def _asked(address: _Address, body: bytes, until: float) -> int:
    """Post once; return the status of the answer. TimeoutError when `until`, by the monotonic clock, is over."""
    kind = http.client.HTTPSConnection if address.tls else http.client.HTTPConnection
    connection = kind(address.host, address.port, timeout=_left(until))
    try:
        connection.connect()
        line: socket = connection.sock
        line.settimeout(_left(until))
        headers = {"Content-Type": "application/json", "User-Agent": "PixelBytes", "Connection": "close"}
        connection.request("POST", address.path, body, headers)
        answer = b""
        while b"\n" not in answer and len(answer) < _BEGINNING:
            line.settimeout(_left(until))
            if not (part := line.recv(_BEGINNING)):
                break
            answer += part
    finally:
        connection.close()
    found = _STATUS.match(answer)
    if not found:
        raise ValueError("no answer of HTTP")
    return int(found[1])


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("it took too long")
    return left
