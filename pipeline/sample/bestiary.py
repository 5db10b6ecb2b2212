"""The bestiary as files: more than 400 creatures drawn and described from one seed, the same bytes on every machine.

`python -m pipeline.sample.bestiary [folder]` writes it again.
"""

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import UInt8

from pipeline.sample.colours import DARK, RAMPS
from pipeline.sample.draw import portray
from pipeline.sample.families import Family, make_family, members
from pipeline.sample.png import encode_png
from pipeline.sample.prose import describe, part_words
from pipeline.sample.sheet import contact_sheet
from pipeline.sample.traits import Creature

FAMILIES: Final = 144
"""How many families the bestiary has."""

SAMPLE_FOLDER: Final = Path(__file__).resolve().parents[2] / "data" / "sample"
"""Where a checkout keeps the committed bestiary."""

_ATTEMPTS: Final = 100
_VISIBLE: Final = 5  # native pixels that a part, belly or marking must change
_PROGRESS: Final = 50  # creatures between two lines of progress

LICENCE: Final = """CC0 1.0 Universal

All pictures and texts in this folder were made by the PixelBytes project itself, by a program that stands in
pipeline/sample. So far as the law allows, the project waives all copyright and related rights in them, everywhere in
the world, under the Creative Commons CC0 1.0 Universal public domain dedication: copy, change and use them for any
purpose, with or without mention of where they came from. They come without warranty of any kind. The legal text is at
https://creativecommons.org/publicdomain/zero/1.0/legalcode
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleRecord:
    """One creature as read from the folder."""

    id: str
    number: int  # shared by the forms of a species
    name: str
    form: str  # "" for the base form
    family: str
    stage: int
    text: str  # paragraphs apart by a blank line
    image: str  # file name of the PNG in images/
    traits: dict[str, str]  # what is drawn, in words


def colour_counts(sprite: UInt8[np.ndarray, "H W 4"]) -> dict[str, int]:
    """Return how many pixels each colour word has, outlines left out."""
    solid = sprite[sprite[..., 3] > 0][:, :3].astype(np.int64) @ np.array([65_536, 256, 1])
    codes = {name: [(r << 16) + (g << 8) + b for r, g, b in ramp[DARK:]] for name, ramp in RAMPS.items()}
    return {name: int(np.isin(solid, inks).sum()) for name, inks in codes.items()}


def _family(seed: int, place: int, first: int, taken: frozenset[str]) -> tuple[Family, tuple[Creature, ...]]:
    """Return the first family of a place whose members are all mostly of their main colour."""
    for attempt in range(_ATTEMPTS):
        family = make_family(seed, place, attempt, taken)
        found = members(family, f"{family.plan}-{place + 1:03d}", first)
        if all(_is_true(creature) for creature in found):
            return family, found
    raise ValueError(f"no family fits place {place} of seed {seed} after {_ATTEMPTS} attempts: try another seed.")


def _is_true(creature: Creature) -> bool:
    """Tell whether the picture shows what the text will say: the main colour, each part, belly and marking."""
    t = creature.traits
    counts = colour_counts(portray(t))
    told = {t.belly, t.marking_colour, *(part.colour for part in t.parts)} - {""}
    least = _VISIBLE * t.factor**2
    if max(counts, key=counts.__getitem__) != t.main or not counts[t.eye] or min(counts[c] for c in told) < least:
        return False
    without = [replace(t, parts=tuple(other for other in t.parts if other is not part)) for part in t.parts]
    without += [replace(t, belly="")] if t.belly else []
    without += [replace(t, marking="")] if t.marking else []
    return all(_differ(portray(t), portray(bare)) >= least for bare in without)


def _differ(one: UInt8[np.ndarray, "H W 4"], other: UInt8[np.ndarray, "H2 W2 4"]) -> int:
    """Count the pixels that differ; sprites of two sizes differ everywhere."""
    return int((one != other).any(axis=2).sum()) if one.shape == other.shape else one.size


def make_bestiary(seed: int = 2024, families: int = FAMILIES) -> tuple[Creature, ...]:
    """Return the creatures of a seed, by number, forms after their base form.

    Fewer families are the first ones of the whole bestiary. Raises ValueError where no family fits a place.
    """
    taken: frozenset[str] = frozenset()
    found: list[Creature] = []
    first = 1
    for place in range(families):
        family, creatures = _family(seed, place, first, taken)
        taken |= frozenset(family.names)
        first += len(family.names)
        found.extend(creatures)
    return tuple(found)


def longer_side(sprite: UInt8[np.ndarray, "H W 4"]) -> int:
    """Return the longer side of the opaque box, in pixels."""
    opaque = sprite[..., 3] > 0
    return max(int(np.ptp(np.flatnonzero(opaque.any(axis=axis)))) + 1 for axis in (0, 1))


def record_of(creature: Creature) -> SampleRecord:
    """Return the record of a creature, text included."""
    t = creature.traits
    facts = {
        "plan": t.plan, "theme": t.theme, "main": t.main, "second": t.second, "belly": t.belly, "eyes": t.eye,
        "marking": f"{t.marking_colour} {t.marking}".strip(), "facing": t.facing, "mouth": t.mouth,
        **{part.kind: part_words(part) for part in t.parts},
    }  # fmt: skip
    return SampleRecord(
        id=creature.id, number=creature.number, name=creature.name, form=creature.form, family=creature.family,
        stage=creature.stage, text=describe(creature, longer_side(portray(t))), image=f"{creature.id}.png",
        traits={key: value for key, value in facts.items() if value},
    )  # fmt: skip


def record_line(record: SampleRecord) -> str:
    """Return the JSON line of a record, keys sorted."""
    fields = {name: getattr(record, name) for name in SampleRecord.__slots__}
    return json.dumps(fields, ensure_ascii=False, sort_keys=True) + "\n"


def write_bestiary(folder: Path, *, progress: bool = False) -> None:
    """Write records.jsonl, images/, contact-sheet.png and LICENSE; pictures of an older bestiary are removed."""
    creatures = make_bestiary()
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    for stale in set(images.glob("*.png")) - {images / f"{creature.id}.png" for creature in creatures}:
        stale.unlink()
    for done, creature in enumerate(creatures, start=1):
        (images / f"{creature.id}.png").write_bytes(encode_png(portray(creature.traits)))
        if progress and (done % _PROGRESS == 0 or done == len(creatures)):
            sys.stderr.write(f"\r{done} of {len(creatures)} creatures drawn")
    lines = "".join(record_line(record_of(creature)) for creature in creatures)
    (folder / "records.jsonl").write_bytes(lines.encode())
    (folder / "contact-sheet.png").write_bytes(encode_png(contact_sheet(creatures)))
    (folder / "LICENSE").write_bytes(LICENCE.encode())
    if progress:
        sys.stderr.write(f"\nwritten to {folder}\n")


def load_bestiary(folder: Path) -> tuple[SampleRecord, ...]:
    """Return the records of a folder; raise FileNotFoundError or ValueError for what cannot be read."""
    path = folder / "records.jsonl"
    records = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            records.append(SampleRecord(**json.loads(line)))
        except (TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"line {number} of {path} is no record ({error}): write the bestiary again.") from error
    return tuple(records)


if __name__ == "__main__":
    write_bestiary(Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLE_FOLDER, progress=True)
