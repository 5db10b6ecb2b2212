"""The command `pixelbytes hub serve`: a Hub on this machine, to try things out, or where there is no network."""

import os
import shlex
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from flows.app import Data, app
from flows.errors import DONE, given_by_user, require_port
from flows.settings import data_root

if TYPE_CHECKING:
    from flows.hub_server.running import RunningHub
    from flows.hub_server.webhooks import Webhook

FOLDER = "hub-server"  # in the data root

Port = Annotated[int, Parameter(help="port on 127.0.0.1; 0 for a free one")]
Hook = Annotated[
    str | None,
    Parameter(help="address to tell of every commit, branch and tag, with the secret of PIXELBYTES_WEBHOOK_SECRET"),
]

hub = App(name="hub", help="A Hub of your own, on this machine.")
app.command(hub)


@hub.command
def serve(*, port: Port = 8190, webhook: Hook = None, data: Data = None) -> int:
    """Serve a Hugging Face Hub on this machine, until Ctrl-C: publish and load as you would there.

    What to tell hf, datasets and pixelbytes is printed at the start. Its content stays in hub-server/ in the data
    root, and so do its tokens, made at random at the first start.

    Example: pixelbytes hub serve --port 8190
    """
    from flows.console import err
    from flows.hub_server.running import running_hub

    require_port(port)
    root = data_root(data).root / FOLDER
    with running_hub(root, port=port, webhook=_told(webhook)) as running:
        err.print(_welcome(running), markup=False, soft_wrap=True)
        _until_interrupted()
    return DONE


def _told(address: str | None) -> "Webhook | None":
    """Return the webhook of that address, with the secret from the environment; a UsageError when either is wrong."""
    if address is None:
        return None
    from flows.hub_server.webhooks import Webhook
    from flows.webhook.service import require_secret

    with given_by_user():
        return Webhook(url=address, secret=require_secret(os.environ).decode("ascii"))


def _welcome(running: "RunningHub") -> str:
    """Return what a first-time user must know; the token itself is not shown, since terminals are recorded."""
    token: Path = running.root / "token"
    return (
        f"a Hub stands at {running.endpoint} (Ctrl-C ends it). In another terminal:\n"
        f"  export HF_ENDPOINT={running.endpoint}\n"
        f'  export HF_TOKEN="$(cat {shlex.quote(str(token))})"\n'
        "  export HF_HUB_DISABLE_XET=1\n"
        "then, for instance: pixelbytes publish RELEASE --to hub:me/sprites"
    )


def _until_interrupted() -> None:
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        return
