import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.build import build
from pipeline.engines import processes
from pipeline.recipe import TRANSFORM_VERSION, BuildConfig, PictureRecipe
from pipeline.records import SPLITS
from pipeline.release import Release
from pipeline.shard_build import count_tokens
from pipeline.tokenizer import decode_record, grids
from pipeline.windows import record_windows
from tests.raw_stores import creatures, make_store, png, sample_source

NAME = "pixelbytes/small"


def parquet_bytes(release: Release) -> dict[str, bytes]:
    return {str(p.relative_to(release.folder)): p.read_bytes() for p in sorted(release.folder.rglob("*.parquet"))}


def quarantined(release: Release) -> dict[str, tuple[str, str]]:
    rows = release.table("quarantine", "dropped").to_pylist()
    return {row["id"] or row["name"]: (row["stage"], row["reason"]) for row in rows}


def test_the_same_raw_store_gives_the_same_bytes_on_any_number_of_workers(tmp_path: Path) -> None:
    beasts = creatures(40)
    one = build(sample_source(), make_store(tmp_path / "a", beasts), tmp_path / "one", name=NAME)
    for workers in (2, 4):
        store = make_store(tmp_path / f"raw{workers}", beasts)
        more = build(sample_source(), store, tmp_path / f"built{workers}", name=NAME, pool=processes(workers))
        assert parquet_bytes(one) == parquet_bytes(more)
        assert one.manifest.digest == more.manifest.digest
        assert one.manifest.configs == more.manifest.configs


def test_all_configs_hold_the_same_ids_in_order_and_decode_to_the_same_record(release: Release) -> None:
    seen = 0
    for split in SPLITS:
        records, tokens, windows = (
            release.table(name, split).to_pylist() for name in ("records", "tokens", "windows_k3")
        )
        keys = [row["id"] for row in records]
        assert keys == sorted(keys)
        assert keys == [row["id"] for row in tokens] == [row["id"] for row in windows]
        for record, token, window in zip(records, tokens, windows, strict=True):
            ids = np.array(token["tokens"], dtype=np.uint8)
            sprite, caption = decode_record(ids, release.vocabulary)
            assert caption == record["caption"]
            assert sprite.shape == (token["h"], token["w"])
            shown = np.asarray(Image.open(io.BytesIO(record["image"]["bytes"])).convert("RGB"))
            assert np.array_equal(shown, release.palette.rgb[sprite])
            assert np.array_equal(np.array(window["windows"], dtype=np.uint8), record_windows(grids(ids), 3))
            assert token["segment_offsets"][-1] == len(ids)
            seen += 1
    assert seen == sum(release.manifest.counts.values()) == 60


def test_no_family_is_in_two_splits(release: Release) -> None:
    groups = [set(release.table("records", split, ["group"]).column("group").to_pylist()) for split in SPLITS]
    assert len(set.union(*groups)) == sum(map(len, groups))


def test_the_manifest_counts_what_is_in_the_shards(release: Release) -> None:
    tokens = [ids for split in SPLITS for ids in release.table("tokens", split).column("tokens").to_pylist()]
    counted = count_tokens(np.concatenate([np.array(ids, dtype=np.uint8) for ids in tokens]))
    assert release.manifest.tokens == counted
    assert 0.6 < release.manifest.text_ratio < 0.72


def test_each_bad_input_is_quarantined_with_its_reason_and_the_rest_goes_on(tmp_path: Path) -> None:
    beasts = creatures(12)
    huge = io.BytesIO()
    Image.new("1", (10_000, 10_000)).save(huge, format="PNG")
    beasts[0] = replace(beasts[0], picture=png(1)[:200])
    beasts[1] = replace(beasts[1], picture=huge.getvalue())
    beasts[2] = replace(beasts[2], text="")
    beasts[3] = replace(beasts[3], page=b"<html><h2><span id='Habitat'>Habitat</span></h2><p>x</p></html>")
    beasts[4] = replace(beasts[4], page=b"\x89PNG\r\n\x1a\n\x00\x01\x02\x03")
    beasts[5] = replace(beasts[5], text="日本語")
    beasts[7] = replace(beasts[6], number=8, name="Twin", picture=beasts[6].picture)
    release = build(sample_source(), make_store(tmp_path / "raw", beasts), tmp_path / "out", name=NAME)
    found = {key[:4]: value for key, value in quarantined(release).items()}
    assert found["0001"][0] == "pixelize"
    assert "damaged" in found["0001"][1]
    assert "10000×10000" in found["0002"][1]
    assert found["0003"] == ("description", "the Biology section holds no paragraph")
    assert "no Biology section" in found["0004"][1]
    assert found["0005"][0] == "description"
    assert found["0006"][0] == "text"
    assert found["0008"] == ("duplicate", "same page and same picture as 0007-beasth7")
    assert sum(release.manifest.counts.values()) == 5
    assert sum(release.manifest.quarantine.values()) == 7


@pytest.mark.parametrize("k", [1, 5])
def test_any_odd_k_is_built(tmp_path: Path, k: int) -> None:
    store = make_store(tmp_path / "raw", creatures(8))
    release = build(sample_source(), store, tmp_path / "out", name=NAME, config=BuildConfig(k=k, windows=(k,)))
    row = release.table(f"windows_k{k}", "train").slice(0, 1).to_pylist()[0]
    assert np.array(row["windows"]).shape[1:] == (k, k)


def test_building_without_a_crawl_says_what_to_run(tmp_path: Path) -> None:
    from pipeline.crawl.raw import RawStore

    with pytest.raises(ValueError, match="no finished crawl: crawl sample first"):
        build(sample_source(), RawStore(tmp_path), tmp_path / "out", name=NAME)


def test_a_failed_build_leaves_the_last_one_untouched(tmp_path: Path) -> None:
    store = make_store(tmp_path / "raw", creatures(8))
    release = build(sample_source(), store, tmp_path / "out", name=NAME)
    before = parquet_bytes(release)
    with pytest.raises(ValueError, match="palette 'vga' is not known"):
        build(sample_source(), store, tmp_path / "out", name=NAME, config=BuildConfig(palette="vga"))
    blob = store.blob_path(store.latest_crawl().resources[-1].sha256)  # type: ignore[union-attr]
    blob.write_bytes(blob.read_bytes() + b"x")
    with pytest.raises(ValueError, match="it was altered"):  # in the middle of a shard
        build(sample_source(), store, tmp_path / "out", name=NAME)
    assert parquet_bytes(Release.open(tmp_path / "out")) == before


def test_a_build_never_takes_the_place_of_anything_but_a_build(tmp_path: Path) -> None:
    store = make_store(tmp_path / "raw", creatures(8))
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "photo").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "precious")
    for place in ("precious", "link"):
        with pytest.raises(ValueError, match="give the path of a new folder"):
            build(sample_source(), store, tmp_path / place, name=NAME)
    released = build(sample_source(), store, tmp_path / "out", name=NAME).with_manifest(version="v1.0.0")
    with pytest.raises(ValueError, match="something else than an unpublished build"):
        build(sample_source(), store, released.folder, name=NAME)
    assert (tmp_path / "precious" / "photo").read_text() == "mine"


def test_rows_change_only_together_with_the_transform_version(tmp_path: Path) -> None:
    release = build(sample_source(), make_store(tmp_path / "raw", creatures(8)), tmp_path / "out", name=NAME)
    assert (TRANSFORM_VERSION, release.manifest.digest[:16]) == (3, "e3e8877256385764"), (
        "the same raw bytes give other rows: raise TRANSFORM_VERSION, then write the new digest here"
    )


@pytest.mark.parametrize(
    ("kind", "option", "value"),
    [
        (BuildConfig, "k", 4),
        (BuildConfig, "text_share", 1.5),
        (PictureRecipe, "max_side", 0),
        (PictureRecipe, "colours", 1),
        (PictureRecipe, "seed", -1),
        (PictureRecipe, "background", (0, 0, 256)),
    ],
)
def test_a_config_that_cannot_be_is_refused(kind: type, option: str, value: object) -> None:
    with pytest.raises(ValueError, match=re.escape(f"{option} is {value}")):
        kind(**{option: value})
