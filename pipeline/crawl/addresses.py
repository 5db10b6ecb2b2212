"""Addresses that a crawl of a public site never connects to: private, loopback, link-local, reserved, multicast.

A name is judged by what it resolves to, in the resolver itself, so that the address judged is the one connected to; an
address written in a URL never reaches a resolver, and is judged by `refusal_of_host`.
"""

import ipaddress
import socket
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from scrapy.crawler import Crawler
from scrapy.resolver import CachingThreadedResolver
from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.internet.error import DNSLookupError

from pipeline.crawl.sources import WikiSource

OPEN_SETTING = "PIXELBYTES_PRIVATE_ADDRESSES"  # whether the source may be on this machine or network
PROXIES_SETTING = "PIXELBYTES_PROXY_NAMES"  # names of proxies, which may: they resolve and connect for us
REFUSED: dict[str, str] = {}  # name -> why the resolver refused it; Twisted loses the reason on its way to the request
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # IPv4 inside IPv6, as some networks translate it
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_open(source: WikiSource) -> bool:
    """Say whether private addresses are no surprise for this source."""
    return source.local or source.bundled


def kind_of_address(address: _Address) -> str:
    """Return what makes an address unfit for a public site, such as "loopback"; empty when it is public.

    >>> kind_of_address(ipaddress.ip_address("::ffff:169.254.169.254"))
    'link-local'
    """
    inner = _embedded(address) if isinstance(address, ipaddress.IPv6Address) else None
    if inner is not None:
        return kind_of_address(inner)
    kinds = (
        (address.is_unspecified, "unspecified"),
        (address.is_loopback, "loopback"),
        (address.is_link_local, "link-local"),
        (address.is_multicast, "multicast"),
        (address.is_reserved, "reserved"),
        (not address.is_global, "private"),
    )
    return next((kind for found, kind in kinds if found), "")


def refusal(name: str, address: str) -> str:
    """Return why a public source may not be asked at `name`, which means `address`; empty when it may."""
    try:
        kind = kind_of_address(ipaddress.ip_address(address))
    except ValueError:
        return f"{name} resolves to {address[:60]!r}, which is no address, so nothing is asked there"
    if not kind:
        return ""
    where = f"{name} is" if name == address else f"{name} means {address},"
    article = "an" if kind == "unspecified" else "a"
    return (
        f"{where} {article} {kind} address, and the source does not say that it is local, so nothing is asked there; "
        "set `local = true` in the source file if the wiki is yours"
    )


def refusal_of_host(name: str) -> str:
    """Return why a host that is an address in any spelling may not be asked; empty for public ones and for names.

    Numbers that the system's resolver would take for an address count too.

    >>> refusal_of_host("0x7f.1").partition(",")[0], refusal_of_host("example.org")
    ('0x7f.1 means 127.0.0.1', '')
    """
    bare = name.strip("[]").rstrip(".")
    try:
        return refusal(name, str(ipaddress.ip_address(bare)))
    except ValueError:
        pass
    try:
        return refusal(name, socket.inet_ntoa(socket.inet_aton(bare)))
    except (OSError, ValueError):
        return ""


def proxy_names(proxy: str) -> tuple[str, ...]:
    """Return the host names of the proxy that was given, or else of those that the environment names."""
    addresses = [proxy] if proxy else list(getproxies().values())
    hosts = (urlsplit(address if "//" in address else f"//{address}").hostname for address in addresses)
    return tuple(sorted({host for host in hosts if host}))


class GuardedResolver(CachingThreadedResolver):
    """Resolves names as Scrapy does, with its cache and timeout (IPv4), and refuses what is not public.

    Reads `OPEN_SETTING` and `PROXIES_SETTING`. A refused name fails as an unknown one does; the reason is in `REFUSED`.
    """

    open = False
    exempt: frozenset[str] = frozenset()

    @classmethod
    def from_crawler(cls, crawler: Crawler, reactor: ReactorBase) -> "GuardedResolver":
        """Make the resolver, as Scrapy asks for it."""
        resolver: GuardedResolver = super().from_crawler(crawler, reactor)
        resolver.open = crawler.settings.getbool(OPEN_SETTING)
        resolver.exempt = frozenset(crawler.settings.getlist(PROXIES_SETTING))
        return resolver

    def getHostByName(self, name: str, timeout: Sequence[int] = ()) -> "Deferred[str]":  # noqa: N802 - Twisted's name
        """Return the address of `name` later; DNSLookupError when there is none, or none to connect to."""
        found: Deferred[Any] = super().getHostByName(name, timeout)
        return found if self.open or name in self.exempt else found.addCallback(self._judge, name)

    def _judge(self, address: str, name: str) -> str:
        reason = refusal(name, address)
        if reason:
            REFUSED[name] = reason
            raise DNSLookupError(reason)
        return address


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 address stands for, where it does."""
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
