"""Yields of a crawl against what its source asserts: each falls short alone, names its pages, says what was hoped."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flows.cli import run
from pipeline.crawl.raw import RawStore
from pipeline.crawl.sources import WikiSource
from pipeline.crawl.survey import SHOWN, Survey, Yield, survey
from pipeline.sample.wiki import serve_wiki
from tests.raw_stores import BASE
from tests.two_languages import LIST, Page, article, bilingual, quotations, row, write_store
from tests.wikis import creature, page, small_wiki

ROWS = 20
STAGES = (
    "rows of the list",
    "listings (en)",
    "descriptions (en)",
    "listings (fr)",
    "descriptions (fr)",
    "miniatures",
)


def rows(count: int = ROWS) -> list[str]:
    return [row(n, f"Fougère {n}", f"Fern {n}") for n in range(1, count + 1)]


def pages(count: int = ROWS) -> dict[str, Page]:
    english = {f"/wiki/Fern_{n}": article(f"Fern {n}.") for n in range(1, count + 1)}
    return english | {f"/fr/Foug%C3%A8re_{n}": quotations(f"Fougère {n}.") for n in range(1, count + 1)}


def strict(**assertions: Any) -> WikiSource:
    """Return the source with assertions that a whole store just meets."""
    asserted = replace(bilingual().assertions, min_listings=18, min_description_yield=0.9)
    return bilingual(assertions=replace(asserted, **assertions))


def failing(seen: Survey) -> dict[str, Yield]:
    """Return the stages that fell short; their names are those of all stages, in order."""
    assert tuple(stage.stage for stage in seen.yields) == STAGES
    assert seen.failed == bool(seen.problem())
    return {stage.stage: stage for stage in seen.yields if not stage.passed}


def test_a_whole_crawl_passes_and_says_nothing(tmp_path: Path) -> None:
    seen = survey(
        strict(min_miniature_yield=1.0, min_description_yield=1.0), write_store(tmp_path, rows(), pages(), ROWS)
    )
    assert (failing(seen), seen.problem(), seen.unknown_columns) == ({}, "", ("English",))
    assert [(stage.found, stage.of) for stage in seen.yields] == [
        (20, 20),
        (20, 0),
        (20, 20),
        (20, 0),
        (20, 20),
        (20, 20),
    ]


def test_rows_that_are_not_understood_fall_short_and_are_quoted(tmp_path: Path) -> None:
    lines = rows()
    lines[3] = lines[3].replace("<td>0004</td>", "<td>vier</td>")
    lines[5] = lines[5].replace("<a ", "<b ").replace("</a>", "</b>")  # lacks both languages, and is one row
    short = failing(survey(strict(), write_store(tmp_path, lines, pages(), ROWS)))
    assert list(short) == ["rows of the list"]
    stage = short["rows of the list"]
    assert (stage.found, stage.of, stage.value, stage.limit) == (18, 20, "18 of 20 (90.0%)", "at least 95.0%")
    assert [(trouble.url, trouble.what) for trouble in stage.troubles] == [
        (LIST, "table 1 row 5 (vier Fougère 4 Fern 4)"),
        (LIST, "table 1 row 7 (0006 Fougère 6 Fern 6)"),
        (LIST, "table 1 row 7 (0006 Fougère 6 Fern 6)"),
    ]
    assert survey(strict(max_unparsed=0.1), write_store(tmp_path, lines, pages(), ROWS)).problem() == ""


def test_too_few_listings_fall_short_with_the_number_that_was_expected(tmp_path: Path) -> None:
    store = write_store(tmp_path, rows(17), pages(17), 17)
    seen = survey(strict(), store)
    assert list(failing(seen)) == ["listings (en)", "listings (fr)"]
    assert "listings (en): 17, expected at least 18" in seen.problem()
    lines = [*rows(), row(21, "", "Fern 21")]
    more = survey(strict(min_listings=21, max_unparsed=0.5), write_store(tmp_path, lines, pages(21), 21))
    assert list(failing(more)) == ["listings (fr)"]


@pytest.mark.parametrize(("language", "path"), [("en", "/wiki/Fern_"), ("fr", "/fr/Foug%C3%A8re_")])
def test_missing_descriptions_fall_short_in_their_language_and_name_the_pages(
    tmp_path: Path, language: str, path: str
) -> None:
    silent = Page(body=b"<h2 id='Notes'>Notes</h2>")
    less = {f"{path}3": Page(), f"{path}7": Page(status=500), f"{path}9": silent}
    seen = survey(strict(), write_store(tmp_path, rows(), pages() | less, ROWS))
    short = failing(seen)
    assert list(short) == [f"descriptions ({language})"]
    reasons = {
        trouble.url.removeprefix(BASE): trouble.reason for trouble in short[f"descriptions ({language})"].troubles
    }
    section = {"en": "Biology", "fr": "Descriptions"}[language]
    assert reasons == {
        f"{path}3": "answered 404",
        f"{path}7": "answered 500",
        f"{path}9": f"page has no {section} section (its sections: Notes)",
    }
    told = seen.problem()
    assert f"descriptions ({language}): 17 of 20 (85.0%), expected at least 90.0%" in told
    assert all(f"<{BASE}{path}{n}>" in told for n in (3, 7, 9))
    assert "columns that the source does not know: English" in told


def test_missing_pictures_fall_short_and_name_their_addresses(tmp_path: Path) -> None:
    seen = survey(strict(min_miniature_yield=0.95), write_store(tmp_path, rows(), pages(), 18))
    short = failing(seen)  # the last two were never asked for: a crawl that was limited
    assert short == {}
    lines = [*rows()[18:], *rows()[:18]]  # in the middle of a list it is no limit
    seen = survey(strict(min_miniature_yield=0.95), write_store(tmp_path, lines, pages(), 18))
    assert list(failing(seen)) == ["miniatures"]
    assert f"Fougère 19 <{BASE}/images/19.png>: the picture was never fetched" in seen.problem()
    assert "miniatures: 18 of 20 (90.0%), expected at least 95.0%" in seen.problem()


def test_a_limited_crawl_is_judged_by_the_rows_it_got_to(tmp_path: Path) -> None:
    lines = [row(1, "Fougère 1", "Fern 1"), row(2, "Fougère 1", "Fern 1"), *rows()[2:]]  # forms share their pages
    seen = survey(strict(), write_store(tmp_path, lines, pages(1), 1))
    assert failing(seen) == {}
    assert [(stage.found, stage.of) for stage in seen.yields][2::2] == [(1, 1), (1, 1)]
    assert (seen.yields[-1].found, seen.yields[-1].of) == (1, 1)
    broken = survey(strict(), write_store(tmp_path, lines, pages(2) | {"/wiki/Fern_1": Page()}, 1))
    assert list(failing(broken)) == ["descriptions (en)"]


def test_a_crawl_that_asked_for_nothing_has_nothing_to_show(tmp_path: Path) -> None:
    assert set(failing(survey(strict(), write_store(tmp_path, rows(), {}, 0)))) == {
        "descriptions (en)",
        "descriptions (fr)",
        "miniatures",
    }


def test_a_message_names_so_many_pages_and_counts_the_rest(tmp_path: Path) -> None:
    store = write_store(tmp_path, rows(30), pages(30) | {f"/wiki/Fern_{n}": Page() for n in range(1, 26)}, 30)
    told = survey(strict(), store).problem()
    assert told.count("/wiki/Fern_") == SHOWN == 20
    assert told.count("answered 404") == 1, "a reason that many share is told once"
    assert "20 × " in told
    assert "… and 5 more" in told


def test_a_list_that_is_read_on_two_pages_counts_once(tmp_path: Path) -> None:
    store = write_store(tmp_path, rows(10), pages(10), 10)
    crawl = store.latest_crawl()
    assert crawl is not None
    copy = replace(crawl.by_url("list")[LIST], url=f"{BASE}/List_of_creatures/2")
    twice = replace(crawl, resources=(*crawl.resources, copy))
    assert set(failing(survey(strict(min_listings=11), store, twice))) == {"listings (en)", "listings (fr)"}


def test_without_a_crawl_or_a_list_there_is_nothing_to_judge(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no finished crawl: crawl sample first"):
        survey(strict(), RawStore(tmp_path / "none"))
    with pytest.raises(ValueError, match="gave no row"):
        survey(strict(), write_store(tmp_path / "empty", [], pages(), 1))


@pytest.mark.slow
def test_the_command_ends_with_3_and_the_pages_when_a_site_has_changed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with serve_wiki(small_wiki(10)) as served:
        source = tmp_path / "small.toml"
        source.write_text(source_file(served.url), encoding="utf-8")
        data = ["--data", str(tmp_path / "data")]
        assert run(["crawl", str(source), "--limit", "3", *data]) == 0
        assert run(["crawl", str(source), *data]) == 0
        for number in (2, 4):
            served.wiki.remove_page(creature(number).id)
        capfd.readouterr()
        assert run(["crawl", str(source), "--json", *data]) == 3
        out, err = capfd.readouterr()
        stages = {stage["stage"]: stage for stage in json.loads(out)["survey"]["yields"]}
        assert [name for name, stage in stages.items() if not stage["passed"]] == ["descriptions (en)"]
        assert (stages["descriptions (en)"]["found"], stages["descriptions (en)"]["of"]) == (9, 11)
        assert run(["survey", str(source), *data]) == 3
        surveyed = capfd.readouterr()
        for told, named in ((err, err), (surveyed.err, surveyed.out)):
            assert "descriptions (en): 9 of 11 (81.8%), expected at least 90.0%" in told
            assert all(f"{served.url}{page(number)}" in named.replace("\n", "") for number in (2, 4))
        first = sorted(path.stem for path in (tmp_path / "data/raw/small/crawls").glob("*.jsonl"))[1]
        assert run(["survey", str(source), "--crawl", first, *data]) == 0


def source_file(address: str) -> str:
    """Return a source file for the bundled wiki at an address on loopback, as a user would write one."""
    rights = 'licence = "CC0-1.0"\nattribution = "“{title}”, {url}"\nredistribution = true\n'
    host = address.removeprefix("http://")
    return f"""
name = "small"
title = "A small wiki"
start = ["{address}/List_of_creatures"]
local = true
page_hosts = ["{host}"]
image_hosts = ["{host}"]
[[api]]
host = "{host}"
url = "{address}/w/api.php"
[list]
table_class = ["tableaustandard", "sortable", "entetefixe"]
number = ["Number"]
miniature = ["Miniature"]
name = ["Name"]
group = ["Family"]
ignored = ["English name", "Stage"]
[[texts]]
language = "en"
page_url = "{address}/wiki/{{title}}"
section = "Biology"
{rights}
[pictures]
{rights}
[politeness]
delay = 0.0
[assertions]
min_listings = 5
min_description_yield = 0.9
"""
