"""A wiki of one's own on loopback: the bestiary, or a larger one, and the source file that names its address."""

from pathlib import Path

from pipeline.crawl.source_files import SOURCE_FOLDER
from pipeline.sample.wiki import Creature, SampleWiki
from tests.augmented import augmented

BUNDLED = "bundled = true"


def source_file(folder: Path, port: int, name: str = "my-bestiary") -> Path:
    """Write the source of a wiki that listens to this port, as somebody would for a wiki on the own network."""
    text = (SOURCE_FOLDER / "sample.toml").read_text(encoding="utf-8")
    changes = (
        ("http://bestiary.localhost", f"http://127.0.0.1:{port}"),
        ("bestiary.localhost", f"127.0.0.1:{port}"),
        (BUNDLED, "local = true"),
        ('name = "sample"', f'name = "{name}"'),
    )
    for old, new in changes:
        if old not in text:
            raise ValueError(f"sample.toml says nowhere {old!r}: change this module with it.")
        text = text.replace(old, new)
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def large_wiki(count: int) -> SampleWiki:
    """Return a wiki of so many creatures, each with a text as long as the bestiary's and a picture of its own."""
    beasts = list(augmented(count))
    creatures = [
        Creature(
            id=f"{beast.number:05d}",
            number=beast.number,
            name=beast.name,
            family=beast.family,
            stage=1,
            text=beast.text,
            image=f"{beast.number}.png",
        )
        for beast in beasts
    ]
    return SampleWiki.of(creatures, {f"{beast.number}.png": beast.picture for beast in beasts})
