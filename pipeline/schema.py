"""The Arrow schema of each config, and how its columns are laid out on disk."""

import json
from dataclasses import dataclass

import pyarrow as pa

PROVENANCE_COLUMNS = ("source_url", "image_url", "revision", "retrieved_at", "sha256", "licence", "attribution")
QUARANTINE_COLUMNS = ("id", "name", "stage", "reason", "source_url")
QUARANTINE_SPLIT = "dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One config: its schema, the columns whose numbers are split into byte planes, and rows per row group."""

    schema: pa.Schema
    byte_split: tuple[str, ...] = ()
    rows: int = 1024  # small enough that a viewer reads one group, large enough to compress


def windows_config(k: int) -> str:
    """Return the name of the config of k×k windows, such as `windows_k3`."""
    return f"windows_k{k}"


def record_layouts(k: int) -> dict[str, Layout]:
    """Return the configs that hold every record, by name: records, tokens and windows."""
    return {"records": _records(), "tokens": _tokens(), windows_config(k): _windows(k)}


def quarantine_layout() -> Layout:
    """Return the layout of what was dropped."""
    return Layout(schema=_schema([(name, pa.string(), _value("string")) for name in QUARANTINE_COLUMNS]))


def _records() -> Layout:
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return Layout(
        schema=_schema(
            [
                ("id", pa.string(), _value("string")),
                ("image", image, {"_type": "Image"}),
                ("caption", pa.string(), _value("string")),
                ("number", pa.int32(), _value("int32")),
                *[(name, pa.string(), _value("string")) for name in ("name", "form", "group", "language")],
                ("replaced", pa.int32(), _value("int32")),  # characters of the text that had no token
                *[(name, pa.string(), _value("string")) for name in PROVENANCE_COLUMNS],
                ("digest", pa.string(), _value("string")),
            ]
        )
    )


def _tokens() -> Layout:
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
    array: dict[str, object] = {"shape": [None, k, k], "dtype": "uint8", "_type": "Array3D"}
    nested = pa.list_(pa.list_(pa.list_(pa.uint8())))
    schema = _schema([("id", pa.string(), _value("string")), ("windows", nested, array)])
    return Layout(schema=schema, byte_split=("windows.list.element.list.element.list.element",), rows=128)


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
