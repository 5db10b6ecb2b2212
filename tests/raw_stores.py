"""Small raw stores made by hand, so that building can be tested without a crawl."""

import html
import io
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.crawl.raw import RawStore
from pipeline.crawl.source_files import wiki_source
from pipeline.crawl.sources import WikiSource
from pipeline.records import Resource

BASE = "http://bestiary.localhost"


@dataclass(frozen=True, kw_only=True)
class Creature:
    """What one page and one picture say."""

    number: int
    name: str
    family: str
    text: str
    picture: bytes
    page: bytes | None = None  # replaces the page made from `text`


def png(seed: int, size: tuple[int, int] = (30, 40), mode: str = "RGBA") -> bytes:
    """Return a PNG of a seeded blob on transparency."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (size[1], size[0], 4), dtype=np.uint8)
    pixels[..., 3] = 255
    pixels[:3], pixels[:, :2] = 0, 0
    body = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(body, format="PNG")
    return body.getvalue()


def creatures(count: int) -> list[Creature]:
    """Return creatures in families of two."""
    return [
        Creature(
            number=i,
            name=f"Beast{chr(97 + i % 26)}{i}",
            family=f"family {i // 2}",
            text=f"Beast number {i} is a small blue animal with {i} spots. It lives near the river! " * 14,
            picture=png(i),
        )
        for i in range(1, count + 1)
    ]


def sample_source(**changes: object) -> WikiSource:
    """Return the sample's source with its assertions loosened for small stores."""
    source = wiki_source("sample")
    loose = replace(source.assertions, min_listings=1, min_description_yield=0.5)
    return replace(source, **{"assertions": loose, **changes})


def make_store(root: Path, beasts: list[Creature]) -> RawStore:
    """Write a raw store with one finished crawl of these creatures."""
    store = RawStore(root)
    crawl = store.open_crawl()
    listed = [row_of(beast) for beast in beasts]
    head = "<tr><th>Number</th><th>Miniature</th><th>Name</th><th>Family</th></tr>"
    page = (
        f"<html><body><table class='tableaustandard sortable entetefixe'>{head}{''.join(listed)}</table></body></html>"
    )
    crawl.append(_resource(store, f"{BASE}/List_of_creatures", "list", page.encode()))
    for beast in beasts:
        body = beast.page if beast.page is not None else page_of(beast).encode()
        crawl.append(_resource(store, f"{BASE}/wiki/{beast.name}", "description", body))
        crawl.append(_resource(store, f"{BASE}/images/{beast.name}.png", "miniature", beast.picture))
    crawl.finish()
    return store


def row_of(beast: Creature) -> str:
    """Return the row of the list that names a creature."""
    picture = f'<span class="miniature"><a><img alt="{beast.number:04d}" src="/images/{beast.name}.png"></a></span>'
    link = f'<a href="/wiki/{beast.name}" title="{beast.name}">{beast.name}</a>'
    name = f"<td id='{beast.name}'>{link}</td>"
    return f"<tr><td>{beast.number:04d}</td><td>{picture}</td>{name}<td>{beast.family}</td></tr>"


def page_of(beast: Creature) -> str:
    """Return the page that describes a creature."""
    return f"<html><body><h2><span id='Biology'>Biology</span></h2><p>{html.escape(beast.text)}</p></body></html>"


def _resource(store: RawStore, url: str, kind: str, body: bytes) -> Resource:
    return wiki_resource(url, kind, store.put(body))


def wiki_resource(url: str, kind: str, sha256: str) -> Resource:
    """Return the line of a body that the sample wiki answered, under the rights that it states."""
    resource = Resource(
        url=url,
        kind=kind,  # type: ignore[arg-type]
        revision="1",
        sha256=sha256,
        status=200,
        time="2026-01-01T00:00:00+00:00",
    )
    licence, attribution = _sample().rights(resource)
    return replace(resource, licence=licence, attribution=attribution)


@lru_cache(maxsize=1)
def _sample() -> WikiSource:
    return wiki_source("sample")
