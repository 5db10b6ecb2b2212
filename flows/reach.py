"""How the crawler reaches a source: the bundled one is served while it is crawled, others are where they are."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.crawl.sources import Source, WikiSource
from pipeline.sample.wiki import sample_folder, serve_sample


@contextmanager
def reached(source: Source) -> Iterator[str | None]:
    """Give the proxy to crawl through: the bundled wiki's address while the context lasts, None for any other."""
    if not (isinstance(source, WikiSource) and source.bundled):
        yield None
        return
    with serve_sample(sample_folder()) as served:
        yield served.url
