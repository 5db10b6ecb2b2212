"""The bestiary as a wiki: a list, a page for each creature, pictures and a small MediaWiki API, all made from records.

Its clock stands still, so that two machines crawl the same bytes and the same times. An edit moves it by an hour.
"""

import hashlib
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Literal

from pipeline.sample.creature import CATEGORY_TITLE, EPOCH, HOST, LIST_TITLE, Creature, Revision, page_path

__all__ = [
    "CATEGORY_TITLE",
    "EPOCH",
    "HOST",
    "LIST_TITLE",
    "Asked",
    "Creature",
    "Fault",
    "Revision",
    "SampleWiki",
    "http_date",
    "page_path",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What a path answers instead of its page, for tests."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/html; charset=UTF-8"
    headers: tuple[tuple[str, str], ...] = ()
    times: int | None = None  # how often; None: always


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request that the wiki received."""

    time: float  # monotonic seconds
    method: str
    path: str  # with its query
    host: str
    user_agent: str
    status: int


@dataclass(slots=True, kw_only=True)
class SampleWiki:
    """The state of the wiki; methods are edits. Reading it is the server's part."""

    creatures: dict[str, Creature]  # by id
    images: dict[str, bytes]  # by Creature.image
    heading: Literal["both", "old", "new"] = "both"  # DOM of the headings; both: old for even numbers, new for odd
    crawl_delay: float = 0.0
    disallow: tuple[str, ...] = ("/w/index.php", "/wiki/Special:")
    faults: dict[str, Fault] = field(default_factory=dict)  # by path, without query
    asked: deque[Asked] = field(default_factory=lambda: deque(maxlen=100_000))
    revisions: dict[str, Revision] = field(default_factory=dict)  # by page title, or image path
    lock: threading.RLock = field(default_factory=threading.RLock)
    redirects: dict[str, str] = field(default_factory=dict)  # titles that lead to another title
    relatives: dict[str, tuple[str, ...]] = field(default_factory=dict)  # by id: titles that its page links to
    page_ids: dict[str, int] = field(default_factory=dict)  # by page title, or image path
    api_limit: int = 500  # pages or files that a generator gives at most in one answer
    lag: float = 0.0  # seconds that the database is behind, for `maxlag`
    lagging: int | None = None  # how many answers the lag still holds up; None: all
    edits: int = 0
    _titles: dict[str, str] = field(default_factory=dict, repr=False)  # page title -> id
    _pictures: dict[str, str] = field(default_factory=dict, repr=False)  # image path -> id
    _files: dict[str, str] = field(default_factory=dict, repr=False)  # file title -> id

    def __post_init__(self) -> None:
        """Make the look-ups."""
        self._index()

    @classmethod
    def of(cls, records: Iterable[Creature], images: Mapping[str, bytes]) -> "SampleWiki":
        """Make a wiki from records and the PNG bytes of their pictures; raise ValueError when they do not fit."""
        creatures = {creature.id: creature for creature in sorted(records, key=lambda c: (c.number, c.form, c.id))}
        for creature in creatures.values():
            if creature.image not in images:
                raise ValueError(
                    f"{creature.id} needs the picture {creature.image!r}, which is not there: add the file."
                )
        wiki = cls(creatures=creatures, images=dict(images))
        families: dict[str, list[Creature]] = {}
        for creature in creatures.values():
            families.setdefault(creature.family, []).append(creature)
        wiki.revisions[LIST_TITLE] = Revision(id=1000, time=EPOCH, sha1=_sha1(LIST_TITLE.encode()))
        wiki.page_ids[LIST_TITLE] = 1
        for place, creature in enumerate(creatures.values(), start=1):
            wiki.revisions[creature.title] = Revision(id=1000 + place, time=EPOCH, sha1=_sha1(creature.text.encode()))
            wiki.revisions[creature.image_path] = Revision(id=place, time=EPOCH, sha1=_sha1(images[creature.image]))
            wiki.page_ids |= {creature.title: 1 + place, creature.image_path: 5000 + place}
            kin = families[creature.family]
            wiki.relatives[creature.id] = tuple(other.title for other in kin if other.id != creature.id)
        return wiki

    @property
    def now(self) -> datetime:
        """What the wiki's clock says."""
        return EPOCH + timedelta(hours=1 + self.edits)

    def page(self, title: str) -> Creature | None:
        """Return the creature whose page has this title, if any; redirects are followed by `target`."""
        return self.creatures.get(self._titles.get(title, ""))

    def picture(self, path: str) -> Creature | None:
        """Return the creature whose picture lies at this path, if any."""
        return self.creatures.get(self._pictures.get(path, ""))

    def file(self, title: str) -> Creature | None:
        """Return the creature whose picture has this title, such as `File:Miniature 0001.png`, if any."""
        return self.creatures.get(self._files.get(title, ""))

    def members(self) -> list[str]:
        """Return the titles of the pages in the category, sorted as the wiki sorts them."""
        return sorted((title for title in self._titles if title in self.revisions), key=lambda t: (t.upper(), t))

    def target(self, title: str) -> str:
        """Return the title that a redirect leads to in the end; any other title is returned as it is."""
        for _ in self.redirects:  # no chain is longer than that
            title = self.redirects.get(title, title)
        return title

    def replace_text(self, id_: str, text: str) -> None:
        """Edit a page: a new revision, an hour later."""
        with self.lock:
            self.creatures[id_] = replace(self._creature(id_), text=text)
            self._revise(self.creatures[id_].title, text.encode())

    def replace_image(self, id_: str, png: bytes) -> None:
        """Upload a picture over the old one: its URL stays, its SHA-1 changes."""
        with self.lock:
            creature = self._creature(id_)
            name = f"{id_} {self.edits + 1}"  # other records may share the old picture
            self.images[name] = png
            self.creatures[id_] = replace(creature, image=name)
            self._revise(creature.image_path, png)

    def remove_page(self, id_: str) -> None:
        """Delete the page of a creature; the list and the picture still stand."""
        with self.lock:
            self.edits += 1
            del self.revisions[self._creature(id_).title]

    def move_page(self, id_: str, name: str, *, redirect: bool = True) -> None:
        """Give a creature, and so its page, a new name; the old title leads there, unless `redirect` is off."""
        with self.lock:
            old = self._creature(id_)
            new = replace(old, name=name)
            if new.title in self._titles:
                raise ValueError(f"the wiki has a page {new.title!r} already: choose another name than {name!r}.")
            self.creatures[id_] = new
            self._index()
            self._revise(new.title, new.text.encode())
            self.page_ids[new.title] = self.page_ids.pop(old.title)
            self.revisions.pop(old.title, None)
            self.redirects.pop(new.title, None)
            if redirect:
                self.redirects[old.title] = new.title
                self._revise(old.title, f"#REDIRECT [[{new.title}]]".encode())
            self._revise_list()

    def add_creature(self, creature: Creature, png: bytes) -> None:
        """Add a page, a picture and a row, where the number belongs; other pages do not know of it yet."""
        with self.lock:
            if creature.id in self.creatures or creature.title in self._titles:
                raise ValueError(f"the wiki has {creature.id} or {creature.title!r} already: choose another.")
            kin = tuple(other.title for other in self.creatures.values() if other.family == creature.family)
            everyone = [*self.creatures.values(), creature]
            self.creatures = {c.id: c for c in sorted(everyone, key=lambda c: (c.number, c.form, c.id))}
            self.images[creature.image] = png
            self.relatives[creature.id] = kin
            self._index()
            self._revise(creature.title, creature.text.encode())
            self._revise(creature.image_path, png)
            self._revise_list()

    def remove_creature(self, id_: str) -> None:
        """Delete a creature altogether: its page, its picture and its row in the list."""
        with self.lock:
            creature = self._creature(id_)
            del self.creatures[id_]
            self._index()
            for name in (creature.title, creature.image_path):
                self.revisions.pop(name, None)
            self._revise_list()

    def break_path(self, path: str, fault: Fault | None) -> None:
        """Let a path answer with a fault, or as it should again when `fault` is None."""
        with self.lock:
            self.faults.pop(path, None)
            if fault is not None:
                self.faults[path] = fault

    def take_fault(self, path: str) -> Fault | None:
        """Return the fault of a path and count it down."""
        with self.lock:
            fault = self.faults.get(path)
            if fault is not None and fault.times is not None:
                left = replace(fault, times=fault.times - 1)
                self.break_path(path, left if left.times else None)
            return fault

    def take_lag(self, most: int) -> bool:
        """Say whether a request that bears `most` seconds of lag is put off, and count it."""
        with self.lock:
            late = self.lag > most and self.lagging != 0
            if late and self.lagging is not None:
                self.lagging -= 1
            return late

    def log(self, method: str, path: str, headers: Mapping[str, str], status: int) -> None:
        """Note a request, for tests."""
        with self.lock:
            note = Asked(
                time=time.monotonic(),
                method=method,
                path=path,
                host=headers.get("Host", ""),
                user_agent=headers.get("User-Agent", ""),
                status=status,
            )
            self.asked.append(note)

    def _creature(self, id_: str) -> Creature:
        if id_ not in self.creatures:
            raise ValueError(f"the wiki has no record {id_!r}: choose one of {', '.join(list(self.creatures)[:5])}, …")
        return self.creatures[id_]

    def _index(self) -> None:
        """Make the look-ups again, after pages came, went or moved; raise ValueError when two records are one page."""
        everyone = self.creatures.items()
        self._titles = {creature.title: id_ for id_, creature in everyone}
        if len(self._titles) < len(self.creatures):
            title = next(c.title for id_, c in everyone if self._titles[c.title] != id_)
            raise ValueError(f"two records make the page {title!r}: give one another name or form.")
        self._pictures = {creature.image_path: id_ for id_, creature in reversed(everyone)}  # the first counts
        self._files = {creature.file_title: id_ for id_, creature in reversed(everyone)}

    def _revise(self, name: str, content: bytes) -> None:
        self.edits += 1
        self.revisions[name] = Revision(id=10_000 + self.edits, time=self.now, sha1=_sha1(content))
        self.page_ids.setdefault(name, 20_000 + self.edits)

    def _revise_list(self) -> None:
        """Note that the list's own bytes changed."""
        rows = [f"{c.number}|{c.title}|{c.image_path}|{c.family}|{c.stage}" for c in self.creatures.values()]
        self._revise(LIST_TITLE, "\n".join(rows).encode())


def http_date(moment: datetime) -> str:
    """Return a time as HTTP headers write it."""
    return format_datetime(moment, usegmt=True)


def _sha1(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()  # what MediaWiki's API names files by
