"""Releases that were tampered with: single rows, or whole records through all their configs."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import UInt8

from palettes.vocabulary import LF
from pipeline.png import encode_png
from pipeline.release import Release
from pipeline.rows import record_digest
from pipeline.schema import quarantine_layout, record_layouts, windows_config
from pipeline.shards import file_content_digest, file_sha256
from pipeline.tokenizer import decode_record, encode_record, grids
from pipeline.windows import record_windows

Row = dict[str, object]
Rows = list[Row]
Sprite = UInt8[np.ndarray, "_ _"]


def copied(release: Release, folder: Path) -> Release:
    """Copy a release to where it may be changed."""
    shutil.copytree(release.folder, folder)
    return Release.open(folder)


def rewrite(release: Release, config: str, change: Callable[[Rows], None], split: str = "train") -> None:
    """Change the rows of a config's first shard in place; the manifest keeps what it said."""
    path = release.folder / release.shards(config, split)[0].file
    layouts = {**record_layouts(release.manifest.windows), "quarantine": quarantine_layout()}
    rows = pq.read_table(path).to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=layouts[config].schema), path)


def set_value(column: str, value: object) -> Callable[[Rows], None]:
    """Return a change of the first row."""

    def change(rows: Rows) -> None:
        rows[0][column] = value

    return change


def set_item(column: str, place: int, value: int) -> Callable[[Rows], None]:
    """Return a change of one item of the first row's list."""

    def change(rows: Rows) -> None:
        rows[0][column][place] = value  # type: ignore[index]

    return change


def redraw(
    release: Release, change: Callable[[Row, Sprite, str], tuple[Row, Sprite, str]], split: str = "train"
) -> Release:
    """Change what the records of a split's first shard say and show; all their configs agree again afterwards."""
    tokens = pq.read_table(release.folder / release.shards("tokens", split)[0].file).to_pylist()
    drawn: dict[object, Row] = {}

    def say(rows: Rows) -> None:
        for i, (row, found) in enumerate(zip(rows, tokens, strict=True)):
            ids = np.array(found["tokens"], dtype=np.uint8)
            said, sprite, caption = change(row, *decode_record(ids, release.vocabulary))
            ids = encode_record(sprite, caption, release.vocabulary)
            image = {"bytes": encode_png(sprite, release.palette), "path": f"{said['id']}.png"}
            said = {**said, "caption": caption, "image": image}
            rows[i] = {**said, "digest": record_digest(said, sprite)}
            ends = [0, *(np.flatnonzero(ids == LF) + 1).tolist()]
            h, w = sprite.shape
            drawn[i] = {"id": said["id"], "tokens": ids.tolist(), "h": h, "w": w, "segment_offsets": ends}

    def show(rows: Rows) -> None:
        rows[:] = [drawn[i] for i in range(len(rows))]

    rewrite(release, "records", say, split)
    rewrite(release, "tokens", show, split)
    for k in release.manifest.windows:

        def see(rows: Rows, k: int = k) -> None:
            for i, row in enumerate(rows):
                ids = np.array(drawn[i]["tokens"], dtype=np.uint8)
                row.update({"id": drawn[i]["id"], "windows": record_windows(grids(ids), k).tolist()})

        rewrite(release, windows_config(k), see, split)
    return release


def restated(release: Release) -> Release:
    """Let a release's manifest name the bytes and rows that its shards have now."""

    def again(file: str) -> dict[str, object]:
        path = release.folder / file
        return {
            "rows": pq.read_metadata(path).num_rows,
            "bytes": path.stat().st_size,
            "sha256": file_sha256(path),
            "content_digest": file_content_digest(path),
        }

    configs = {
        config: {
            split: tuple(replace(shard, **again(shard.file)) for shard in shards)  # type: ignore[arg-type]
            for split, shards in splits.items()
        }
        for config, splits in release.manifest.configs.items()
    }
    counts = {split: sum(shard.rows for shard in shards) for split, shards in configs["records"].items()}
    return release.with_manifest(configs=configs, counts=counts)
