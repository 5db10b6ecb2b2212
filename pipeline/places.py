"""Any line of a crawl's manifest by kind and URL, for many at once: digests of both, sorted, in a file beside an index.

A dictionary of millions of addresses would not stay small, and a table of them costs more to write than to read.
"""

import mmap
from array import array
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
from jaxtyping import UInt64

from pipeline.crawl.lines import Line, lines_in, resources_in
from pipeline.crawl.raw import RawStore

_LF = 10


def write_places(store: RawStore, crawl: str, path: Path) -> list[int]:
    """Write to `path` where each line of a crawl's manifest stands; return where those of its lists do, in order.

    ValueError when a line does not describe a resource.
    """
    names, begins = bytearray(), array("Q")
    lists: dict[str, int] = {}
    manifest = store.manifest(crawl)
    for before, at, body in store.portions(crawl):
        resources = resources_in(body, lambda place: f"{manifest} line {before + place + 1}")  # noqa: B023 - now
        names += _names([f"{kind} {url}" for kind, url in resources])
        ends = np.flatnonzero(np.frombuffer(body, dtype=np.uint8) == _LF).astype(np.uint64) + np.uint64(at + 1)
        starts = np.concatenate([np.array([at], dtype=np.uint64), ends[:-1]])
        begins.frombytes(starts.tobytes())
        for place in [place for place, (kind, _) in enumerate(resources) if kind == "list"]:
            lists[resources[place][1]] = int(starts[place])  # of several lines of a resource the last counts
    found = np.frombuffer(names, dtype="<u8")
    order = np.argsort(found, kind="stable")
    places = np.empty((2, len(begins)), dtype="<u8")  # names, and where each line begins
    np.take(found, order, out=places[0])
    np.take(np.frombuffer(begins, dtype=np.uint64), order, out=places[1])
    np.save(path, places)
    return sorted(lists.values())


def _names(resources: Sequence[str]) -> bytes:
    """Return eight bytes for each resource, which is told by its kind and URL."""
    try:
        bodies = [resource.encode() for resource in resources]
    except UnicodeEncodeError:  # half a character: to be ready for it costs as much as all the rest
        bodies = [resource.encode("utf-8", "surrogatepass") for resource in resources]
    return b"".join([blake2b(body, digest_size=8).digest() for body in bodies])


class PlacedLines:
    """The lines of a crawl's manifest, any of which is at hand once `write_places` has written where they stand."""

    def __init__(self, store: RawStore, crawl: str, places: Path) -> None:
        """Open the manifest, and the file `places`."""
        self._path = store.manifest(crawl)
        self._file = self._path.open("rb")
        self._bytes = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        self._ended = self._bytes[-1:] == b"\n"  # as each line is, unless somebody edited the file
        found = np.asarray(np.load(places, mmap_mode="r"))
        self._names: UInt64[np.ndarray, "n"] = found[0]  # in one piece: it would be copied to be searched otherwise
        self._begins: UInt64[np.ndarray, "n"] = found[1]

    def __enter__(self) -> "PlacedLines":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the files."""
        self._bytes.close()
        self._file.close()

    def at(self, begins: Sequence[int]) -> list[Line]:
        """Return the lines that begin at these offsets; ValueError when one does not describe a resource."""
        file, end_of = self._bytes, self._bytes.find
        lines = [file[begin : end_of(b"\n", begin) + 1 or None] for begin in begins]
        if not self._ended:
            lines = [line if line.endswith(b"\n") else line + b"\n" for line in lines]
        return lines_in(b"".join(lines), lambda place: f"{self._path} at byte {begins[place]}")

    def find(self, kind: str, urls: Iterable[str]) -> dict[str, Line]:
        """Return the last line of each of these resources that the crawl has, by URL."""
        wanted = list(dict.fromkeys(urls))
        names = np.frombuffer(_names([f"{kind} {url}" for url in wanted]), dtype="<u8")
        first = np.searchsorted(self._names, names, side="left")
        last = np.searchsorted(self._names, names, side="right") - 1
        left = np.flatnonzero(last >= first)
        found = {}
        while len(left):  # once, unless resources share a digest, as they do once in an age
            others = []
            for place, line in zip(left.tolist(), self.at(self._begins[last[left]].tolist()), strict=True):
                url = line.url
                if url == wanted[place] and line.kind == kind:
                    found[url] = line
                else:
                    others.append(place)
            last -= 1
            left = np.array([place for place in others if last[place] >= first[place]], dtype=np.intp)
        return found
