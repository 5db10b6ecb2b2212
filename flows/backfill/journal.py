"""Something done for each of a list of versions, resumable: what is done stands in a journal and is not done again."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from flows.errors import UsageError
from pipeline.crawl.raw import RawStore
from pipeline.locks import only_one
from pipeline.publishing.staging import version_key
from pipeline.release import VERSION, Release, write_text

FOLDER = "backfills"  # in the data root
MAX_JOURNAL = 1 << 26  # bytes; a real line has some hundred
MAX_TOLD = 2_000  # characters of what is told of one version
Done = Literal["done", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which versions: those that are named, or a range; by default all that were not yanked."""

    versions: tuple[str, ...] = ()
    first: str | None = None
    last: str | None = None

    def __post_init__(self) -> None:
        """Refuse what names no version, or cannot stand together; UsageError says so."""
        named = [*self.versions, *(one for one in (self.first, self.last) if one is not None)]
        if odd := [one for one in named if not VERSION.fullmatch(one)]:
            raise UsageError(f"{odd[0]!r} is no version: give such as v1.0.0.")
        if self.versions and (self.first or self.last):
            raise UsageError("name the versions, or a range with --from and --until: not both.")
        if self.first and self.last and version_key(self.first) > version_key(self.last):
            raise UsageError(f"--from {self.first} comes after --until {self.last}: exchange them.")


def chosen(releases: Sequence[Release], choice: Choice) -> tuple[Release, ...]:
    """Return the releases that are meant, oldest first; UsageError for a version that is not there, or when none is.

    Yanked versions are left out unless they are named.
    """
    known = {one.manifest.version: one for one in sorted(releases, key=lambda one: version_key(one.manifest.version))}
    if not known:
        raise UsageError("there is no release yet: `pixelbytes rebuild SOURCE` makes the first.")
    named = [*choice.versions, *(one for one in (choice.first, choice.last) if one is not None)]
    if gone := [one for one in named if one not in known]:
        raise UsageError(f"there is no version {gone[0]}: there are {', '.join(known)}.")
    if choice.versions:
        return tuple(known[one] for one in known if one in choice.versions)
    yanked = next(reversed(known.values())).manifest.yanked
    low, high = (version_key(one) if one else None for one in (choice.first, choice.last))
    found = tuple(
        release
        for version, release in known.items()
        if version not in yanked
        and (low is None or version_key(version) >= low)
        and (high is None or version_key(version) <= high)
    )
    if not found:
        raise UsageError("every version of this range was yanked: name those that are meant all the same.")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One piece of the work: a version, or a crawl."""

    name: str  # such as v1.0.0
    digest: str  # of its content: another content of that name is other work


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What became of one piece of the work."""

    name: str
    digest: str
    state: Done
    told: str
    time: str  # ISO 8601, UTC

    @property
    def unit(self) -> Unit:
        """Return of which piece it tells."""
        return Unit(name=self.name, digest=self.digest)


class Journal:
    """What was done: a line that says it began, then one for each piece; a torn last line never was.

    Killed between a piece's work and its line, it has begun all the same: who goes on knows whose work stands there.
    """

    def __init__(self, folder: Path, asked: dict[str, object]) -> None:
        """Use the journal of exactly what was asked, in a folder; nothing is written before `begin`, or an entry."""
        text = json.dumps(asked, sort_keys=True)
        self.asked = asked
        self.digest = hashlib.sha256(text.encode()).hexdigest()
        self.path = folder / f"{self.digest[:32]}.jsonl"

    @property
    def begun(self) -> bool:
        """Tell whether this work began before; ValueError when the file is far too large."""
        return bool(self._lines())

    def begin(self, *, anew: bool = False) -> None:
        """Write down that the work begins, before any is done; with `anew`, nothing that was done counts any more."""
        if anew or not self.begun:
            now = datetime.now(UTC).isoformat(timespec="seconds")
            write_text(self.path, json.dumps({"begun": now, "asked": self.asked}, sort_keys=True) + "\n")

    def _lines(self) -> list[bytes]:
        """Return the whole lines; ValueError when the file is far too large."""
        if not self.path.is_file():
            return []
        if self.path.stat().st_size > MAX_JOURNAL:
            raise ValueError(f"{self.path} has more than {MAX_JOURNAL:,} bytes: it is no journal of ours; remove it.")
        return self.path.read_bytes().split(b"\n")[:-1]

    def entries(self) -> dict[Unit, Entry]:
        """Return the last entry of each piece; ValueError when the file is damaged."""
        found = {}
        for number, line in enumerate(self._lines(), start=1):
            try:
                told = json.loads(line)
                if number == 1 and isinstance(told, dict) and told.keys() == {"begun", "asked"}:
                    continue
                entry = Entry(**told)
                known = all(isinstance(value, str) for value in asdict(entry).values())
            except (ValueError, TypeError, RecursionError):
                known = False
            if not known or entry.state not in {"done", "failed"}:
                raise ValueError(f"{self.path} line {number} is no entry of a journal: remove the file to begin anew.")
            found[entry.unit] = entry
        return found

    def add(self, unit: Unit, state: Done, told: str) -> Entry:
        """Write down what became of a piece; it is on the disk when this returns."""
        time = datetime.now(UTC).isoformat(timespec="seconds")
        entry = Entry(name=unit.name, digest=unit.digest, state=state, told=told[:MAX_TOLD], time=time)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b") as file:
            file.seek(0)
            whole = file.read().rfind(b"\n") + 1
            file.truncate(whole)
            file.write(json.dumps(asdict(entry), sort_keys=True).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        return entry

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let nobody else do the same at the same time; RuntimeError when somebody does."""
        with only_one(self.path.parent, "doing the same backfill, by its lock in", f"{self.path.stem}.lock"):
            yield


def left_of(units: Sequence[Unit], entries: dict[Unit, Entry]) -> list[Unit]:
    """Return the pieces that are still to be done: those that failed are tried again."""
    return [unit for unit in units if unit not in entries or entries[unit].state == "failed"]


def work_through(
    units: Sequence[Unit], journal: Journal, work: Callable[[Unit], str], *, stop: bool = False
) -> Iterator[Entry]:
    """Do what is left, one piece after another, and yield what became of each.

    A piece that fails stands as failed, and the others are done all the same unless `stop`. An interrupt, and the
    end that a training was asked for, end it; the same call goes on from there.
    """
    from model.interrupts import TrainingStopped

    for unit in left_of(units, journal.entries()):
        try:
            entry = journal.add(unit, "done", work(unit))
        except TrainingStopped:
            raise
        except Exception as error:  # noqa: BLE001 - one failure, whatever it is, must not stop the others
            entry = journal.add(unit, "failed", f"{type(error).__name__}: {error}")
        yield entry
        if stop and entry.state == "failed":
            return


def crawl_units(store: RawStore) -> tuple[Unit, ...]:
    """Return the finished crawls of a raw store as pieces of work, oldest first."""
    from pipeline.shards import file_sha256

    return tuple(Unit(name=name, digest=file_sha256(store.manifest(name))) for name in store.crawl_names())


def require_newest(unit: Unit, units: Sequence[Unit], entries: dict[Unit, Entry]) -> None:
    """Refuse a piece when a later one is done: its content would stand as the newest. ValueError says which."""
    later = [one for one in units[units.index(unit) + 1 :] if one in entries and entries[one].state == "done"]
    if later:
        raise ValueError(
            f"the later crawl {later[0].name} is published already, and older content would follow it: make the "
            "history anew under another --name."
        )


def require_not_older(crawl: str, last: Release | None) -> None:
    """Refuse a crawl when what stands was made from a later one, whoever published that; ValueError says which.

    Names of crawls are the times at which they began, so that they sort by age.
    """
    if last is not None and last.manifest.crawl > crawl:
        raise ValueError(
            f"crawl {crawl} is older than {last.manifest.crawl}, from which {last.version.ref} was made, and older "
            "content would follow it: make the history anew under another --name."
        )


def release_units(releases: Sequence[Release]) -> tuple[Unit, ...]:
    """Return releases as pieces of work, in their order."""
    return tuple(Unit(name=one.manifest.version, digest=one.manifest.digest) for one in releases)
