"""What was built before is not built again, as long as it stands there whole and nothing that shapes it changed."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import built_before as module
from pipeline.build import build
from pipeline.built_before import asked_of, built_before, pages_digest, remember
from pipeline.checks import check
from pipeline.crawl.raw import RawStore
from pipeline.recipe import BuildConfig
from pipeline.records import Resource
from pipeline.release import Release
from tests.raw_stores import creatures, make_store, sample_source

NAME = "pixelbytes/sample"
SOURCE = sample_source()


def asked(store: RawStore, **changes: object) -> str:
    said: dict[str, object] = {"name": NAME, "config": SOURCE.build, "crawl": None, **changes}
    source = said.pop("source", SOURCE)
    return asked_of(source, store, **said)  # type: ignore[arg-type]


def made(root: Path) -> tuple[RawStore, Release]:
    """Return a raw store and a build of it that is remembered."""
    store = make_store(root / "raw", creatures(8))
    release = build(SOURCE, store, root / "built" / "sample", name=NAME)
    remember(release, asked(store))
    return store, release


def _same(line: Resource) -> Resource:
    return line


def crawled_again(store: RawStore, change: Callable[[Resource], Resource | None] = _same) -> None:
    """Add a crawl that carries every page over, in another order, as `change` has it."""
    last = store.latest_crawl()
    assert last is not None
    crawl = store.open_crawl()
    robots = Resource(
        url="http://bestiary.localhost/robots.txt", kind="robots", time="2026-02-02T00:00:00Z", status=200
    )
    for line in (robots, *reversed(last.resources)):
        if (kept := change(line)) is not None:
            crawl.append(kept)
    crawl.finish()


def test_the_same_pages_are_the_same_input_whichever_crawl_they_came_with(tmp_path: Path) -> None:
    store, release = made(tmp_path)
    before = asked(store)
    crawled_again(store)
    assert asked(store) == before
    standing = built_before(release.folder, asked(store))
    assert standing is not None
    assert standing.manifest.crawl == store.crawl_names()[0]  # the one that it was made from
    assert build(SOURCE, store, tmp_path / "anew", name=NAME).manifest.digest == standing.manifest.digest
    assert asked(store, crawl=store.crawl_names()[1]) != before  # whoever names a crawl gets it named


def test_a_page_without_a_body_is_the_same_whenever_it_was_asked_for(tmp_path: Path) -> None:
    store, _ = made(tmp_path)
    page = "http://bestiary.localhost/wiki/Beastb1"

    def absent(time: str) -> Callable[[Resource], Resource]:
        def change(line: Resource) -> Resource:
            return replace(line, sha256="", status=404, time=time) if line.url == page else line

        return change

    names = []
    for time in ("2026-02-01T00:00:00Z", "2026-02-02T00:00:00Z"):
        crawled_again(store, absent(time))
        names.append(pages_digest(store, store.crawl_names()[-1]))
    assert names[0] == names[1] != pages_digest(store, store.crawl_names()[0])


def test_whatever_shapes_the_rows_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, _ = made(tmp_path)
    other = {
        asked(store),
        asked(store, name="pixelbytes/other"),
        asked(store, config=BuildConfig(k=5)),
        asked(store, config=BuildConfig(palette="pico-8")),
        asked(store, source=replace(SOURCE, title="Another")),
        asked(store, crawl=store.crawl_names()[0]),
    }
    for part, said in (
        ("TRANSFORM_VERSION", 99),
        ("made_with", lambda: {"pyarrow": "0"}),
        ("code_version", lambda: "9.9"),
        ("code_digest", lambda: "0"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, part, said)
            other.add(asked(store))
    crawled_again(store, lambda line: replace(line, sha256=store.put(b"other")) if line.kind == "miniature" else line)
    other.add(asked(store))
    crawled_again(store, lambda line: None if line.url.endswith("Beastb1") else line)
    other.add(asked(store))
    assert len(other) == 12


def test_answers_of_gates_change_nothing_but_any_other_change_is_noticed(tmp_path: Path) -> None:
    store, release = made(tmp_path)
    key = asked(store)
    release.with_manifest(gates=check(release))
    assert built_before(release.folder, key) is not None
    assert built_before(release.folder, "0" * 64) is None
    kept = tmp_path / "kept"
    shutil.copytree(release.folder, kept)
    shard = next(iter(release.manifest.files))
    note = release.folder.with_name(".sample.built.json")
    told = note.read_text()

    def spoiled(spoil: Callable[[], object]) -> bool:
        spoil()
        found = built_before(release.folder, key)
        if release.folder.is_symlink():
            release.folder.unlink()
        shutil.rmtree(release.folder, ignore_errors=True)
        shutil.copytree(kept, release.folder)
        note.write_text(told)
        assert built_before(release.folder, key) is not None
        return found is None

    def flip() -> None:
        body = bytearray((release.folder / shard).read_bytes())
        body[len(body) // 2] ^= 1
        (release.folder / shard).write_bytes(body)

    assert spoiled((release.folder / shard).unlink)
    assert spoiled(flip)
    assert spoiled(lambda: (release.folder / shard).write_bytes(b"short"))
    assert spoiled(lambda: release.with_manifest(crawl="20200101T000000Z"))
    assert spoiled(lambda: release.with_manifest(version="v1.0.0"))
    assert spoiled(lambda: shutil.rmtree(release.folder))
    assert spoiled(lambda: (release.folder / "manifest.json").write_text("{"))
    assert spoiled((release.folder / "palettes" / "nes.gpl").unlink)
    assert spoiled(lambda: note.write_text("[" * 900))
    assert spoiled(lambda: note.write_text(json.dumps({**json.loads(told), "format": 0})))
    assert spoiled(lambda: note.write_text(told + " " * 2_000))
    assert spoiled(lambda: (shutil.rmtree(release.folder), release.folder.symlink_to(kept)))


def test_without_a_crawl_nothing_can_be_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no finished crawl"):
        asked(RawStore(tmp_path))
