"""A source in two languages: each listing stands for itself, and both tell of one creature."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.build import build
from pipeline.crawl.pages import parse_list
from pipeline.crawl.sources import WikiSource
from pipeline.crawl.survey import survey
from pipeline.records import SPLITS
from pipeline.release import Release
from pipeline.schema import QUARANTINE_SPLIT
from pipeline.splits import split_of
from tests.raw_stores import BASE
from tests.two_languages import LIST, Page, article, bilingual, quotations, row, write_store

GEN1, GEN2 = "/G%C3%A9n%C3%A9ration_1", "/G%C3%A9n%C3%A9ration_2"
ABSENT, BROKEN = Page(), Page(status=500)


def records(release: Release) -> dict[str, dict[str, object]]:
    """Return all rows of a release by id, with the split each is in."""
    tables = {split: release.table("records", split).to_pylist() for split in SPLITS}
    return {row["id"]: row | {"split": split} for split, rows in tables.items() for row in rows}


def quarantine(release: Release) -> list[tuple[str, str, str]]:
    """Return id, stage and reason of what was dropped."""
    rows = release.table("quarantine", QUARANTINE_SPLIT).to_pylist()
    return [(row["id"], row["stage"], row["reason"]) for row in rows]


def built(root: Path, rows: list[str], pages: dict[str, Page], pictures: int = 2) -> Release:
    """Return the release of one crawl."""
    store = write_store(root / "raw", rows, pages, pictures)
    return build(bilingual(), store, root / "built", name="pixelbytes/two")


def test_a_creature_has_a_record_in_each_language_in_one_split_with_one_picture(tmp_path: Path) -> None:
    places = {split_of(f"{n:04d}"): n for n in range(1, 60)}  # a number for each split
    rows = [row(n, f"Fougère {n}", f"Fern {n}") for n in places.values()]
    pages = {f"/wiki/Fern_{n}": article(f"Fern {n} is green.") for n in places.values()}
    pages |= {f"/fr/Foug%C3%A8re_{n}": quotations(f"Fougère {n} est verte.") for n in places.values()}
    found = records(built(tmp_path, rows, pages, pictures=max(places.values())))
    assert len(found) == 6
    assert {record["split"] for record in found.values()} == set(SPLITS)
    for key, english in found.items():
        if key.endswith(".fr"):
            continue
        french = found[f"{key}.fr"]
        assert (english["language"], french["language"]) == ("en", "fr")
        for same in ("split", "group", "number", "name", "image_url", "sha256"):
            assert english[same] == french[same], same
        assert english["source_url"] == f"{BASE}/wiki/Fern_{english['number']}"
        assert str(french["source_url"]).startswith(f"{BASE}/fr/Foug%C3%A8re")
        assert "is green" in str(english["caption"])
        assert "est verte" in str(french["caption"])


def test_a_row_that_lacks_a_language_loses_that_language_alone(tmp_path: Path) -> None:
    rows = [row(1, "Fougère", "Fern"), row(2, "", "Bolt"), row(3, "Noix", "")]
    pages = {"/wiki/Fern": article("A fern."), "/wiki/Bolt": article("A bolt."), "/fr/Noix": quotations("Une noix.")}
    pages |= {"/fr/Foug%C3%A8re": quotations("Une fougère.")}
    release = built(tmp_path, rows, pages, pictures=3)
    assert sorted(records(release)) == ["0001-fougere", "0001-fougere.fr", "0002-bolt", "0003-noix.fr"]
    assert quarantine(release) == [
        ("", "list", "table 1 row 3: fr: its name is no link"),
        ("", "list", "table 1 row 4: en: no link leads to the page (title prefix 'en:')"),
    ]
    assert release.manifest.yields["listed"] == 6


def test_the_second_language_may_fail_without_the_first(tmp_path: Path) -> None:
    pages = {"/wiki/Fern": article("A fern."), "/fr/Foug%C3%A8re": ABSENT}
    release = built(tmp_path, [row(1, "Fougère", "Fern")], pages)
    assert list(records(release)) == ["0001-fougere"]
    assert quarantine(release) == [("0001-fougere.fr", "description", "answered 404")]


def test_several_pages_give_one_description_in_order_and_once(tmp_path: Path) -> None:
    first = "/fr/Foug%C3%A8re"
    pages = {
        "/wiki/Fern": article("A fern."),
        first + GEN2: quotations("Deux.", "Trois.", revision="32", time="2026-03-01T00:00:00Z"),  # crawled in any order
        first: quotations("Un.", "Deux.", revision="30"),
        first + GEN1: quotations("Un.", "Quatre.", revision="31"),
    }
    found = records(built(tmp_path, [row(1, "Fougère", "Fern")], pages))["0001-fougere.fr"]
    assert found["caption"] == "un. deux. quatre. trois."
    assert found["revision"] == "30 31 32"
    assert found["retrieved_at"] == "2026-03-01T00:00:00Z"
    assert found["source_url"] == BASE + first


def test_absent_sub_pages_are_no_failure(tmp_path: Path) -> None:
    first = "/fr/Foug%C3%A8re"
    pages = {"/wiki/Fern": article("A fern."), first: quotations("Un.", revision="30")}
    pages |= {first + GEN1: ABSENT, first + GEN2: quotations("Deux.", revision="32")}
    release = built(tmp_path, [row(1, "Fougère", "Fern")], pages)
    found = records(release)["0001-fougere.fr"]
    assert (found["caption"], found["revision"]) == ("un. deux.", "30 32")
    assert quarantine(release) == []


def test_a_first_page_that_says_nothing_leaves_the_word_to_its_sub_pages(tmp_path: Path) -> None:
    first = "/fr/Foug%C3%A8re"
    silent = Page(body=b"<h2 id='Notes'>Notes</h2><p>x</p>")
    pages = {"/wiki/Fern": article("A fern."), first: silent, first + GEN1: quotations("Un.")}
    assert records(built(tmp_path / "a", [row(1, "Fougère", "Fern")], pages))["0001-fougere.fr"]["caption"] == "un."
    nothing = built(tmp_path / "b", [row(1, "Fougère", "Fern")], pages | {first + GEN1: silent})
    reason = "page has no Descriptions section (its sections: Notes)"
    assert quarantine(nothing) == [("0001-fougere.fr", "description", reason)]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"/fr/Foug%C3%A8re": ABSENT}, "answered 404"),
        ({"/fr/Foug%C3%A8re" + GEN2: BROKEN}, "Foug%C3%A8re/G%C3%A9n%C3%A9ration_2: answered 500"),
    ],
    ids=["first page gone", "sub-page failed"],
)
def test_no_record_is_made_of_half_of_its_pages(tmp_path: Path, broken: dict[str, Page], reason: str) -> None:
    first = "/fr/Foug%C3%A8re"
    pages = {"/wiki/Fern": article("A fern."), first: quotations("Un."), first + GEN1: quotations("Deux.")}
    store_pages = pages | broken
    release = built(tmp_path, [row(1, "Fougère", "Fern")], store_pages)
    assert list(records(release)) == ["0001-fougere"]
    assert quarantine(release) == [("0001-fougere.fr", "description", reason)]
    store = write_store(tmp_path / "again", [row(1, "Fougère", "Fern")], store_pages, 1)
    stages = {stage.stage: stage for stage in survey(bilingual(), store).yields}
    assert [trouble.reason for trouble in stages["descriptions (fr)"].troubles] == [reason]


def test_a_language_that_no_row_has_any_more_is_missed(tmp_path: Path) -> None:
    rows = [row(n, "", f"Fern {n}") for n in (1, 2)]
    pages = {f"/wiki/Fern_{n}": article("A fern.") for n in (1, 2)}
    seen = survey(bilingual(), write_store(tmp_path, rows, pages, 2))
    stages = {stage.stage: stage for stage in seen.yields}
    assert (stages["listings (en)"].passed, stages["listings (fr)"].passed) == (True, False)
    assert (stages["rows of the list"].found, stages["rows of the list"].of) == (0, 2)
    assert "listings (fr): 0, expected at least 1" in seen.problem()


def test_a_list_in_one_language_reads_as_the_first_of_two_does() -> None:
    body = f"<table class='tableaustandard sortable entetefixe'>{row(1, 'Fougère', 'Fern')}</table>".encode()
    both = parse_list(body, LIST, bilingual()).listings
    alone = parse_list(body, LIST, bilingual(texts=bilingual().texts[:1])).listings
    assert both[:1] == alone
    assert len({listing.group for listing in both}) == 1


def licences(root: Path, source: WikiSource, pages: dict[str, Page]) -> dict[str, tuple[object, object]]:
    """Return licence and source of each record of one creature, whatever the crawl's lines say of it."""
    raw = write_store(root / "raw", [row(1, "Fern", "Fern")], pages, 1)
    release = build(source, raw, root / "built", name="pixelbytes/two")
    return {key: (record["licence"], record["source_url"]) for key, record in records(release).items()}


def test_each_language_has_its_own_licence_though_the_addresses_of_one_begin_as_the_others_do(tmp_path: Path) -> None:
    english, french = bilingual().texts
    french = replace(french, licence="L-FR", page_url=f"{BASE}/wiki/fr/{{title}}")
    source = bilingual(texts=(replace(english, licence="L-EN"), french))
    pages = {"/wiki/Fern": article("A fern."), "/wiki/fr/Fern": quotations("Une fougère.")}
    assert licences(tmp_path, source, pages) == {
        "0001-fern": ("text: L-EN; picture: CC0-1.0", f"{BASE}/wiki/Fern"),
        "0001-fern.fr": ("text: L-FR; picture: CC0-1.0", f"{BASE}/wiki/fr/Fern"),
    }


def test_one_page_that_speaks_two_languages_stands_under_two_licences(tmp_path: Path) -> None:
    english, french = bilingual().texts
    french = replace(french, licence="L-FR", page_url=english.page_url)
    source = bilingual(texts=(replace(english, licence="L-EN"), french))
    both = Page(body=article("A fern.").body + quotations("Une fougère.").body)
    assert licences(tmp_path, source, {"/wiki/Fern": both}) == {
        "0001-fern": ("text: L-EN; picture: CC0-1.0", f"{BASE}/wiki/Fern"),
        "0001-fern.fr": ("text: L-FR; picture: CC0-1.0", f"{BASE}/wiki/Fern"),
    }


def test_a_text_that_only_a_sub_page_holds_names_that_page(tmp_path: Path) -> None:
    first = "/fr/Foug%C3%A8re"
    silent = Page(body=b"<h2 id='Notes'>Notes</h2><p>x</p>", revision="30", time="2026-04-01T00:00:00Z")
    pages = {"/wiki/Fern": article("A fern."), first: silent, first + GEN1: quotations("Un.", revision="31")}
    found = records(built(tmp_path, [row(1, "Fougère", "Fern")], pages))["0001-fougere.fr"]
    assert (found["source_url"], found["revision"]) == (BASE + first + GEN1, "31")
    assert found["retrieved_at"] == "2026-01-01T00:00:00Z"
    assert BASE + first + GEN1 in str(found["attribution"])
