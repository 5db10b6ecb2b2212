"""The Arrow schema of each config, and how its columns are laid out on disk.

The layouts were chosen by `python -m tests.bench layouts`, over 1,000 records of the bestiary (1,596 tokens each). The
figures beside them are its: bytes a token on disk, and rates in million tokens a second of one core.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

PROVENANCE_COLUMNS = ("source_url", "image_url", "revision", "retrieved_at", "sha256", "licence", "attribution")
QUARANTINE_COLUMNS = ("id", "name", "stage", "reason", "source_url")
QUARANTINE_SPLIT = "dropped"
#: Columns of `records` that hold what is withheld, or tell it to whoever guesses: digests of small pictures and short
#: texts can be searched for. `sha256` is of the raw picture; `revision` of a folder's record is a digest of its text.
#: Names, addresses, times, licences and makers are references, and stay; `digest` is taken anew over what is left.
WITHHELD_COLUMNS = {"texts": ("caption", "replaced", "revision"), "pictures": ("image", "sha256")}
Codec = Literal["zstd", "snappy", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One config: its schema, and how it lies on disk. Columns are named by their leaves, as Parquet does."""

    schema: pa.Schema
    byte_split: tuple[str, ...] = ()  # small numbers, which Parquet holds in four bytes: split into planes, three are 0
    unfiltered: tuple[str, ...] = ()  # nobody asks for a range of these: their least and most values are not kept
    dictionary: tuple[str, ...] = ()  # values that come again within a row group
    codec: Codec = "zstd"
    level: int | None = 3  # of zstd
    rows: int = 1024  # of a row group: small enough that a viewer reads one, large enough to compress


def windows_config(k: int) -> str:
    """Return the name of the config of k×k windows, such as `windows_k3`."""
    return f"windows_k{k}"


def record_layouts(windows: Iterable[int] = (), without: Iterable[str] = ()) -> dict[str, Layout]:
    """Return the configs that hold every record, by name: records, tokens, and windows of the sides asked for.

    Without texts or pictures `records` has fewer columns and stands alone: ids and windows tell both.
    """
    if lost := withheld_columns(without):
        return {"records": _records(lost)}
    return {"records": _records(), "tokens": _tokens(), **{windows_config(k): _windows(k) for k in windows}}


def withheld_columns(without: Iterable[str]) -> tuple[str, ...]:
    """Return the columns that `records` lacks without these: texts, pictures, or both."""
    return tuple(name for what in without for name in WITHHELD_COLUMNS[what])


def quarantine_layout() -> Layout:
    """Return the layout of what was dropped."""
    return Layout(schema=_schema([(name, pa.string(), _value("string")) for name in QUARANTINE_COLUMNS]))


def _records(lost: tuple[str, ...] = ()) -> Layout:
    """Return the layout of `records`, but for the columns that are `lost`: zstd 3 and no dictionaries.

    zstd 9 takes three times as long (21 µs a record for 7) and saves a sixteenth (381 bytes for 405); of real captions,
    Tuxemon's, 7 %. Most columns differ in every row, and zstd packs those that repeat as well as a dictionary does.
    """
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    fields: list[tuple[str, pa.DataType, dict[str, object]]] = [
        ("id", pa.string(), _value("string")),
        ("image", image, {"_type": "Image"}),
        ("caption", pa.string(), _value("string")),
        ("number", pa.int32(), _value("int32")),
        *[(name, pa.string(), _value("string")) for name in ("name", "form", "group", "language")],
        ("replaced", pa.int32(), _value("int32")),  # characters of the text that had no token
        *[(name, pa.string(), _value("string")) for name in PROVENANCE_COLUMNS],
        ("digest", pa.string(), _value("string")),
    ]
    return Layout(
        schema=_schema([field for field in fields if field[0] not in lost]),
        unfiltered=("image.bytes", "image.path", "caption", "sha256", "digest"),
    )


def _tokens() -> Layout:
    """Return the layout of `tokens`: ids split into byte planes, zstd 3.

    Parquet holds an id in four bytes, three of them zero. Split, they take 0.223 bytes a token, against 0.532 plain and
    0.463 by dictionary; written at 52, read at 93 (pyarrow), 290 (`datasets`, uint8), 31 (duckdb) and 65 (polars).
    zstd 9 would save a tenth (0.200), be read no faster that matters, and be written at half the rate (28).
    """
    schema = _schema(
        [
            ("id", pa.string(), _value("string")),
            ("tokens", pa.list_(pa.uint8()), _list("uint8")),
            ("h", pa.uint8(), _value("uint8")),
            ("w", pa.uint8(), _value("uint8")),
            ("segment_offsets", pa.list_(pa.uint16()), _list("uint16")),
        ]
    )
    return Layout(schema=schema, byte_split=("tokens.list.element",))


def _windows(k: int) -> Layout:
    """Return the layout of k×k windows: byte planes, zstd 5.

    Bytes a token for k=3 (and 5): 1.183 (1.951) with zstd 3, 0.901 (1.732) with 5, 0.827 (1.667) with 9, 3.290 (4.213)
    with snappy and dictionaries; written at 3.4, 3.2, 2.4 and 3.1, for most of the work is three levels of lists. All
    are read alike, at 11 by pyarrow and, being Array3D, at 25 to 47 by `datasets`: as bare lists, which is also what
    it finds when a card does not state the features, at 0.04. One blob a record would be smaller (0.287) and faster
    (211), but opens as bytes, not as (L, k, k). Who wants speed makes windows from `tokens`, at 60.
    Row groups have fewer rows the larger k is: of the largest sprites, none reaches 60 MB.
    """
    array: dict[str, object] = {"shape": [None, k, k], "dtype": "uint8", "_type": "Array3D"}
    nested = pa.list_(pa.list_(pa.list_(pa.uint8())))
    schema = _schema([("id", pa.string(), _value("string")), ("windows", nested, array)])
    return Layout(schema=schema, byte_split=(f"windows{'.list.element' * 3}",), level=5, rows=max(1, 1152 // (k * k)))


def _value(dtype: str) -> dict[str, object]:
    return {"dtype": dtype, "_type": "Value"}


def _list(dtype: str) -> dict[str, object]:
    return {"feature": _value(dtype), "_type": "List"}


def _schema(fields: list[tuple[str, pa.DataType, dict[str, object]]]) -> pa.Schema:
    """Return the schema with the features that `datasets` reads from its metadata."""
    features = {name: feature for name, _, feature in fields}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    return pa.schema([(name, kind) for name, kind, _ in fields], metadata=metadata)


def features(layout: Layout) -> dict[str, dict[str, object]]:
    """Return the features of a layout as its metadata states them, for the card."""
    stated: dict[str, dict[str, object]] = json.loads(layout.schema.metadata[b"huggingface"])["info"]["features"]
    return stated
