"""A source in two languages and raw stores for it, made by hand: English articles, French quotations with sub-pages."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.crawl.raw import RawStore
from pipeline.crawl.sources import PageText, WikiSource
from pipeline.recipe import BuildConfig
from pipeline.records import Resource
from tests.raw_stores import BASE, png, sample_source

LIST = f"{BASE}/List_of_creatures"
SUBPAGES = ("/Génération_1", "/Génération_2")
RIGHTS = {"licence": "CC0-1.0", "attribution": "“{title}”, {url}", "redistribution": True}
ENGLISH = PageText(
    language="en",
    page_prefix="en:",
    page_url=f"{BASE}/wiki/{{title}}",
    section="Biology",
    **RIGHTS,  # type: ignore[arg-type]
)
FRENCH = PageText(
    language="fr",
    page_url=f"{BASE}/fr/{{title}}",
    section="Descriptions",
    form="definitions",
    subpages=SUBPAGES,
    **RIGHTS,  # type: ignore[arg-type]
)


@dataclass(frozen=True, kw_only=True)
class Page:
    """What a page answered; without a body it failed, by default because it is absent."""

    body: bytes = b""
    revision: str = "1"
    status: int = 0  # 0: 200 with a body, 404 without
    time: str = "2026-01-01T00:00:00Z"


def bilingual(**changes: object) -> WikiSource:
    """Return the sample's source with two texts, and assertions loosened for small stores."""
    source = sample_source(texts=(ENGLISH, FRENCH))
    source = replace(source, build=BuildConfig(min_caption=1))  # the texts here are words
    source = replace(source, list=replace(source.list, group=()))  # the lists here have no column of families
    return replace(source, **changes)  # type: ignore[arg-type]


def row(number: int, french: str, english: str = "") -> str:
    """Return a row of the list; without a name in a language it does not link to a page in it."""
    name = french or english
    picture = f'<span class="miniature"><img alt="{number:04d}" src="/images/{number}.png"></span>'
    link = f'<a title="{french}">{french}</a>' if french else english
    foreign = f'<a class="extiw" title="en:{english}">{english}</a>' if english else "—"
    return f"<tr><td>{number:04d}</td><td>{picture}</td><td id='{name}'>{link}</td><td>{foreign}</td></tr>"


def article(text: str) -> Page:
    """Return an English page."""
    return Page(body=f"<h2 id='Biology'>Biology</h2><p>{text}</p><h2>Other</h2><p>No.</p>".encode())


def quotations(*texts: str, revision: str = "1", time: str = "2026-01-01T00:00:00Z") -> Page:
    """Return a French page that quotes games."""
    said = "".join(f"<dt>Jeu {place}</dt><dd>{text}</dd>" for place, text in enumerate(texts))
    body = f"<h2 id='Descriptions'>Descriptions</h2><dl>{said}</dl><h2>Notes</h2><dl><dd>Non.</dd></dl>"
    return Page(body=body.encode(), revision=revision, time=time)


def write_store(root: Path, rows: list[str], pages: Mapping[str, Page], pictures: int) -> RawStore:
    """Write a raw store with one finished crawl: a list of `rows`, `pages` by path, `pictures` numbered from 1."""
    store = RawStore(root)
    crawl = store.open_crawl()
    head = "<tr><th>Number</th><th>Miniature</th><th>Name</th><th>English</th></tr>"
    table = f"<table class='tableaustandard sortable entetefixe'>{head}{''.join(rows)}</table>"
    crawl.append(_line(store, LIST, "list", Page(body=table.encode())))
    for path, page in pages.items():
        crawl.append(_line(store, BASE + path, "description", page))
    for number in range(1, pictures + 1):
        crawl.append(_line(store, f"{BASE}/images/{number}.png", "miniature", Page(body=png(number))))
    crawl.finish()
    return store


def _line(store: RawStore, url: str, kind: str, page: Page) -> Resource:
    status = page.status or (200 if page.body else 404)
    return Resource(
        url=url,
        kind=kind,  # type: ignore[arg-type]
        title=url.rsplit("/wiki/", maxsplit=1)[-1].rsplit("/fr/", maxsplit=1)[-1],
        revision=page.revision,
        sha256=store.put(page.body) if page.body else "",
        status=status,
        time=page.time,
        licence="CC0-1.0",
        attribution="the makers",
        error="" if page.body else f"answered {status}",
    )
