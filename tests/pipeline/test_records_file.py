"""A folder's table of records is read line by line: each is a record, or is named with what is wrong with it."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.crawl import records_file
from pipeline.crawl.names import clean, slug
from pipeline.crawl.readings import ListPage, MissingDescription
from pipeline.crawl.records_file import FolderRecord, parse_records, read_description, read_records
from pipeline.crawl.sources import Assertions, FieldNames, FieldText, FolderSource, Limits, Rights
from pipeline.records import Description, PageLink


def text_in(language: str, field: str) -> FieldText:
    return FieldText(language=language, field=field, licence="CC0-1.0", attribution="“{title}”", redistribution=True)


SOURCE = FolderSource(
    name="zoo",
    title="A zoo",
    folder="zoo",
    texts=(text_in("en", "text"), text_in("fr", "texts.fr_FR")),
    fields=FieldNames(number="no", form="form", group="family", licence="licence", attribution="by.whom"),
    pictures=Rights(licence="CC0-1.0", attribution="“{title}”", redistribution=True),
    assertions=Assertions(min_listings=1, min_description_yield=0.9),
)
PLAIN: dict[str, object] = {"id": "aardart", "name": "Aardart", "image": "images/a.png", "text": "It eats ants."}

labels = st.text(min_size=1, max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from(["id", "name", "image", "text", "no", "form", "family", "licence", "by", "texts"])


def table(*records: dict[str, object]) -> bytes:
    return "".join(json.dumps(one) + "\n" for one in records).encode()


def parsed(body: bytes | str) -> ListPage:
    return parse_records(body if isinstance(body, bytes) else body.encode(), SOURCE)


def reason(body: bytes | str) -> str:
    """Return why the only line of a table is no record."""
    page = parsed(body)
    assert not page.listings
    (unparsed,) = page.unparsed
    return unparsed.reason


def described(record: dict[str, object], language: str = "en") -> Description | MissingDescription:
    (line,) = read_records(table(PLAIN | record), SOURCE)
    assert isinstance(line, FolderRecord)
    return read_description(line.body, line.name, language, SOURCE)


def test_a_record_is_a_listing_in_each_language() -> None:
    page = parsed(table(PLAIN | {"no": 43, "form": "Old", "family": "Ants"}))
    assert page.unparsed == ()
    english, french = page.listings
    assert (english.key, french.key) == ("aardart", "aardart.fr")
    assert (english.language, french.language) == ("en", "fr")
    assert (english.number, english.name, english.form, english.group) == (43, "Aardart", "Old", "ants")
    assert english.pages == (PageLink(title="Aardart", url="folder:records.jsonl#aardart"),)
    assert (english.miniature_url, english.list_url) == ("folder:images/a.png", "folder:records.jsonl")
    assert french._replace(key=english.key, language="en") == english


def test_what_a_record_does_not_say_follows_from_its_id() -> None:
    listings = parsed(b"\n" + table(PLAIN | {"no": None}, PLAIN | {"id": 7, "form": ""})).listings[::2]
    assert [(one.key, one.number, one.form, one.group) for one in listings] == [
        ("aardart", 0, "", "aardart"),
        ("7", 0, "", "7"),
    ]


def test_a_line_that_is_none_moves_nobody() -> None:
    first, last = PLAIN, PLAIN | {"id": "last"}
    whole = parsed(table(first, PLAIN | {"id": "other"}, last)).listings
    holed = parsed(table(first) + b"{\n" + table(last)).listings
    assert holed == whole[:2] + whole[4:]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n", b"\n \t\n"])
def test_marks_and_ends_of_lines_of_other_systems_are_no_matter(end: bytes) -> None:
    lines = table(PLAIN, PLAIN | {"id": "b"}).splitlines()
    assert [one.key for one in parsed(b"\xef\xbb\xbf" + end.join(lines)).listings[::2]] == ["aardart", "b"]
    assert parsed(end.join(lines)).unparsed == ()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("not json", "not JSON: Expecting value at character 1"),
        ('{"id": "a"', "not JSON"),
        ("[1]", "not a JSON object but a list"),
        ("null", "not a JSON object but null"),
        ('"' + "x" * 200 + '"', "not a JSON object but 'xxx"),
        ('{"id": "a", "name": "A", "image": "x.png", "id": "b"}', "the field 'id' stands twice"),
        ('{"id": "a", "name": "A", "image": "x.png", "more": {"k": 1, "k": 1}}', "the field 'k' stands twice"),
        ('{"id": "a", "name": "A", "image": "x.png", "more": NaN}', "NaN is no number"),
        ('{"id": "a", "name": "A", "image": "x.png", "more": -1e999}', "-1e999 is no number"),
        ('{"id": "a", "name": "A", "image": "x.png", "more": ' + "9" * 5000 + "}", "Exceeds the limit"),
        ('{"id": "a", "name": "A", "image": "x.png", "more": ' + "[" * 40 + "]" * 40 + "}", "nested deeper than 32"),
        ('{"more": ' * 100_000, "nested deeper than 32"),
        ("[" * 100_000, "nested deeper than 32"),
    ],
)
def test_a_line_that_is_no_plain_json_object_is_named(body: str, why: str) -> None:
    assert why in reason(body)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"id": None}, "no id: the field 'id' is missing or empty"),
        ({"id": " \u200e"}, "no id"),
        ({"id": True}, "the field 'id' is True, not text"),
        ({"id": 10**40}, "not text"),
        ({"id": "x" * 201}, "the field 'id' has 201 characters, more than the limit of 200"),
        ({"name": ""}, "no name"),
        ({"name": ["A"]}, "the field 'name' is a list, not text"),
        ({"name": "x" * 201}, "201 characters"),
        ({"image": None}, "no image"),
        ({"image": "  "}, "no image"),
        ({"image": 3}, "the field 'image' is 3, not text"),
        ({"image": "x" * 1025}, "1025 characters"),
        ({"no": -1}, "not a whole number from 0 to 99999"),
        ({"no": 10**12}, "not a whole number"),
        ({"no": 1.5}, "the field 'no' is 1.5"),
        ({"no": False}, "the field 'no' is False"),
        ({"no": "four"}, "the field 'no' is 'four'"),
        ({"no": "٤"}, "not a whole number"),
        ({"form": {}}, "the field 'form' is an object"),
        ({"family": []}, "the field 'family' is a list"),
        ({"licence": 4}, "the field 'licence' is 4, not text"),
        ({"by": {"whom": "x" * 2001}}, "the field 'by.whom' has 2001 characters"),
    ],
)
def test_a_field_that_is_missing_or_of_the_wrong_kind_is_named(change: dict[str, object], why: str) -> None:
    assert why in reason(table(PLAIN | change))


def test_an_id_or_a_key_that_stands_twice_is_named_with_the_first_line() -> None:
    page = parsed(table(PLAIN, PLAIN, PLAIN | {"id": "AARDART!"}))
    assert len(page.listings) == 2
    assert [one.where for one in page.unparsed] == ["line 2", "line 3"]
    assert all("gives the key 'aardart', as line 1 did" in one.reason for one in page.unparsed)


def test_a_quoted_line_is_short_and_shows_nothing_hidden() -> None:
    (unparsed,) = parsed("\x1b[31m\u202e" + "x" * 500).unparsed
    assert unparsed.text == "[31m" + "x" * 74


def test_numbers_may_be_written_with_zeros() -> None:
    assert parsed(table(PLAIN | {"no": "0043"})).listings[0].number == 43


def test_a_field_whose_own_name_has_a_dot_is_found() -> None:
    (record,) = read_records(table(PLAIN | {"by.whom": "Ann"}), SOURCE)
    assert isinstance(record, FolderRecord)
    assert record.attribution == "Ann"


def test_names_are_cleaned_of_what_the_eye_cannot_see() -> None:
    listing = parsed(table(PLAIN | {"name": "Aard\u202eart\x00\ud800 \n II\ufeff", "form": "\u2066O\x1bld"})).listings[
        0
    ]
    assert (listing.name, listing.form) == ("Aardart II", "Old")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("images/a.png", "./images//a.png", True),
        ("images/a.png", "images/A.png", False),
        ("a/../b.png", "b.png", False),
        ("a?.png", "a\ud800.png", False),
        ("a#b.png", "a", False),
        ("a%20b.png", "a b.png", False),
        ("/a.png", "a.png", False),
    ],
)
def test_two_paths_share_an_address_only_when_they_are_the_same_file(one: str, other: str, *, same: bool) -> None:
    urls = {parsed(table(PLAIN | {"image": path})).listings[0].miniature_url for path in (one, other)}
    assert (len(urls) == 1) is same


def test_an_address_is_plain_ascii_whatever_the_id() -> None:
    listing = parsed(table(PLAIN | {"id": "né\n#1 {url}"})).listings[0]
    assert listing.pages[0].url == "folder:records.jsonl#n%C3%A9%20%231%20%7Burl%7D"


def test_a_table_that_is_not_utf8_too_large_or_something_else_is_refused() -> None:
    with pytest.raises(ValueError, match="line 2 is not UTF-8"):
        parsed(table(PLAIN) + b'{"id": "\xe9"}\n')
    small = replace(SOURCE, limits=Limits(page_bytes=10))
    assert "more than the limit of 10" in parse_records(table(PLAIN), small).unparsed[0].reason
    with pytest.raises(ValueError, match="161 bytes, more than the limit of 160: raise page_bytes"):
        parse_records(b" " * 161, small)


def test_a_file_of_something_else_is_refused_before_it_fills_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records_file, "_MAX_WRONG", 10)
    assert len(parsed(b"x\n" * 10).unparsed) == 10
    with pytest.raises(ValueError, match="has over 10 lines that are no records"):
        parsed(b"x\n" * 11)


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode(errors="surrogatepass")))
def test_no_bytes_raise_anything_but_a_value_error(body: bytes) -> None:
    try:
        page = parsed(body)
    except ValueError:
        with pytest.raises(UnicodeDecodeError):
            body.decode()
    else:
        lines = [line for line in body.removeprefix(b"\xef\xbb\xbf").split(b"\n") if line.strip(b" \t\r")]
        assert len(page.unparsed) == len(lines)


@given(st.lists(st.dictionaries(fields, values), max_size=4))
def test_every_line_is_a_record_or_a_reason_whatever_its_fields_hold(changes: list[dict[str, object]]) -> None:
    page = parsed(table(*(PLAIN | change for change in changes)))
    assert len(page.listings) // 2 + len(page.unparsed) == len(changes)
    for listing in page.listings:
        assert clean(listing.name) == listing.name != ""
        assert clean(listing.group) == listing.group != ""
    assert all(one.reason and one.where for one in page.unparsed)


@given(st.dictionaries(fields, values))
def test_a_canonical_line_says_the_same_as_the_line(change: dict[str, object]) -> None:
    (record,) = read_records(table(PLAIN | change), SOURCE)
    if isinstance(record, FolderRecord):
        (again,) = read_records(record.body, SOURCE)
        assert again == record


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), st.text(max_size=4)))
def test_the_order_of_fields_and_the_writing_of_letters_do_not_matter(more: dict[str, str]) -> None:
    record = {f"more {name}": value for name, value in more.items()} | PLAIN
    turned = dict(reversed(record.items()))
    (one,) = read_records(json.dumps(record, ensure_ascii=True, indent=None).encode(), SOURCE)
    (other,) = read_records(json.dumps(turned, separators=(" ,", " : ")).encode(), SOURCE)
    assert one == other


@given(st.text())
def test_cleaning_twice_is_cleaning_once_and_leaves_one_line(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    assert once.splitlines() == ([once] if once else [])
    once.encode()


@given(labels)
def test_a_key_is_plain_ascii_and_no_path(text: str) -> None:
    key = slug(text)
    assert key.isascii()
    assert set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert key


def test_empty_lines_part_paragraphs_and_other_line_ends_do_not() -> None:
    text = "It eats\nants.\r\n \t\r\nIt\u202e sleeps.\n\n\n\x00\n\nIt wakes.\r\rIt eats."
    found = described({"text": text})
    assert isinstance(found, Description)
    assert found.paragraphs == ("It eats ants.", "It sleeps.", "It wakes.", "It eats.")
    assert (found.title, found.language) == ("Aardart", "en")


def test_each_language_is_read_from_its_own_field() -> None:
    found = described({"texts": {"fr_FR": "Il mange."}}, "fr")
    assert isinstance(found, Description)
    assert (found.paragraphs, found.language) == (("Il mange.",), "fr")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, "the record has no text in its field 'texts.fr_FR'"),
        ({"texts": None}, "no text in its field"),
        ({"texts": "Il mange."}, "no text in its field"),
        ({"texts": {"fr_FR": " \n\n\u200e"}}, "no text in its field"),
        ({"texts": {"fr_FR": ["Il mange."]}}, "the field 'texts.fr_FR' is a list, not text"),
    ],
)
def test_a_text_that_is_not_there_is_missed_with_a_reason(change: dict[str, object], why: str) -> None:
    missing = described(change, "fr")
    assert isinstance(missing, MissingDescription)
    assert (missing.title, why in missing.reason) == ("Aardart", True)


@given(st.binary(max_size=60))
def test_a_body_that_is_no_record_is_missed_with_a_reason(body: bytes) -> None:
    missing = read_description(body, "Aardart", "en", SOURCE)
    assert isinstance(missing, MissingDescription)
    assert missing.reason


def test_a_language_that_the_source_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match="no text in 'de': choose one of en, fr"):
        read_description(b"{}", "Aardart", "de", SOURCE)
