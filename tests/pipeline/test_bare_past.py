"""A version without its texts or pictures is built again from the raw store like any other, byte for byte."""

import filecmp
import json
from dataclasses import asdict
from pathlib import Path

import pytest

from pipeline.build import build
from pipeline.checks import check
from pipeline.crawl.ledger import source_line
from pipeline.crawl.raw import RawStore
from pipeline.release import Release, seal_of
from pipeline.reproduce import Past, reproduce
from pipeline.withhold import without
from tests.bared import EACH, stands
from tests.raw_stores import creatures, make_store, sample_source


def crawled(root: Path) -> RawStore:
    """Return a raw store whose crawl keeps its rules."""
    store = make_store(root / "raw", creatures(12))
    manifest = store.manifest(store.crawl_names()[-1])
    line = json.dumps(asdict(source_line(store, sample_source())))
    manifest.write_text(manifest.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    return store


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("what", EACH)
def test_a_bare_version_is_reproduced(tmp_path: Path, what: tuple[str, ...]) -> None:
    store = crawled(tmp_path)
    whole = build(sample_source(), store, tmp_path / "built", name="pixelbytes/small")
    release = stands(without(whole.with_manifest(gates=check(whole)), what, tmp_path / "bare"), tmp_path / "v1.0.0")
    note = {"v0.9.0": {"digest": "0" * 64, "why": "it was another"}}
    noted = release.with_manifest(yanked=note, visibility="private")
    noted = noted.with_manifest(seal=seal_of(noted.manifest))
    done = reproduce(Past.open(release.folder), store, tmp_path / "copy")
    assert [fault.split(" ")[0] for fault in done.faults] == ["CHANGELOG.md", "README.md"]  # written before the note
    names = [name for name in noted.manifest.files if name.endswith(".parquet")]
    assert filecmp.cmpfiles(release.folder, tmp_path / "copy", names, shallow=False) == (names, [], [])
    assert done.release.manifest.yanked == note
    assert Release.open(tmp_path / "copy").manifest.without == what
    assert {path.name for path in tmp_path.iterdir() if "copy" in path.name} == {"copy", ".copy.lock"}


@pytest.mark.usefixtures("quick")
def test_a_bare_version_of_which_nothing_changed_has_no_fault(tmp_path: Path) -> None:
    store = crawled(tmp_path)
    whole = build(sample_source(), store, tmp_path / "built", name="pixelbytes/small")
    release = stands(
        without(whole.with_manifest(gates=check(whole)), ("pictures",), tmp_path / "bare"), tmp_path / "v1"
    )
    for _ in range(2):  # over an older copy as well
        assert reproduce(Past.open(release.folder), store, tmp_path / "copy").faults == ()
