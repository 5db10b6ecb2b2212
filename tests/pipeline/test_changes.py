"""Change keys: what is asked of a MediaWiki API, and what its answers say (shaped like those of version 1.39)."""

import json
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.crawl.changes import (
    MAX_QUERY,
    TITLES_A_CALL,
    Keys,
    Wanted,
    continued,
    file_title,
    generator_call,
    key_calls,
    read_keys,
)
from pipeline.records import ResourceKind

API = "http://wiki.localhost/w/api.php"
CASES = sorted((Path(__file__).parent.parent / "fixtures" / "api").iterdir())
TITLES = st.text(st.characters(codec="utf-8", exclude_characters="\x1f"), min_size=1, max_size=255)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["A", "File:A"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=8) | st.sampled_from(["title", "ns", "revid", "from", "to"]), inner)
    ),
    max_leaves=12,
)
ENTRY = st.fixed_dictionaries(
    {},
    optional={
        "title": JSON | st.just("A"),
        "ns": JSON | st.just(6),
        "revisions": JSON | st.lists(st.fixed_dictionaries({"revid": JSON})),
        "imageinfo": JSON | st.lists(st.fixed_dictionaries({"sha1": JSON})),
        "missing": JSON,
        "from": JSON | st.just("A"),
        "to": JSON | st.just("A"),
        "fromencoded": JSON,
    },
)
ANSWER = st.fixed_dictionaries(
    {},
    optional={
        "query": JSON
        | st.fixed_dictionaries(
            {},
            optional={name: JSON | st.lists(ENTRY) for name in ("pages", "normalized", "converted", "redirects")},
        ),
        "continue": JSON | st.dictionaries(st.sampled_from(["continue", "gimcontinue", "titles"]), JSON),
        "error": JSON,
        "batchcomplete": JSON,
    },
)


def want(title: str, kind: ResourceKind = "description") -> Wanted:
    return Wanted(kind=kind, url=f"http://wiki.localhost/{kind}/{len(title)}", title=title)


def query(call: Wanted) -> dict[str, str]:
    pairs = parse_qsl(urlsplit(call.url).query, keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def titles_of(call: Wanted) -> list[str]:
    titles = query(call)["titles"]
    return titles[1:].split("\x1f") if titles.startswith("\x1f") else titles.split("|")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_answer_is_read_as_its_fixture_says(case: Path) -> None:
    expected = json.loads((case / "expected.json").read_text())
    body = next(case.glob("answer.*")).read_bytes()
    wanted = [want(title, expected["kind"]) for title in expected["wanted"]]
    if "error" in expected:
        with pytest.raises(ValueError, match=expected["error"]):
            read_keys(body, wanted)
        return
    keys = read_keys(body, wanted)
    assert keys.found == expected["found"]
    assert [list(pair) for pair in keys.more] == expected["more"]


@given(st.lists(TITLES | st.sampled_from(["A", "B|C"]), max_size=160))
def test_each_title_is_asked_for_once_and_each_resource_is_part_of_one_call(titles: list[str]) -> None:
    wanted = [want(title) for title in titles]
    calls = list(key_calls(API, wanted))
    asked = [title for call in calls for title in titles_of(call)]
    assert asked == list(dict.fromkeys(titles))
    assert sorted(part.title for call in calls for part in call.parts) == sorted(titles)
    for call in calls:
        assert {part.title for part in call.parts} == set(titles_of(call))
        assert len(titles_of(call)) <= TITLES_A_CALL
        assert len(urlsplit(call.url).query) <= MAX_QUERY + 200


def test_short_titles_go_fifty_at_a_time_and_long_ones_fewer() -> None:
    assert [len(call.parts) for call in key_calls(API, [want(f"T{n}") for n in range(120)])] == [50, 50, 20]
    long = [want(f"{n:03d}" + "é/" * 120) for n in range(20)]  # 9 characters for each of the 120 pairs
    assert [len(call.parts) for call in key_calls(API, long)] == [5, 5, 5, 5]


def test_lists_pages_and_files_are_asked_for_apart() -> None:
    mixed = [want("List", "list"), want("File:A.png", "miniature"), want("A")]
    lists, pages, files = key_calls(API, mixed)
    assert [titles_of(call) for call in (lists, pages, files)] == [["List"], ["A"], ["File:A.png"]]
    assert query(lists)["prop"] == "info|revisions"
    assert query(pages)["rvprop"] == "ids|sha1|timestamp"
    assert (query(pages)["redirects"], query(pages)["maxlag"]) == ("1", "5")
    assert query(files)["iiprop"] == "url|sha1|size|mime|timestamp"


def test_a_generator_is_asked_once_for_all_that_is_wanted() -> None:
    parts = [want(f"File:{n}.png", "miniature") for n in range(900)]
    call = generator_call(API, "images", "List of creatures", parts)
    said = query(call)
    assert (said["generator"], said["titles"], said["gimlimit"]) == ("images", "List of creatures", "500")
    assert (said["prop"], said["redirects"], said["maxlag"]) == ("imageinfo", "1", "5")
    assert (call.parts, call.kind, call.generator, call.more) == (tuple(parts), "api", "images", ())
    said = query(generator_call(API, "categorymembers", "Category:Creatures", []))
    assert (said["gcmtitle"], said["gcmlimit"], said["gcmtype"]) == ("Category:Creatures", "500", "page")
    assert (said["prop"], said["rvprop"]) == ("revisions", "ids|sha1|timestamp")
    with pytest.raises(ValueError, match="no generator 'links' gives change keys: choose"):
        generator_call(API, "links", "A", [])


def test_a_call_is_continued_by_the_newest_parameters_only() -> None:
    call = generator_call(API, "images", "List", [want("File:A.png", "miniature")])
    first = (("continue", "gimcontinue||"), ("gimcontinue", "1|Fête & co.png"), ("iicontinue", "3"))
    second = (("continue", "gimcontinue||"), ("gimcontinue", "1|Z.png"))
    assert query(continued(call, first)) == query(call) | dict(first)
    last = continued(continued(call, first), second)
    assert query(last) == query(call) | dict(second)
    assert (last.more, last.parts, last.generator) == (second, call.parts, "images")
    assert continued(call, second) == last


@given(ANSWER | JSON, st.sampled_from(["description", "miniature"]))
def test_any_json_is_read_or_refused_with_a_reason(answer: object, kind: ResourceKind) -> None:
    try:
        keys = read_keys(json.dumps(answer).encode(), [want("A", kind), want("File:A", kind)])
    except ValueError:
        return
    assert isinstance(keys, Keys)
    assert all(key.isdecimal() or len(key) in {0, 40} for key in keys.found.values())
    call = generator_call(API, "images", "A", [])
    assert query(continued(call, keys.more)) == query(call) | dict(keys.more)


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused_with_a_reason(body: bytes) -> None:
    with pytest.raises(ValueError, match="the API"):
        read_keys(body, [want("A")])


def test_deep_or_long_answers_are_refused() -> None:
    for body in (b"[" * 200_000, b'{"query":' * 200_000, b'{"query":{"pages":[{"revid":' + b"9" * 5000):
        with pytest.raises(ValueError, match="did not answer with JSON"):
            read_keys(body, [want("A")])
    endless = {"batchcomplete": True, "continue": {"gimcontinue": "x" * 5000}}
    with pytest.raises(ValueError, match="1 to 2000 characters"):
        read_keys(json.dumps(endless).encode(), [])
    half = {"batchcomplete": True, "continue": {"gimcontinue": "\ud800"}}
    with pytest.raises(ValueError, match="no such parameter"):
        read_keys(json.dumps(half).encode(), [])


@pytest.mark.parametrize("key", [True, 0, -4, 1 << 70, "x" * 40, "12", 1.5, None, ["a"]])
def test_a_key_that_is_none_is_not_taken_for_one(key: object) -> None:
    for name, field in (("revisions", "revid"), ("imageinfo", "sha1")):
        body = json.dumps({"query": {"pages": [{"title": "A", "ns": 0, name: [{field: key}]}]}}).encode()
        assert read_keys(body, [want("A")]).found == {}


def test_a_page_of_the_same_name_is_no_file() -> None:
    body = json.dumps({"query": {"pages": [{"title": "Talk:A.png", "ns": 1, "missing": True}]}}).encode()
    assert read_keys(body, [want("File:A.png", "miniature")]).found == {}


@given(st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=40))
def test_a_file_is_found_by_its_address_whatever_its_namespace_is_called(name: str) -> None:
    title = "Datei:" + " ".join(name.replace("_", " ").split())
    page = {"title": title, "ns": 6, "imageinfo": [{"sha1": "a" * 40}]}
    body = json.dumps({"query": {"pages": [page]}}).encode()
    wanted = want(file_title(f"http://wiki.localhost/images/{quote(name)}"), "miniature")
    assert read_keys(body, [wanted]).found == {wanted.title: "a" * 40}
