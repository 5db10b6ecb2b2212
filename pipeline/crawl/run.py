"""A crawl in a child process: Twisted's reactor starts once per process, and a crash there harms nobody here."""

import fcntl
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

from pipeline.crawl.progress import Progress, bar
from pipeline.crawl.raw import Crawl, CrawlReport, RawStore
from pipeline.crawl.sources import Source, host_of, source_from_table

USER_AGENT = "PixelBytes/0.1 (dataset crawler{contact})"
ORPHAN = 3  # exit status of a child whose parent went away
_ROOT = Path(__file__).parent.parent.parent  # where the packages lie


class CrawlError(RuntimeError):
    """A crawl that did not finish; what it has is kept, and the next crawl continues it within a day."""


def crawl(
    source: Source,
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
    job: dict[str, object] = {"source": asdict(source), "root": str(store.root), "limit": limit}
    job |= {"proxy": proxy or "", "contact": contact or ""}
    logs = store.root / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    with bar(f"crawling {source.name}") as draw:
        report, problem = _child(job, logs / "child.log", progress or draw)
    latest = store.latest_crawl()
    if report is None or problem or latest is None:
        what = problem or f"the crawler died, see {logs}."
        raise CrawlError(f"the crawl of {source.name} did not finish: {what} What arrived is kept; run it again.")
    return replace(latest, report=report)


def _child(job: dict[str, object], log: Path, progress: Callable[[Progress], None]) -> tuple[CrawlReport | None, str]:
    """Run a job in a child process, and return its report with what was wrong; it never outlives this call."""
    paths = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "pipeline.crawl.run"]
    with log.open("wb") as errors:
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


def check_request(source: Source, limit: int | None, proxy: str | None, contact: str | None) -> None:
    """Raise ValueError when `crawl` would refuse these arguments; nothing is asked or written."""
    if limit is not None and limit < 1:
        raise ValueError(f"limit is {limit}, but a crawl needs at least one listing: give 1 or more, or no limit.")
    if proxy and not (proxy.startswith("http://") and host_of(proxy)):
        raise ValueError(
            f"proxy is {proxy!r}: give a plain http:// address with a host, such as http://127.0.0.1:8080."
        )
    if source.politeness.contact_required and not contact:
        raise ValueError(f"{source.name} must know whom to write to: name a mail address or page with --contact.")
    if contact and not (contact.isprintable() and contact.isascii() and len(contact) <= 200):  # noqa: PLR2004 - a header
        raise ValueError(
            f"contact is {contact[:80]!r}: give up to 200 printable ASCII characters, such as me@example.org."
        )


def _follow(
    child: "subprocess.Popen[bytes]", job: dict[str, object], progress: Callable[[Progress], None]
) -> tuple[CrawlReport | None, str]:
    """Hand the child its job and read what it tells until it ends; its stdin stays open as long as we live."""
    if child.stdin is None or child.stdout is None:
        raise CrawlError("the child process has no pipes: this is a fault of ours, please report it.")
    with suppress(BrokenPipeError):  # it died at once; its status and log say why
        child.stdin.write(json.dumps(job).encode() + b"\n")
        child.stdin.flush()
    report, problem = None, ""
    for line in child.stdout:
        news = json.loads(line)
        if "report" in news:
            report, problem = CrawlReport(**news["report"]), str(news["problem"])
        else:
            progress(Progress(**news))
    return report, problem


def main() -> None:
    """Run one job from stdin, telling stdout about it in JSON lines. Run by `crawl`, not by hand."""
    job = json.loads(sys.stdin.buffer.readline())
    sys.stdout = sys.stderr
    threading.Thread(target=_die_with_parent, daemon=True).start()
    root = Path(job["root"])
    try:
        with (root / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _run(job, root)
    except BlockingIOError:
        _refuse(f"another crawl is writing to {root}; wait for it.")
    except (ValueError, OSError) as error:  # a manifest that was altered, a full disk
        _refuse(f"{error}")


def _refuse(problem: str) -> None:
    from pipeline.crawl.watch import tell

    tell({"report": asdict(CrawlReport()), "problem": problem})


def _run(job: dict[str, object], root: Path) -> None:
    """Crawl with Scrapy, and declare the crawl finished when it is."""
    from scrapy.crawler import CrawlerProcess

    from pipeline.crawl.ledger import Ledger
    from pipeline.crawl.politeness import Manners
    from pipeline.crawl.spiders import SiteSpider, settings_of
    from pipeline.crawl.watch import Watch

    table, limit = job["source"], job["limit"]
    if not isinstance(table, dict):
        raise TypeError(f"the job's source is {table!r}: this is a fault of ours, please report it.")
    source = source_from_table(table, where="job")
    user_agent = USER_AGENT.format(contact=f"; contact: {job['contact']}" if job["contact"] else "")
    ledger = Ledger(RawStore(root), source)
    manners = Manners(source=source, ledger=ledger, proxy=str(job["proxy"]), user_agent=user_agent)
    log_file = root / "logs" / f"{ledger.crawl.name}.log"
    process = CrawlerProcess(settings_of(source, manners.user_agent, str(log_file)))
    crawler = process.create_crawler(SiteSpider)
    watch = Watch(crawler, ledger)
    process.crawl(crawler, manners=manners, limit=limit if isinstance(limit, int) else None)
    process.start()
    watch.finish()


def _die_with_parent() -> None:
    """Wait for the end of stdin, which comes when the parent closes it or dies, however it dies."""
    while os.read(0, 1):  # not through sys.stdin: a thread inside it spoils the interpreter's own end
        pass
    os._exit(ORPHAN)  # at once: each line and body on disk is whole


if __name__ == "__main__":
    main()
