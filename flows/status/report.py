"""What a status says, as plain values: each part stands alone, so that a damaged one hides no other."""

from dataclasses import asdict, dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlState:
    """The last finished crawl of one source."""

    source: str
    crawl: str = ""  # UTC time of its start; empty when none has finished
    crawls: int = 0  # that have finished
    lines: int = 0  # resources that were asked for
    failed: int = 0  # of them, without a body
    limited: str = ""  # to how much it was limited
    yields: str = ""  # listed, joined and built, where something was built of it
    unfinished: str = ""  # name of one that is under way or was cut off


@dataclass(frozen=True, slots=True, kw_only=True)
class RepoState:
    """The releases of one dataset."""

    repo: str
    place: str = ""  # releases: in the data root; hub: on the Hub, as far as they were read; empty without a release
    newest: str = ""
    made: str = ""  # ISO 8601
    records: int = 0
    versions: int = 0
    yanked: tuple[str, ...] = ()
    visibility: str = ""
    waiting: str = ""  # a build that is no release yet, and why


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A run of a flow, or what a lock or a run's folder tells of one."""

    what: str  # name of the flow, or such as "crawling"
    about: str  # name of the run, or of what is worked on
    state: Literal["running", "waiting", "failed", "unfinished"]
    since: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reign:
    """Who reigns over a dataset, and what was decided last."""

    repo: str
    champion: str = ""
    bits: float | None = None
    on: str = ""  # the version that the bits are of
    since: str = ""
    decided: str = ""  # when
    version: str = ""  # that was decided on last
    outcome: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """What one part of the data root takes."""

    part: str
    bytes: int
    files: int
    whole: bool = True  # False when there are more files than are counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """All of it."""

    data: str
    crawls: tuple[CrawlState, ...] = ()
    repos: tuple[RepoState, ...] = ()
    work: tuple[Work, ...] = ()
    server: str = ""  # what was asked for runs, or why nobody was
    finished_runs: int = 0
    reigns: tuple[Reign, ...] = ()
    disk: tuple[Disk, ...] = ()
    damaged: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Tell whether nothing was ever made here."""
        return not (self.crawls or self.repos or self.reigns or self.finished_runs or self.work or self.damaged)

    def to_json(self) -> dict[str, object]:
        """Return all of it for a machine."""
        return asdict(self) | {"empty": self.empty}
