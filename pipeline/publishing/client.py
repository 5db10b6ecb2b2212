"""The Hub's own client, asked for what it leaves open: limits of time, and where a redirect may lead.

Tokens come from the environment (HF_TOKEN) or the `hf` login, and are never seen here.
"""

import importlib.metadata
import ipaddress
from functools import cache

import httpx2
from huggingface_hub import HfApi, constants, set_client_factory
from huggingface_hub.utils._http import default_client_factory

LIMITS = httpx2.Timeout(connect=20, read=120, write=120, pool=None)  # seconds; the client alone would wait for ever

_HOMES: set[str] = set()  # hosts of the Hubs that this process was told to use


class Astray(httpx2.HTTPError):
    """A redirect to where no answer of the Hub can lie."""


def hub_client(endpoint: str | None = None) -> HfApi:
    """Return a client of the Hub that HF_ENDPOINT names, or of the one that is given."""
    address = endpoint or constants.ENDPOINT
    _HOMES.add(httpx2.URL(address).host)
    _prepare()
    return HfApi(endpoint=address, library_name="pixelbytes", library_version=_version())


@cache
def _prepare() -> None:
    """Let every connection of the client have an end, once for this process."""
    set_client_factory(_client)


def _client() -> httpx2.Client:
    client = default_client_factory()
    hooks = client.event_hooks
    client.event_hooks = {**hooks, "request": [*hooks.get("request", []), _stay, _end]}
    return client


def _end(request: httpx2.Request) -> None:
    """Let a request have an end: many calls of the client ask for none, whatever their session's limits are."""
    given = request.extensions.get("timeout") or {}
    known = {name: seconds for name, seconds in given.items() if seconds is not None}
    request.extensions = {**request.extensions, "timeout": LIMITS.as_dict() | known}


def _stay(request: httpx2.Request) -> None:
    """Refuse a request that a redirect sent into this machine, its network, or out of encryption.

    The bytes of a release come from hosts that the Hub names, so hosts cannot be listed; what comes from them is held
    against its digest.
    """
    if request.url.host in _HOMES:
        return
    if request.url.scheme != "https" or not is_remote(request.url.host):
        raise Astray(f"the Hub led to {request.url.scheme}://{request.url.host}, where nothing of it can be")


def is_remote(host: str) -> bool:
    """Tell whether a host is neither this machine nor an address of a network that is not the Internet's.

    >>> [is_remote(host) for host in ("example.org", "127.0.0.1", "169.254.169.254", "localhost", "::1")]
    [True, False, False, False, False]
    """
    try:
        return ipaddress.ip_address(host.strip("[]")).is_global
    except ValueError:
        return host != "localhost" and not host.endswith((".localhost", ".local", ".internal"))


def _version() -> str:
    try:
        return importlib.metadata.version("pixelbytes")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
