"""What a release says of itself: README.md with the Hub's YAML, CHANGELOG.md, ATTRIBUTION.md, croissant.json, pictures.

All of it follows from the manifest and the rows, never from the clock or the place: written again, the same bytes.
"""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa

from palettes.palette import Palette
from palettes.vocabulary import BYTES, FIRST_COLOUR
from pipeline.bare import sprite_of
from pipeline.cards.bare_words import PLOTS, description, shown_of, summary
from pipeline.cards.credits import Credits, attribution
from pipeline.cards.croissant import ABOUT_FIELDS, croissant
from pipeline.cards.head import head
from pipeline.cards.markdown import bib, code, plain
from pipeline.cards.plots import plots
from pipeline.cards.statistics import Statistics, statistics
from pipeline.cards.steps import background, caption_facts, picture_steps
from pipeline.diff import reasons_of
from pipeline.records import SPLITS
from pipeline.release import WITHHOLDABLE, Manifest, Release, write_text
from pipeline.schema import Layout, features, quarantine_layout, record_layouts, withheld_columns
from pipeline.shards import batches
from pipeline.sheet import Sprite, contact_sheet
from pipeline.templating import markdown_environment
from pipeline.tokenizer import decode_record

TEMPLATES = Path(__file__).parent
ASSETS = "assets"
CREDITS = "ATTRIBUTION.md"
SHEET = "contact-sheet.png"
SHOWN = 50  # ids of one kind in the changelog
SPRITES, COLUMNS, SCALE = 120, 15, 3  # of the contact sheet: how many, in a row, screen pixels a pixel
COLOURS = 8  # of the table of the commonest
HEX_ROW = 16  # colours in a line of the card's snippet
_REASON = re.compile(r"^(  \* `[^`\n]*`): .*$", re.MULTILINE)  # why a record left, as `changelog` writes it
REFERENCE = """@misc{furfaro2024pixelbytes,
  author        = {Furfaro, Fabien},
  title         = {{PixelBytes}: Catching Unified Embedding for Multimodal Generation},
  year          = {2024},
  eprint        = {2409.15512},
  archivePrefix = {arXiv}
}"""


def write_card(release: Release, older_changelog: str = "") -> tuple[str, ...]:
    """Write all documents into the release folder and return their names, sorted; assets stand in `assets/`.

    Reads each shard of `records`, `tokens` and `quarantine` once or twice, a few hundred rows at a time. The manifest
    is left alone. The folder is a draft: whoever makes a version of it seals it afterwards (`documents.sealed`).
    """
    manifest, layouts, assets = release.manifest, _layouts(release), release.folder / ASSETS
    assets.mkdir(exist_ok=True)
    with Credits() as credits_:
        found = statistics(release, credits_)
        pictures = {**plots(found, release.palette, manifest.max_side), **_sheet(release)}
        texts = {
            "README.md": readme(release, found, layouts, pictures, credits_),
            "CHANGELOG.md": changelog(release, older_changelog),
            "croissant.json": croissant(manifest, layouts, description(manifest, _title(manifest)), cite(manifest)),
        }
        with (release.folder / CREDITS).open("w", encoding="utf-8") as file:
            file.writelines(attribution(credits_))
    for name, text in texts.items():
        write_text(release.folder / name, text)
    for name, body in pictures.items():
        (assets / name).write_bytes(body)
    return tuple(sorted([*texts, CREDITS, *(f"{ASSETS}/{name}" for name in pictures)]))


def readme(
    release: Release, found: Statistics, layouts: dict[str, Layout], pictures: dict[str, bytes], credits_: Credits
) -> str:
    """Return the dataset card: YAML for the Hub, then what a reader asks in the order they ask it."""
    manifest = release.manifest
    first = release.shards("records", "train")[:1]
    asked = ["id", "name", *(() if "texts" in manifest.without else ("caption",))]
    example = batches(release.folder / first[0].file, asked, rows=1) if first else iter(())
    tallies = {
        "tokens": found.lengths,
        "characters of the caption": found.captions,
        "colours of the sprite": found.colours,
        "characters without a token": found.replaced,
    }
    rows, more = credits_.rows()
    return (
        markdown_environment(TEMPLATES)
        .get_template("card.md.j2")
        .render(
            head=head(release, layouts, found.languages),
            title=_title(manifest),
            m=manifest,
            pinned=f', revision="{manifest.version}"' if manifest.published else "",
            s=found,
            splits=SPLITS,
            splits_table=_splits_table(manifest, found),
            languages=found.languages,
            layouts=layouts,
            columns={name: list(features(layout)) for name, layout in layouts.items()},
            about=ABOUT_FIELDS,
            example=next((table.to_pylist()[0] for table in example), None),
            records=sum(manifest.counts.values()),
            pictures=pictures,
            sheet=SHEET,
            tallies={name: tally for name, tally in tallies.items() if tally.seen or not manifest.without},
            first_colour=FIRST_COLOUR,
            palette_size=len(release.palette),
            top=_commonest(found, release.palette),
            steps=picture_steps(manifest),
            caption=caption_facts(manifest),
            credits=rows,
            uncredited=more,
            bytes_literal=repr(BYTES),
            palette_lines=_hex_lines(release.palette),
            citation=cite(manifest),
            reference=REFERENCE,
            summary=summary(manifest),
            lost=withheld_columns(manifest.without),
            shown=shown_of(manifest),
            before={name: ", before it was left out," if name in manifest.without else "" for name in WITHHOLDABLE},
            plots={name: said for name, said in PLOTS.items() if name in pictures},
        )
        + "\n"
    )


def _splits_table(manifest: Manifest, found: Statistics) -> list[dict[str, object]]:
    """Return the rows of the card's first table: counts by split, then of all."""

    def row(name: str, counts: list[int]) -> dict[str, object]:
        return {"name": name, "counts": [*counts, sum(counts)]}

    spoken = [
        row(f"in {tongue}", [found.records[split].get(tongue, 0) for split in SPLITS]) for tongue in found.languages
    ]
    return [
        row("records", [manifest.counts[split] for split in SPLITS]),
        row("families", [found.families[split] for split in SPLITS]),
        *(spoken if len(spoken) > 1 else []),
    ]


def _title(manifest: Manifest) -> str:
    return manifest.title or manifest.name


def cite(manifest: Manifest) -> str:
    """Return a BibTeX entry of this version of the dataset."""
    key = "".join(char if char.isascii() and char.isalnum() else "_" for char in f"{manifest.name}_{manifest.version}")
    lines = (
        ("title", f"{{{bib(_title(manifest))}}}: pixel art and text{'' if manifest.without else ' as tokens'}"),
        ("year", bib(manifest.created_at[:4])),
        ("version", bib(manifest.version)),
        ("howpublished", f"Dataset {bib(manifest.name)}, built with {{PixelBytes}}"),
        ("note", f"Content digest {bib(manifest.digest)}"),
    )
    return f"@misc{{{key},\n" + ",\n".join(f"  {name:12} = {{{value}}}" for name, value in lines) + "\n}"


def _layouts(release: Release) -> dict[str, Layout]:
    """Return the configs that have rows: `datasets` cannot open one without any, so an empty one is not announced."""
    every = {**record_layouts(release.manifest.windows, release.manifest.without), "quarantine": quarantine_layout()}
    configs = release.manifest.configs
    return {
        name: layout
        for name, layout in every.items()
        if any(shard.rows for shards in configs.get(name, {}).values() for shard in shards)
    }


def _hex_lines(palette: Palette) -> list[str]:
    text = palette.rgb.tobytes().hex()
    width = 6 * HEX_ROW
    return [text[start : start + width] for start in range(0, len(text), width)]


def _commonest(found: Statistics, palette: Palette) -> list[tuple[str, str]]:
    """Return the commonest colours and their share of the pixels in percent."""
    use = found.palette_use
    order = np.argsort(-use, kind="stable")[:COLOURS].tolist()
    total = max(1, int(use.sum()))
    return [(f"#{palette.rgb[i].tobytes().hex()}", f"{100 * int(use[i]) / total:.1f}") for i in order if use[i]]


def _sheet(release: Release) -> dict[str, bytes]:
    """Return the contact sheet: sprites of the training split, evenly spread over its ids, none shown twice.

    A release without its pictures has none.
    """
    bare = release.manifest.without
    if "pictures" in bare:
        return {}
    config, column = ("records", "image") if bare else ("tokens", "tokens")
    shards = release.shards(config, "train")
    total = sum(shard.rows for shard in shards)
    wanted = set(np.linspace(0, total - 1, min(total, SPRITES)).round().astype(int).tolist())
    shown: dict[tuple[tuple[int, ...], bytes], Sprite] = {}
    start = 0
    for shard in shards:
        for table in batches(release.folder / shard.file, [column]):
            inside = sorted(index - start for index in wanted if start <= index < start + len(table))
            for row in table.take(inside).column(column) if inside else ():
                sprite = _drawn(row, release)
                shown.setdefault((sprite.shape, sprite.tobytes()), sprite)
            start += len(table)
    if not shown:
        return {}
    return {
        SHEET: contact_sheet(
            list(shown.values()), release.palette.rgb, columns=COLUMNS, scale=SCALE, paper=background(release.manifest)
        )
    }


def _drawn(row: pa.Scalar, release: Release) -> Sprite:
    """Return the sprite that a record's ids draw, or of a bare release its picture."""
    if not release.manifest.without:
        return decode_record(row.values.to_numpy(), release.vocabulary)[0]
    sprite = sprite_of({"image": row.as_py()}, release.palette)
    if sprite is None:
        raise ValueError(f"a picture of {release.version.ref} is none that a build writes: verify the release.")
    return sprite


def changelog(release: Release, older: str = "") -> str:
    """Return the dataset's changelog: this release above the older ones; each record that left with its reason."""
    manifest = release.manifest
    top = "# Changelog\n"
    lines = [f"## {manifest.version}", "", *_notes(manifest, older)]
    for what, ids in (("Added", manifest.diff.added), ("Changed", manifest.diff.changed)):
        if ids:
            lines.append(f"* {what} {len(ids)}: {', '.join(code(key) for key in ids[:SHOWN])}{_more(ids, ' ')}")
    if gone := manifest.diff.removed:
        lines.append(f"* Removed {len(gone)}:")
        lines += [f"  * {code(key)}: {plain(why, 300)}" for key, why in reasons_of(release, gone[:SHOWN]).items()]
        lines += [f"  * {more}"] if (more := _more(gone)) else []
    if not manifest.diff:
        lines.append("* Not compared with an older release.")
    rest = older.removeprefix(top).strip()
    if "texts" in manifest.without:
        rest = _REASON.sub(r"\1", rest)  # those of versions that held the texts may quote them
    return "\n".join([top, *lines, ""]) + (f"\n{rest}\n" if rest else "")


def _notes(manifest: Manifest, older: str) -> list[str]:
    """Return what is to be said of a version besides its records: what was taken back, and what is left out."""
    taken = [f"* Yanked {version}{_why(note['why'])}" for version, note in sorted(manifest.yanked.items())]
    gone = [f"* Goes without its {' and '.join(manifest.without)}"] if manifest.without else []
    return [*(line for line in taken if line not in older.splitlines()), *gone]


def _why(why: str) -> str:
    return f": {plain(why)}" if why.strip() else ""


def _more(ids: tuple[str, ...], before: str = "") -> str:
    return f"{before}and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
