"""One crawl in a process of its own, so that the system's account of its children is that of one crawler.

Run by crawl_rows.py: the kernel keeps only the highest memory of all children that a process ever had, and counts what
the parent had when it started them, so the parent has to be both new and small.
"""

import json
import resource
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

from pipeline.sample.creature import CATEGORY_TITLE, HOST, LIST_TITLE, page_path

Way = Literal["crawl", "plan", "category", "plain"]


class Job(NamedTuple):
    """What to do: crawl, say what would be crawled, crawl with keys by category, or crawl the usual way."""

    way: Way
    root: str  # of the raw store
    proxy: str  # where the wiki is served


class Cost(NamedTuple):
    """What a crawl cost."""

    requests: int
    predicted: int  # further requests that a dry run expects
    fetched: int  # bodies that came anew
    cpu: float  # seconds of the crawler's process, its start included
    seconds: float  # by the clock
    peak: float  # MiB of memory, at the highest; 0 for the usual way, which is not asked for it


def measured(job: Job) -> Cost:
    """Do `job` and return what its crawler cost; the usual way runs in this process itself."""
    begun = time.perf_counter()
    if job.way == "plain":
        requests = _plain(job.proxy)
        return Cost(requests, 0, requests, time.process_time(), time.perf_counter() - begun, 0.0)
    requests, predicted, fetched = _ours(job)
    seconds = time.perf_counter() - begun
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(requests, predicted, fetched, used.ru_utime + used.ru_stime, seconds, used.ru_maxrss / 1024)


def _plain(proxy: str) -> int:
    from tests.bench.soups import crawl_plainly

    with tempfile.TemporaryDirectory() as folder:
        return crawl_plainly(HOST + page_path(LIST_TITLE), proxy, Path(folder))


def _ours(job: Job) -> tuple[int, int, int]:
    """Return requests made, requests expected (of a dry run) and bodies that came anew."""
    from pipeline.crawl.raw import RawStore
    from pipeline.crawl.run import crawl, plan
    from pipeline.crawl.source_files import wiki_source

    source, store = wiki_source("sample"), RawStore(Path(job.root))
    if job.way == "plan":
        planned = plan(source, store, proxy=job.proxy)
        return planned.report.requests, planned.requests, planned.report.fetched
    if job.way == "category":
        source = replace(source, texts=tuple(replace(text, category=CATEGORY_TITLE) for text in source.texts))
    report = crawl(source, store, proxy=job.proxy).report
    if report is None or report.failed:
        raise RuntimeError(f"the crawl into {job.root} failed in part ({report}): look at the logs there.")
    return report.requests, 0, report.fetched


if __name__ == "__main__":
    print(json.dumps(measured(Job(*json.loads(sys.argv[1])))))
