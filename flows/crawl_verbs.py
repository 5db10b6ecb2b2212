"""What the crawling commands do: ask a site or read a folder, say what it yielded, or only what would be asked."""

from dataclasses import asdict
from datetime import timedelta

from flows.console import err, out, say, yield_table
from flows.errors import DONE, GATE_SAID_NO, UsageError, given_by_user
from flows.reach import reached
from flows.settings import DataRoot
from pipeline.crawl.collect import check_collect, collect, rules_for
from pipeline.crawl.raw import Crawl, CrawlReport, RawStore
from pipeline.crawl.run import HostPlan, Plan, plan
from pipeline.crawl.source_files import load_source
from pipeline.crawl.sources import Source, WikiSource
from pipeline.crawl.survey import Survey, Yield
from pipeline.crawl.survey import survey as survey_crawl

NOTICEABLE = 0.01  # seconds between two requests


def known_source(source: str) -> Source:
    """Return the source that a user named."""
    with given_by_user():
        return load_source(source)


def crawl(root: DataRoot, source: str, limit: int | None, contact: str | None, *, as_json: bool) -> int:
    """Bring the raw store of a source up to date, and hold what came against what the source asserts."""
    known = known_source(source)
    with given_by_user():
        check_collect(known, limit, contact)
    store = RawStore(root.raw(known.name))
    with reached(known) as proxy:
        done = collect(known, store, limit=limit, proxy=proxy, contact=contact)
    report = asdict(done.report or CrawlReport())
    told = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in report.items() if count)
    seen = survey_crawl(known, store, done)
    result = {"crawl": done.name, **report, "survey": _table(seen)}
    say(result, f"crawl {done.name} of {known.name}: {told}", as_json=as_json)
    if not as_json:
        out.print(yield_table(seen))
    _mention(seen, source)
    return _judged(seen, source)


def dry_run(root: DataRoot, source: str, limit: int | None, contact: str | None, *, as_json: bool) -> int:
    """Say what a crawl would fetch and how long that takes at the site's own pace; nothing is kept."""
    known = known_source(source)
    with given_by_user():
        check_collect(known, limit, contact)
    if not isinstance(known, WikiSource):
        raise UsageError(f"{known.name} is a folder on this machine, which costs nobody anything: leave out --dry-run.")
    with reached(known) as proxy:
        found = plan(known, RawStore(root.raw(known.name)), limit=limit, proxy=proxy, contact=contact)
    hosts = [asdict(host) | {"seconds": host.seconds} for host in found.hosts]
    result: dict[str, object] = {"requests": found.requests, "seconds": found.seconds, "hosts": hosts}
    result |= {"notes": list(found.notes)}
    result |= {"asked": asdict(found.report)}
    say(result, _told(known, found), as_json=as_json)
    return DONE


def _told(source: WikiSource, found: Plan) -> str:
    report = found.report
    known = f"{report.carried:,} unchanged since the last crawl, {report.resumed:,} already there from a crawl cut off"
    lines = [f"{source.name} lists {report.listings:,} ({report.unparsed:,} rows not understood); {known}"]
    lines += [
        f"  {host.host}: {host.pages:,} pages and {host.pictures:,} pictures, {_pace(host)}: {_duration(host.seconds)}"
        for host in found.hosts
    ]
    lines += [f"  {note}" for note in found.notes]
    if found.requests:
        lines.append(
            f"in all {found.requests:,} requests and at least {_duration(found.seconds)} at the sites' own pace"
        )
    else:
        lines.append("a crawl would fetch nothing: all that is there is known")
    if found.requests > source.limits.requests:
        lines.append(f"that is more than one crawl may ask ({source.limits.requests:,}): it would take several runs")
    return "\n".join([*lines, f"to find this out, {report.requests:,} requests were made; nothing was kept"])


def _pace(host: HostPlan) -> str:
    return f"one every {host.delay:g} s" if host.delay >= NOTICEABLE else "one after another"


def _duration(seconds: float) -> str:
    return "a moment" if seconds < 1 else str(timedelta(seconds=round(seconds)))


def survey(root: DataRoot, source: str, crawl: str | None, *, as_json: bool) -> int:
    """Show what a finished crawl yielded, with every page that fell short."""
    known = known_source(source)
    store = RawStore(root.raw(known.name))
    chosen = finished_crawl(known, store, crawl)
    seen = survey_crawl(rules_for(known, store, crawl), store, chosen)
    if as_json:
        say(_table(seen), "", as_json=True)
        return GATE_SAID_NO if seen.failed else DONE
    out.print(yield_table(seen))
    for stage in seen.yields:
        for trouble in stage.troubles:
            out.print(f"{stage.stage}: {trouble}", markup=False, soft_wrap=True)
    _mention(seen)
    for stage in seen.yields:
        if not stage.passed:
            err.print(_short(stage), markup=False, soft_wrap=True)
    return GATE_SAID_NO if seen.failed else DONE


def _short(stage: Yield) -> str:
    return f"{stage.stage}: {stage.value}, expected {stage.limit}"


def _mention(seen: Survey, source: str = "") -> None:
    """Say on stderr what is no failure, but worth a look."""
    if seen.unknown_columns:
        columns = ", ".join(seen.unknown_columns)
        err.print(f"the list has columns that the source neither reads nor ignores: {columns}", markup=False)
    troubles = sum(len(stage.troubles) for stage in seen.yields)
    if source and troubles and not seen.failed:
        err.print(
            f"{troubles} fell short, within what is allowed; `pixelbytes survey {source}` says which", markup=False
        )


def finished_crawl(source: Source, store: RawStore, crawl: str | None) -> Crawl:
    """Return the crawl of that name, or the newest one; UsageError when there is none."""
    with given_by_user():
        chosen = store.crawl(crawl) if crawl else store.latest_crawl()
    if chosen is None:
        raise UsageError(f"{source.name} was never crawled into {store.root}: crawl it first.")
    return chosen


def warn_of_yields(source: Source, store: RawStore, crawl: Crawl) -> None:
    """Say on stderr when a crawl fell short of what its source asserts; the gates decide later."""
    if crawl.limited:
        err.print(f"crawl {crawl.name} was limited to its {crawl.limited}: the others count as dropped", style="yellow")
    short = [stage for stage in survey_crawl(source, store, crawl).yields if not stage.passed]
    if short:
        told = "; ".join(map(_short, short))
        text = f"built all the same, but a rebuild would stop: crawl {crawl.name} fell short of its source: {told}"
        err.print(text, markup=False, soft_wrap=True, style="yellow")


def _judged(seen: Survey, source: str) -> int:
    if not seen.failed:
        return DONE
    err.print(f"{seen.problem()} `pixelbytes survey {source}` shows all.", markup=False, soft_wrap=True)
    return GATE_SAID_NO


def _table(seen: Survey) -> dict[str, object]:
    yields = [asdict(stage) | {"passed": stage.passed} for stage in seen.yields]
    return asdict(seen) | {"yields": yields, "failed": seen.failed}
