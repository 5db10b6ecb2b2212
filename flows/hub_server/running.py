"""Starting and ending a Hub: in a thread of this process for tests, or in the foreground for a person."""

import asyncio
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from flows.hub_server.app import HubApp
from flows.hub_server.faults import Faults
from flows.hub_server.keys import kept_keys
from flows.hub_server.store import opened_store
from flows.hub_server.webhooks import Webhook, announcing
from flows.hub_server.wire import Seen, Wire

ADDRESS = "127.0.0.1"
_START_SECONDS = 30.0
_IDLE_SECONDS = 75  # an idle connection is kept so long: a client that hashes a shard comes back to it
_BACKLOG = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningHub:
    """A Hub that is being served."""

    endpoint: str  # http://127.0.0.1:PORT
    token: str = field(repr=False)  # may read and write everything
    readonly_token: str = field(repr=False)  # the same user, but may only read
    stranger_token: str = field(repr=False)  # another user: sees what is public, may write nothing
    root: Path
    faults: Faults
    seen: list[Seen]  # in the order of arrival


class _Protocol(H11Protocol):
    """HTTP whose connections can be cut by whoever answers."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        """Let the application find the connection."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


@contextmanager
def running_hub(
    root: Path, *, port: int = 0, faults: Faults | None = None, webhook: Webhook | None = None
) -> Iterator[RunningHub]:
    """Serve a Hub on 127.0.0.1 in a thread of this process, its content under `root`, until the block ends.

    RuntimeError when another Hub serves the same folder; OSError when the port is taken.
    """
    with opened_store(root) as store, announcing(store, webhook), _listening(port) as listener:
        keys, given = kept_keys(root), faults or Faults()
        wire = Wire(inner=HubApp(store, keys), faults=given)
        endpoint = f"http://{ADDRESS}:{listener.getsockname()[1]}"
        hub = RunningHub(
            endpoint=endpoint,
            token=keys.token,
            readonly_token=keys.readonly,
            stranger_token=keys.stranger,
            root=root,
            faults=given,
            seen=wire.seen,
        )
        with _served(wire, listener):
            yield hub


@contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    # asyncio turns Nagle's waiting off (40 ms for each answer) only where TCP is named
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((ADDRESS, port))
        except OSError as error:
            raise OSError(f"port {port} of {ADDRESS} cannot be had ({error}): choose another, or 0.") from error
        listener.listen(_BACKLOG)
        yield listener


@contextmanager
def _served(wire: Wire, listener: socket.socket) -> Iterator[None]:
    """Serve in a thread; at the end no request hangs on."""
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # cut connections are meant
    config = uvicorn.Config(
        wire,
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=1,
        server_header=False,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="hub", daemon=True)
    thread.start()
    try:
        _wait_for_start(server, thread)
        yield
    finally:
        wire.closing.set()
        server.should_exit = True
        thread.join()


def _wait_for_start(server: uvicorn.Server, thread: threading.Thread) -> None:
    """Wait until the first request would be answered."""
    waited = threading.Event()
    for _ in range(int(_START_SECONDS / 0.01)):
        if server.started:
            return
        if not thread.is_alive():
            break
        waited.wait(0.01)
    raise RuntimeError("the Hub did not start: look above for why")
