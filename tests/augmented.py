"""The bestiary made larger: as many creatures as asked for, each with a picture and a text of its own.

A picture is the upper part of one creature over the lower part of another, bent along waves and marked with blobs: as
large, as detailed and as colourful as the sample's, yet hardly ever alike another, for a corpus of distinct pictures
has few twins. All of it follows from the creature's number.
"""

import hashlib
import io
import json
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int, UInt8, UInt32
from PIL import Image

from pipeline.crawl.raw import OpenCrawl, RawStore
from pipeline.crawl.source_files import SOURCE_FOLDER, load_source
from pipeline.crawl.sources import FolderSource
from pipeline.decode import decode
from pipeline.pixelize import enlargement
from pipeline.records import ResourceKind
from pipeline.sample.bestiary import SampleRecord, load_bestiary
from pipeline.sample.load import sample_folder
from tests.raw_stores import BASE, Creature, page_of, row_of, wiki_resource

ROWS = 2000  # of one list page
FAMILY = 8  # creatures of one family
NUMBERS = 99_999  # a list's numbers have five digits; names are distinct all the same
HEAD = "<tr><th>Number</th><th>Miniature</th><th>Name</th><th>Family</th></tr>"
WAVES = 8  # shapes that a wave may have
BLOBS = 5
INSIDE = 0.5  # of a blob's square, what its outline leaves
_PNG = b"\x89PNG\r\n\x1a\n"

Cells = UInt8[np.ndarray, "h w"]  # indices into the bestiary's colours; 0 is transparent


@dataclass(frozen=True, kw_only=True)
class _Bestiary:
    """The sample as parts to draw with: its pictures at their native size, in one list of colours."""

    records: tuple[SampleRecord, ...]
    pictures: tuple[UInt8[np.ndarray, "_ _"], ...]
    colours: UInt32[np.ndarray, "c"]  # packed RGBA; the first is transparent

    @property
    def dark(self) -> int:
        """Return the darkest colour's place."""
        light = self.colours.view(np.uint8).reshape(-1, 4)[1:, :3].sum(axis=1)
        return 1 + int(light.argmin())


@lru_cache(maxsize=1)
def _bestiary() -> _Bestiary:
    folder = sample_folder()
    records = load_bestiary(folder)
    packed = [_native((folder / "images" / record.image).read_bytes()) for record in records]
    drawn = np.unique(np.concatenate([one.ravel() for one in packed]))
    colours = np.concatenate([np.zeros(1, dtype=np.uint32), drawn[drawn > 0]])
    pictures = tuple(np.searchsorted(colours, one).astype(np.uint8) for one in packed)
    return _Bestiary(records=records, pictures=pictures, colours=colours)


def _native(body: bytes) -> UInt32[np.ndarray, "h w"]:
    factor = enlargement(decode(body))
    pixels = np.ascontiguousarray(np.asarray(Image.open(io.BytesIO(body)).convert("RGBA"))[::factor, ::factor])
    packed = pixels.view("<u4")[..., 0]
    return np.where(pixels[..., 3] > 0, packed, 0).astype(np.uint32)


def augmented(count: int) -> Iterator[Creature]:
    """Yield so many creatures, the same ones each time, in families of eight."""
    records = _bestiary().records
    for number in range(1, count + 1):
        turn, place = divmod(number - 1, len(records))
        text = f"This is number {number}, seen {turn} times. {records[place].text}"
        yield Creature(
            number=(number - 1) % NUMBERS + 1,
            name=f"Beast{number}",
            family=f"family {number // FAMILY}",
            text=text,
            picture=picture(number),
        )


def picture(number: int) -> bytes:
    """Return the picture of a creature as a PNG of a few hundred bytes, enlarged twofold like most of the sample's."""
    beasts = _bestiary()
    dice = np.random.default_rng(number)
    one, other = (beasts.pictures[place] for place in dice.integers(len(beasts.pictures), size=2).tolist())
    cells = _blotched(_bent(_stacked(one, other), dice), beasts.dark, dice)
    return _png(cells.repeat(2, axis=0).repeat(2, axis=1), beasts.colours)


def _stacked(upper: Cells, lower: UInt8[np.ndarray, "H W"]) -> UInt8[np.ndarray, "i j"]:
    """Return the upper half of one picture over the lower half of another, both at their middle."""
    top, bottom = upper[: (len(upper) + 1) // 2], lower[len(lower) // 2 :]
    width = max(top.shape[1], bottom.shape[1])
    cells = np.zeros((len(top) + len(bottom), width), dtype=np.uint8)
    for start, half in ((0, top), (len(top), bottom)):
        left = (width - half.shape[1]) // 2
        cells[start : start + len(half), left : left + half.shape[1]] = half
    return cells


def _bent(cells: Cells, dice: np.random.Generator) -> Cells:
    """Return a picture with its rows and columns pushed along waves of up to three cells: edges move, detail stays."""
    h, w = cells.shape
    phases, heights = dice.integers(WAVES * 8, size=2).tolist(), dice.integers(2, 4, size=2).tolist()
    rows = np.arange(h)[:, None] + _wave(w, phases[0], heights[0])
    columns = np.arange(w) + _wave(h, phases[1], heights[1])[:, None]
    bent: Cells = cells[rows.clip(0, h - 1), columns.clip(0, w - 1)]
    return bent


@lru_cache(maxsize=1 << 14)
def _wave(length: int, phase: int, height: int) -> Int[np.ndarray, "length"]:
    turn, start = divmod(phase, 8)
    angle = (np.arange(length) / length * (1 + turn / 4) + start / 8) * 2 * np.pi
    wave: Int[np.ndarray, "length"] = np.rint(height * np.sin(angle)).astype(np.intp)
    return wave


def _blotched(cells: Cells, dark: int, dice: np.random.Generator) -> Cells:
    """Return a picture with round blobs on it, outlined like its limbs, in colours that it has."""
    h, w = cells.shape
    drawn = cells[(cells > 0) & (cells != dark)]
    for y, x, tall, wide, ink in dice.random((BLOBS, 5)).tolist():
        near = _away(h, int(y * h), int(tall * 4))[:, None] + _away(w, int(x * w), int(wide * 4))
        cells[near < 1] = dark
        cells[near < INSIDE] = drawn[int(ink * len(drawn))] if len(drawn) else dark + 1
    return cells


@lru_cache(maxsize=1 << 12)
def _away(length: int, place: int, size: int) -> Float64[np.ndarray, "length"]:
    """Return how far each cell of a side is from a blob's centre: 1 at its border, squared."""
    away: Float64[np.ndarray, "length"] = ((np.arange(length) - place) / (1.5 + size)) ** 2
    return away


def _png(cells: Cells, colours: UInt32[np.ndarray, "c"]) -> bytes:
    """Return a PNG of indices that names the colours which it has, as an editor of sprites would write it."""
    used = np.flatnonzero(np.bincount(cells.ravel(), minlength=len(colours)))
    place = np.zeros(len(colours), dtype=np.uint8)
    place[used] = np.arange(len(used))
    h, w = cells.shape
    lines = np.zeros((h, w + 1), dtype=np.uint8)
    lines[:, 1:] = place[cells]
    rgba = colours[used].view(np.uint8).reshape(-1, 4)
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", w, h, 8, 3, 0, 0, 0)),
        (b"PLTE", rgba[:, :3].tobytes()),
        (b"tRNS", rgba[:, 3].tobytes()),
        (b"IDAT", zlib.compress(lines.tobytes(), 1)),
        (b"IEND", b""),
    )
    return _PNG + b"".join(_chunk(kind, body) for kind, body in chunks)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def make_large_store(root: Path, beasts: Iterable[Creature]) -> RawStore:
    """Write a raw store with one finished crawl of these creatures; memory holds one list, and no body is synced."""
    store = RawStore(root)
    crawl = _unsynced(store)
    stream = iter(beasts)
    for page in range(1 << 30):
        rows = []
        for beast in islice(stream, ROWS):
            rows.append(row_of(beast))
            _keep(store, crawl, f"{BASE}/wiki/{beast.name}", "description", page_of(beast).encode())
            _keep(store, crawl, f"{BASE}/images/{beast.name}.png", "miniature", beast.picture)
        if not rows:
            break
        table = f"<table class='tableaustandard sortable entetefixe'>{HEAD}{''.join(rows)}</table>"
        body = f"<html><body>{table}</body></html>".encode()
        _keep(store, crawl, f"{BASE}/List_of_creatures?page={page}", "list", body)
    crawl.finish()
    return store


def _unsynced(store: RawStore) -> OpenCrawl:
    """Return a new crawl whose store has all its folders."""
    for place in range(256):
        (store.root / "blobs" / f"{place:02x}").mkdir(parents=True, exist_ok=True)
    return store.open_crawl()


def _keep(store: RawStore, crawl: OpenCrawl, url: str, kind: ResourceKind, body: bytes) -> None:
    sha256 = hashlib.sha256(body).hexdigest()
    store.blob_path(sha256).write_bytes(body)
    crawl.append(wiki_resource(url, kind, sha256))


def make_large_folder(folder: Path, beasts: Iterable[Creature]) -> FolderSource:
    """Write a folder of these creatures with a table of records; return its source."""
    (folder / "images").mkdir(parents=True)
    with (folder / "records.jsonl").open("w", encoding="utf-8") as table:
        for beast in beasts:
            image = f"images/{beast.name}.png"
            (folder / image).write_bytes(beast.picture)
            said = {"id": beast.name, "name": beast.name, "group": beast.family, "text": beast.text, "image": image}
            table.write(json.dumps(said) + "\n")
    rules = (SOURCE_FOLDER / "folder.toml").read_text(encoding="utf-8")
    (folder / "source.toml").write_text(rules.replace("[fields]", '[fields]\ngroup = "group"'), encoding="utf-8")
    source = load_source(folder)
    if not isinstance(source, FolderSource):
        raise TypeError(f"{folder} is no folder of pictures: it gave {type(source).__name__}.")
    return source
