"""The command that listens to the Hub's webhook."""

import logging
import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from flows.app import Data, app, root_for_flows
from flows.errors import DONE, UsageError, given_by_user, require_port

if TYPE_CHECKING:
    from starlette.applications import Starlette

BUSIEST = 64  # connections at the same time; more are told to come again
webhook = App(name="webhook", help="What the Hub tells us.")
app.command(webhook)

Host = Annotated[str, Parameter(help="the address to listen at; by default this machine alone")]
Port = Annotated[int, Parameter(help="the port to listen at; 0 takes a free one")]


@webhook.command
def serve(*, host: Host = "127.0.0.1", port: Port = 8091, data: Data = None) -> int:
    """Turn each new version tag of a dataset on the Hub into the event that starts the training, until Ctrl-C.

    The Hub's deliveries go to /webhook and must carry the secret of the variable PIXELBYTES_WEBHOOK_SECRET; the event
    goes to the Prefect server at PREFECT_API_URL. What was announced before is not announced again. Put a server that
    speaks HTTPS in front of it.

    Example: pixelbytes webhook serve --port 8091
    """
    from flows.webhook.service import require_secret
    from pipeline.locks import only_one

    with given_by_user():
        secret = require_secret(os.environ)
    require_port(port)
    if not os.environ.get("PREFECT_API_URL"):
        raise UsageError("PREFECT_API_URL is not set, so nobody would hear the event: name the server's API with it.")
    root = root_for_flows(data)  # before anything brings Prefect in
    from flows.hub_manifest import hub_version
    from flows.releasing import tell_server
    from flows.webhook.deliveries import Deliveries, Memory
    from flows.webhook.service import webhook_app

    folder = root.root / "webhooks"
    with only_one(folder, "listening to the webhook for"):
        deliveries = Deliveries(memory=Memory(folder=folder), read=hub_version, tell=tell_server)
        _listen(webhook_app(secret, deliveries), host, port)
    return DONE


def _listen(served: "Starlette", host: str, port: int) -> None:
    """Serve the app until it is interrupted, saying where; OSError when the address is taken or not ours."""
    import uvicorn

    from flows.console import err

    _log_to_stderr()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=BUSIEST) as listening:
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{listening.getsockname()[1]}/webhook"
        err.print(f"listening to the Hub at {address} (Ctrl-C ends it)", markup=False, soft_wrap=True)
        config = uvicorn.Config(
            served,
            access_log=False,  # an address may hold what somebody put there
            log_level="warning",
            server_header=False,
            limit_concurrency=BUSIEST,
            timeout_graceful_shutdown=5,
        )
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])


def _log_to_stderr() -> None:
    log = logging.getLogger("pixelbytes.webhook")
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
