"""What a release says of itself: README.md with the Hub's YAML, CHANGELOG.md, ATTRIBUTION.md, croissant.json."""

import json
from collections import Counter
from pathlib import Path

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.diff import reasons_of
from pipeline.markdown import bare, code, credit, one_line, plain
from pipeline.records import SPLITS
from pipeline.release import Release, write_text
from pipeline.schema import Layout, features, quarantine_layout, record_layouts

TEMPLATES = Path(__file__).parent / "templates"
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
SHOWN = 50  # ids of one kind in the changelog
KNOWN_LICENCES = {"CC0 1.0": "cc0-1.0", "CC0-1.0": "cc0-1.0", "CC BY-SA 4.0": "cc-by-sa-4.0"}


def write_card(release: Release, older_changelog: str = "") -> None:
    """Write the four documents into the release folder; they follow from its manifest and rows alone."""
    write_text(release.folder / "README.md", readme(release))
    write_text(release.folder / "CHANGELOG.md", changelog(release, older_changelog))
    write_text(release.folder / "ATTRIBUTION.md", attribution(release))
    write_text(release.folder / "croissant.json", croissant(release))


def _environment() -> Environment:
    # Markdown, not HTML: whatever may come from outside goes through one of the three filters
    environment = Environment(  # noqa: S701
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(plain=plain, credit=credit, code=code)
    return environment


def readme(release: Release) -> str:
    """Return the dataset card: YAML for the Hub, then what a reader asks in the order they ask it."""
    manifest = release.manifest
    layouts = _layouts(release)
    first = release.table("records", "train", ["id", "name", "caption"]).slice(0, 1).to_pylist()
    body = _environment().get_template("card.md.j2")
    return body.render(
        head=yaml.safe_dump(_head(release, layouts), sort_keys=False, allow_unicode=True).strip(),
        title=_title(release),
        m=manifest,
        splits=SPLITS,
        layouts=layouts,
        example=first[0] if first else None,
        records=sum(manifest.counts.values()),
    )


def _title(release: Release) -> str:
    return release.manifest.title or release.manifest.name


def _layouts(release: Release) -> dict[str, Layout]:
    return {**record_layouts(release.manifest.k), "quarantine": quarantine_layout()}


def _rows(release: Release, config: str) -> int:
    """Count a config's rows: `datasets` cannot open a split without any, so an empty quarantine is not announced."""
    return sum(shard.rows for shards in release.manifest.configs[config].values() for shard in shards)


def _head(release: Release, layouts: dict[str, Layout]) -> dict[str, object]:
    """Return the card's YAML: every config named, its files by split and its features."""
    manifest = release.manifest
    count = sum(manifest.counts.values())
    configs = [
        {
            "config_name": name,
            **({"default": True} if name == "records" else {}),
            "data_files": [{"split": split, "path": f"{name}/{split}-*.parquet"} for split in manifest.configs[name]],
        }
        for name in layouts
        if _rows(release, name)
    ]
    return {
        "pretty_name": bare(_title(release)),
        "license": KNOWN_LICENCES.get(manifest.licences[0], "other") if len(manifest.licences) == 1 else "other",
        "language": sorted({bare(row, 20) for row in release.table("records", "train", ["language"])[0].to_pylist()}),
        "task_categories": ["text-to-image", "image-to-text", "text-generation"],
        "tags": ["pixel-art", "multimodal", "pixelbytes"],
        "size_categories": [next((name for limit, name in SIZES if count < limit), "n>1M")],
        "configs": configs,
        "dataset_info": [
            {"config_name": name, "features": _yaml_features(features(layout))}
            for name, layout in layouts.items()
            if _rows(release, name)
        ],
    }


def _yaml_features(stated: dict[str, dict[str, object]]) -> list[dict[str, object]]:
    """Return features the way the Hub's YAML writes them."""
    rows: list[dict[str, object]] = []
    for name, feature in stated.items():
        kind = feature["_type"]
        inner = feature.get("feature")
        if kind == "Value":
            rows.append({"name": name, "dtype": feature["dtype"]})
        elif kind == "List" and isinstance(inner, dict):
            rows.append({"name": name, "list": inner["dtype"]})
        elif kind == "Array3D":
            rows.append({"name": name, "dtype": {"array3_d": {"shape": feature["shape"], "dtype": feature["dtype"]}}})
        else:
            rows.append({"name": name, "dtype": str(kind).lower()})
    return rows


def changelog(release: Release, older: str = "") -> str:
    """Return the dataset's changelog: this release above the older ones; each record that left with its reason."""
    manifest = release.manifest
    head = "# Changelog\n"
    lines = [f"## {manifest.version}", ""]
    for what, ids in (("Added", manifest.diff.added), ("Changed", manifest.diff.changed)):
        if ids:
            lines.append(f"* {what} {len(ids)}: {', '.join(code(key) for key in ids[:SHOWN])}{_more(ids, ' ')}")
    if gone := manifest.diff.removed:
        lines.append(f"* Removed {len(gone)}:")
        lines += [f"  * {code(key)}: {plain(why, 300)}" for key, why in reasons_of(release, gone[:SHOWN]).items()]
        lines += [f"  * {more}"] if (more := _more(gone)) else []
    if not manifest.diff:
        lines.append("* Not compared with an older release.")
    rest = older.removeprefix(head).strip()
    return "\n".join([head, *lines, ""]) + (f"\n{rest}\n" if rest else "")


def _more(ids: tuple[str, ...], before: str = "") -> str:
    return f"{before}and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""


def attribution(release: Release) -> str:
    """Return who made what the release holds: every licence and attribution, with its records counted."""
    counted: Counter[tuple[str, str]] = Counter()
    for split in SPLITS:
        table = release.table("records", split, ["licence", "attribution"])
        counted.update(zip(table.column("licence").to_pylist(), table.column("attribution").to_pylist(), strict=True))
    lines = [
        "# Attribution",
        "",
        "Each record names its page, its picture, its licence and its makers in the config `records`. In short:",
        "",
    ]
    for (licence, makers), count in sorted(counted.items()):
        lines.append(f"* {credit(makers)} — {credit(licence)} ({count} record{'s' if count > 1 else ''})")
    return "\n".join(lines) + "\n"


def croissant(release: Release) -> str:
    """Return the release's files in the Croissant 1.0 vocabulary."""
    manifest = release.manifest
    files = [
        {
            "@type": "cr:FileObject",
            "@id": shard.file,
            "name": shard.file,
            "contentUrl": shard.file,
            "encodingFormat": "application/x-parquet",
            "sha256": shard.sha256,
            "contentSize": f"{shard.bytes} B",
        }
        for splits in manifest.configs.values()
        for shards in splits.values()
        for shard in shards
    ]
    return json.dumps(
        {
            "@context": {
                "@vocab": "https://schema.org/",
                "cr": "http://mlcommons.org/croissant/",
                "sc": "https://schema.org/",
            },
            "@type": "sc:Dataset",
            "conformsTo": "http://mlcommons.org/croissant/1.0",
            "name": one_line(_title(release), 200),
            "version": manifest.version.removeprefix("v"),
            "license": list(manifest.licences),
            "distribution": files,
        },
        indent=1,
        ensure_ascii=False,
    )
