"""The raw store keeps what it was given, once, and a killed crawl loses nothing but its last line."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.crawl.raw import RawStore
from pipeline.records import Resource

BEGUN = datetime(2026, 11, 21, 4, tzinfo=UTC)
shared_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def line(name: str, sha256: str = "", error: str = "") -> Resource:
    return Resource(url=f"http://host/{name}", kind="description", status=200, sha256=sha256, error=error)


@pytest.fixture
def store(tmp_path: Path) -> RawStore:
    return RawStore(tmp_path / "raw")


@given(body=st.binary(max_size=200))
@shared_folder
def test_a_body_comes_back_under_its_digest(store: RawStore, body: bytes) -> None:
    assert store.get(store.put(body)) == body
    assert store.put(body) == store.put(body)


def test_the_same_body_is_one_file_and_no_temporary_file_stays(store: RawStore) -> None:
    sha256 = store.put(b"body")
    store.put(b"body")
    files = [path for path in store.root.rglob("*") if path.is_file()]
    assert files == [store.root / "blobs" / sha256[:2] / sha256]


def test_an_altered_body_is_noticed(store: RawStore) -> None:
    sha256 = store.put(b"body")
    store.blob_path(sha256).write_bytes(b"bodY")
    with pytest.raises(ValueError, match="was altered"):
        store.get(sha256)


def test_an_absent_body_is_named(store: RawStore) -> None:
    with pytest.raises(FileNotFoundError, match="crawl again"):
        store.get("0" * 64)
    assert not store.has("0" * 64)
    assert not store.has("")


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 65])
def test_only_a_digest_names_a_body(store: RawStore, digest: str) -> None:
    with pytest.raises(ValueError, match="not a SHA-256"):
        store.blob_path(digest)


def test_a_crawl_is_the_latest_only_once_it_is_finished(store: RawStore) -> None:
    assert store.latest_crawl() is None
    under_way = store.open_crawl()
    under_way.append(line("a"))
    assert store.latest_crawl() is None
    under_way.finish()
    latest = store.latest_crawl()
    assert latest is not None
    assert (latest.name, latest.resources) == (under_way.name, (line("a"),))
    assert latest.by_url("description") == {"http://host/a": line("a")}
    assert latest.by_url("miniature") == {}


def test_a_killed_crawl_is_continued_without_its_torn_line(store: RawStore) -> None:
    first = store.open_crawl()
    first.append(line("a"))
    first.append(line("b"))
    first.close()
    first.path.write_bytes(first.path.read_bytes()[:-10])
    second = store.open_crawl()
    assert (second.name, second.resources) == (first.name, (line("a"),))
    second.append(line("c"))
    second.finish()
    latest = store.latest_crawl()
    assert latest is not None
    assert latest.resources == (line("a"), line("c"))


def test_the_last_line_of_a_resource_counts(store: RawStore) -> None:
    crawl = store.open_crawl()
    crawl.append(line("a", error="timeout"))
    crawl.append(line("a", sha256="0" * 64))
    crawl.finish()
    latest = store.latest_crawl()
    assert latest is not None
    assert latest.resources == (line("a", sha256="0" * 64),)


def test_names_grow_even_within_a_second_or_when_the_clock_goes_back(store: RawStore) -> None:
    names = []
    for year in (2026, 2026, 2025):
        crawl = store.open_crawl(now=lambda year=year: datetime(year, 11, 21, 4, tzinfo=UTC))  # type: ignore[misc]
        crawl.finish()
        names.append(crawl.name)
    assert names == ["20261121T040000Z", "20261121T040001Z", "20261121T040002Z"]
    assert store.crawl_names() == tuple(names)


@pytest.mark.parametrize(("hours", "continued"), [(-1, True), (24, True), (24.01, False), (2000, False)])
def test_an_interrupted_crawl_is_continued_for_a_day_and_then_set_aside(
    store: RawStore, hours: float, *, continued: bool
) -> None:
    begun = datetime(2026, 11, 21, 4, tzinfo=UTC)
    first = store.open_crawl(now=lambda: begun)
    first.append(line("a"))
    first.close()
    manifest = first.path.read_bytes()
    second = store.open_crawl(now=lambda: begun + timedelta(hours=hours))
    assert (second.name == first.name) is continued
    assert second.resources == ((line("a"),) if continued else ())
    aside = {path.name: path.read_bytes() for path in first.path.parent.glob("*.abandoned")}
    assert aside == ({} if continued else {f"{first.name}.jsonl.abandoned": manifest})
    second.finish()
    assert store.crawl_names() == (second.name,)


def test_a_crawl_set_aside_is_never_overwritten(store: RawStore) -> None:
    begun = datetime(2026, 11, 21, 4, tzinfo=UTC)
    for days in (0, 2, 0, 2):  # the clock goes back
        store.open_crawl(now=lambda days=days: begun + timedelta(days=days)).close()  # type: ignore[misc]
    names = sorted(path.name for path in (store.root / "crawls").iterdir())
    assert names == ["20261121T040000Z.jsonl.abandoned", "20261123T040000Z.jsonl.part"]
    (store.root / "crawls" / names[1]).unlink()
    last = store.open_crawl(now=lambda: begun)
    last.close()
    assert last.name == "20261121T040001Z"


def test_an_interrupted_crawl_without_a_time_in_its_name_is_refused(store: RawStore) -> None:
    begun = store.open_crawl()
    begun.close()
    begun.path.rename(store.root / "crawls" / "mine.jsonl.part")
    with pytest.raises(ValueError, match="not named by a time"):
        store.open_crawl()


@pytest.mark.parametrize(
    "bad", [b"not json\n", b'{"url": "x"}\n', b'{"url": "x", "kind": "list", "more": 1}\n', b"[]\n"]
)
def test_a_manifest_that_was_altered_is_refused_with_its_place(store: RawStore, bad: bytes) -> None:
    crawl = store.open_crawl()
    crawl.append(line("a"))
    crawl.finish()
    path = store.root / "crawls" / f"{crawl.name}.jsonl"
    path.write_bytes(path.read_bytes() + bad)
    with pytest.raises(ValueError, match="line 2"):
        store.latest_crawl()


def test_an_unknown_crawl_is_refused_with_those_that_are_known(store: RawStore) -> None:
    with pytest.raises(ValueError, match="none yet"):
        store.crawl("20260101T000000Z")


def test_a_body_that_was_altered_is_mended_when_it_comes_again(store: RawStore) -> None:
    sha256 = store.put(b"body")
    assert store.intact(sha256)
    store.blob_path(sha256).write_bytes(b"bodY")
    assert store.has(sha256)
    assert not store.intact(sha256)
    assert store.put(b"body") == sha256
    assert store.get(sha256) == b"body"
    assert store.intact(sha256)
    assert not store.intact("0" * 64)


def test_half_a_body_of_a_killed_crawl_is_swept_by_the_next(store: RawStore) -> None:
    whole = store.blob_path(store.put(b"body"))
    torn = whole.with_name(".part-abc123")
    torn.write_bytes(b"bo")
    store.open_crawl().close()
    assert list(whole.parent.iterdir()) == [whole]


def test_what_arrived_in_a_crawl_that_was_set_aside_is_remembered(store: RawStore) -> None:
    here, gone = line("a", sha256=store.put(b"a")), line("b", sha256="0" * 64)
    first = store.open_crawl(now=lambda: BEGUN)
    for resource in (here, gone, line("c", error="timeout")):
        first.append(resource)
    first.close()
    first.path.write_bytes(first.path.read_bytes() + b'{"torn": ')
    store.open_crawl(now=lambda: BEGUN + timedelta(days=2)).close()
    assert store.latest_crawl() is None
    assert store.remembered() == {("description", here.url): here}


def test_a_later_failure_does_not_make_a_body_forgotten_and_a_later_body_takes_its_place(store: RawStore) -> None:
    old, new, kept = (line(name, sha256=store.put(body)) for name, body in (("a", b"1"), ("a", b"2"), ("b", b"3")))
    for resources in ((old, kept), (new, line("b", error="timeout"))):
        crawl = store.open_crawl()
        for resource in resources:
            crawl.append(resource)
        crawl.finish()
    assert store.remembered() == {("description", new.url): new, ("description", kept.url): kept}


@pytest.mark.parametrize("aside", [False, True])
def test_short_crawls_never_make_the_long_one_forgotten(store: RawStore, *, aside: bool) -> None:
    lines = [line(f"{number:02d}", sha256=store.put(b"%d" % number)) for number in range(20)]
    for day in range(12):
        crawl = store.open_crawl(now=lambda day=day: BEGUN + timedelta(days=2 * day))  # type: ignore[misc]
        for resource in lines if day == 1 else lines[:2]:
            crawl.append(resource)
        crawl.close() if aside and day == 1 else crawl.finish()
    assert set(store.remembered().values()) == set(lines)


def test_a_file_among_the_crawls_that_is_none_is_named(store: RawStore) -> None:
    store.open_crawl().finish()
    notes = store.root / "crawls" / "notes.jsonl"
    notes.write_text("", encoding="utf-8")
    with pytest.raises(ValueError, match=r"notes\.jsonl is not named by a time, such as .*: rename or delete it"):
        store.open_crawl()
    notes.unlink()
    store.open_crawl().close()
