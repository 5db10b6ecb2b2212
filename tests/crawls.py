"""Crawls of the bundled wiki, one after another: what each asked for."""

from collections import Counter

from pipeline.crawl.raw import Crawl, CrawlReport, RawStore
from pipeline.crawl.run import crawl
from pipeline.crawl.source_files import wiki_source
from pipeline.crawl.sources import WikiSource
from pipeline.sample.state import LIST_TITLE, page_path
from pipeline.sample.wiki import Served
from tests.wikis import asked

SOURCE = wiki_source("sample")
LIST = page_path(LIST_TITLE)
KEYS = "/w/api.php"


def again(served: Served, store: RawStore, source: WikiSource = SOURCE) -> tuple[Crawl, CrawlReport, Counter[str]]:
    """Crawl once more, and return what came of it and which bodies were asked for."""
    served.wiki.asked.clear()
    done = crawl(source, store, proxy=served.url)
    paths = Counter(asked(served))
    del paths["/robots.txt"], paths[KEYS]
    assert done.report is not None
    return done, done.report, paths
