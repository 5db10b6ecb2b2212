"""Sources are read strictly: what is not understood is refused, with the place and what to do."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from pipeline.crawl.sources import SOURCE_FOLDER, host_of, known_sources, load_source, source_from_table
from pipeline.records import Resource

SAMPLE = (SOURCE_FOLDER / "sample.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", known_sources())
def test_each_source_of_the_project_can_be_loaded_and_survives_json(name: str) -> None:
    source = load_source(name)
    assert source.name == name
    assert source_from_table(json.loads(json.dumps(asdict(source))), where="json") == source


def test_the_three_sources_are_there() -> None:
    assert known_sources() == ("mediawiki-local", "pokepedia", "sample")


def test_only_the_sample_is_bundled_and_strangers_must_be_told_whom_to_write_to() -> None:
    assert [name for name in known_sources() if load_source(name).bundled] == ["sample"]
    site = load_source("pokepedia")
    assert (site.politeness.contact_required, site.politeness.delay, site.fetch) == (True, 5.0, "api")
    assert not site.pictures.redistribution


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('language = "en"', 'langauge = "en"', "unknown key 'langauge'"),
        ('language = "en"\n', "", "lacks the key 'language'"),
        ('language = "en"', "language = 7", "language is 7: it must be of type str"),
        ("bundled = true", "bundled = 1", "bundled is 1: it must be of type bool"),
        ("delay = 0.0", "delay = true", "delay is True: it must be of type float"),
        ("delay = 0.0", "delay = -1", "negative"),
        ('fetch = "html"', 'fetch = "ftp"', "choose one of 'html', 'api'"),
        ('name = "sample"', 'name = "../x"', "letters, digits and dashes"),
        ('name = ["Name"]', 'name = "Name"', "it must be a list"),
        ("/wiki/{title}", "/wiki/", "must hold {title}"),
        ('start = "http://bestiary.', 'start = "http://other.', "is not on a page host; add 'other.localhost'"),
        ("min_description_yield = 0.95", "min_description_yield = 95", "between 0 and 1"),
        ('section = "Biology"', 'section = ""', "must not be empty"),
        ('section = "Biology"', "section = ", "not TOML"),
    ],
)
def test_a_mistake_in_a_source_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in SAMPLE
    path = tmp_path / "mine.toml"
    path.write_text(SAMPLE.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        load_source(path)


def test_an_unknown_source_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ValueError, match="choose mediawiki-local, pokepedia, sample"):
        load_source("pokedex")
    with pytest.raises(ValueError, match="does not exist"):
        load_source("nowhere/mine.toml")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://example.org:80/a", "example.org"),
        ("HTTPS://EXAMPLE.org/a", "example.org"),
        ("https://example.org:8443", "example.org:8443"),
        ("http://user@example.org/", ""),
        ("file:///etc/passwd", ""),
        ("ftp://example.org", ""),
        ("http://[::1/", ""),
        ("//example.org/a", ""),
    ],
)
def test_a_host_is_read_only_from_plain_web_addresses(url: str, host: str) -> None:
    assert host_of(url) == host


def test_pages_and_pictures_have_their_own_hosts() -> None:
    source = load_source("mediawiki-local")
    assert source.allows("http://127.0.0.1:8099/wiki/X", "description")
    assert not source.allows("http://127.0.0.1:8099/images/x.png", "miniature")
    assert source.allows("http://127.0.0.1:8098/images/x.png", "miniature")
    assert not source.allows("http://127.0.0.1:80/wiki/X", "description")


def test_titles_with_traps_become_addresses_as_the_wiki_writes_them() -> None:
    source = load_source("pokepedia")
    base = "https://bulbapedia.bulbagarden.net/wiki/"
    assert source.page_url("Type: Null (Pokémon)") == base + "Type:_Null_(Pok%C3%A9mon)"
    assert source.page_url("Farfetch'd (Pokémon)") == base + "Farfetch%27d_(Pok%C3%A9mon)"
    assert source.page_url("Nidoran♀ (Pokémon)") == base + "Nidoran%E2%99%80_(Pok%C3%A9mon)"
    assert source.page_url("100%? (x)") == base + "100%25%3F_(x)"


def test_rights_name_the_page_they_speak_of() -> None:
    source = load_source("sample")
    resource = Resource(url="http://bestiary.localhost/wiki/X", kind="description", title="X")
    assert source.rights(resource) == (
        source.text.licence,
        "“X”, the PixelBytes bestiary, http://bestiary.localhost/wiki/X",
    )
