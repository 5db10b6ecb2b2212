"""Tells an address of the user's choice which refs moved, in the Hub's own words, from a thread of its own."""

import hashlib
import json
import logging
import queue
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from flows.hub_server.objects import RefChange
from flows.hub_server.repo import MAIN, Repo
from flows.hub_server.store import Store

LOG = logging.getLogger(__name__)
VERSION = 3  # of the payload
_PATIENCE = 10.0  # seconds for one delivery
_ID_LENGTH = 24


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Webhook:
    """Where to tell, and the secret that shows who tells."""

    url: str
    secret: str = ""

    def __post_init__(self) -> None:
        """Refuse what is no address of the web."""
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"the webhook is {self.url!r}: give an address that begins with http:// or https://.")


def payload(repo: Repo, changes: tuple[RefChange, ...], url: str) -> dict[str, object]:
    """Return what the Hub would send about refs that moved."""
    name = repo.ref(MAIN)
    return {
        "event": {"action": "update", "scope": "repo.content"},
        "repo": {
            "type": repo.kind,
            "name": repo.name,
            "id": _id(f"{repo.kind} {repo.name} {repo.settings.created}"),
            "private": repo.settings.private,
            "headSha": name,
            "owner": {"id": _id(repo.name.split("/")[0])},
        },
        "updatedRefs": [{"ref": change.ref, "oldSha": change.old, "newSha": change.new} for change in changes],
        "webhook": {"id": _id(url), "version": VERSION},
    }


@contextmanager
def announcing(store: Store, webhook: Webhook | None) -> Iterator[None]:
    """Tell the webhook, while the block runs, of every ref that moves, in order; at the end the last one is sent."""
    if webhook is None:
        yield
        return
    waiting: queue.SimpleQueue[dict[str, object] | None] = queue.SimpleQueue()

    def listen(repo: Repo, changes: tuple[RefChange, ...]) -> None:
        waiting.put(payload(repo, changes, webhook.url))

    thread = threading.Thread(target=_deliver_all, args=(waiting, webhook), name="hub webhook", daemon=True)
    thread.start()
    store.listeners.append(listen)
    try:
        yield
    finally:
        store.listeners.remove(listen)
        waiting.put(None)
        thread.join(_PATIENCE)


def _deliver_all(waiting: "queue.SimpleQueue[dict[str, object] | None]", webhook: Webhook) -> None:
    while (told := waiting.get()) is not None:
        try:
            _deliver(told, webhook)
        except (OSError, ValueError) as error:  # HTTP errors are OSErrors; the Hub goes on either way
            LOG.warning("the webhook at %s was not told: %s", webhook.url, error)


def _deliver(told: dict[str, object], webhook: Webhook) -> None:
    headers = {"Content-Type": "application/json"}
    if webhook.secret:
        headers["X-Webhook-Secret"] = webhook.secret
    body = json.dumps(told).encode()
    request = urllib.request.Request(webhook.url, body, headers, method="POST")  # noqa: S310 - http(s), checked above
    with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310 - the same
        answer.read(65_536)


def _id(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_ID_LENGTH]
