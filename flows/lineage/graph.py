"""Where something comes from and what was made of it, as plain values: things, and the links between them."""

from dataclasses import asdict, dataclass, field, replace
from typing import Literal

Kind = Literal["source", "crawl", "build", "release", "run", "checkpoint", "model", "decision"]
#: verified: a digest of what lies here is the one that was written down. stated: it was written down, and nothing to
#: compare it by. missing: it was named, and does not lie here. broken: what lies here has another digest.
State = Literal["verified", "stated", "missing", "broken"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """One station on the way from a site to a champion."""

    kind: Kind
    name: str  # for people; of one kind, two things never have the same
    place: str = ""  # where it lies; empty for what is not here
    facts: tuple[tuple[str, str], ...] = ()  # what it says of itself, in order
    fault: str = ""  # why it is not what it says it is; empty for what is sound

    @property
    def key(self) -> str:
        """Return what names it in a graph."""
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One thing was made of another."""

    older: str  # key of what was there first
    newer: str  # key of what was made of it
    how: str  # such as "trained on", read from the newer to the older
    state: State
    why: str = ""  # what was compared, or what is lacking
    whole: bool = True  # whether the walk goes on behind it; a version before this one is only named


@dataclass(slots=True, kw_only=True)
class Graph:
    """What was found, from one thing on; it grows while the walk goes."""

    subject: str = ""  # key of what was asked about
    things: dict[str, Thing] = field(default_factory=dict)
    _back: dict[str, dict[tuple[str, str], Link]] = field(default_factory=dict)  # by the newer thing
    _on: dict[str, dict[tuple[str, str], Link]] = field(default_factory=dict)  # by the older thing
    damaged: list[str] = field(default_factory=list)  # what lies in the data root and cannot be read
    left_out: dict[str, int] = field(default_factory=dict)  # by a thing's key, how much more was made of it

    def add(self, thing: Thing) -> Thing:
        """Keep a thing; one that is there already stays, and learns its fault."""
        known = self.things.get(thing.key)
        if known is None or (not known.place and thing.place):
            self.things[thing.key] = thing
        elif thing.fault and not known.fault:
            self.things[thing.key] = replace(known, fault=thing.fault)
        return self.things[thing.key]

    def link(self, link: Link) -> None:
        """Keep a link once."""
        self._back.setdefault(link.newer, {}).setdefault((link.older, link.how), link)
        self._on.setdefault(link.older, {}).setdefault((link.newer, link.how), link)

    @property
    def links(self) -> list[Link]:
        """Return every link, in the order of the walk."""
        return [link for links in self._back.values() for link in links.values()]

    def back(self, key: str) -> list[Link]:
        """Return the links from a thing to what it was made of."""
        return [*self._back.get(key, {}).values()]

    def on(self, key: str) -> list[Link]:
        """Return the links from a thing to what was made of it."""
        return [*self._on.get(key, {}).values()]

    @property
    def faults(self) -> list[str]:
        """Return what is broken, in words: links whose digests differ, and things that are not what they say."""
        links = [f"{link.newer} {link.how} {link.older}: {link.why}" for link in self.links if link.state == "broken"]
        return links + [f"{thing.key}: {thing.fault}" for thing in self.things.values() if thing.fault]

    @property
    def missing(self) -> int:
        """Return how many links end at something that is not here."""
        return sum(link.state == "missing" for link in self.links)

    def to_json(self) -> dict[str, object]:
        """Return all of it for a machine."""
        things = [{"key": thing.key, **asdict(thing), "facts": dict(thing.facts)} for thing in self.things.values()]
        return {
            "subject": self.subject,
            "things": things,
            "links": [asdict(link) for link in self.links],
            "broken": self.faults,
            "missing": self.missing,
            "damaged": self.damaged,
            "left_out": self.left_out,
        }
