"""A folder of pictures goes through the same raw store as a wiki, and nothing in it is trusted."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.build import build
from pipeline.crawl.collect import source_of as source_of_crawl
from pipeline.crawl.folder import gather
from pipeline.crawl.ledger import source_line
from pipeline.crawl.progress import Progress
from pipeline.crawl.raw import RawStore
from pipeline.crawl.records_file import parse_records
from pipeline.crawl.source_files import load_source
from pipeline.crawl.sources import FieldNames, FieldText
from pipeline.diff import diff
from pipeline.records import SPLITS
from pipeline.release import Changes, Release
from pipeline.schema import QUARANTINE_SPLIT
from tests.folders import EVENING, counts, line, make_folder, png, record, source_of, write_picture, write_table

ROOT = Path(__file__).parents[2]
TUXEMON = Path(os.environ.get("PIXELBYTES_TUXEMON", ROOT.parent / "shared" / "corpora" / "tuxemon"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "zoo")


@pytest.fixture
def store(tmp_path: Path) -> RawStore:
    return RawStore(tmp_path / "raw" / "zoo")


def test_a_folder_becomes_a_finished_crawl_with_table_records_and_pictures(folder: Path, store: RawStore) -> None:
    seen: list[Progress] = []
    crawl = gather(source_of(folder), store, progress=seen.append)
    assert store.latest_crawl() == crawl
    assert crawl.report is not None
    assert (crawl.report.requests, crawl.report.listings, crawl.report.unparsed) == (0, 4, 0)
    assert counts(crawl) == (9, 0, 0, 0)
    assert Counter((resource.kind, resource.status) for resource in crawl.resources) == {
        ("source", 200): 1,
        ("list", 200): 1,
        ("description", 200): 4,
        ("miniature", 200): 4,
    }
    assert [news.done for news in seen] == [1, 2, 3, 4]
    table, page = line(crawl, "folder:records.jsonl"), line(crawl, "folder:records.jsonl#beast2")
    assert store.get(table.sha256) == (folder / "records.jsonl").read_bytes()
    assert json.loads(store.get(page.sha256)) == record(2)
    assert store.get(line(crawl, "folder:images/3.png").sha256) == png(3)
    assert (page.time, page.revision, page.robots) == ("2026-01-01T12:00:00Z", page.sha256, "not asked: a local folder")


def test_every_listing_finds_its_record_and_its_picture_in_the_crawl(folder: Path, store: RawStore) -> None:
    source = source_of(folder)
    crawl = gather(source, store)
    listings = parse_records(store.get(line(crawl, "folder:records.jsonl").sha256), source).listings
    assert {listing.pages[0].url for listing in listings} == set(crawl.by_url("description"))
    assert {listing.miniature_url for listing in listings} == set(crawl.by_url("miniature"))


def test_an_unchanged_folder_gives_the_same_lines_even_when_its_files_were_touched(
    folder: Path, store: RawStore
) -> None:
    first = gather(source_of(folder), store)
    for path in folder.rglob("*"):
        os.utime(path, (EVENING, EVENING))
    second = gather(source_of(folder), store)
    assert second.name > first.name
    assert second.resources == first.resources
    assert counts(second) == (0, 9, 0, 0)


def test_only_what_changed_gets_a_new_line(folder: Path, store: RawStore) -> None:
    first = gather(source_of(folder), store)
    write_table(folder, [record(1), record(2, text="It moved."), record(3), record(4)], EVENING)
    write_picture(folder, "4.png", png(40), EVENING)
    second = gather(source_of(folder), store)
    assert counts(second) == (3, 6, 0, 0)
    changed = set(second.resources) - set(first.resources)
    expected = {"folder:records.jsonl", "folder:records.jsonl#beast2", "folder:images/4.png"}
    assert {resource.url for resource in changed} == expected
    assert {resource.time for resource in changed} == {"2026-01-01T18:00:00Z"}


def test_a_change_of_licence_alone_is_a_change(folder: Path, store: RawStore) -> None:
    gather(source_of(folder), store)
    source = source_of(folder)
    second = gather(replace(source, pictures=replace(source.pictures, licence="CC0-1.0")), store)
    assert counts(second) == (4, 5, 0, 0)
    assert line(second, "folder:images/1.png").licence == "CC0-1.0"


def test_a_removed_picture_or_record_leaves_the_next_crawl(folder: Path, store: RawStore) -> None:
    gather(source_of(folder), store)
    (folder / "images" / "1.png").unlink()
    write_table(folder, [record(1), record(2), record(3)])
    second = gather(source_of(folder), store)
    gone = line(second, "folder:images/1.png")
    assert (gone.status, gone.sha256, gone.error) == (404, "", "the folder has no file 'images/1.png'")
    assert "folder:records.jsonl#beast4" not in second.by_url("description")
    assert gather(source_of(folder), store).resources == second.resources


def test_a_limit_stops_after_so_many_records_and_the_rest_comes_later(folder: Path, store: RawStore) -> None:
    few = gather(source_of(folder), store, limit=2)
    assert len(few.by_url("description")) == len(few.by_url("miniature")) == 2
    full = gather(source_of(folder), store)
    assert counts(full) == (4, 5, 0, 0)
    assert (few.limited, full.limited) == ("first 2 rows", "")
    assert {line for line in few.resources if line.kind != "source"} < set(full.resources)
    gather(source_of(folder), store, limit=1)
    assert counts(gather(source_of(folder), store)) == (0, 9, 0, 0)
    assert len(gather(source_of(folder), store, limit=99).resources) == 10
    with pytest.raises(ValueError, match="limit is 0"):
        gather(source_of(folder), store, limit=0)


def test_a_picture_that_several_records_share_is_one_line(folder: Path, store: RawStore) -> None:
    write_table(folder, [record(1), record(2, image="./images//1.png")])
    crawl = gather(source_of(folder), store)
    assert list(crawl.by_url("miniature")) == ["folder:images/1.png"]
    assert counts(crawl) == (4, 0, 0, 0)


def test_bodies_that_were_lost_from_the_store_come_back(folder: Path, store: RawStore) -> None:
    first = gather(source_of(folder), store)
    for resource in first.resources:
        store.blob_path(resource.sha256).unlink()
    assert gather(source_of(folder), store).resources == first.resources
    assert all(store.get(resource.sha256) for resource in first.resources)


def test_what_was_killed_is_continued(folder: Path, store: RawStore) -> None:
    """A child kills itself with -9 after its second record."""
    script = (
        "import os, signal, sys; from pathlib import Path; from pipeline.crawl.folder import gather;"
        "from pipeline.crawl.raw import RawStore; from pipeline.crawl.source_files import load_source;"
        "gather(load_source(sys.argv[1]), RawStore(Path(sys.argv[2])),"
        "progress=lambda p: p.done == 2 and os.kill(os.getpid(), signal.SIGKILL))"
    )
    command = [sys.executable, "-c", script, str(folder), str(store.root)]
    killed = subprocess.run(command, check=False, cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL
    assert store.latest_crawl() is None
    write_picture(folder, "1.png", png(10))
    crawl = gather(source_of(folder), store)
    assert counts(crawl) == (5, 0, 4, 0)
    assert store.crawl_names() == (crawl.name,)
    assert len(crawl.resources) == 10
    assert store.get(line(crawl, "folder:images/1.png").sha256) == png(10)


def test_two_crawls_never_write_to_one_store_at_once(folder: Path, store: RawStore) -> None:
    store.root.mkdir(parents=True)
    with (store.root / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(RuntimeError, match="another process is crawling"):
            gather(source_of(folder), store)
    assert store.crawl_names() == ()
    gather(source_of(folder), store)


def test_an_interruption_leaves_the_store_free_for_the_next(folder: Path, store: RawStore) -> None:
    def stop(_progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gather(source_of(folder), store, progress=stop)
    assert counts(gather(source_of(folder), store)) == (6, 0, 3, 0)


def test_a_record_that_states_its_own_rights_is_believed_and_others_have_the_sources(
    folder: Path, store: RawStore
) -> None:
    own = record(1, licence="CC-BY-4.0", attribution="Ann\u202e\nand Bob")
    write_table(folder, [own, record(2, licence="", attribution=None, name="{url}")])
    source = source_of(folder)
    source = replace(source, pictures=replace(source.pictures, attribution="“{title}”, {url}"))
    crawl = gather(source, store)
    for url in ("folder:records.jsonl#beast1", "folder:images/1.png"):
        assert (line(crawl, url).licence, line(crawl, url).attribution) == ("CC-BY-4.0", "Ann and Bob")
    assert line(crawl, "folder:records.jsonl#beast2").licence == "not stated"
    assert line(crawl, "folder:images/2.png").attribution == "“{url}”, folder:images/2.png"


def test_where_languages_stand_under_different_rights_each_is_named(folder: Path, store: RawStore) -> None:
    source = source_of(folder)
    french = FieldText(language="fr", field="texte", licence="CC0-1.0", attribution="“{title}”", redistribution=True)
    crawl = gather(replace(source, texts=(*source.texts, french)), store)
    page = line(crawl, "folder:records.jsonl#beast1")
    assert (page.licence, page.attribution) == ("en: not stated; fr: CC0-1.0", "“Beast 1”")


def test_lines_that_are_no_records_are_counted_and_the_rest_goes_on(folder: Path, store: RawStore) -> None:
    with (folder / "records.jsonl").open("a") as table:
        table.write('{"id": "x"}\nnot json\n')
    crawl = gather(source_of(folder), store)
    assert crawl.report is not None
    assert (crawl.report.listings, crawl.report.unparsed) == (4, 2)


def test_a_folder_without_a_table_is_told_what_a_line_looks_like(folder: Path, store: RawStore) -> None:
    source = source_of(folder)
    (folder / "records.jsonl").unlink()
    with pytest.raises(ValueError, match=r"has no file 'records.jsonl'.*such as \{\"id\": \"aardart\""):
        gather(source, store)
    with pytest.raises(ValueError, match="does not exist"):
        gather(replace(source, folder=str(folder / "nowhere")), store)
    assert store.crawl_names() == ()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "it is empty"),
        (b'[\n{"id": "a"}\n]', "line 1: not JSON"),
        (b'{"id": "a"}', "line 1: no name"),
        ("{}".encode("utf-16"), "not UTF-8"),
    ],
)
def test_a_table_without_any_record_finishes_no_crawl(folder: Path, store: RawStore, body: bytes, message: str) -> None:
    (folder / "records.jsonl").write_bytes(body)
    with pytest.raises(ValueError, match=message):
        gather(source_of(folder), store)
    assert store.crawl_names() == ()


def test_what_a_reading_that_was_cut_off_long_ago_had_is_carried_over(folder: Path, store: RawStore) -> None:
    manifest = store.root / "crawls" / f"{gather(source_of(folder), store).name}.jsonl"
    manifest.rename(manifest.with_name("20260101T000000Z.jsonl.part"))
    assert counts(gather(source_of(folder), store)) == (0, 9, 0, 0)


def test_a_crawl_keeps_the_rules_that_it_is_read_by(folder: Path, store: RawStore) -> None:
    source = source_of(folder)
    assert source_of_crawl(gather(source, store), store) == source


def test_folders_of_one_name_and_wikis_do_not_replace_each_other(folder: Path, store: RawStore) -> None:
    gather(source_of(folder), store)
    twin = folder.parent / "else" / "zoo"
    shutil.copytree(folder, twin)
    with pytest.raises(ValueError, match=r"holds crawls of .*zoo.*give this folder another name"):
        gather(source_of(twin), store)
    (folder.parent / "link").symlink_to("zoo")
    gather(replace(source_of(folder), folder=str(folder.parent / "link")), store)
    shutil.rmtree(folder)
    assert counts(gather(source_of(twin), store)) == (0, 9, 0, 0), "it was moved, not replaced"
    crawl = store.open_crawl()
    crawl.append(source_line(store, load_source("sample")))
    crawl.finish()
    with pytest.raises(ValueError, match="holds crawls of 'a wiki'"):
        gather(source_of(twin), store)


def test_a_release_is_built_from_a_folder_and_changes_only_with_it(
    folder: Path, store: RawStore, tmp_path: Path
) -> None:
    def built(name: str) -> Release:
        crawl = gather(source_of(folder), store)
        return build(source_of_crawl(crawl, store), store, tmp_path / name, name="pixelbytes/zoo")

    first = built("first")
    assert sum(first.manifest.counts.values()) == 4
    assert first.manifest.withheld == ("texts", "pictures")
    for path in folder.rglob("*"):
        os.utime(path, (EVENING, EVENING))
    second = built("second")
    assert second.manifest.digest == first.manifest.digest
    assert second.manifest.configs == first.manifest.configs, "the same Parquet files, provenance included"

    write_table(folder, [record(1), record(2, text="It moved away from the river."), record(3), record(4)], EVENING)
    third = built("third")
    assert diff(second, third) == Changes(changed=("beast2",))
    (folder / "images" / "3.png").unlink()
    write_table(folder, [record(1), record(2, text="It moved away from the river."), record(3), record(5)], EVENING)
    fourth = built("fourth")
    assert diff(third, fourth) == Changes(removed=("beast3", "beast4"))
    assert fourth.manifest.quarantine == {"miniature": 2}
    again = build(source_of(folder), store, tmp_path / "again", name="pixelbytes/zoo", crawl=third.manifest.crawl)
    assert again.manifest.digest == third.manifest.digest


def test_a_record_does_not_change_when_one_before_it_goes(folder: Path, store: RawStore, tmp_path: Path) -> None:
    write_table(folder, [record(i, no=i) for i in range(1, 5)])
    for numbered in (True, False):
        source = replace(source_of(folder), fields=FieldNames(number="no" if numbered else ""))
        write_table(folder, [record(i, no=i) for i in range(1, 5)])
        gather(source, store)
        whole = build(source, store, tmp_path / "whole", name="pixelbytes/zoo")
        before = Release.open(shutil.copytree(whole.folder, tmp_path / f"before{numbered}"))
        write_table(folder, [record(i, no=i) for i in range(2, 5)])
        gather(source, store)
        after = build(source, store, tmp_path / "after", name="pixelbytes/zoo")
        assert diff(before, after) == Changes(removed=("beast1",))


def test_each_language_becomes_a_record_of_its_own(folder: Path, store: RawStore, tmp_path: Path) -> None:
    write_table(folder, [record(1, texte="Il mange des fourmis."), record(2)])
    source = source_of(folder)
    french = replace(source.texts[0], language="fr", field="texte")
    source = replace(source, texts=(*source.texts, french))
    gather(source, store)
    release = build(source, store, tmp_path / "built", name="pixelbytes/zoo")
    rows = [row for split in SPLITS for row in release.table("records", split).to_pylist()]
    said = {row["id"]: (row["language"], row["caption"][:8], row["number"], row["sha256"]) for row in rows}
    assert set(said) == {"beast1", "beast1.fr", "beast2"}
    assert said["beast1.fr"] == ("fr", "il mange", 0, said["beast1"][3])
    (dropped,) = release.table("quarantine", QUARANTINE_SPLIT).to_pylist()
    assert (dropped["id"], dropped["stage"]) == ("beast2.fr", "description")


@pytest.mark.skipif(not TUXEMON.is_dir(), reason=f"the corpus is not at {TUXEMON}: name it in PIXELBYTES_TUXEMON")
def test_a_real_corpus_opens_as_it_is(store: RawStore) -> None:
    source = source_of(TUXEMON)
    crawl = gather(source, store)
    assert source.name == "tuxemon"
    assert counts(crawl) == (1 + 2 * 373, 0, 0, 0)
    assert crawl.report is not None
    assert (crawl.report.listings, crawl.report.unparsed) == (373, 0)
    assert "CC-BY-3.0" in {resource.licence for resource in crawl.resources}
