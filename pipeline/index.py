"""What a build works through, on disk: a crawl joined into entries, their sprites, and what was dropped.

One SQLite file beside the draft, so that memory stays flat at a million records, workers read their own part of it,
and a build that was killed finds what it had done. It is a scratch file: nothing of it enters a release.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from pipeline.crawl.lines import Line
from pipeline.entries import Entry
from pipeline.likeness import FINGERPRINT
from pipeline.overlays import FlatSprite
from pipeline.packing import PackedEntry, PackedListing, unpacked_entry
from pipeline.records import Dropped

FORMAT = 4  # of the index: one of another format is begun again

_TABLES = """
create table if not exists state (name text primary key, value text not null);
create table if not exists listing (key text primary key, body blob not null) without rowid;
create table if not exists entry (
    key text not null, family text not null, picture text not null, bodies blob not null, body blob not null
);
create table if not exists sprite (
    picture text primary key, h integer, w integer, cells blob, same blob, print blob, fault text
);
create table if not exists member (split text, key text, entry integer, primary key (split, key)) without rowid;
create table if not exists dropped (id text, name text, stage text, reason text, source_url text);
"""
_PRAGMAS = (  # exclusive: no memory is shared with readers, which no file system between machines could do
    "pragma locking_mode = exclusive; pragma journal_mode = wal; pragma synchronous = off; pragma cache_size = -16000"
)


EntryRow = tuple[bytes, int, int, bytes]  # a packed entry (pipeline.packing); height, width and cells of its sprite


class Sketch(NamedTuple):
    """A picture made into a sprite, or why it cannot be one: a row as the index keeps it."""

    picture: str  # SHA-256 of the raw picture
    h: int = 0
    w: int = 0
    cells: bytes = b""
    same: bytes = b""  # digest of the sprite: what it has in common with those that are equal
    print: bytes = b""  # the sprite's fingerprint, by which near twins are found
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A range of a split's entries, in key order: what one shard holds."""

    split: str
    start: int
    stop: int


class BuildIndex:  # hands on bytes as bytearrays: for `bytes` Python asks around for an adapter, at twice the cost
    """The index of one build. `commit` makes what was done so far survive a kill."""

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        """Open the index at `path`, new when there is none or it is torn.

        Workers open it read-only, without a lock and without its log: they see what was shared, from any machine.
        """
        self.path = path
        address = f"{path.resolve().as_uri()}?mode={'ro&immutable=1' if readonly else 'rwc'}"
        self._db = sqlite3.connect(address, uri=True)
        if readonly:
            return
        try:
            self._prepare()
        except sqlite3.DatabaseError:
            self._db.close()
            for torn in path.parent.glob(f"{path.name}*"):
                torn.unlink()
            self._db = sqlite3.connect(address, uri=True)
            self._prepare()

    def _prepare(self) -> None:
        self._db.executescript(_PRAGMAS)
        self._db.executescript(_TABLES)
        if self._db.execute("pragma quick_check(1)").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("the index is torn")

    def __enter__(self) -> "BuildIndex":
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Close the file; what was not committed is forgotten. OSError for what SQLite could not do, as a full disk."""
        self._db.close()
        if isinstance(error, sqlite3.Error):
            raise OSError(f"the build's index {self.path} failed ({error}): make room, and build again.") from error

    def commit(self) -> None:
        """Keep what was done so far."""
        self._db.commit()

    def share(self) -> None:
        """Keep what was done so far, and let those who open the index from now on see it.

        Until it is shared again, only what no worker reads meanwhile may be committed: their file must not change.
        """
        self.commit()
        self._db.execute("pragma wal_checkpoint(truncate)").fetchone()

    def state(self, name: str) -> str:
        """Return a value that was kept by name; empty when none was."""
        row = self._db.execute("select value from state where name = ?", (name,)).fetchone()
        return str(row[0]) if row else ""

    def keep(self, name: str, value: str) -> None:
        """Keep a value by name."""
        self._db.execute("insert or replace into state values (?, ?)", (name, value))

    @property
    def places(self) -> Path:
        """Return where a file about the lines of the crawl's manifest belongs: beside the index, and gone with it."""
        return self.path.with_name(f"{self.path.name}.places.npy")

    def begin_anew(self) -> None:
        """Forget what was read of a crawl: a build that was killed while it read begins with that again."""
        for table in ("listing", "entry", "member", "dropped"):
            self._db.execute(f"delete from {table}")  # noqa: S608 - the names above

    def add_listings(self, rows: Sequence[PackedListing]) -> list[PackedListing]:
        """Add rows of the list; return those whose key there was already, which is kept."""
        insert, before = "insert or ignore into listing values (?, ?)", self._db.total_changes
        bound = [(key, bytearray(body)) for key, body in rows]
        self._db.execute("savepoint listed")
        self._db.executemany(insert, bound)
        whole = self._db.total_changes - before == len(rows)
        if not whole:  # the list names something twice: which?
            self._db.execute("rollback to listed")
        self._db.execute("release listed")
        return [] if whole else [row for row in rows if not self._db.execute(insert, row).rowcount]

    def listings_from(self, every: int) -> list[str]:
        """Return the keys at which portions of so many rows of the list begin, in key order."""
        keys = self._db.execute("select key from listing order by key")
        return [key for (key,) in islice(keys, None, None, every)]

    def listings(self, first: str, most: int) -> list[PackedListing]:
        """Return so many rows of the list in key order, from a key on."""
        query = "select key, body from listing where key >= ? order by key limit ?"
        return self._db.execute(query, (first, most)).fetchall()

    def add_entries(self, entries: Iterable[PackedEntry]) -> None:
        """Add entries; once all are there, `make_searchable` is to be called."""
        rows = ((*names, bytearray(same), bytearray(body)) for *names, same, body in entries)
        self._db.executemany("insert into entry values (?, ?, ?, ?, ?)", rows)

    def make_searchable(self) -> None:
        """Make entries quick to find by their key and by their picture: cheaper once all are there."""
        self._db.execute("create unique index if not exists entry_key on entry (key)")
        self._db.execute("create index if not exists entry_picture on entry (picture)")

    def same_bodies(self) -> list[tuple[Entry[Line], str]]:
        """Return the entries whose bodies one before them has, in key order, and the key of that one."""
        query = (
            "select body, first from entry join "
            "(select bodies, min(key) as first from entry group by bodies having count(*) > 1) using (bodies) "
            "where key != first order by key"
        )
        return [(unpacked_entry(body), first) for body, first in self._db.execute(query).fetchall()]

    def add_dropped(self, dropped: Iterable[Dropped]) -> None:
        """Add what will not become a record."""
        rows = ((d.id, d.name, d.stage, d.reason, d.source_url) for d in dropped)
        self._db.executemany("insert into dropped values (?, ?, ?, ?, ?)", rows)

    def remove(self, dropped: Dropped) -> None:
        """Take an entry out, and say why."""
        self._db.execute("delete from member where key = ?", (dropped.id,))
        self._db.execute("delete from entry where key = ?", (dropped.id,))
        self.add_dropped([dropped])

    def dropped(self, batch: int = 1024) -> Iterator[list[Dropped]]:
        """Yield what was dropped, by id, stage and reason, in batches."""
        found = self._db.execute("select id, name, stage, reason, source_url from dropped order by 1, 3, 4, 5")
        names = [column[0] for column in found.description]
        while rows := found.fetchmany(batch):
            yield [Dropped(**dict(zip(names, row, strict=True))) for row in rows]

    def dropped_by_stage(self) -> dict[str, int]:
        """Count what was dropped, stage by stage."""
        return dict(self._db.execute("select stage, count(*) from dropped group by stage").fetchall())

    def most_dropped(self, most: int) -> list[tuple[str, int]]:
        """Return why most was dropped, as `stage: reason`, each with its count."""
        query = "select stage || ': ' || reason, count(*) from dropped group by 1 order by 2 desc, 1 limit ?"
        return self._db.execute(query, (most,)).fetchall()

    def undrawn(self) -> list[str]:
        """Return the pictures that no sprite was made of yet, in order."""
        query = "select distinct picture from entry where picture not in (select picture from sprite) order by picture"
        return [row[0] for row in self._db.execute(query)]

    def add_sketches(self, sketches: Iterable[Sketch]) -> None:
        """Add what became of pictures."""
        rows = ((*size, bytearray(a), bytearray(b), bytearray(c), fault) for *size, a, b, c, fault in sketches)
        self._db.executemany("insert or replace into sprite values (?, ?, ?, ?, ?, ?, ?)", rows)

    def faulty(self) -> Iterator[tuple[Entry[Line], str]]:
        """Yield the entries whose picture cannot be a sprite, and why."""
        query = "select body, fault from sprite cross join entry using (picture) where fault != '' order by key"
        return ((unpacked_entry(body), fault) for body, fault in self._db.execute(query).fetchall())

    def sprite(self, picture: str) -> UInt8[np.ndarray, "h w"]:
        """Return the sprite of a picture."""
        return _sprite(*self._db.execute("select h, w, cells from sprite where picture = ?", (picture,)).fetchone())

    def sprites_at(self, places: Sequence[int]) -> list[FlatSprite]:
        """Return the sprites at these places, in this order."""
        query = "select h, w, cells from json_each(?) cross join sprite on sprite.rowid = value order by json_each.key"
        return self._db.execute(query, (json.dumps(places),)).fetchall()

    def same_sprites(self) -> Iterator[list[Entry[Line]]]:
        """Yield the entries, two or more, that show the same sprite, in key order."""
        twice = (
            "select json_group_array(entry.rowid) from sprite cross join entry using (picture) "
            "group by same having count(*) > 1 order by same"
        )
        found = "select body from json_each(?) cross join entry on entry.rowid = value order by entry.key"
        for alike in self._db.execute(twice).fetchall():
            yield [unpacked_entry(body) for (body,) in self._db.execute(found, alike).fetchall()]

    def families(self) -> tuple[list[tuple[str, int]], UInt8[np.ndarray, "n 64"]]:
        """Return each family with the place of each sprite that it shows, in order, and the sprites' fingerprints."""
        place = "(select rowid from sprite where picture = entry.picture)"
        query = f"select family, {place} from entry group by family, picture order by family, picture"  # noqa: S608
        shown = self._db.execute(query).fetchall()
        drawn = self._db.execute("select rowid, print from sprite where fault = '' order by rowid").fetchall()
        prints = np.frombuffer(b"".join([one for _, one in drawn]), dtype=np.uint8).reshape(-1, FINGERPRINT)
        known, places = (np.array([row[column] for row in rows]) for column, rows in ((0, drawn), (1, shown)))
        return shown, prints[np.searchsorted(known, places)]

    def showing(self, family: str, place: int) -> list[Entry[Line]]:
        """Return the entries of a family that show the sprite at a place, in key order."""
        picture = "(select picture from sprite where rowid = ?)"
        query = f"select body from entry where picture = {picture} and family = ? order by key"  # noqa: S608
        return [unpacked_entry(body) for (body,) in self._db.execute(query, (place, family)).fetchall()]

    def set_splits(self, splits: Mapping[str, str]) -> None:
        """Put every family into its split."""
        self._db.create_function("split_of", 1, splits.__getitem__)
        self._db.execute("delete from member")
        self._db.execute("insert into member select split_of(family), key, rowid from entry order by 1, 2")

    def count(self) -> int:
        """Count the entries."""
        return int(self._db.execute("select count(*) from entry").fetchone()[0])

    def keys(self, split: str) -> Iterator[str]:
        """Yield the keys of a split's entries, in order."""
        for (key,) in self._db.execute("select key from member where split = ? order by key", (split,)):
            yield key

    def rows(self, part: Part) -> list[EntryRow]:
        """Return the entries of a part in key order as they are kept: what it holds is digested, and then opened."""
        query = "select key from member where split = ? order by key limit 1 offset ?"
        first = self._db.execute(query, (part.split, part.start)).fetchone() or ("",)
        query = (  # from that key on: the row of none before it is touched
            "select body, h, w, cells from member cross join entry on entry.rowid = member.entry "
            "cross join sprite using (picture) where split = ? and member.key >= ? order by member.key limit ?"
        )
        return self._db.execute(query, (part.split, *first, part.stop - part.start)).fetchall()


def opened(row: EntryRow) -> tuple[Entry[Line], UInt8[np.ndarray, "h w"]]:
    """Return an entry and its sprite from what the index kept."""
    body, h, w, cells = row
    return unpacked_entry(body), _sprite(h, w, cells)


def parts(split: str, borders: Sequence[int]) -> Sequence[Part]:
    """Return the ranges between borders."""
    return [Part(split=split, start=a, stop=b) for a, b in pairwise(borders)]


def sketched(picture: str, sprite: UInt8[np.ndarray, "h w"], fingerprint: bytes) -> Sketch:
    """Return the row of a sprite and its fingerprint; `picture` is the digest of what it was made from."""
    (h, w), cells = sprite.shape, sprite.tobytes()
    return Sketch(picture, h, w, cells, hashlib.sha256(bytes((h, w)) + cells).digest()[:16], fingerprint)


def _sprite(h: int, w: int, cells: bytes) -> UInt8[np.ndarray, "h w"]:
    return np.frombuffer(cells, dtype=np.uint8).reshape(h, w)
