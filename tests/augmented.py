"""The bestiary made larger: as many creatures as asked for, each with a picture and a text of its own.

A picture is the upper part of one creature over the lower part of another, so that size, colours and detail are those
of the sample and no two are near twins; a text is that of the first with a sentence of its own before it.
"""

import hashlib
import io
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.crawl.raw import RawStore
from pipeline.sample.bestiary import load_bestiary
from pipeline.sample.wiki import sample_folder
from tests.raw_stores import BASE, Creature, page_of, row_of, wiki_resource

ROWS = 2000  # of one list page
FAMILY = 8  # creatures of one family
HEAD = "<tr><th>Number</th><th>Miniature</th><th>Name</th><th>Family</th></tr>"


def augmented(count: int) -> Iterator[Creature]:
    """Yield so many creatures, the same ones each time."""
    folder = sample_folder()
    sample = load_bestiary(folder)
    pictures = [np.asarray(Image.open(folder / "images" / record.image).convert("RGBA")) for record in sample]
    for number in range(1, count + 1):
        turn, place = divmod(number - 1, len(sample))
        other = pictures[(place * 7 + turn * 31 + 1) % len(sample)]
        text = f"This is number {number}, seen {turn} times. {sample[place].text}"
        picture = _stacked(pictures[place], other) if turn else pictures[place]
        yield Creature(
            number=number, name=f"Beast{number}", family=f"family {number // FAMILY}", text=text, picture=_png(picture)
        )


def _stacked(upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """Return the upper half of one picture over the lower half of another, both at their middle."""
    width = max(upper.shape[1], lower.shape[1])
    halves = (upper[: len(upper) // 2], lower[len(lower) // 2 :])
    sides = [(width - half.shape[1], (width - half.shape[1]) // 2) for half in halves]
    padded = [np.pad(half, ((0, 0), (a, all_ - a), (0, 0))) for half, (all_, a) in zip(halves, sides, strict=True)]
    return np.concatenate(padded)


def _png(pixels: np.ndarray) -> bytes:
    body = io.BytesIO()
    Image.fromarray(pixels).quantize(64).save(body, format="PNG", compress_level=1)
    return body.getvalue()


def make_large_store(root: Path, beasts: Iterable[Creature]) -> RawStore:
    """Write a raw store with one finished crawl of these creatures; memory holds one list, and no body is synced."""
    store = RawStore(root)
    crawl = store.open_crawl()
    stream = iter(beasts)
    for page in range(1 << 30):
        rows = []
        for beast in islice(stream, ROWS):
            rows.append(row_of(beast))
            crawl.append(
                wiki_resource(f"{BASE}/wiki/{beast.name}", "description", _put(store, page_of(beast).encode()))
            )
            crawl.append(wiki_resource(f"{BASE}/images/{beast.name}.png", "miniature", _put(store, beast.picture)))
        if not rows:
            break
        table = f"<table class='tableaustandard sortable entetefixe'>{HEAD}{''.join(rows)}</table>"
        body = f"<html><body>{table}</body></html>".encode()
        crawl.append(wiki_resource(f"{BASE}/List_of_creatures?page={page}", "list", _put(store, body)))
    crawl.finish()
    return store


def _put(store: RawStore, body: bytes) -> str:
    sha256 = hashlib.sha256(body).hexdigest()
    path = store.blob_path(sha256)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    return sha256
