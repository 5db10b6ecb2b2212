"""A release's card: its code runs, its head is the Hub's, its words follow from the manifest and the rows alone."""

import json
import re
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markdown_it import MarkdownIt

from pipeline.cards.card import SHEET, SPRITES, cite, write_card
from pipeline.cards.steps import picture_steps
from pipeline.recipe import BuildConfig, PictureRecipe
from pipeline.release import Changes, Gate, Release
from pipeline.tokenizer import decode_record
from tests.altered import copied
from tests.carded import head_of, text_of


@pytest.fixture
def copy(release: Release, tmp_path: Path, quick: None) -> Release:
    assert quick is None
    return copied(release, tmp_path / "copy")


# what is written


def test_the_names_of_all_written_files_come_back_sorted(carded: tuple[Release, tuple[str, ...]]) -> None:
    release, names = carded
    expected = ["ATTRIBUTION.md", "CHANGELOG.md", "README.md", "assets/caption-lengths.png", "assets/contact-sheet.png"]
    expected += ["assets/palette-use.png", "assets/record-lengths.png", "assets/sprite-sizes.png", "croissant.json"]
    assert list(names) == expected
    others = {"manifest.json", "palettes/nes.gpl"}
    files = {path.relative_to(release.folder).as_posix() for path in release.folder.rglob("*") if path.is_file()}
    assert {name for name in files if not name.endswith(".parquet")} == set(names) | others


def test_written_again_elsewhere_later_every_byte_is_the_same(
    carded: tuple[Release, tuple[str, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, names = carded
    shutil.copytree(release.folder, tmp_path / "other", ignore=shutil.ignore_patterns("*.md", "assets", "croissant*"))
    monkeypatch.setattr("time.time", lambda: 0.0)
    again = Release.open(tmp_path / "other")
    assert write_card(again, "# Changelog\n\n## v1.2.2\n\n* Added 1: `x`\n") == names
    for name in names:
        body = (again.folder / name).read_bytes()
        assert body == (release.folder / name).read_bytes()
        assert str(release.folder).encode() not in body


def test_what_the_manifest_says_of_documents_changes_no_document(copy: Release) -> None:
    names = write_card(copy)
    before = {name: (copy.folder / name).read_bytes() for name in names}
    raw = json.loads(text_of(copy, "manifest.json"))
    raw["documents"] = [{"file": name, "bytes": 1, "sha256": "0" * 64} for name in names]
    (copy.folder / "manifest.json").write_text(json.dumps(raw), encoding="utf-8")
    write_card(Release.open(copy.folder))
    assert {name: (copy.folder / name).read_bytes() for name in names} == before


def test_the_page_shows_every_picture_that_was_written_and_no_raw_html(
    carded: tuple[Release, tuple[str, ...]],
) -> None:
    release, names = carded
    body = text_of(release).split("\n---\n", 1)[1]
    reader = MarkdownIt("commonmark", {"html": True}).enable("table")
    tokens = [part for token in reader.parse(body) for part in (token, *(token.children or ()))]
    assert not [token for token in tokens if token.type.startswith("html")]
    shown = {str(token.attrs["src"]) for token in tokens if token.type == "image"}
    assert shown == {name for name in names if name.startswith("assets/")}
    assert all(token.content for token in tokens if token.type == "image")  # said to those who cannot see
    page = reader.render(body)
    assert page.count("<table>") == 7
    assert re.findall(r"<h2>(.*?)</h2>", page) == [
        *("Configs", "How it was made", "Statistics", "Licence and attribution", "Known limits", "Citation")
    ]


def test_the_contact_sheet_shows_sprites_of_the_training_split(carded: tuple[Release, tuple[str, ...]]) -> None:
    from PIL import Image

    release, _ = carded
    sheet = np.asarray(Image.open(release.folder / "assets" / SHEET).convert("RGB"))[::3, ::3]
    ids = release.table("tokens", "train").column("tokens").to_pylist()
    assert len(ids) <= SPRITES
    first = release.palette.rgb[decode_record(np.array(ids[0], dtype=np.uint8), release.vocabulary)[0]]
    h, w = first.shape[:2]
    views = np.lib.stride_tricks.sliding_window_view(sheet[: h + 40, : w + 40], (h, w), axis=(0, 1))
    assert (views == first.transpose(2, 0, 1)).all(axis=(2, 3, 4)).any()


def test_without_windows_in_the_release_the_card_names_none(copy: Release) -> None:
    configs = {name: splits for name, splits in copy.manifest.configs.items() if not name.startswith("windows")}
    plain = copy.with_manifest(configs=configs)
    write_card(plain)
    assert '"windows_k' not in text_of(plain)
    assert "--windows 3" in text_of(plain)
    assert [config["config_name"] for config in head_of(plain)["configs"]] == ["records", "tokens", "quarantine"]
    assert "windows" not in text_of(plain, "croissant.json").replace("windows of", "")


# how it was made


def parameters(release: Release, **changes: object) -> dict[str, Any]:
    """Return the parameters of the releases made since transform 3."""
    config = BuildConfig(pictures=PictureRecipe(**changes))  # type: ignore[arg-type]
    return {**asdict(config), "assertions": release.manifest.transform["parameters"]["assertions"]}


def test_the_steps_follow_from_the_recipe(copy: Release) -> None:
    shown = parameters(copy, colours=16, seed=7, dither="bayer", distance="ciede2000", resample="area", outline=True)
    steps = picture_steps(copy.with_manifest(transform={"version": 3, "parameters": shown}).manifest)
    for words in ("k-means (seed 7)", "Bayer", "CIEDE2000", "area averaging", "outlines", "undone", "25 px"):
        assert sum(words in step for step in steps) == 1
    plain = parameters(copy, crop="none", unscale=False, background=(1, 2, 3))
    steps = picture_steps(copy.with_manifest(transform={"version": 3, "parameters": plain}).manifest)
    assert len(steps) == 3
    assert steps[1] == "laid on #010203 where transparent"


def test_a_release_from_before_the_recipe_has_a_card_too(copy: Release) -> None:
    asked = copy.manifest.transform["parameters"]["assertions"]
    flat = {"max_side": 25, "text_share": 2 / 3, "max_caption": 2000, "assertions": asked, "shard_rows": 1024}
    old = copy.with_manifest(transform={"version": 2, "parameters": flat}, twins={})
    write_card(old)
    assert "1. cropped to what is not transparent" in text_of(old)
    assert "near twins across families were not looked for" in text_of(old)
    assert "fewer than" not in text_of(old)


def test_twins_that_were_looked_for_are_told(copy: Release) -> None:
    write_card(copy.with_manifest(twins={"pictures": 1234, "families": 7}))
    told = " ".join(text_of(copy).split())
    assert "1,234 such pictures were found, and 7 families stay in one split because of them." in told
    assert "near twins across families were not looked for" not in told


def test_that_a_family_may_move_is_told_with_the_gate_that_bounds_it(copy: Release) -> None:
    gate = Gate(name="moved", limit="at most 1%", value="holds for 60 records", passed=True)
    write_card(copy.with_manifest(twins={"pictures": 1, "families": 2}, gates=(gate,)))
    told = " ".join(text_of(copy).split())
    assert "from version to version unless pictures alike join it to another family" in told
    assert "The gate `moved` below tells" in told
    assert "moves nobody" not in told
    write_card(copy.with_manifest(twins={}, gates=()))
    told = " ".join(text_of(copy).split())
    assert "stays there from version to version." in told
    assert "`moved`" not in told


# credits and citation


def test_more_makers_than_a_card_can_name_are_counted(copy: Release) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = copy.folder / copy.shards("records", "train")[0].file
    table = pq.read_table(path)
    index = table.schema.get_field_index("attribution")
    makers = pa.array([f"maker {number}" for number in range(len(table))])
    pq.write_table(table.set_column(index, table.schema.field(index), makers), path)
    write_card(copy)
    told = text_of(copy)
    assert len(re.findall(r"^\| CC0-1.0 \| maker \d+ \| 1 \|$", told, flags=re.MULTILINE)) == 19
    assert f"And {len(table) - 19} more rows like these." in told
    assert text_of(copy, "ATTRIBUTION.md").count("maker ") == len(table)


def test_the_citation_names_this_version_and_its_content(carded: tuple[Release, tuple[str, ...]]) -> None:
    release, _ = carded
    entry = cite(release.manifest)
    assert entry.startswith("@misc{pixelbytes_small_v1_2_3,\n")
    assert release.manifest.digest in entry
    assert f"{{{release.manifest.created_at[:4]}}}" in entry
    assert entry.count("{") == entry.count("}")
    assert entry in text_of(release)
    assert json.loads(text_of(release, "croissant.json"))["citeAs"] == entry
    assert "2409.15512" in text_of(release)


def test_the_changelog_stands_above_the_older_one(carded: tuple[Release, tuple[str, ...]]) -> None:
    release, _ = carded
    assert re.findall(r"^#+ .*", text_of(release, "CHANGELOG.md"), flags=re.MULTILINE) == [
        "# Changelog",
        "## v1.2.3",
        "## v1.2.2",
    ]
    assert "which was v1.2.2" in text_of(release)


def test_a_release_without_drops_announces_no_quarantine(copy: Release) -> None:
    (shard,) = copy.shards("quarantine", "dropped")
    empty = {**copy.manifest.configs, "quarantine": {"dropped": (type(shard)(**{**asdict(shard), "rows": 0}),)}}
    clean = copy.with_manifest(configs=empty, quarantine={}, diff=Changes(added=("x",)))
    write_card(clean)
    assert "Nothing was dropped" in text_of(clean)
    assert '"quarantine", split' not in text_of(clean)
    assert [config["config_name"] for config in head_of(clean)["configs"]] == ["records", "tokens", "windows_k3"]
