"""What changed between two releases, to the part of a record; what version follows; the page that shows it."""

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palettes.palette import load_palette
from pipeline.build import build
from pipeline.diff import ASPECTS, NOT_LISTED, Aspect, compare, diff, next_version
from pipeline.diff_page import changed_words, render_diff
from pipeline.recipe import BuildConfig, PictureRecipe
from pipeline.release import Changes, Manifest, Release
from tests.altered import Row, Sprite, copied, redraw, rewrite
from tests.raw_stores import Creature, creatures, make_store, png, sample_source

NAME = "pixelbytes/small"
Alter = Callable[[Row, Sprite, str], tuple[Row, Sprite, str]]


def built(root: Path, beasts: list[Creature], config: BuildConfig = BuildConfig()) -> Release:  # noqa: B008 - frozen
    shutil.rmtree(root / "raw", ignore_errors=True)
    return build(sample_source(), make_store(root / "raw", beasts), root / "built", name=NAME, config=config)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """A release that is smaller than the others' one, and without windows."""
    return built(tmp_path_factory.mktemp("small"), creatures(20))


@pytest.fixture
def copy(release: Release, tmp_path: Path) -> Release:
    return copied(release, tmp_path / "copy")


def first_only(alter: Alter) -> Alter:
    """Return a change of the first record it is asked about."""
    left = [True]

    def change(row: Row, sprite: Sprite, caption: str) -> tuple[Row, Sprite, str]:
        return alter(row, sprite, caption) if left and left.pop() else (row, sprite, caption)

    return change


def test_diff_tells_added_changed_and_removed(tmp_path: Path) -> None:
    old = built(tmp_path / "old", creatures(20))
    beasts = creatures(21)[1:]
    beasts[4] = replace(beasts[4], text="Quite another text about a red animal that sleeps all day long. " * 5)
    new = built(tmp_path / "new", beasts)
    changes = diff(old, new)
    assert [key[:4] for key in changes.added] == ["0021"]
    assert [key[:4] for key in changes.changed] == ["0006"]
    assert [key[:4] for key in changes.removed] == ["0001"]
    found = compare(old, new)
    assert found.changes == changes
    assert found.aspects == {changes.changed[0]: ("caption",)}
    assert found.reasons == {changes.removed[0]: NOT_LISTED}
    assert {kind: sum(row[kind] for row in found.splits.values()) for kind in ("added", "changed", "removed")} == {
        "added": 1,
        "changed": 1,
        "removed": 1,
    }
    assert len(diff(None, new).added) == 20


@pytest.mark.parametrize(
    ("aspects", "alter"),
    [
        (("picture",), lambda row, sprite, text: (row, (sprite + 1) % 55, text)),
        (("picture",), lambda row, sprite, text: (row, sprite[:-1], text)),
        (("caption",), lambda row, sprite, text: (row, sprite, text + " more.")),
        (("name",), lambda row, sprite, text: ({**row, "name": "Else"}, sprite, text)),
        (("name",), lambda row, sprite, text: ({**row, "form": "ash"}, sprite, text)),
        (("group",), lambda row, sprite, text: ({**row, "group": "others"}, sprite, text)),
        (("provenance",), lambda row, sprite, text: ({**row, "source_url": "https://a.example/"}, sprite, text)),
        (("licence",), lambda row, sprite, text: ({**row, "attribution": "somebody else"}, sprite, text)),
        (("picture", "caption"), lambda row, sprite, text: (row, sprite[:, ::-1], text.replace("a", "o"))),
        ((), lambda row, sprite, text: ({**row, "retrieved_at": "2030-01-01"}, sprite, text)),
    ],
)
def test_what_changed_of_a_record_is_told(
    release: Release, copy: Release, aspects: tuple[Aspect, ...], alter: Alter
) -> None:
    found = compare(release, redraw(copy, first_only(alter)))
    assert tuple(found.aspects.values()) == ((aspects,) if aspects else ())
    assert set(aspects) <= set(ASPECTS)


def test_a_record_that_moved_to_another_split_changed(release: Release, copy: Release) -> None:
    for config in ("records", "tokens"):
        taken: list[Row] = []
        rewrite(copy, config, lambda rows, taken=taken: taken.append(rows.pop(0)))  # type: ignore[misc]
        rewrite(copy, config, lambda rows, taken=taken: rows.insert(0, taken[0]), "test")  # type: ignore[misc]
    found = compare(release, copy)
    assert list(found.aspects.values()) == [("split",)]
    assert found.splits["test"]["changed"] == 1


def test_a_palette_in_another_order_changes_no_picture_by_itself(release: Release, copy: Release) -> None:
    path = copy.folder / "palettes" / "nes.gpl"
    lines = path.read_text().splitlines()
    head, colours = lines[:3], lines[3:]
    path.write_text("\n".join([*head, *reversed(colours)]) + "\n")
    turned = Release.open(copy.folder)
    palette = {"name": "nes", "digest": load_palette(path).digest}
    turned = turned.with_manifest(palette=palette, vocabulary={"size": 113, "digest": "another"})
    redraw(turned, lambda row, sprite, text: (row, (54 - sprite).astype(np.uint8), text))
    found = compare(release, turned)
    train = release.manifest.counts["train"]
    assert list(found.aspects.values()) == [()] * train
    assert found.meaning == ("vocabulary", "palette")


def released(manifest: Manifest) -> Manifest:
    return replace(manifest, version="v1.4.2")


PATCH, MINOR = Changes(changed=("a",)), Changes(added=("b",), changed=("a",))


@pytest.mark.parametrize(
    ("changes", "version"),
    [(Changes(), None), (PATCH, "v1.4.3"), (MINOR, "v1.5.0"), (Changes(removed=("c",)), "v1.5.0")],
)
def test_the_version_follows_from_the_records(release: Release, changes: Changes, version: str | None) -> None:
    old = released(release.manifest)
    assert next_version(old, old, changes) == version


def with_parameters(manifest: Manifest, version: int, max_side: int) -> dict[str, object]:
    parameters = manifest.transform["parameters"]
    return {
        "version": version,
        "parameters": {**parameters, "pictures": {**parameters["pictures"], "max_side": max_side}},
    }


@pytest.mark.parametrize(
    "changed",
    [
        lambda _old: {"vocabulary": {"size": 114, "digest": "other"}},
        lambda _old: {"palette": {"name": "pico-8", "digest": "other"}},
        lambda _old: {"k": 5},
        lambda old: {"transform": with_parameters(old, 99, 25)},
        lambda old: {"transform": with_parameters(old, old.transform["version"], 31)},
        lambda old: {"configs": {**old.configs, "windows_k5": old.configs["tokens"]}},
        lambda old: {"configs": {name: old.configs[name] for name in ("records", "quarantine")}},
    ],
)
def test_what_gives_ids_their_meaning_makes_a_major_version(
    release: Release, changed: Callable[[Manifest], dict[str, object]]
) -> None:
    old = released(release.manifest)
    for changes in (Changes(), PATCH, MINOR):
        assert next_version(old, replace(old, **changed(old)), changes) == "v2.0.0"  # type: ignore[arg-type]


def test_another_recipe_that_gives_the_same_rows_is_no_release(tmp_path: Path) -> None:
    old = built(tmp_path / "old", creatures(10))
    plain = BuildConfig(pictures=PictureRecipe(seed=7))
    new = built(tmp_path / "new", creatures(10), plain)
    assert next_version(released(old.manifest), new.manifest, diff(old, new)) is None
    assert new.manifest.digest == old.manifest.digest


def test_a_first_release_is_the_first_version(release: Release) -> None:
    assert next_version(None, release.manifest, Changes(added=("a",))) == "v1.0.0"
    assert compare(release, release).version is None


words = st.lists(st.sampled_from(["a", "red", "blue", "fox", "sleeps.", "<b>", "é"]), max_size=60)


@given(words, words)
def test_marked_words_are_those_of_both_texts_in_order(was: list[str], now: list[str]) -> None:
    pieces = changed_words(" ".join(was), " ".join(now))
    gone = [word for piece in pieces if piece.kind == "gone" for word in piece.text.split()]
    new = [word for piece in pieces if piece.kind == "new" for word in piece.text.split()]
    skipped = sum(int(piece.text.split()[0]) for piece in pieces if piece.kind == "left out")
    same = sum(len(piece.text.split()) for piece in pieces if piece.kind == "same")
    assert same + skipped + len(new) == len(now)
    assert same + skipped + len(gone) == len(was)
    if not skipped:
        assert [w for p in pieces if p.kind in ("same", "new") for w in p.text.split()] == now
        assert [w for p in pieces if p.kind in ("same", "gone") for w in p.text.split()] == was


EVIL = "</title><script>alert(1)</script>"


@pytest.fixture
def page(release: Release, copy: Release) -> str:
    """A page about records whose site means harm, of which only three of a kind are shown."""

    def evil(row: Row, sprite: Sprite, caption: str) -> tuple[Row, Sprite, str]:
        row = {**row, "name": EVIL, "source_url": "javascript:alert(1)", "licence": EVIL, "attribution": EVIL}
        return row, (sprite + 1) % 55, caption.replace("blue", "black")

    redraw(copy, evil)
    for config in ("records", "tokens"):
        rewrite(copy, config, lambda rows: rows.__delitem__(slice(0, 2)), "test")
        rewrite(copy, config, lambda rows: rows[-1].update({"id": "9999-new"}), "validation")
    drop = {"id": release.table("records", "test", ["id"])["id"][0].as_py(), "name": EVIL, "stage": "text"}
    rewrite(copy, "quarantine", lambda rows: rows.append({**drop, "reason": EVIL, "source_url": EVIL}), "dropped")
    return render_diff(release, copy, compare(release, copy), most=3)


def test_a_page_holds_all_it_shows_and_trusts_no_word(page: str) -> None:
    assert "<script" not in page
    assert '="javascript:' not in page
    assert EVIL.replace("<", "&lt;").replace(">", "&gt;") in page
    assert all(address.startswith("data:") for address in re.findall(r"(?:src|href)=\"(?!#|http)([^\"]*)", page))
    assert not re.findall(r"<(?:img|link|script|iframe)[^>]*(?:src|href)=\"http", page)
    assert "url(" not in page


def test_a_page_shows_before_and_after_and_says_how_many_more_there_are(page: str, release: Release) -> None:
    train = release.manifest.counts["train"]
    assert page.count(", before") == page.count(", after") == 3
    assert f"and {train - 3} more" in page
    assert "<del>blue</del>" in page
    assert "<ins>black</ins>" in page
    assert "9999-new" in page
    assert NOT_LISTED in page


def test_a_page_about_nothing_says_so(release: Release) -> None:
    assert "The two releases hold the same records." in render_diff(release, release, compare(release, release))


def test_a_changed_picture_of_the_site_is_a_patch(tmp_path: Path) -> None:
    beasts = creatures(12)
    old = built(tmp_path / "old", beasts)
    beasts[0] = replace(beasts[0], picture=png(999))
    new = built(tmp_path / "new", beasts)
    found = compare(replace(old, manifest=released(old.manifest)), new)
    assert list(found.aspects.values()) == [("picture",)]
    assert found.version == "v1.4.3"
