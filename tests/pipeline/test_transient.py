"""Which crawls that did not finish may finish when they are run again, with nothing changed by anybody."""

import socket
from dataclasses import replace

import pytest

from pipeline.crawl.raw import RawStore
from pipeline.crawl.run import CrawlError, crawl
from pipeline.crawl.sources import WikiSource
from pipeline.sample.state import Fault
from pipeline.sample.wiki import Served
from tests.crawls import LIST, SOURCE

pytestmark = pytest.mark.slow
HASTY = replace(SOURCE, politeness=replace(SOURCE.politeness, retries=0, backoff=0.01))


def fails(url: str, store: RawStore, source: WikiSource = HASTY) -> CrawlError:
    with pytest.raises(CrawlError) as failed:
        crawl(source, store, proxy=url)
    return failed.value


@pytest.mark.parametrize(
    ("path", "fault", "transient"),
    [
        (LIST, Fault(status=503), True),
        (LIST, Fault(status=429), True),
        ("/robots.txt", Fault(status=500), True),
        (LIST, Fault(status=404), False),
        (LIST, Fault(status=200, body=b"<p>Back in an hour.</p>"), False),
        ("/robots.txt", Fault(status=200, body=b"User-agent: *\nDisallow: /\n"), False),
    ],
)
def test_a_fault_of_the_site_may_pass_and_a_refusal_does_not(
    served: Served, store: RawStore, path: str, fault: Fault, *, transient: bool
) -> None:
    served.wiki.break_path(path, fault)
    assert fails(served.url, store).transient is transient


def test_a_site_that_is_not_there_may_come_back(store: RawStore) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        gone = f"http://127.0.0.1:{free.getsockname()[1]}"
    assert fails(gone, store).transient


def test_a_budget_that_is_spent_is_not_asked_for_again(served: Served, store: RawStore) -> None:
    frugal = replace(HASTY, limits=replace(HASTY.limits, requests=4))
    assert not fails(served.url, store, frugal).transient
