"""A crawl in a child process: Twisted's reactor starts once per process, and a crash there harms nobody here."""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pipeline.crawl.progress import Progress, bar
from pipeline.crawl.raw import LOCK, Crawl, CrawlReport, RawStore
from pipeline.crawl.scratch import ScratchStore
from pipeline.crawl.source_files import source_from_table
from pipeline.crawl.sources import WikiSource, host_of
from pipeline.locks import only_one

USER_AGENT = "PixelBytes/0.1 (dataset crawler{contact})"
ORPHAN = 3  # exit status of a child whose parent went away
_ROOT = Path(__file__).parent.parent.parent  # where the packages lie


class CrawlError(RuntimeError):
    """A crawl that did not finish; what it has is kept, and the next crawl continues it within a day.

    `transient` says that the next one may well finish with nothing changed by anybody: the site or the network failed.
    """

    def __init__(self, told: str, *, transient: bool = False) -> None:
        """Say what happened, and whether it may pass by itself."""
        super().__init__(told)
        self.transient = transient


def crawl(
    source: WikiSource,
    store: RawStore,
    *,
    limit: int | None = None,
    proxy: str | None = None,
    contact: str | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Crawl:
    """Bring `store` up to date with the site of `source`, and return the finished crawl with its report.

    `limit` stops after that many listings; `proxy` is an http:// address for all requests; `contact` is whom the site
    may write to; `progress` is called as resources arrive, a bar is drawn on a terminal without it. A crawl that was
    killed is continued within a day. Raises ValueError as `check_request` does, and CrawlError when the crawl did not
    finish.
    """
    check_request(source, limit, proxy, contact)
    logs = store.root / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    job = _Job(source=source, root=store.root, limit=limit, proxy=proxy or "", contact=contact or "")
    with bar(f"crawling {source.name}") as draw:
        ended = _child(job, logs / "child.log", progress or draw)
    latest = store.latest_crawl()
    if ended is None or ended.problem or latest is None:
        what = ended.problem if ended else f"the crawler died, see {logs}."
        transient = ended is None or ended.may_pass
        raise CrawlError(f"the crawl of {source.name} did not finish: {what}{_advice(what)}", transient=transient)
    return replace(latest, report=ended.report)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPlan:
    """What a crawl would ask one host for."""

    host: str
    pages: int
    pictures: int
    delay: float  # seconds between two requests: the source's own, or robots.txt's where that asks for more

    @property
    def seconds(self) -> float:
        """How long that takes at the site's own pace, when it answers at once."""
        return (self.pages + self.pictures) * self.delay


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a crawl would fetch; `report` counts what was asked to find out."""

    hosts: tuple[HostPlan, ...]
    report: CrawlReport
    notes: tuple[str, ...] = ()  # rows and columns of the lists that were not understood, each reason once

    @property
    def requests(self) -> int:
        """How many requests the crawl would still make."""
        return sum(host.pages + host.pictures for host in self.hosts)

    @property
    def seconds(self) -> float:
        """How long that takes at the sites' own pace; hosts are asked side by side, the ports of one name in turn."""
        names: dict[str, float] = {}
        for host in self.hosts:
            name = host.host.partition(":")[0]
            names[name] = names.get(name, 0.0) + host.seconds
        return max(names.values(), default=0.0)


def plan(
    source: WikiSource,
    store: RawStore,
    *,
    limit: int | None = None,
    proxy: str | None = None,
    contact: str | None = None,
) -> Plan:
    """Return what `crawl` would fetch now: robots.txt, lists and change keys are asked for, and nothing is kept.

    Raises as `crawl` does.
    """
    check_request(source, limit, proxy, contact)
    with tempfile.TemporaryDirectory(prefix="pixelbytes-plan-") as scratch, bar(f"looking at {source.name}") as draw:
        root = Path(scratch)
        (root / "logs").mkdir()
        job = _Job(
            source=source, root=store.root, limit=limit, proxy=proxy or "", contact=contact or "", scratch=scratch
        )
        ended = _child(job, root / "logs" / "child.log", draw)
    if ended is None or ended.problem:
        what = ended.problem if ended else "the crawler died."
        raise CrawlError(f"what {source.name} has could not be found out: {what}{_advice(what)}")
    return Plan(hosts=ended.hosts, report=ended.report, notes=ended.notes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """What the child process is to do; travels as JSON."""

    source: WikiSource
    root: Path  # of the raw store
    limit: int | None
    proxy: str
    contact: str
    scratch: str = ""  # of a dry run: where to write instead

    def to_json(self) -> bytes:
        """Return the job as one line."""
        return json.dumps(asdict(self) | {"root": str(self.root)}).encode() + b"\n"

    @classmethod
    def from_json(cls, line: bytes) -> "_Job":
        """Read a job; raise ValueError or TypeError for anything else."""
        table = json.loads(line)
        source = source_from_table(table["source"], where="job")
        if not isinstance(source, WikiSource):
            raise TypeError(f"the job's source is {table['source']!r}: this is a fault of ours, please report it.")
        return cls(**table | {"source": source, "root": Path(table["root"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """How the child process ended."""

    report: CrawlReport
    problem: str
    may_pass: bool = False
    hosts: tuple[HostPlan, ...] = ()
    notes: tuple[str, ...] = ()


def _advice(problem: str) -> str:
    """Return what to do about a crawl that did not finish."""
    if "another process" in problem:
        return ""
    if "refused by other side" in problem:
        return " Nothing answers there: is the wiki running, is the port in `start` the right one?"
    return " What arrived is kept; run it again."


def _child(job: _Job, log: Path, progress: Callable[[Progress], None]) -> _Ended | None:
    """Run a job in a child process, and return how it ended, None when it died; it never outlives this call."""
    paths = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "pipeline.crawl.run"]
    with log.open("ab") as errors:
        child = subprocess.Popen(  # noqa: S603 - our own module, no shell, the job goes through stdin
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=_ROOT,
            env=os.environ | {"PYTHONPATH": paths},
        )
        try:
            return _follow(child, job, progress)
        finally:
            child.kill()  # a no-op when it has ended; what it wrote is whole, line by line
            child.communicate()


def check_request(source: WikiSource, limit: int | None, proxy: str | None, contact: str | None) -> None:
    """Raise ValueError when `crawl` would refuse these arguments; nothing is asked or written."""
    if limit is not None and limit < 1:
        raise ValueError(f"limit is {limit}, but a crawl needs at least one listing: give 1 or more, or no limit.")
    if proxy and not (proxy.startswith("http://") and host_of(proxy)):
        raise ValueError(
            f"proxy is {proxy!r}: give a plain http:// address with a host, such as http://127.0.0.1:8080."
        )
    if not (source.local or source.bundled or (contact or "").strip()):
        raise ValueError(f"{source.name} must know whom to write to: name a mail address or page with --contact.")
    if contact and not (contact.isprintable() and contact.isascii() and len(contact) <= 200):  # noqa: PLR2004 - a header
        raise ValueError(
            f"contact is {contact[:80]!r}: give up to 200 printable ASCII characters, such as me@example.org."
        )


def _follow(child: "subprocess.Popen[bytes]", job: _Job, progress: Callable[[Progress], None]) -> _Ended | None:
    """Hand the child its job and read what it tells until it ends; its stdin stays open as long as we live."""
    if child.stdin is None or child.stdout is None:
        raise CrawlError("the child process has no pipes: this is a fault of ours, please report it.")
    with suppress(BrokenPipeError):  # it died at once; its status and log say why
        child.stdin.write(job.to_json())
        child.stdin.flush()
    ended = None
    for line in child.stdout:
        news = json.loads(line)
        if "report" in news:
            hosts = tuple(HostPlan(**host) for host in news.get("hosts", ()))
            notes = tuple(map(str, news.get("notes", ())))
            ended = _Ended(
                report=CrawlReport(**news["report"]),
                problem=str(news["problem"]),
                may_pass=bool(news.get("may_pass")),
                hosts=hosts,
                notes=notes,
            )
        else:
            progress(Progress(**news))
    return ended


def main() -> None:
    """Run one job from stdin, telling stdout about it in JSON lines. Run by `crawl` and `plan`, not by hand."""
    job = _Job.from_json(sys.stdin.buffer.readline())
    sys.stdout = sys.stderr
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        with ExitStack() as stack:
            if not job.scratch or (job.root / LOCK).exists():  # side by side, two would be twice as fast as is polite
                stack.enter_context(only_one(job.root, "crawling into", LOCK))
            _run(job)
    except (ValueError, RuntimeError, OSError) as error:  # a manifest that was altered, a full disk
        _refuse(f"{error}")


def _refuse(problem: str) -> None:
    from pipeline.crawl.watch import tell

    tell({"report": asdict(CrawlReport()), "problem": problem})


def _run(job: _Job) -> None:
    """Crawl with Scrapy, and declare the crawl finished when it is."""
    from scrapy.crawler import CrawlerProcess

    from pipeline.crawl.ledger import Ledger
    from pipeline.crawl.politeness import Manners
    from pipeline.crawl.settings import settings_of
    from pipeline.crawl.spiders import SiteSpider
    from pipeline.crawl.watch import Watch

    user_agent = USER_AGENT.format(contact=f"; contact: {job.contact}" if job.contact else "")
    store = RawStore(job.root)
    ledger = Ledger(ScratchStore(store, Path(job.scratch)) if job.scratch else store, job.source, job.limit)
    manners = Manners(source=job.source, ledger=ledger, proxy=job.proxy, user_agent=user_agent, dry=bool(job.scratch))
    log_file = ledger.store.root / "logs" / f"{ledger.crawl.name}.log"
    process = CrawlerProcess(settings_of(job.source, manners.user_agent, str(log_file), job.proxy))
    crawler = process.create_crawler(SiteSpider)
    watch = Watch(crawler, ledger)
    process.crawl(crawler, manners=manners, limit=job.limit)
    process.start()
    watch.finish()


def _die_with_parent() -> None:
    """Wait for the end of stdin, which comes when the parent closes it or dies, however it dies."""
    while os.read(0, 1):  # not through sys.stdin: a thread inside it spoils the interpreter's own end
        pass
    os._exit(ORPHAN)  # at once: each line and body on disk is whole


if __name__ == "__main__":
    main()
