"""Releases without their texts, their pictures or both."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow.parquet as pq

from pipeline.cards.card import write_card
from pipeline.diff import diff
from pipeline.documents import sealed
from pipeline.records import SPLITS
from pipeline.release import Release
from tests.altered import Rows, copied

EACH: list[tuple[str, ...]] = [("texts",), ("pictures",), ("texts", "pictures")]
Bares = Mapping[tuple[str, ...], Release]


def rows(release: Release, config: str = "records") -> Rows:
    """Return the rows of a config, of all splits."""
    return [row for split in SPLITS for row in release.table(config, split).to_pylist()]


def everything_said(release: Release) -> str:
    """Return all texts of a folder, those inside Parquet files as they are read."""
    files = [path for path in release.folder.rglob("*") if path.is_file()]
    tables = [repr(pq.read_table(path).to_pylist()) for path in files if path.suffix == ".parquet"]
    plain = [path.read_text("utf-8") for path in files if path.suffix not in (".parquet", ".png")]
    return "".join([*tables, *plain])


def stands(bare: Release, folder: Path) -> Release:
    """Let a copy of a bare build become a version, as a store does."""
    named = copied(bare, folder).with_manifest(version="v1.0.0", diff=diff(None, bare), visibility="public")
    write_card(named)
    return sealed(named)
