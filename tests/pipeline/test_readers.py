"""The four libraries that people open a release with give back the same values."""

import io
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from PIL import Image

from palettes.palette import load_palette
from pipeline.checks import check
from pipeline.publishing.folder_store import FolderStore
from pipeline.records import Dropped, Record
from pipeline.release import Release
from pipeline.rows import quarantine_batch, records_batch, sprite_png, tokens_batch, windows_batch
from pipeline.schema import Layout, features, quarantine_layout, record_layouts
from pipeline.shards import ShardWriter, shard_name
from pipeline.tokenizer import ORDERS, encode_record, grids
from pipeline.windows import causal_windows
from tests.strategies import VOCABULARY

NES = load_palette("nes")
SHARDS = 2
SIZES = [(1, 1), (1, 25), (25, 1), (2, 3), (25, 25), (5, 4), (1, 2)]
CAPTIONS = ["", "a", 'said "no": it\'s 3.5 % [or] so; yes/no!', "caf\xa0e", "z" * 300]
Rows = list[dict[str, object]]


@cache
def records() -> tuple[Record, ...]:
    """Return records at the edges: the smallest and largest sprites, no caption, quotes, both orders."""
    rng = np.random.default_rng(4)
    found = []
    for i in range(2 * len(SIZES) + 3):
        sprite = rng.integers(0, 55, SIZES[i % len(SIZES)], dtype=np.uint8)
        caption = CAPTIONS[i % len(CAPTIONS)]
        found.append(
            Record(
                id=f"{i:03d}-é", group="", number=i * 100_000_000, name='"quoted", Nidoran♀', form="", language="en",
                sprite=sprite, caption=caption, ids=encode_record(sprite, caption, VOCABULARY, ORDERS[i % 2]),
                source_url="http://a.localhost/?a=1&b=2", image_url="", revision="", retrieved_at="", sha256="f" * 64,
                licence="CC0-1.0", attribution="two\nlines", replaced=i,
            )
        )  # fmt: skip
    return tuple(found)


def expected(config: str) -> Rows:
    """Return what every reader must give, from the records and nothing else."""
    if config == "quarantine":
        return [{"id": "1", "name": "", "stage": "text", "reason": 'it says "no"', "source_url": "http://a"}] * 5
    return [_expected(config, one) for one in records()]


def _expected(config: str, one: Record) -> dict[str, object]:
    if config == "tokens":
        ends = [i + 1 for i, token in enumerate(one.ids.tolist()) if token == 2]
        h, w = one.sprite.shape
        return {"id": one.id, "tokens": one.ids.tolist(), "h": h, "w": w, "segment_offsets": [0, *ends]}
    if config.startswith("windows"):
        k = int(config.removeprefix("windows_k"))
        windows = [causal_windows(grid, k).tolist() for grid in grids(one.ids)]
        return {"id": one.id, "windows": [window for part in windows for window in part]}
    image = {"bytes": sprite_png(one.sprite, NES), "path": f"{one.id}.png"}
    names = [name for name in record_layouts()["records"].schema.names if name not in ("image", "digest")]
    return {**{name: getattr(one, name) for name in names}, "image": image}


LAYOUTS = {**record_layouts((1, 3, 5)), "quarantine": quarantine_layout()}
SMALL = {name: replace(layout, rows=3) for name, layout in LAYOUTS.items()}  # several row groups a file


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with all configs, each in two files of several row groups."""
    root = tmp_path_factory.mktemp("configs")
    made = {
        "records": records_batch(records(), NES, SMALL["records"]),
        "tokens": tokens_batch(records(), SMALL["tokens"]),
        **{f"windows_k{k}": windows_batch(records(), k, SMALL[f"windows_k{k}"]) for k in (1, 3, 5)},
        "quarantine": quarantine_batch([Dropped(**row) for row in expected("quarantine")]),  # type: ignore[arg-type]
    }
    for config, batch in made.items():
        half = batch.num_rows // 2
        for index, part in enumerate((batch.slice(0, half), batch.slice(half))):
            with ShardWriter(root, shard_name(config, "train", index, SHARDS), SMALL[config]) as writer:
                writer.write(part)
                writer.close()
            assert pq.read_metadata(root / shard_name(config, "train", index, SHARDS)).num_row_groups > (
                0 if config == "quarantine" else 1
            )
    return root


def by_pyarrow(files: list[str], _layout: Layout, _cache: Path) -> Rows:
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def by_datasets(files: list[str], layout: Layout, cache_folder: Path) -> Rows:
    import datasets

    datasets.disable_progress_bars()
    stated = datasets.Features.from_dict(features(layout))
    found = datasets.Dataset.from_parquet(files, features=stated, cache_dir=str(cache_folder))
    assert found.features == stated
    if "image" in stated:
        found = found.cast_column("image", datasets.Image(decode=False))
    return [dict(row) for row in found]


def by_duckdb(files: list[str], _layout: Layout, _cache: Path) -> Rows:
    found = duckdb.execute("select * from read_parquet($1)", [files])
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def by_polars(files: list[str], _layout: Layout, _cache: Path) -> Rows:
    return [row for file in files for row in pl.read_parquet(file).to_dicts()]


@pytest.mark.filterwarnings("ignore")  # of datasets itself
@pytest.mark.parametrize("read", [by_pyarrow, by_datasets, by_duckdb, by_polars])
@pytest.mark.parametrize("config", list(LAYOUTS))
def test_every_reader_gives_every_value_of_every_config(
    folder: Path, tmp_path: Path, config: str, read: Callable[[list[str], Layout, Path], Rows]
) -> None:
    files = [str(folder / shard_name(config, "train", index, SHARDS)) for index in range(SHARDS)]
    found = read(files, LAYOUTS[config], tmp_path)
    for row in found:
        row.pop("digest", None)  # has tests of its own
    assert found == expected(config)


@pytest.mark.filterwarnings("ignore")  # of datasets itself
@pytest.mark.parametrize("k", [1, 3, 5])
def test_datasets_gives_windows_as_arrays_of_bytes(folder: Path, tmp_path: Path, k: int) -> None:
    import datasets

    config = f"windows_k{k}"
    files = [str(folder / shard_name(config, "train", index, SHARDS)) for index in range(SHARDS)]
    stated = datasets.Features.from_dict(features(LAYOUTS[config]))
    found = datasets.Dataset.from_parquet(files, features=stated, cache_dir=str(tmp_path))
    for row, one in zip(found.with_format("numpy", dtype=np.uint8), records(), strict=True):
        assert row["windows"].shape == (len(one.ids), k, k)
        assert row["windows"].dtype == np.uint8
        assert np.array_equal(row["windows"][:, k // 2, k // 2], one.ids)


@pytest.mark.filterwarnings("ignore")  # of datasets itself
def test_datasets_shows_the_pictures(folder: Path, tmp_path: Path) -> None:
    import datasets

    files = [str(folder / shard_name("records", "train", index, SHARDS)) for index in range(SHARDS)]
    found = datasets.Dataset.from_parquet(files, cache_dir=str(tmp_path))
    for row, one in zip(found, records(), strict=True):
        assert np.array_equal(np.asarray(row["image"].convert("RGB")), NES.rgb[one.sprite])


@pytest.fixture(scope="module")
def published(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Release:
    root = tmp_path_factory.mktemp("readers")
    shutil.copytree(release.folder, root / "built")
    copy = Release.open(root / "built")
    checked = copy.with_manifest(gates=check(copy), title="A small bestiary")
    return FolderStore(root / "releases").publish(checked).release


@pytest.mark.filterwarnings("ignore")  # of datasets itself
def test_datasets_opens_every_config_of_a_release_with_its_features(published: Release, tmp_path: Path) -> None:
    import datasets

    windows = published.manifest.windows
    for config, layout in record_layouts(windows).items():
        loaded = datasets.load_dataset(str(published.folder), config, cache_dir=str(tmp_path))
        assert {split: loaded[split].num_rows for split in loaded} == published.manifest.counts
        assert loaded["train"].features == datasets.Features.from_dict(features(layout))
    dropped = datasets.load_dataset(str(published.folder), "quarantine", split="dropped", cache_dir=str(tmp_path))
    assert dropped["stage"][:] == ["description"]
    default = datasets.load_dataset(str(published.folder), split="test", cache_dir=str(tmp_path))
    assert isinstance(default[0]["image"], Image.Image)


def test_the_image_column_holds_png_bytes(published: Release) -> None:
    row = published.table("records", "train").slice(0, 1).to_pylist()[0]
    assert Image.open(io.BytesIO(row["image"]["bytes"])).format == "PNG"
