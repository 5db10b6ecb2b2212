"""What a wiki's source says of paces, APIs, titles and rights, and what it may not say."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.crawl.source_files import SOURCE_FOLDER, load_source, wiki_source
from pipeline.records import Resource

SAMPLE = (SOURCE_FOLDER / "sample.toml").read_text(encoding="utf-8")
HOST = "http://bestiary.localhost"
API = '[[api]]\nhost = "bestiary.localhost"'


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("delay = 0.0", "delay = nan", "must be a number below 2 to the 63"),
        ("delay = 0.0", "delay = inf", "must be a number below 2 to the 63"),
        ("backoff = 0.2", "backoff = nan", "must be a number below 2 to the 63"),
        ("longest_wait = 10.0", "longest_wait = inf", "must be a number below 2 to the 63"),
        ("[assertions]", "[limits]\ntimeout = nan\n[assertions]", "must be a number below 2 to the 63"),
        ("[assertions]", "[limits]\ntimeout = inf\n[assertions]", "must be a number below 2 to the 63"),
        (API, API.replace("bestiary", "Bestiary"), "answers for none of bestiary.localhost; give one of these"),
        (API, API.replace("bestiary", "http://bestiary"), "answers for none of bestiary.localhost"),
        (API, API.replace("bestiary", "elsewhere"), "host 'elsewhere.localhost' answers for none"),
        (f'url = "{HOST}/w/api.php"', 'url = "/w/api.php"', "an http.s. address as url"),
        (f'url = "{HOST}/w/api.php"', 'url = "file:///etc/passwd"', "an http.s. address as url"),
        (f'url = "{HOST}/w/api.php"', 'url = ""', "an http.s. address as url"),
    ],
)
def test_a_pace_without_end_and_an_api_of_nobody_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in SAMPLE
    path = tmp_path / "mine.toml"
    path.write_text(SAMPLE.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        load_source(path)


@pytest.mark.parametrize(
    ("url", "title"),
    [
        (f"{HOST}/wiki/List_of_creatures", "List of creatures"),
        (f"{HOST}/wiki/Project:Lists/Creatures", "Project:Lists/Creatures"),
        (f"{HOST}/wiki/List_of_creatures?uselang=en", "List of creatures"),
        (f"{HOST}/wiki/List_of_creatures#A", "List of creatures"),
        (f"{HOST}/wiki/Caf%C3%A9%3F?action=view#A/B", "Café?"),
        (f"{HOST}/w/index.php?title=List_of/creatures&oldid=7", "List of/creatures"),
        (f"{HOST}/List_of_creatures", "List of creatures"),
        (f"{HOST}/lists/List_of_creatures?a=b/c", "List of creatures"),
        ("http://other.localhost/wiki/Lists/Creatures", "Creatures"),
    ],
)
def test_the_title_of_an_address_is_what_its_query_its_page_url_or_its_last_part_says(url: str, title: str) -> None:
    assert wiki_source("sample").title_at(url) == title


def test_a_title_stands_where_page_url_holds_it() -> None:
    sample = wiki_source("sample")
    text = replace(sample.texts[0], page_url=f"{HOST}/wiki/{{title}}.html")
    assert replace(sample, texts=(text,)).title_at(f"{HOST}/wiki/Lists/Creatures.html?x=1") == "Lists/Creatures"


@pytest.mark.parametrize("backwards", [False, True])
def test_rights_are_those_of_the_longest_address_that_fits(*, backwards: bool) -> None:
    sample = wiki_source("sample")
    english = replace(sample.texts[0], licence="L-EN", page_url=f"{HOST}/{{title}}")
    french = replace(sample.texts[0], language="fr", licence="L-FR", page_url=f"{HOST}/fr/{{title}}")
    source = replace(sample, texts=(french, english) if backwards else (english, french))
    found = {
        path: source.rights(Resource(url=f"{HOST}/{path}", kind="description", title=path))[0]
        for path in ("Fern", "fr/Fern", "free/Fern")
    }
    assert found == {"Fern": "L-EN", "fr/Fern": "L-FR", "free/Fern": "L-EN"}
    assert source.rights(Resource(url=f"{HOST}/fr/x.png", kind="miniature", title="x"))[0] == sample.pictures.licence
