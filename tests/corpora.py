"""Random corpora, good and bad: what a wiki's list, pages and pictures may be, and the raw store of their crawl."""

import hashlib
import html
import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from hypothesis import strategies as st
from jaxtyping import UInt8
from PIL import Image

from palettes.palette import load_palette
from pipeline.crawl.names import slug
from pipeline.crawl.raw import RawStore
from pipeline.crawl.sources import WikiSource
from pipeline.recipe import BuildConfig, PictureRecipe
from pipeline.records import ResourceKind
from tests.raw_stores import BASE, sample_source, wiki_resource

HEAD = "<tr><th>Number</th><th>Miniature</th><th>Name</th><th>Family</th></tr>"
NES = load_palette("nes")
Art = UInt8[np.ndarray, "h w 4"]


@dataclass(frozen=True, kw_only=True)
class Beast:
    """One row of the list, with the page that it links to and the picture that it shows, in words."""

    number: int
    name: str
    family: str
    page: int  # pages and pictures are shared where numbers are equal
    picture: int
    readable: bool  # whether the row has a miniature at all


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """What a crawl found: rows, and texts and pictures by their numbers; None for what was not there."""

    beasts: tuple[Beast, ...]
    cut: int  # where the list's first page ends
    texts: tuple[str | None, ...]
    pictures: tuple[bytes | None, ...]
    languages: int  # 1: English; 2: French, too
    options: Mapping[str, Any]  # of BuildConfig; made outside of strategies, where types are checked by chance
    recipe: Mapping[str, Any]  # of PictureRecipe

    @property
    def config(self) -> BuildConfig:
        """Return how it is to be built."""
        return BuildConfig(**self.options, pictures=PictureRecipe(**self.recipe))

    def lists(self) -> tuple[tuple[Beast, ...], ...]:
        """Return the rows of each page of the list."""
        return self.beasts[: self.cut], self.beasts[self.cut :]

    def keys(self) -> Counter[str]:
        """Return the ids of all rows of the list, as often as each is listed.

        Empty is that of a row that says nothing, and of one whose id a row before it on its page has.
        """
        found: Counter[str] = Counter()
        for page in self.lists():
            seen = {""}
            for beast in page:
                key = f"{beast.number:04d}-{slug(beast.name)}" if beast.readable else ""
                ids = [key, f"{key}.fr"][: self.languages] if beast.readable else [key]
                found.update("" if one in seen else one for one in ids)
                seen.update(ids)
        return found

    def source(self) -> WikiSource:
        """Return the source whose wiki this could be."""
        source = sample_source()
        english = source.texts[0]
        french = replace(english, language="fr", page_prefix="fr:", page_url=f"{BASE}/fr/{{title}}")
        return replace(source, texts=(english, french)[: self.languages])


WORDS = st.sampled_from(
    ["It eats ants.", "Blue and small!", "It lives near the river", "été", "«Ça» 3½ °C", "ants; bees"]
)
PLAIN = st.builds(lambda start, times: f"{start} " + "It is small, and sleeps by day. " * times,
                  st.text("abc XYZ", max_size=12), st.integers(1, 30))  # fmt: skip
TEXTS = st.one_of(
    st.none(),
    st.just(""),
    WORDS,
    PLAIN,
    PLAIN,
    PLAIN,
    st.lists(WORDS, max_size=90).map(" ".join),
    st.text(max_size=300),
    st.sampled_from(
        [
            "<script>alert(1)</script>",
            "a\x00b\x1b[31m\u202e\ufeff",
            "日本語" * 9,
            "x" * 5000,
            "<!-- --> &amp; ]]>",
            "no end " * 400,
            "{{nested}} [[links]] '''bold''' " * 5,
        ]
    ),
)


NAMES = st.one_of(
    st.sampled_from(["Beast", "Été", "beast!", "Nidoran♀", "A/B c"]),
    st.text("abcé ", min_size=1, max_size=9).filter(str.strip),
)


@st.composite
def art(draw: st.DrawFn) -> Art:
    """Draw pixels of any small size: a few colours of the palette in patches, some of them see-through."""
    h, w, seed = draw(st.tuples(st.integers(1, 34), st.integers(1, 34), st.integers(0, 9)))
    dice = np.random.default_rng(seed)
    inks = NES.rgb[dice.integers(len(NES), size=draw(st.integers(1, 6)))]
    coarse = dice.integers(len(inks), size=(h // 3 + 1, w // 3 + 1))
    pixels = np.full((h, w, 4), 255, dtype=np.uint8)
    pixels[..., :3] = inks[coarse.repeat(3, axis=0).repeat(3, axis=1)[:h, :w]]
    if draw(st.booleans()):
        pixels[dice.random((h, w)) < 0.3, 3] = draw(st.sampled_from([0, 128]))
    return pixels.repeat(factor := draw(st.sampled_from([1, 1, 2, 3])), axis=0).repeat(factor, axis=1)


def twins_of(pixels: Art) -> tuple[Art, ...]:
    """Return a picture mirrored, recoloured and both: each must stay in one split with it."""
    recoloured = pixels.copy()
    recoloured[..., :3] = pixels[..., [1, 2, 0]]
    return pixels[:, ::-1], recoloured, recoloured[:, ::-1]


@st.composite
def pictures(draw: st.DrawFn) -> tuple[bytes | None, ...]:
    """Draw the pictures of a corpus: whole ones and twins of them, torn ones, and some that are not there."""
    drawn = draw(st.lists(art(), min_size=4, max_size=10))
    drawn += [twin for one in drawn[: draw(st.integers(0, 3))] for twin in twins_of(one)]
    files: list[bytes | None] = [png(one) for one in drawn]
    bad = draw(st.lists(st.sampled_from(["none", "torn", "text", "empty"]), max_size=2))
    for place, kind in enumerate(bad):
        body = files[place % len(files)] or b""
        files.append({"none": None, "torn": body[: len(body) // 2], "text": b"<html>404</html>", "empty": b""}[kind])
    return tuple(files)


class File(bytes):
    """A file's bytes, which a failing example does not print."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return how many there are."""
        return f"<{len(self)} bytes>"


def png(pixels: Art) -> bytes:
    """Return pixels as a PNG."""
    body = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(body, format="PNG")
    return File(body.getvalue())


recipes = st.fixed_dictionaries(
    {
        "crop": st.sampled_from(["drawn", "none"]),
        "unscale": st.booleans(),
        "max_side": st.sampled_from([1, 8, 25, 25, 40]),
        "resample": st.sampled_from(["nearest", "area"]),
        "outline": st.booleans(),
        "background": st.sampled_from([(252, 252, 252), (0, 0, 0)]),
        "colours": st.sampled_from([0, 0, 3]),
        "dither": st.sampled_from(["none", "none", "floyd-steinberg", "bayer"]),
    }
)
options = st.fixed_dictionaries(
    {
        "palette": st.sampled_from(["nes", "nes", "game-boy", "pico-8"]),
        "k": st.sampled_from([1, 3, 5]),
        "windows": st.sets(st.sampled_from([1, 3, 5])).map(lambda sides: tuple(sorted(sides))),
        "text_share": st.sampled_from([0.1, 2 / 3, 0.9]),
        "min_caption": st.sampled_from([1, 20]),
        "max_caption": st.sampled_from([60, 2000]),
    }
)


@st.composite
def corpora(draw: st.DrawFn) -> Corpus:
    """Draw a corpus of up to twenty rows, in families of any size, that share what they like."""
    texts = tuple(draw(st.lists(TEXTS, min_size=8, max_size=24)))
    shown = draw(pictures())
    beast = st.builds(
        Beast,
        number=st.integers(0, 40),
        name=NAMES,
        family=st.sampled_from(["", *(f"family {n}" for n in range(9))]),
        page=st.integers(0, len(texts) - 1),
        picture=st.integers(0, len(shown) - 1),
        readable=st.integers(0, 19).map(bool),
    )  # fmt: skip
    beasts = draw(st.lists(beast, min_size=draw(st.sampled_from([1, 10, 16])), max_size=20))
    return Corpus(
        beasts=tuple(beasts),
        cut=draw(st.integers(0, len(beasts))),
        texts=texts,
        pictures=shown,
        languages=draw(st.integers(1, 2)),
        options=draw(options),
        recipe=draw(st.one_of(st.just({}), recipes)),
    )


def write_corpus(root: Path, corpus: Corpus, french: str = "Voici. ") -> RawStore:
    """Write the raw store of one finished crawl of a corpus; French texts are the English ones behind `french`."""
    store = RawStore(root)
    crawl = store.open_crawl()

    def keep(url: str, kind: ResourceKind, body: bytes | None) -> None:
        if body is None:
            crawl.append(replace(wiki_resource(url, kind, ""), status=404, error="answered 404"))
            return
        sha256 = hashlib.sha256(body).hexdigest()
        store.blob_path(sha256).parent.mkdir(parents=True, exist_ok=True)
        store.blob_path(sha256).write_bytes(body)
        crawl.append(wiki_resource(url, kind, sha256))

    for place, beasts in enumerate(corpus.lists()):
        rows = "".join(map(_row, beasts))
        page = f"<html><body><table class='tableaustandard sortable entetefixe'>{HEAD}{rows}</table></body></html>"
        keep(f"{BASE}/List_of_creatures?page={place}", "list", page.encode())
    for number, text in enumerate(corpus.texts):
        keep(f"{BASE}/wiki/Page_{number}", "description", _page(text, ""))
        if corpus.languages > 1:
            keep(f"{BASE}/fr/Page_{number}", "description", _page(text, french))
    for number, picture in enumerate(corpus.pictures):
        keep(f"{BASE}/images/{number}.png", "miniature", picture)
    crawl.finish()
    return store


def _row(beast: Beast) -> str:
    picture = f'<span class="miniature"><img src="/images/{beast.picture}.png"></span>' if beast.readable else ""
    page = f"Page {beast.page}"
    name = f'<a href="/wiki/{quote(page)}" title="{page}">{html.escape(beast.name)}</a>'
    french = f'<a href="/fr/{quote(page)}" title="fr:{page}">fr</a>'
    cells = (f"{beast.number:04d}", picture, name, beast.family, french)
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _page(text: str | None, before: str) -> bytes | None:
    if text is None:
        return None
    said = html.escape(f"{before}{text}")
    return f"<html><body><h2><span id='Biology'>Biology</span></h2><p>{said}</p></body></html>".encode(
        "utf-8", "replace"
    )
