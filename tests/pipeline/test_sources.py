"""Sources are read strictly: what is not understood is refused, with the place and what to do."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import pytest

from pipeline.crawl.source_files import (
    MAX_SOURCE_BYTES,
    SOURCE_FOLDER,
    known_sources,
    load_source,
    source_from_table,
    wiki_source,
)
from pipeline.crawl.sources import FolderSource, PageText, Source, WikiSource, host_of
from pipeline.records import Resource
from pipeline.tables import build

SAMPLE = (SOURCE_FOLDER / "sample.toml").read_text(encoding="utf-8")
FOLDER = (SOURCE_FOLDER / "folder.toml").read_text(encoding="utf-8")
BULBAPEDIA = "https://bulbapedia.bulbagarden.net/wiki/"


def folder_source(path: str | Path) -> FolderSource:
    source = load_source(path)
    assert isinstance(source, FolderSource)
    return source


def english(source: WikiSource) -> PageText:
    return next(text for text in source.texts if text.language == "en")


@pytest.mark.parametrize("name", known_sources())
def test_each_source_of_the_project_can_be_loaded_and_survives_json(name: str) -> None:
    source = load_source(name)
    assert source.name == name
    assert source_from_table(json.loads(json.dumps(asdict(source))), where="json") == source


def test_the_three_sources_are_there_and_the_folder_is_only_a_template() -> None:
    assert known_sources() == ("mediawiki-local", "pokepedia", "sample")
    with pytest.raises(ValueError, match="choose mediawiki-local, pokepedia, sample, or give"):
        load_source("folder")


def test_only_the_sample_is_bundled_and_strangers_must_be_told_whom_to_write_to() -> None:
    sources = [wiki_source(name) for name in known_sources()]
    assert [source.name for source in sources if source.bundled] == ["sample"]
    assert [source.name for source in sources if not (source.local or source.bundled)] == ["pokepedia"]
    assert [source.name for source in sources if source.local] == ["mediawiki-local"]
    assert all(source.politeness.concurrency == 1 for source in sources)


def test_pokepedia_is_two_sites_in_two_languages_asked_slowly_and_by_their_apis() -> None:
    site = wiki_source("pokepedia")
    assert [(text.language, host_of(text.url("X"))) for text in site.texts] == [
        ("en", "bulbapedia.bulbagarden.net"),
        ("fr", "www.pokepedia.fr"),
    ]
    assert (site.politeness.delay, site.fetch, len(site.api)) == (5.0, "api", 2)
    assert "©" in site.pictures.attribution


@pytest.mark.parametrize(
    ("name", "withheld"),
    [("sample", ()), ("pokepedia", ("texts", "pictures")), ("mediawiki-local", ("texts", "pictures"))],
)
def test_a_source_says_what_of_it_may_not_be_redistributed(name: str, withheld: tuple[str, ...]) -> None:
    assert load_source(name).withheld == withheld


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('language = "en"', 'langauge = "en"', r"texts\[0\] has an unknown key 'langauge'"),
        ('language = "en"\n', "", r"texts\[0\] lacks the key 'language'"),
        ('language = "en"', "language = 7", "language is 7: it must be of type str"),
        ('language = "en"', 'language = ""', "give one .* for each language"),
        ('language = "en"', 'language = "../en"', "give one .* for each language"),
        ("[[texts]]", "[texts]", "it must be a list"),
        ("[[texts]]", "[[text]]", "unknown key 'text'"),
        ("bundled = true", "bundled = 1", "bundled is 1: it must be of type bool"),
        ("delay = 0.0", "delay = true", "delay is True: it must be of type float"),
        ("delay = 0.0", "delay = -1", "below its least"),
        ("delay = 0.0", "delay = 0.0\nconcurrency = 0", "below its least"),
        ('fetch = "html"', 'fetch = "ftp"', "choose one of 'html', 'api'"),
        ('name = "sample"', 'name = "../x"', "letters, digits and dashes"),
        ('name = "sample"', 'name = ""', "letters, digits and dashes"),
        ('name = "sample"', 'name = "bête"', "letters, digits and dashes"),
        ('name = ["Name"]', 'name = "Name"', "it must be a list"),
        ("/wiki/{title}", "/wiki/", "must hold {title}"),
        ('page_url = "http://bestiary', 'page_url = "http://other', "be on a page host"),
        ('start = ["http://bestiary.', 'start = ["http://other.', "is not on a page host; add 'other.localhost'"),
        ('start = ["http://bestiary.', 'start = ["file://bestiary.', "is not on a page host"),
        ('start = ["http://bestiary.localhost/List_of_creatures"]', "start = []", "start is empty"),
        ("min_description_yield = 0.95", "min_description_yield = 95", "between 0 and 1"),
        ("min_listings = 400", "min_listings = -1", "between 0 and 1"),
        ("text_ratio = [0.6, 0.72]", "text_ratio = [0.72, 0.6]", "two shares, low and high"),
        ("text_ratio = [0.6, 0.72]", "text_ratio = [0.6]", "two shares, low and high"),
        ("[assertions]", "[limits]\npage_bytes = 0\n[assertions]", "limits must be above 0"),
        ("[assertions]", "[limits]\nbytes = -1\n[assertions]", "limits must be above 0"),
        ('section = "Biology"', 'section = ""', "must not be empty"),
        ('section = "Biology"', "section = ", "not TOML"),
        ('["tableaustandard", "sortable", "entetefixe"]', "[]", "table_class must not be empty"),
    ],
)
def test_a_mistake_in_a_source_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in SAMPLE
    path = tmp_path / "mine.toml"
    path.write_text(SAMPLE.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        load_source(path)


def test_a_language_may_be_given_once_only(tmp_path: Path) -> None:
    texts = SAMPLE[SAMPLE.index("[[texts]]") : SAMPLE.index("[pictures]")]
    path = tmp_path / "mine.toml"
    path.write_text(SAMPLE.replace("[pictures]", texts + "[pictures]"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"its texts are in \['en', 'en'\]"):
        load_source(path)


def test_an_unknown_source_is_refused_with_those_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="choose mediawiki-local, pokepedia, sample"):
        load_source("pokedex")
    with pytest.raises(ValueError, match="does not exist"):
        load_source("nowhere/mine.toml")
    (tmp_path / "long.toml").write_bytes(b"#" * (MAX_SOURCE_BYTES + 1))
    with pytest.raises(ValueError, match="larger than 65536 bytes"):
        load_source(tmp_path / "long.toml")
    (tmp_path / "latin.toml").write_bytes(b"# \xe9")
    with pytest.raises(ValueError, match="is not TOML"):
        load_source(tmp_path / "latin.toml")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://example.org:80/a", "example.org"),
        ("HTTPS://EXAMPLE.org/a", "example.org"),
        ("https://example.org:8443", "example.org:8443"),
        ("http://user@example.org/", ""),
        ("file:///etc/passwd", ""),
        ("ftp://example.org", ""),
        ("folder:images/a.png", ""),
        ("http://[::1/", ""),
        ("//example.org/a", ""),
    ],
)
def test_a_host_is_read_only_from_plain_web_addresses(url: str, host: str) -> None:
    assert host_of(url) == host


def test_pages_and_pictures_have_their_own_hosts() -> None:
    source = wiki_source("mediawiki-local")
    assert source.allows("http://127.0.0.1:8099/wiki/X", "description")
    assert not source.allows("http://127.0.0.1:8099/images/x.png", "miniature")
    assert source.allows("http://127.0.0.1:8098/images/x.png", "miniature")
    assert not source.allows("http://127.0.0.1:80/wiki/X", "description")
    assert source.allows("http://127.0.0.1:8098/robots.txt", "robots")
    assert source.api_for("http://127.0.0.1:8099/wiki/X") == "http://127.0.0.1:8099/w/api.php"
    assert source.api_for("http://elsewhere.example/") == ""


@pytest.mark.parametrize(
    ("title", "path"),
    [
        ("Type: Null (Pokémon)", "Type:_Null_(Pok%C3%A9mon)"),
        ("Farfetch'd (Pokémon)", "Farfetch%27d_(Pok%C3%A9mon)"),
        ("Nidoran♀ (Pokémon)", "Nidoran%E2%99%80_(Pok%C3%A9mon)"),
        ("Mime Jr. (Pokémon)", "Mime_Jr._(Pok%C3%A9mon)"),
        ("100%? (x)", "100%25%3F_(x)"),
        ("a/../b", "a/../b"),
    ],
)
def test_titles_with_traps_become_addresses_as_the_wiki_writes_them(title: str, path: str) -> None:
    text = english(wiki_source("pokepedia"))
    assert text.url(title) == BULBAPEDIA + path
    assert text.covers(text.url(title))
    assert not text.covers("https://www.pokepedia.fr/X")


def test_rights_name_the_page_they_speak_of_and_follow_its_language() -> None:
    source = wiki_source("pokepedia")
    page = Resource(url=BULBAPEDIA + "X_(Pok%C3%A9mon)", kind="description", title="{url}")
    licence, attribution = source.rights(page)
    assert (licence, page.url in attribution) == ("CC-BY-NC-SA-2.5", True)
    french = Resource(url="https://www.pokepedia.fr/X", kind="description", title="X")
    assert source.rights(french)[0] == source.texts[1].licence
    picture = Resource(url="https://www.pokepedia.fr/images/x.png", kind="miniature", title="Fichier:X.png")
    assert source.rights(picture) == (
        "all rights reserved",
        source.pictures.attribution.replace("{title}", "Fichier:X.png").replace("{url}", picture.url),
    )


def test_a_bare_folder_is_a_source_under_its_own_name(tmp_path: Path) -> None:
    folder = tmp_path / "My Zoo.v2"
    folder.mkdir()
    source = folder_source(folder)
    assert (source.name, source.folder, source.records) == ("my-zoo-v2", str(folder), "records.jsonl")
    assert source.withheld == ("texts", "pictures"), "nobody has said that it may be published"
    assert source_from_table(json.loads(json.dumps(asdict(source))), where="json") == source
    assert folder_source(f"{folder}/") == source


@pytest.mark.parametrize("name", ["動物園", "-", "...x", "Ménagerie", "a" * 200, "mine.toml", "folder"])
def test_a_folder_of_any_name_has_a_name_that_is_a_plain_word(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    source = folder_source(tmp_path / name)
    assert source.name.replace("-", "").isalnum()
    assert source.name.isascii()
    assert source.folder == str(tmp_path / name)


def test_a_folder_is_found_from_within_and_by_any_way_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "zoo").mkdir()
    (tmp_path / "link").symlink_to("zoo")
    monkeypatch.chdir(tmp_path / "zoo")
    assert folder_source(".") == folder_source("../zoo") == folder_source("../link") == folder_source(tmp_path / "zoo")


def test_a_folder_beside_us_does_not_shadow_a_source_that_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sample").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load_source("sample") == source_from_table(asdict(wiki_source("sample")), where="again")
    assert folder_source(f".{os.sep}sample").folder == str(tmp_path / "sample")


def test_a_folder_that_describes_itself_is_believed(tmp_path: Path) -> None:
    folder = tmp_path / "zoo"
    folder.mkdir()
    mine = FOLDER.replace('name = "folder"', 'name = "menagerie"').replace('field = "text"', 'field = "texts.en"')
    (folder / "source.toml").write_text(mine, encoding="utf-8")
    source = folder_source(folder)
    assert (source.name, source.folder, source.texts[0].field) == ("menagerie", str(folder), "texts.en")
    assert folder_source(folder / "source.toml") == source
    (folder / "source.toml").write_text(mine.replace("[fields]", "[feilds]"), encoding="utf-8")
    with pytest.raises(ValueError, match="unknown key 'feilds'"):
        load_source(folder)


def test_the_path_in_a_file_begins_where_the_file_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sources").mkdir()
    path = tmp_path / "sources" / "zoo.toml"
    path.write_text(FOLDER.replace('folder = "."', 'folder = "../pictures"'), encoding="utf-8")
    monkeypatch.chdir("/")
    assert folder_source(path).folder == str(tmp_path / "pictures")
    path.write_text(FOLDER.replace('folder = "."', "folder = 3"), encoding="utf-8")
    with pytest.raises(ValueError, match="folder is 3: it must be of type str"):
        load_source(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('id = "id"', 'id = ""', "id, name, image and each text need a field"),
        ('field = "text"', 'field = ""', "id, name, image and each text need a field"),
        ('records = "records.jsonl"', 'records = ""', "folder and records must not be empty"),
        ('folder = "."', 'folder = ".."', "describes something outside its folder"),
        ('folder = "."', 'folder = "/etc"', "describes something outside its folder"),
    ],
)
def test_a_mistake_in_a_folders_own_file_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in FOLDER
    (tmp_path / "source.toml").write_text(FOLDER.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        load_source(tmp_path)


def test_a_folder_does_not_pass_itself_off_as_a_wiki_but_its_file_may_be_named(tmp_path: Path) -> None:
    (tmp_path / "source.toml").write_text(SAMPLE, encoding="utf-8")
    with pytest.raises(ValueError, match="name that file itself if you trust it"):
        load_source(tmp_path)
    assert load_source(tmp_path / "source.toml") == load_source("sample")


def test_folders_of_other_scripts_and_of_known_names_have_names_of_their_own(tmp_path: Path) -> None:
    names = []
    for folder in ("動物園", "水族館", "Ménagerie", "sample", "zoo"):
        (tmp_path / folder).mkdir()
        names.append(folder_source(tmp_path / folder).name)
    assert names[2:] == ["menagerie", "sample-folder", "zoo"]
    assert len(set(names)) == 5


def test_nothing_at_all_is_no_source() -> None:
    with pytest.raises(ValueError, match="source '' is not known"):
        load_source("")


def test_a_folder_is_no_wiki(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is a folder, but a wiki is needed here"):
        wiki_source(tmp_path)
    assert wiki_source("sample") == load_source("sample")


@dataclass(frozen=True, kw_only=True)
class Inner:
    size: int


@dataclass(frozen=True, kw_only=True)
class Outer:
    name: str
    share: float = 0.5
    way: Literal["up", "down"] = "up"
    inner: tuple[Inner, ...] = ()


def test_a_table_becomes_the_dataclass_and_whole_numbers_do_for_shares() -> None:
    assert build(Outer, {"name": "x", "share": 1, "inner": [{"size": 3}]}, "file") == Outer(
        name="x", share=1.0, inner=(Inner(size=3),)
    )


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([], r"^file is \[\]: it must be a table"),
        ({}, "^file lacks the key 'name': add it"),
        ({"name": "x", "size": 1}, "^file has an unknown key 'size': remove it, or use one of name, share, way, inner"),
        ({"name": None}, "^file: name is None: it must be of type str"),
        ({"name": "x", "share": "1"}, "^file: share is '1': it must be of type float"),
        ({"name": "x", "way": "left"}, "^file: way is 'left': choose one of 'up', 'down'"),
        ({"name": "x", "inner": "abc"}, "^file: inner is 'abc': it must be a list"),
        (
            {"name": "x", "inner": [{"size": 1}, {"size": True}]},
            r"^file: inner\[1\]: size is True: it must be of type int",
        ),
        ({"name": "x", "inner": [3]}, r"^file: inner\[0\] is 3: it must be a table"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_with_the_place(table: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(Outer, table, "file")


def test_a_source_is_a_value(tmp_path: Path) -> None:
    sources: list[Source] = [load_source("sample"), load_source("pokepedia"), load_source(tmp_path)]
    assert len({hash(source) for source in sources}) == 3
