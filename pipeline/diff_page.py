"""One self-contained page of what changed between two releases: before and after, fetched from nowhere."""

import base64
import re
from collections.abc import Collection
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from pipeline.diff import KINDS, Aspect, Comparison, Kind, rows_of
from pipeline.png import encode_png
from pipeline.release import Release
from pipeline.templating import html_environment
from pipeline.tokenizer import decode_record

TEMPLATES = Path(__file__).parent / "templates"
MOST = 200  # records of one kind on a page
LONGEST = 3_000  # characters of a caption that are shown and compared
KEPT_WORDS = 7  # of an unchanged stretch, beside what changed
_FACTS = ("number", "name", "form", "language", "group", "source_url", "image_url", "licence", "attribution")
_SIDE = 150  # px that a picture may take on the page


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """A record as one release has it."""

    name: str
    caption: str
    split: str
    picture: str  # data address of its PNG; empty when its ids draw nothing
    size: tuple[int, int]  # h, w
    facts: dict[str, str]  # its columns that can change, and its split


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A stretch of a text: as it was, gone, new, or left out because nothing happened there."""

    kind: str  # same, gone, new, left out
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One record on the page."""

    id: str
    before: Face | None = None
    after: Face | None = None
    aspects: tuple[Aspect, ...] = ()
    reason: str = ""

    @property
    def face(self) -> Face:
        """Return the record as it is, or as it was when it is gone."""
        face = self.after or self.before
        if face is None:
            raise ValueError(f"record {self.id} stands in neither release: one of them was changed meanwhile.")
        return face

    @property
    def scale(self) -> int:
        """Return by how many px a pixel is shown; both pictures of a card by the same."""
        return max(1, _SIDE // max(side for face in (self.before, self.after) if face for side in face.size))

    @property
    def words(self) -> tuple[Piece, ...]:
        """Return the caption with what changed in it."""
        if self.before and self.after:
            return changed_words(self.before.caption, self.after.caption)
        return (Piece(kind="same", text=self.face.caption),)

    @property
    def moved(self) -> tuple[tuple[str, str, str], ...]:
        """Return what else is not as it was: name of the column, before, after."""
        if not (self.before and self.after):
            return ()
        was, now = self.before.facts, self.after.facts
        return tuple((name.replace("_", " "), was[name], now[name]) for name in was if was[name] != now[name])


def render_diff(old: Release, new: Release, found: Comparison, most: int = MOST) -> str:
    """Return the page as HTML, with at most so many records of each kind; how many more there are stands on it."""
    ids = {kind: getattr(found.changes, kind) for kind in KINDS}
    template = html_environment(TEMPLATES).get_template("diff.html.j2")
    return template.render(
        old=old.manifest,
        new=new.manifest,
        found=found,
        counts={kind: len(keys) for kind, keys in ids.items()},
        cards=_cards({kind: keys[:most] for kind, keys in ids.items()}, old, new, found),
    )


def _cards(ids: dict[Kind, tuple[str, ...]], old: Release, new: Release, found: Comparison) -> dict[Kind, list[Card]]:
    before = _faces(old, {*ids["changed"], *ids["removed"]})
    after = _faces(new, {*ids["added"], *ids["changed"]})
    return {
        kind: [
            Card(
                id=key,
                before=before.get(key),
                after=after.get(key),
                aspects=found.aspects.get(key, ()),
                reason=found.reasons.get(key, ""),
            )
            for key in keys
        ]
        for kind, keys in ids.items()
    }


def _faces(release: Release, wanted: Collection[str]) -> dict[str, Face]:
    """Return the wanted records as a release has them."""
    faces = {}
    for split, records, tokens in rows_of(release, wanted, ["id", "caption", *_FACTS]):
        for row, ids in zip(records.to_pylist(), tokens.column("tokens").combine_chunks(), strict=True):
            picture, size = _drawn(ids.values.to_numpy(), release)
            faces[row["id"]] = Face(
                name=str(row["name"]),
                caption=str(row["caption"])[:LONGEST],
                split=split,
                picture=picture,
                size=size,
                facts={**{name: str(row[name]) for name in _FACTS}, "split": split},
            )
    return faces


def _drawn(ids: UInt8[np.ndarray, "L"], release: Release) -> tuple[str, tuple[int, int]]:
    """Return a record's picture as a data address, and its size."""
    try:
        sprite, _ = decode_record(ids, release.vocabulary)
        body = encode_png(sprite, release.palette)
    except ValueError:
        return "", (1, 1)
    h, w = sprite.shape
    return "data:image/png;base64," + base64.b64encode(body).decode("ascii"), (h, w)


def changed_words(was: str, now: str) -> tuple[Piece, ...]:
    """Return a text with what came and went, word by word; long stretches that stayed are left out.

    >>> [(piece.kind, piece.text) for piece in changed_words("a red fox", "a blue fox")]
    [('same', 'a'), ('gone', 'red'), ('new', 'blue'), ('same', 'fox')]
    """
    old, new = re.findall(r"\S+", was), re.findall(r"\S+", now)
    steps = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    pieces: list[Piece] = []
    for step, i, j, k, m in steps:
        if step == "equal":
            pieces += _kept(new[k:m], first=k == 0, last=m == len(new))
            continue
        pieces += [Piece(kind="gone", text=" ".join(old[i:j]))] if i < j else []
        pieces += [Piece(kind="new", text=" ".join(new[k:m]))] if k < m else []
    return tuple(pieces)


def _kept(words: list[str], *, first: bool, last: bool) -> list[Piece]:
    """Return an unchanged stretch: of a long one its ends, as far as something changed beside them."""
    head, tail = (0 if first else KEPT_WORDS), (0 if last else KEPT_WORDS)
    if len(words) <= head + tail + KEPT_WORDS or (first and last):
        return [Piece(kind="same", text=" ".join(words))]
    left_out = len(words) - head - tail
    pieces = [
        Piece(kind="same", text=" ".join(words[:head])),
        Piece(kind="left out", text=f"{left_out} words"),
        Piece(kind="same", text=" ".join(words[len(words) - tail :])),
    ]
    return [piece for piece in pieces if piece.text]
