"""The four libraries that people open a release with give back the same values."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.checks import check
from pipeline.publish import FolderStore
from pipeline.release import Release


@pytest.fixture(scope="module")
def published(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Release:
    import shutil

    folder = tmp_path_factory.mktemp("readers")
    shutil.copytree(release.folder, folder / "built")
    copy = Release.open(folder / "built")
    checked = copy.with_manifest(gates=check(copy), title="A small bestiary")
    return FolderStore(folder / "releases").publish(checked).release


@pytest.mark.filterwarnings("ignore")  # of datasets itself
def test_datasets_opens_every_config_from_the_folder(published: Release, tmp_path: Path) -> None:
    from datasets import load_dataset

    counts = published.manifest.counts
    cache = str(tmp_path)
    for config in ("records", "tokens", "windows_k3"):
        loaded = load_dataset(str(published.folder), config, cache_dir=cache)
        assert {split: loaded[split].num_rows for split in loaded} == counts
    dropped = load_dataset(str(published.folder), "quarantine", split="dropped", cache_dir=cache)
    assert dropped["stage"][:] == ["description"]
    windows = load_dataset(str(published.folder), "windows_k3", split="test", cache_dir=cache)
    tokens = load_dataset(str(published.folder), "tokens", split="test", cache_dir=cache)
    first = windows.with_format("numpy", dtype=np.uint8)[0]["windows"]
    assert first.shape == (len(tokens[0]["tokens"]), 3, 3)
    assert first[:, 1, 1].tolist() == tokens[0]["tokens"]
    image = load_dataset(str(published.folder), split="test", cache_dir=cache)[0]["image"]  # the default config
    assert isinstance(image, Image.Image)


def test_pyarrow_duckdb_and_polars_read_the_same_tokens(published: Release) -> None:
    import duckdb
    import polars as pl

    path = str(published.folder / published.shards("tokens", "train")[0].file)
    ours = published.table("tokens", "train").column("tokens").to_pylist()
    assert [row[0] for row in duckdb.sql(f"select tokens from '{path}' order by id").fetchall()] == ours  # noqa: S608
    assert pl.read_parquet(path)["tokens"].to_list() == ours
    windows = str(published.folder / published.shards("windows_k3", "train")[0].file)
    assert [row[1][1] for row in pl.read_parquet(windows)["windows"].to_list()[0]] == ours[0]


def test_the_image_column_holds_png_bytes(published: Release) -> None:
    row = published.table("records", "train").slice(0, 1).to_pylist()[0]
    assert Image.open(io.BytesIO(row["image"]["bytes"])).format == "PNG"
