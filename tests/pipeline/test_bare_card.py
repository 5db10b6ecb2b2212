"""The card of a release without its texts or pictures says so, and runs; of versions that were taken back too."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.cards.card import changelog, write_card
from pipeline.cards.head import head
from pipeline.manifest import seal_of
from pipeline.manifest_file import read_manifest
from pipeline.release import DamagedRelease, Release
from tests.altered import copied
from tests.bared import EACH, Bares, everything_said, rows, stands
from tests.carded import text_of as card


@pytest.fixture(scope="module")
def carded(bares: Bares, tmp_path_factory: pytest.TempPathFactory) -> Bares:
    root = tmp_path_factory.mktemp("carded")
    return {what: stands(bares[what], root / "-".join(what)) for what in EACH}


@pytest.mark.parametrize("what", EACH)
def test_the_card_says_what_is_left_out_and_why(carded: Bares, what: tuple[str, ...]) -> None:
    told = " ".join(card(carded[what]).split())
    assert f"says that its {' and '.join(what)} may not be redistributed, so this version goes without them." in told
    for column in {"texts": "caption", "pictures": "image"}[what[0]], "tokens", "digest":
        assert f"`{column}`" in told
    assert "public, because it goes without them" in told or what != ("texts", "pictures")
    names = {document.file for document in carded[what].manifest.documents}
    shown = {f"assets/{name}" for name in re.findall(r"\]\(assets/([^)]*)\)", card(carded[what]))}
    assert shown == {name for name in names if name.startswith("assets/")}
    assert {"README.md", "CHANGELOG.md", "ATTRIBUTION.md", "croissant.json"} <= names
    assert ("assets/contact-sheet.png" in names) == ("pictures" not in what)
    assert ("assets/caption-lengths.png" in names) == ("texts" not in what)
    assert "* Goes without its" in (carded[what].folder / "CHANGELOG.md").read_text("utf-8")


@pytest.mark.parametrize("what", EACH)
def test_no_document_holds_what_is_left_out(whole: Release, carded: Bares, what: tuple[str, ...]) -> None:
    told = everything_said(carded[what])
    if "texts" in what:
        assert not [row["id"] for row in rows(whole) if str(row["caption"])[:30] in told]
    assert not [row["id"] for row in rows(whole) if str(row["digest"]) in told]


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[None]:
    from datasets import config

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config, "HF_DATASETS_CACHE", tmp_path)
        yield


@pytest.mark.filterwarnings("ignore")  # of datasets itself
@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("what", EACH)
def test_its_snippets_run_as_they_stand(carded: Bares, what: tuple[str, ...]) -> None:
    space: dict[str, Any] = {}
    snippets = re.findall(r"```python\n(.*?)```", card(carded[what]), flags=re.DOTALL)
    for snippet in snippets:
        exec(snippet.replace(carded[what].manifest.name, str(carded[what].folder)), space)  # noqa: S102 - our own words
    assert len(snippets) == len(carded[what].manifest.configs)
    assert space["records"].num_rows == carded[what].manifest.counts["train"]
    assert space["dropped"]["stage"][:] == ["description"]


@pytest.mark.filterwarnings("ignore")  # of mlcroissant and pandas themselves
def test_mlcroissant_reads_a_bare_release(carded: Bares) -> None:
    import mlcroissant  # type: ignore[import-untyped]

    dataset = mlcroissant.Dataset(jsonld=carded["pictures",].folder / "croissant.json")
    assert not dataset.metadata.ctx.issues.errors
    first = next(iter(dataset.records("records")))
    assert first["records/caption"].decode()
    assert "records/image" not in first


def test_the_licence_is_that_of_what_is_held(bares: Bares) -> None:
    bare = bares["pictures",]
    stated = ("text: CC0-1.0; picture: all rights reserved",)
    both = replace(bare, manifest=replace(bare.manifest, licences=stated))
    assert "license: cc0-1.0\n" in head(both, {}, ["en"])
    whole = replace(both, manifest=replace(both.manifest, without=()))
    assert "license: other\n" in head(whole, {}, ["en"])


# versions that were taken back


def test_the_card_and_the_changelog_name_what_was_yanked(bares: Bares, tmp_path: Path) -> None:
    note = {"digest": "0" * 64, "why": "its *pictures* were not ours"}
    release = copied(bares["texts", "pictures"], tmp_path / "copy").with_manifest(
        version="v1.2.1", yanked={"v1.2.0": note}
    )
    write_card(release)
    line = "v1.2.0 was yanked: its &#42;pictures&#42; were not ours"
    assert f"\n> {line}\n" in card(release)
    first = changelog(release)
    assert "* Yanked v1.2.0: its &#42;pictures&#42; were not ours\n" in first
    assert changelog(release.with_manifest(version="v1.2.2"), first).count("* Yanked v1.2.0") == 1  # told once


def test_without_texts_the_changelog_tells_no_reason_of_versions_before(bares: Bares, whole: Release) -> None:
    older = (
        "# Changelog\n\n## v1.0.0\n\n* Removed 2:\n  * `0001-a`: text: page has “secret: words”\n  * `0002-b`: gone\n"
    )
    gone, kept = (changelog(bares[what], older) for what in (("texts",), ("pictures",)))
    assert "  * `0001-a`\n  * `0002-b`\n" in gone
    assert "secret" not in gone
    assert older.removeprefix("# Changelog\n\n") in kept
    assert older.removeprefix("# Changelog\n\n") in changelog(whole, older)


def test_manifests_from_before_read_and_are_sealed_as_before(carded: Bares, whole: Release) -> None:
    raw = json.loads(whole.manifest.to_json())
    old = read_manifest(json.dumps({key: value for key, value in raw.items() if key not in ("without", "yanked")}))
    assert (old.without, old.yanked) == ((), {})
    assert seal_of(old) == seal_of(whole.manifest)
    assert seal_of(carded["texts",].manifest) != seal_of(replace(carded["texts",].manifest, without=()))


@pytest.mark.parametrize(
    "odd",
    [
        {"without": ["pictures", "texts"]},
        {"without": ["texts", "texts"]},
        {"without": ["names"]},
        {"yanked": {"1.0": {"digest": "0" * 64, "why": "x"}}},
        {"yanked": {"v1.0.0": {"digest": "0", "why": "x"}}},
        {"yanked": {"v1.0.0": {"digest": "0" * 64, "why": "a\nb"}}},
        {"yanked": {"v1.0.0": {"digest": "0" * 64}}},
    ],
)
def test_odd_notes_are_refused(whole: Release, odd: dict[str, object]) -> None:
    with pytest.raises(DamagedRelease, match=r"without|yanked"):
        read_manifest(json.dumps({**json.loads(whole.manifest.to_json()), **odd}))
