"""Any line of a crawl's manifest by kind and URL, for many at once: digests of both, sorted, in a file beside an index.

A dictionary of millions of addresses would not stay small, and a table of them costs more to write than to read.
"""

import mmap
from array import array
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

import numpy as np
from jaxtyping import UInt64

from pipeline.crawl.lines import Line, line_of
from pipeline.crawl.raw import RawStore

_PLACE = np.dtype([("name", "<u8"), ("at", "<u8")])  # of a line: digest of its kind and URL, and where it begins


def write_places(store: RawStore, crawl: str, path: Path) -> list[int]:
    """Write to `path` where each line of a crawl's manifest stands; return where those of its lists do, in order.

    ValueError when a line does not describe a resource.
    """
    names, begins = bytearray(), array("Q")
    lists: dict[str, int] = {}
    for kind, url, at in store.places(crawl):
        names += _name(kind, url)
        begins.append(at)
        if kind == "list":
            lists[url] = at  # of several lines of a resource the last counts
    places = np.empty(len(begins), dtype=_PLACE)
    places["name"], places["at"] = np.frombuffer(names, dtype="<u8"), np.frombuffer(begins, dtype=np.uint64)
    np.save(path, places[np.argsort(places["name"], kind="stable")])
    return sorted(lists.values())


def _name(kind: str, url: str) -> bytes:
    return blake2b(f"{kind} {url}".encode("utf-8", "surrogatepass"), digest_size=8).digest()


class PlacedLines:
    """The lines of a crawl's manifest, any of which is at hand once `write_places` has written where they stand."""

    def __init__(self, store: RawStore, crawl: str, places: Path) -> None:
        """Open the manifest, and the file `places`."""
        self._path = store.manifest(crawl)
        self._file = self._path.open("rb")
        self._bytes = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        found = np.asarray(np.load(places, mmap_mode="r"))
        self._names: UInt64[np.ndarray, "n"] = found["name"]
        self._begins: UInt64[np.ndarray, "n"] = found["at"]

    def __enter__(self) -> "PlacedLines":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the files."""
        self._bytes.close()
        self._file.close()

    def at(self, begin: int) -> Line:
        """Return the line that begins at an offset; ValueError when it does not describe a resource."""
        end = self._bytes.find(b"\n", begin)
        line = self._bytes[begin : None if end < 0 else end]
        return line_of(line, lambda: f"{self._path} at byte {begin}")

    def find(self, kind: str, urls: Iterable[str]) -> dict[str, Line]:
        """Return the last line of each of these resources that the crawl has, by URL."""
        wanted = list(dict.fromkeys(urls))
        names = np.frombuffer(b"".join([_name(kind, url) for url in wanted]), dtype="<u8")
        first = np.searchsorted(self._names, names, side="left").tolist()
        behind = np.searchsorted(self._names, names, side="right").tolist()
        found = {}
        for url, start, stop in zip(wanted, first, behind, strict=True):
            for begin in self._begins[start:stop][::-1].tolist():
                line = self.at(begin)
                if line.url == url and line.kind == kind:  # two resources may, once in an age, share a digest
                    found[url] = line
                    break
        return found
