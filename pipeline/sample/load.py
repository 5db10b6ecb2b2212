"""Reads the bestiary from its folder, and makes the wiki of it."""

import json
from dataclasses import fields
from pathlib import Path

from pipeline.sample.state import Creature, SampleWiki


def sample_folder() -> Path:
    """Return the folder of the bundled sample: inside an installed package, or data/sample of a checkout.

    Raises FileNotFoundError when neither is there.
    """
    here = Path(__file__).resolve().parent
    for folder in (here / "data", here.parent.parent / "data" / "sample"):
        if (folder / "records.jsonl").is_file():
            return folder
    raise FileNotFoundError(f"the bundled sample was not found beside {here}: install the package again.")


def load_wiki(folder: Path) -> SampleWiki:
    """Make the wiki from a folder with records.jsonl and images/; raise ValueError for what cannot be read."""
    records = [
        _record(line, f"{folder / 'records.jsonl'} line {number}")
        for number, line in enumerate((folder / "records.jsonl").read_bytes().splitlines(), start=1)
    ]
    images = {path.name: path.read_bytes() for path in sorted((folder / "images").glob("*.png"))}
    return SampleWiki.of([*records, *_unfinished(records, images)], images)


def _unfinished(records: list[Creature], images: dict[str, bytes]) -> list[Creature]:
    """Return what every wiki has: an article nobody wrote yet, and one whose picture broke while it was uploaded."""
    last = max(records, key=lambda record: record.number)
    images["unfinished.png"] = images[last.image]
    images["broken.png"] = images[last.image][: len(images[last.image]) // 2]
    names = {"Stubling": ("", "unfinished.png"), "Halfling": (last.text, "broken.png")}
    return [
        Creature(id=f"{number:04d}-{name.lower()}", number=number, name=name, family=name, text=text, image=image)
        for number, (name, (text, image)) in enumerate(names.items(), start=last.number + 1)
    ]


def _record(line: bytes, where: str) -> Creature:
    try:
        table = json.loads(line)
        return Creature(**{f.name: table[f.name] for f in fields(Creature) if f.name in table})
    except (ValueError, TypeError) as error:
        raise ValueError(f"{where} is not a record of the bestiary ({error}): restore the file.") from error
