"""The bestiary as a wiki: a list, a page for each creature, pictures and a small MediaWiki API, all made from records.

Its clock stands still, so that two machines crawl the same bytes and the same times. An edit moves it by an hour.
"""

import hashlib
import json
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Literal
from urllib.parse import quote

HOST = "http://bestiary.localhost"  # its address on every machine and port, reached through a proxy
LIST_TITLE = "List of creatures"
EPOCH = datetime(2026, 1, 1, 12, tzinfo=UTC)
_TITLE_SAFE = "/:;@$!*(),~-._"


@dataclass(frozen=True, slots=True, kw_only=True)
class Creature:
    """One record of the bestiary: a creature, or one of its forms."""

    id: str
    number: int
    name: str
    form: str = ""
    family: str
    stage: int | str = ""
    text: str  # paragraphs, with an empty line between them
    image: str  # file name of the picture

    @property
    def title(self) -> str:
        """Title of its page."""
        return f"{self.name} ({self.form})" if self.form else f"{self.name} (creature)"

    @property
    def file_name(self) -> str:
        """Name of its picture on the wiki."""
        return f"Miniature_{self.number:04d}{'_' + self.form.replace(' ', '_') if self.form else ''}.png"

    @property
    def image_path(self) -> str:
        """Path of its picture, under two folders named by a hash as MediaWiki does."""
        digest = hashlib.md5(self.file_name.encode(), usedforsecurity=False).hexdigest()
        return f"/images/{digest[0]}/{digest[:2]}/{quote(self.file_name, safe=_TITLE_SAFE)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One state of a page or a picture."""

    id: int
    time: datetime
    sha1: str


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
    edits: int = 0

    @classmethod
    def of(cls, records: Iterable[Creature], images: Mapping[str, bytes]) -> "SampleWiki":
        """Make a wiki from records and the PNG bytes of their pictures; raise ValueError when they do not fit."""
        creatures = {creature.id: creature for creature in sorted(records, key=lambda c: (c.number, c.form, c.id))}
        for creature in creatures.values():
            if creature.image not in images:
                raise ValueError(
                    f"{creature.id} needs the picture {creature.image!r}, which is not there: add the file."
                )
        titles = [creature.title for creature in creatures.values()]
        twice = next((title for title in titles if titles.count(title) > 1), None)
        if twice:
            raise ValueError(f"two records make the page {twice!r}: give one another name or form.")
        wiki = cls(creatures=creatures, images=dict(images))
        for place, creature in enumerate(creatures.values(), start=1):
            wiki.revisions[creature.title] = Revision(id=1000 + place, time=EPOCH, sha1=_sha1(creature.text.encode()))
            wiki.revisions[creature.image_path] = Revision(id=place, time=EPOCH, sha1=_sha1(images[creature.image]))
        wiki.revisions[LIST_TITLE] = Revision(id=1000, time=EPOCH, sha1=_sha1(LIST_TITLE.encode()))
        return wiki

    @property
    def now(self) -> datetime:
        """What the wiki's clock says."""
        return EPOCH + timedelta(hours=1 + self.edits)

    def page(self, title: str) -> Creature | None:
        """Return the creature whose page has this title, if any."""
        return next((c for c in self.creatures.values() if c.title == title), None)

    def picture(self, path: str) -> Creature | None:
        """Return the creature whose picture lies at this path, if any."""
        return next((c for c in self.creatures.values() if c.image_path == path), None)

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

    def _revise(self, name: str, content: bytes) -> None:
        self.edits += 1
        self.revisions[name] = Revision(id=10_000 + self.edits, time=self.now, sha1=_sha1(content))


def page_path(title: str) -> str:
    """Return the path of a page; the list stands at the root, as on the wiki it is modelled on."""
    path = quote(title.replace(" ", "_"), safe=_TITLE_SAFE)
    return f"/{path}" if title == LIST_TITLE else f"/wiki/{path}"


def http_date(moment: datetime) -> str:
    """Return a time as HTTP headers write it."""
    return format_datetime(moment, usegmt=True)


def sample_folder() -> Path:
    """Return the folder of the bundled sample: inside an installed package, or data/sample of a checkout.

    Raises FileNotFoundError when neither is there.
    """
    here = Path(__file__).resolve().parent
    for folder in (here / "data", here.parent.parent / "data" / "sample"):
        if (folder / "records.jsonl").is_file():
            return folder
    raise FileNotFoundError(f"the bundled sample was not found beside {here}: install the package again.")


def load_wiki(folder: Path) -> SampleWiki:
    """Make the wiki from a folder with records.jsonl and images/; raise ValueError for what cannot be read."""
    records = [
        _record(line, f"{folder / 'records.jsonl'} line {number}")
        for number, line in enumerate((folder / "records.jsonl").read_bytes().splitlines(), start=1)
    ]
    images = {path.name: path.read_bytes() for path in sorted((folder / "images").glob("*.png"))}
    return SampleWiki.of([*records, *_unfinished(records, images)], images)


def _unfinished(records: list[Creature], images: dict[str, bytes]) -> list[Creature]:
    """Return what every wiki has: an article nobody wrote yet, and one whose picture broke while it was uploaded."""
    last = max(records, key=lambda record: record.number)
    images["unfinished.png"] = images[last.image]
    images["broken.png"] = images[last.image][: len(images[last.image]) // 2]
    names = {"Stubling": ("", "unfinished.png"), "Halfling": (last.text, "broken.png")}
    return [
        Creature(id=f"{number:04d}-{name.lower()}", number=number, name=name, family=name, text=text, image=image)
        for number, (name, (text, image)) in enumerate(names.items(), start=last.number + 1)
    ]


def _record(line: bytes, where: str) -> Creature:
    try:
        table = json.loads(line)
        return Creature(**{f.name: table[f.name] for f in fields(Creature) if f.name in table})
    except (ValueError, TypeError) as error:
        raise ValueError(f"{where} is not a record of the bestiary ({error}): restore the file.") from error


def _sha1(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()  # what MediaWiki's API names files by
