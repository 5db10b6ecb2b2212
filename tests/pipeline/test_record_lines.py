"""A line of a folder's table is read by short ways where it is plain; each gives what the long way gives."""

import json
import re
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.crawl.names import clean, slug
from pipeline.crawl.readings import MissingDescription, Unparsed
from pipeline.crawl.records_file import FolderRecord, parse_records, read_description, read_records, record_url
from pipeline.crawl.sources import TITLE_SAFE, Assertions, FieldNames, FieldText, FolderSource, Rights
from pipeline.records import Description


def text_in(language: str, field: str) -> FieldText:
    return FieldText(language=language, field=field, licence="CC0-1.0", attribution="“{title}”", redistribution=True)


SOURCE = FolderSource(
    name="zoo",
    title="A zoo",
    folder="zoo",
    texts=(text_in("en", "text"), text_in("fr", "texts.fr")),
    fields=FieldNames(group="family"),
    pictures=Rights(licence="CC0-1.0", attribution="“{title}”", redistribution=True),
    assertions=Assertions(min_listings=1, min_description_yield=0.9),
)
PLAIN = {"id": "ant", "name": "Ant", "image": "a.png", "text": "It digs."}
DEEPEST = 32

scraps = st.sampled_from(['"', "\\", "{", "}", "[", "]", ",", ":", " ", "\t", "\ufeff", "NaN", "1e999", "\x0b", "x"])
spaced = st.text(st.sampled_from("ab .\n\r\t\x00\x7f\u00a0\u200b\u2028é\ud800"), max_size=30) | st.text(max_size=30)


def by_definition(text: str) -> tuple[object, str]:
    """Return what a text is as JSON, and why it is none: the longest way to ask."""
    try:
        return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} came through")), ""
    except json.JSONDecodeError as error:
        return None, f"not JSON: {error.msg} at character {error.colno}"


@given(st.data())
def test_a_line_that_was_altered_anywhere_means_what_json_says(data: st.DataObject) -> None:
    line = json.dumps(PLAIN | {"text": data.draw(spaced)}, ensure_ascii=data.draw(st.booleans()))
    for scrap in data.draw(st.lists(scraps, max_size=2)):
        at = data.draw(st.integers(0, len(line)))
        line = line[:at] + scrap + line[at + data.draw(st.integers(0, 1)) :]
    body = line.encode("utf-8", "replace")
    said = read_description(body, "Ant", "en", SOURCE)
    if isinstance(said, MissingDescription) and not said.reason.startswith("not JSON"):
        return
    table, why = by_definition(body.decode())
    assert clean(why) == (said.reason if isinstance(said, MissingDescription) else "")
    if isinstance(said, Description):
        assert isinstance(table, dict)
        assert " ".join(said.paragraphs) == clean(table["text"])


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "not JSON: Expecting value at character 1"),
        (b"  ", "not JSON: Expecting value at character 3"),
        (b"{", "not JSON: Expecting property name enclosed in double quotes at character 2"),
        (b'{"text": "a"} x', "not JSON: Extra data at character 15"),
        (b'{"text": "a"}{}', "not JSON: Extra data at character 14"),
        (b'\xef\xbb\xbf{"text": "a"}', "not JSON: Unexpected UTF-8 BOM (decode using utf-8-sig) at character 1"),
        (b'x{"text": "a"}', "not JSON: Expecting value at character 1"),
        (b"null", "not a JSON object but null"),
        (b'{"text": "a", "text": "a"}', "the field 'text' stands twice in one object"),
    ],
)
def test_what_stands_before_or_behind_an_object_is_named(body: bytes, why: str) -> None:
    assert read_description(body, "Ant", "en", SOURCE) == MissingDescription(title="Ant", reason=why)


def test_white_space_before_and_behind_an_object_says_nothing() -> None:
    said = read_description(b' \t\r\n{"text": "It digs."}\n\t ', "Ant", "en", SOURCE)
    assert said == Description(title="Ant", language="en", paragraphs=("It digs.",))


@given(spaced)
@example("One line.\nIts end.\n\nTwo  spaces.\r\n\r\n\x7fNothing seen.\n \nA last one.")
@example("A line.\rIts end.\r\rOf an older system.")
def test_paragraphs_are_cleaned_each_by_itself(text: str) -> None:
    said = read_description(json.dumps({"text": text}).encode(), "Ant", "en", SOURCE)
    parts = re.split(r"\n[^\S\n]*\n", text.replace("\r\n", "\n").replace("\r", "\n"))
    assert (said.paragraphs if isinstance(said, Description) else ()) == tuple(filter(None, map(clean, parts)))


@given(st.text(min_size=1, max_size=12) | st.text("abAB09._-/~ %#:", min_size=1, max_size=6))
def test_a_record_has_one_key_and_one_address_wherever_it_is_asked_for(label: str) -> None:
    body = json.dumps(PLAIN | {"id": label}).encode()
    (record,) = read_records(body, SOURCE)
    if isinstance(record, Unparsed):
        assert not clean(label)
        return
    english, french = parse_records(body, SOURCE).listings
    assert (record.id, record.key) == (clean(label), slug(clean(label)))
    assert (english.key, french.key) == (record.key, f"{record.key}.fr")
    assert english.pages == french.pages
    address = f"folder:records.jsonl#{quote(record.id, safe=TITLE_SAFE)}"
    assert english.pages[0].url == record_url(record, SOURCE) == address


@pytest.mark.parametrize(("left", "right"), [("[", "]"), ('{"k":', "}")])
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_brackets_are_counted_by_their_depth(left: str, right: str, more: int) -> None:
    inside = DEEPEST - 1 + more  # the record's own come on top
    line = f'{json.dumps(PLAIN)[:-1]}, "more": {left * inside}0{right * inside}}}'
    (record,) = read_records(line.encode(), SOURCE)
    if more > 0:
        assert isinstance(record, Unparsed)
        assert record.reason == f"brackets are nested deeper than {DEEPEST}"
    else:
        assert isinstance(record, FolderRecord)


@pytest.mark.parametrize("more", [[[], {}] * DEEPEST, "[{" * DEEPEST])
def test_brackets_beside_one_another_and_those_of_a_text_are_not_deep(more: object) -> None:
    (record,) = read_records(json.dumps(PLAIN | {"more": more}).encode(), SOURCE)
    assert isinstance(record, FolderRecord)
