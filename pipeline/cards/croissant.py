"""A release's files and rows in the Croissant 1.0 vocabulary, which data catalogues and loaders read."""

import json
from collections.abc import Iterator, Mapping

from pipeline.cards.licences import deed, stated_parts
from pipeline.cards.markdown import one_line
from pipeline.release import Manifest
from pipeline.schema import Layout, features

PARQUET = "application/x-parquet"
_KEYWORDS = ("pixel art", "sprites", "multimodal", "tokens", "PixelBytes")
CREATED = 10  # characters of an ISO date
_TERMS = """
citeAs column equivalentProperty extract field fileProperty fileObject fileSet format includes isLiveDataset jsonPath
key md5 parentField path recordSet references regex repeated replace samplingRate separator source subField transform
"""
_CONTEXT: Mapping[str, object] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    **{term: f"cr:{term}" for term in _TERMS.split()},
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
}
_TYPES = {"string": "sc:Text", "int32": "cr:Int32", "uint8": "cr:UInt8", "uint16": "cr:UInt16"}
_ADDRESSES = {"source_url", "image_url"}
ABOUT_FIELDS = {
    "id": "name of the record, the same in every config and version",
    "image": "the sprite, one pixel a palette colour",
    "caption": "what is said of it, in the vocabulary's characters",
    "number": "its number in the source's list; 0 where that has none",
    "name": "what the source calls it",
    "form": "which form of it this is; empty for the usual one",
    "group": "its family; a family is in one split",
    "language": "of the caption",
    "replaced": "characters of the text that had no token",
    "source_url": "the page that the text is from",
    "image_url": "the picture's address",
    "revision": "of the pages, where the site tells one",
    "retrieved_at": "when page and picture were read",
    "sha256": "of the raw picture's bytes",
    "licence": "as the source states it, of text and picture",
    "attribution": "whom to name, for text and picture",
    "digest": "over what the record says, shows and whose it is",
    "tokens": "ids of the record: shape, image and caption, row by row",
    "h": "rows of the sprite",
    "w": "columns of the sprite",
    "segment_offsets": "where shape, image and caption begin and end among the ids",
    "windows": "the causal window of each token, (L, k, k)",
    "stage": "where it was dropped",
    "reason": "why",
}


def croissant(manifest: Manifest, layouts: Mapping[str, Layout], description: str, citation: str) -> str:
    """Return croissant.json: each file with its digest, each config as a record set that reads its own files.

    `layouts` names the configs that have rows. Paths are relative to the file itself, so a folder can be read offline.
    """
    title = one_line(manifest.title or manifest.name, 200)
    return json.dumps(
        {
            "@context": _CONTEXT,
            "@type": "sc:Dataset",
            "conformsTo": "http://mlcommons.org/croissant/1.0",
            "name": title,
            "description": description,
            "version": manifest.version.removeprefix("v"),
            "license": _licences(manifest),
            "creator": {"@type": "sc:Organization", "name": f"The makers named in ATTRIBUTION.md, of {title}"},
            "datePublished": manifest.created_at[:CREATED],
            "keywords": [word for word in _KEYWORDS if word not in ("multimodal", "tokens") or not manifest.without],
            "citeAs": citation,
            "isLiveDataset": False,
            "distribution": [*_files(manifest), *map(_file_set, layouts)],
            "recordSet": [_record_set(name, layout) for name, layout in layouts.items()],
        },
        indent=1,
        ensure_ascii=False,
    )


def _licences(manifest: Manifest) -> list[str]:
    """Return each licence once: the page that states it, or its name."""
    return [deed(licence) or one_line(licence) for licence in stated_parts(manifest.licences, manifest.without)]


def _files(manifest: Manifest) -> Iterator[dict[str, object]]:
    for splits in manifest.configs.values():
        for shard in (shard for shards in splits.values() for shard in shards):
            yield {
                "@type": "cr:FileObject",
                "@id": shard.file,
                "name": shard.file.replace("/", "-"),
                "contentUrl": shard.file,
                "encodingFormat": PARQUET,
                "sha256": shard.sha256,
                "contentSize": f"{shard.bytes} B",
            }


def _file_set(config: str) -> dict[str, object]:
    return {
        "@type": "cr:FileSet",
        "@id": f"{config}-files",
        "name": f"{config}-files",
        "description": f"all shards of the config {config}",
        "encodingFormat": PARQUET,
        "includes": f"{config}/*.parquet",
    }


def _record_set(config: str, layout: Layout) -> dict[str, object]:
    """Return a config as Croissant's record set: its columns, and the split, which the file's name tells."""
    path = {
        "fileSet": {"@id": f"{config}-files"},
        "extract": {"fileProperty": "fullpath"},
        "transform": {"regex": rf"(?:.*/)?{config}/([a-z]+)-\d+-of-\d+\.parquet$"},
    }
    split = {
        "@type": "cr:Field",
        "@id": f"{config}/split",
        "name": "split",
        "description": "train, validation or test; what was dropped is in none of them",
        "dataType": "sc:Text",
        "source": path,
    }
    fields = [_field(config, name, feature) for name, feature in features(layout).items()]
    return {
        "@type": "cr:RecordSet",
        "@id": config,
        "name": config,
        "description": f"the rows of the config {config}",
        **({"key": {"@id": f"{config}/id"}} if config != "quarantine" else {}),
        "field": [split, *fields],
    }


def _field(config: str, name: str, feature: Mapping[str, object]) -> dict[str, object]:
    source: dict[str, object] = {"fileSet": {"@id": f"{config}-files"}, "extract": {"column": name}}
    kind, inner = feature["_type"], feature.get("feature")
    types: dict[str, object]
    if kind == "Image":
        types = {"dataType": "sc:ImageObject"}
        source["transform"] = {"jsonPath": "bytes"}
    elif isinstance(inner, Mapping):
        types = {"dataType": _TYPES[str(inner["dtype"])], "repeated": True}
    elif kind == "Value":
        types = {"dataType": "sc:URL" if name in _ADDRESSES else _TYPES[str(feature["dtype"])]}
    else:
        types = {"dataType": _TYPES[str(feature["dtype"])], "repeated": True}
    about = ABOUT_FIELDS.get(name, name)
    return {
        "@type": "cr:Field",
        "@id": f"{config}/{name}",
        "name": name,
        "description": about,
        **types,
        "source": source,
    }
