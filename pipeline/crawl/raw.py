"""The raw store: every body once, named by its digest, and one manifest of resources per crawl."""

import dataclasses
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from pipeline.crawl.lines import read_line
from pipeline.records import Resource

NAME_FORMAT = "%Y%m%dT%H%M%SZ"
LOCK = "lock"  # in a store's folder; held by whoever writes a crawl into it
REMEMBERED = 8  # manifests looked at: the last may have been limited, or have failed on a page
_REMEMBERED_OF = 64  # and the largest of so many, which knows most of the site
CONTINUED_FOR = timedelta(hours=24)  # after its start; a manifest that spans more would mix states of the site
_DIGEST = re.compile(r"[0-9a-f]{64}")
_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0)
_LINES_AT_ONCE = 1 << 18  # bytes of a manifest, then to the end of a line
_AT_ONCE = 1 << 16  # bytes asked for at once: most bodies are smaller, and are there after one call


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlReport:
    """What one crawl did, counted."""

    requests: int = 0  # sent over the network, robots.txt and change keys included
    fetched: int = 0  # list, description and miniature bodies that came anew
    not_modified: int = 0  # answered 304, so the last crawl's line was carried over
    carried: int = 0  # same change key as in the last crawl, so not asked at all
    resumed: int = 0  # already there from a crawl that was interrupted
    failed: int = 0  # resources without a body
    absent: int = 0  # pages that need not exist, and do not
    bytes: int = 0  # received
    listings: int = 0  # rows of the list that were understood
    unparsed: int = 0  # rows of the list that were not


@dataclass(frozen=True, slots=True, kw_only=True)
class Crawl:
    """A finished crawl: its name (UTC time of its start) and the last line of each resource."""

    name: str
    resources: tuple[Resource, ...]
    report: CrawlReport | None = field(default=None, compare=False)  # only when the crawl has just been made

    @property
    def limited(self) -> str:
        """Say to how much the crawl was limited; empty when it was not."""
        return next((line.title for line in self.resources if line.kind == "source"), "")

    def by_url(self, kind: str) -> dict[str, Resource]:
        """Return the resources of one kind by their URL."""
        return {resource.url: resource for resource in self.resources if resource.kind == kind}


class RawStore:
    """A folder of immutable bodies (`blobs/`) and of crawl manifests (`crawls/`); nothing in it is ever rewritten."""

    def __init__(self, root: Path) -> None:
        """Use `root`, such as data/raw/sample; folders come with the first write."""
        self.root = root.resolve()
        self._blobs = str(self.root / "blobs")

    def blob_path(self, sha256: str) -> Path:
        """Return where a body of this digest lies; raise ValueError when it is no digest."""
        if not _DIGEST.fullmatch(sha256):
            raise ValueError(f"{sha256!r} is not a SHA-256 digest: give 64 lower-case hex digits.")
        return self.root / "blobs" / sha256[:2] / sha256

    def has(self, sha256: str) -> bool:
        """Say whether a body of this digest lies here; an empty digest lies nowhere."""
        return bool(sha256) and self.blob_path(sha256).is_file()

    def intact(self, sha256: str) -> bool:
        """Say whether a body of this digest lies here and is what it was."""
        return self.has(sha256) and hashlib.sha256(self.blob_path(sha256).read_bytes()).hexdigest() == sha256

    def put(self, body: bytes) -> str:
        """Keep `body` and return its SHA-256; the same body again changes nothing, and no reader sees half of one.

        A body that was altered on the disk is mended.
        """
        sha256 = hashlib.sha256(body).hexdigest()
        path = self.blob_path(sha256)
        if path.is_file() and path.read_bytes() == body:
            return sha256
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".part-", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        return sha256

    def get(self, sha256: str) -> bytes:
        """Return the body of this digest; raise FileNotFoundError when absent and ValueError when it was altered."""
        if not _DIGEST.fullmatch(sha256):
            self.blob_path(sha256)  # says what is wrong
        path = f"{self._blobs}/{sha256[:2]}/{sha256}"  # a build reads millions: a Path costs as much as the reading
        try:
            body = _read(path)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"the raw store {self.root} has no body {sha256}: crawl again to fetch it."
            ) from error
        found = hashlib.sha256(body).hexdigest()
        if found != sha256:
            raise ValueError(f"the body {path} has digest {found}: it was altered; delete the file and crawl again.")
        return body

    def crawl_names(self) -> tuple[str, ...]:
        """Return the names of the finished crawls, oldest first."""
        return tuple(sorted(path.stem for path in (self.root / "crawls").glob("*.jsonl")))

    def crawl(self, name: str) -> Crawl:
        """Return the finished crawl of this name; raise ValueError when there is none or it cannot be read."""
        return Crawl(name=name, resources=_last_lines(self.lines(name)))

    def manifest(self, name: str) -> Path:
        """Return where the manifest of a finished crawl lies; raise ValueError when there is no such crawl."""
        names = self.crawl_names()
        if name not in names:
            known = ", ".join(names) or "none yet"
            raise ValueError(
                f"{self.root} has no finished crawl {name!r} (known: {known}): choose one, or crawl first."
            )
        return self.root / "crawls" / f"{name}.jsonl"

    def lines(self, name: str) -> Iterator[Resource]:
        """Yield every line of a finished crawl, in order, one in memory; of several for a resource the last counts."""
        path = self.manifest(name)
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                yield read_line(line, f"{path} line {number}")

    def portions(self, name: str) -> Iterator[tuple[int, int, bytes]]:
        """Yield the lines of a finished crawl many at once: how many are before them, their offset, and the lines.

        Every line ends with LF: the last one of a file too that does not.
        """
        at = before = 0
        with self.manifest(name).open("rb") as file:
            while body := file.read(_LINES_AT_ONCE):
                whole = body + file.readline() if not body.endswith(b"\n") else body
                yield before, at, whole if whole.endswith(b"\n") else whole + b"\n"
                before += whole.count(b"\n")
                at += len(whole)

    def latest_crawl(self) -> Crawl | None:
        """Return the newest finished crawl, or None when none has finished yet."""
        names = self.crawl_names()
        return self.crawl(names[-1]) if names else None

    def remembered(self) -> dict[tuple[str, str], Resource]:
        """Return what the last crawls had of each resource, by kind and URL: its newest line with a body.

        Crawls that were set aside count too: what arrived in them need not be fetched again.
        """
        folder = self.root / "crawls"
        paths = sorted([*folder.glob("*.jsonl"), *folder.glob("*.jsonl.abandoned")], key=lambda path: path.name)
        largest = max(paths[-_REMEMBERED_OF:], key=lambda path: path.stat().st_size, default=None)
        chosen = [path for path in paths if path == largest or path in paths[-REMEMBERED:]]
        lines = (line for path in chosen for line in _read_lines(_whole_lines(path.read_bytes()), path))
        return {(line.kind, line.url): line for line in lines if line.sha256 and self.has(line.sha256)}

    def open_crawl(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> "OpenCrawl":
        """Continue the crawl that was interrupted last, or begin a new one named by the time `now`.

        Crawls begun more than `CONTINUED_FOR` ago are set aside as `<name>.jsonl.abandoned`, and read no more.
        """
        folder, moment = self.root / "crawls", now()
        folder.mkdir(parents=True, exist_ok=True)
        for torn in (self.root / "blobs").glob("??/.part-*"):  # of a crawl that was killed while it wrote a body
            torn.unlink(missing_ok=True)
        begun = sorted(folder.glob("*.jsonl.part"))
        fresh = [path for path in begun if moment - _begun_at(path) <= CONTINUED_FOR]
        for path in set(begun) - set(fresh):
            path.rename(path.with_suffix(".abandoned"))
        if fresh:
            return OpenCrawl(fresh[-1])
        names = self.crawl_names()
        if names:  # two crawls in a second, or a clock that went back
            moment = max(moment, _begun_at(folder / f"{names[-1]}.jsonl") + timedelta(seconds=1))
        while (folder / f"{moment.strftime(NAME_FORMAT)}.jsonl.abandoned").exists():  # it would be lost by a rename
            moment += timedelta(seconds=1)
        return OpenCrawl(folder / f"{moment.strftime(NAME_FORMAT)}.jsonl.part")


class OpenCrawl:
    """A crawl under way: lines are appended and flushed one by one, so that a kill loses at most the last."""

    def __init__(self, path: Path) -> None:
        """Open the manifest `path` (…jsonl.part), dropping a last line that was torn."""
        self.path = path
        self.name = path.name.removesuffix(".jsonl.part")
        body = path.read_bytes() if path.is_file() else b""
        whole = _whole_lines(body)
        self.resources = _last_lines(_read_lines(whole, path))
        self._file: BinaryIO = path.open("ab")
        self._file.truncate(len(whole))

    def append(self, resource: Resource) -> None:
        """Add one line; it is on its way to the disk when this returns."""
        line = json.dumps(dataclasses.asdict(resource), ensure_ascii=False, sort_keys=True)
        self._file.write(line.encode() + b"\n")
        self._file.flush()

    def close(self) -> None:
        """Stop here; the next `open_crawl` continues."""
        self._file.close()

    def finish(self) -> None:
        """Declare the crawl complete: from now on it is the latest one."""
        os.fsync(self._file.fileno())
        self._file.close()
        self.path.rename(self.path.with_suffix(""))


def _whole_lines(body: bytes) -> bytes:
    """Return a manifest without a last line that was torn."""
    return body[: body.rfind(b"\n") + 1]


def _begun_at(path: Path) -> datetime:
    """Return when the crawl of a manifest began, by its name; raise ValueError when that is no time."""
    name = path.name.partition(".")[0]
    try:
        return datetime.strptime(name, NAME_FORMAT).replace(tzinfo=UTC)
    except ValueError as error:
        raise ValueError(f"{path} is not named by a time, such as 20261121T040000Z: rename or delete it.") from error


def _last_lines(resources: Iterable[Resource]) -> tuple[Resource, ...]:
    """Keep the last line of each resource: a failure may be followed by a success."""
    return tuple({(resource.kind, resource.url): resource for resource in resources}.values())


def _read_lines(body: bytes, path: Path) -> list[Resource]:
    return [read_line(line, f"{path} line {number}") for number, line in enumerate(body.splitlines(), start=1)]


def _read(path: str) -> bytes:
    """Return what a file holds; a file object would ask for its state, its size and its place besides."""
    handle = os.open(path, _READ)
    try:
        body = part = os.read(handle, _AT_ONCE)
        while len(part) == _AT_ONCE:
            part = os.read(handle, _AT_ONCE)
            body += part
    finally:
        os.close(handle)
    return body
