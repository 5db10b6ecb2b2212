"""The head of a dataset card: what the Hub reads of it, as YAML."""

import re
from collections.abc import Iterable, Mapping

import pyarrow.parquet as pq
import yaml

from pipeline.cards.licences import hub_licence
from pipeline.cards.markdown import bare
from pipeline.records import SPLITS
from pipeline.release import Release
from pipeline.schema import QUARANTINE_SPLIT, Layout, features

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
MILLIONS = ((10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"))
TAGS = ("pixel-art", "sprites", "image-text", "multimodal", "tokenized", "pixelbytes")
_OF_BOTH = frozenset({"image-text", "multimodal", "tokenized"})  # tags of a release with texts and pictures
_TASKS: Mapping[tuple[str, ...], tuple[str, ...]] = {  # by what a release is without
    (): ("text-to-image", "image-to-text", "text-generation"),
    ("pictures",): ("text-generation",),
    ("texts",): ("unconditional-image-generation",),
}
_ORDER = (*SPLITS, QUARANTINE_SPLIT)
_LANGUAGE = re.compile(r"[a-z]{2,3}")


def head(release: Release, layouts: Mapping[str, Layout], languages: Iterable[str]) -> str:
    """Return the YAML without its fences; `layouts` names the configs that have rows, the default one first."""
    manifest = release.manifest
    count = sum(manifest.counts.values())
    licence = hub_licence(manifest.licences, manifest.without)
    tasks = _TASKS.get(manifest.without, ())
    tags = [tag for tag in TAGS if tag not in _OF_BOTH or not manifest.without]
    spoken = sorted({found[0] for language in languages if (found := _LANGUAGE.match(language.casefold()))})
    return yaml.safe_dump(
        {
            "pretty_name": bare(manifest.title or manifest.name),
            "license": licence.identifiers[0] if len(licence.identifiers) == 1 else list(licence.identifiers),
            **({"license_name": licence.name} if licence.name else {}),
            **({"license_link": licence.link} if licence.link else {}),
            **({"language": spoken} if spoken else {}),
            **({"task_categories": [*tasks]} if tasks else {}),
            "tags": tags,
            "size_categories": [next((name for limit, name in (*SIZES, *MILLIONS) if count < limit), "n>100M")],
            "configs": [_config(release, name) for name in layouts],
            "dataset_info": [_info(release, name, layout) for name, layout in layouts.items()],
        },
        sort_keys=False,
        allow_unicode=True,
        width=120,
    ).strip()


def _splits(release: Release, config: str) -> list[str]:
    """Return a config's splits that have rows: `datasets` cannot open one without any."""
    splits = release.manifest.configs[config]
    return [split for split in _ORDER if any(shard.rows for shard in splits.get(split, ()))]


def _config(release: Release, name: str) -> dict[str, object]:
    return {
        "config_name": name,
        **({"default": True} if name == "records" else {}),
        "data_files": [{"split": split, "path": f"{name}/{split}-*.parquet"} for split in _splits(release, name)],
    }


def _info(release: Release, name: str, layout: Layout) -> dict[str, object]:
    """Return features and sizes of a config: bytes as they lie in the files, and as they are once unpacked."""
    splits = [
        {
            "name": split,
            "num_bytes": sum(_unpacked(release, shard.file) for shard in release.shards(name, split)),
            "num_examples": sum(shard.rows for shard in release.shards(name, split)),
        }
        for split in _splits(release, name)
    ]
    packed = sum(shard.bytes for split in _splits(release, name) for shard in release.shards(name, split))
    return {
        "config_name": name,
        "features": yaml_features(features(layout)),
        "splits": splits,
        "download_size": packed,
        "dataset_size": sum(int(str(split["num_bytes"])) for split in splits),
    }


def _unpacked(release: Release, file: str) -> int:
    """Return the bytes of a shard's columns before compression, as its footer counts them."""
    footer = pq.read_metadata(release.folder / file)
    return sum(footer.row_group(index).total_byte_size for index in range(footer.num_row_groups))


def yaml_features(stated: Mapping[str, Mapping[str, object]]) -> list[dict[str, object]]:
    """Return features the way the Hub's YAML writes them."""
    rows: list[dict[str, object]] = []
    for name, feature in stated.items():
        kind = feature["_type"]
        inner = feature.get("feature")
        if kind == "Value":
            rows.append({"name": name, "dtype": feature["dtype"]})
        elif kind == "List" and isinstance(inner, Mapping):
            rows.append({"name": name, "list": inner["dtype"]})
        elif kind == "Array3D":
            rows.append({"name": name, "dtype": {"array3_d": {"shape": feature["shape"], "dtype": feature["dtype"]}}})
        else:
            rows.append({"name": name, "dtype": str(kind).lower()})
    return rows
