"""Rights are those that a source states today: what it withholds now goes nowhere, whenever it was crawled or built."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from flows import dataset_tasks as tasks
from flows import rebuild_dataset as flows
from flows import release_verbs, releasing
from flows.cli import run
from flows.pages import release_page, run_page
from flows.settings import data_root
from pipeline.build import build
from pipeline.checks import check
from pipeline.crawl.ledger import source_line
from pipeline.crawl.raw import RawStore
from pipeline.crawl.source_files import SOURCE_FOLDER, wiki_source
from pipeline.crawl.sources import Source, WikiSource
from pipeline.publishing.audience import Audience
from pipeline.publishing.folder_store import FolderStore
from pipeline.release import Release
from tests.raw_stores import creatures, make_store, sample_source

NAME = "pixelbytes/sample"
SAMPLE = (SOURCE_FOLDER / "sample.toml").read_text(encoding="utf-8")
CC0, FREE, KEPT = 'licence = "CC0-1.0"', "redistribution = true", "redistribution = false"


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """The umask that most systems have."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server of Prefect's: flows and tasks are the functions they wrap."""
    monkeypatch.setattr(release_verbs, "start_guarded_server", lambda: None)
    monkeypatch.setattr(flows, "publish_dataset", flows.publish_dataset.fn)
    monkeypatch.setattr(tasks, "publish_release", tasks.publish_release.fn)
    monkeypatch.setattr(releasing, "announce", lambda *_: None)


def withholding(source: WikiSource) -> WikiSource:
    """Return a source whose pictures may not be redistributed."""
    return replace(source, pictures=replace(source.pictures, redistribution=False))


def checked(root: Path, source: WikiSource) -> Release:
    """Return a build that passed its gates."""
    built = build(source, make_store(root / "raw", creatures(30)), root / "built", name=NAME)
    return built.with_manifest(gates=check(built))


# publishing


@pytest.mark.slow
@pytest.mark.usefixtures("quiet")
def test_a_build_is_published_by_what_its_source_withholds_today(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    built = checked(tmp_path, sample_source())
    assert built.manifest.withheld == ()
    today: dict[str, Source] = {"sample": withholding(sample_source())}
    monkeypatch.setattr(release_verbs, "load_source", today.__getitem__)
    to = ["--to", str(tmp_path / "releases"), "--data", str(tmp_path)]
    assert run(["publish", str(built.folder), "--public", *to]) == 3
    assert "its pictures may not be redistributed" in " ".join(capsys.readouterr().err.split())
    assert run(["publish", str(built.folder), *to]) == 0
    stands = FolderStore(tmp_path / "releases").open(NAME)
    assert (stands.manifest.withheld, stands.manifest.visibility) == (("pictures",), "private")
    assert stands.folder.stat().st_mode & 0o077 == 0


@pytest.mark.slow
@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("source", ["sample", "somebody-s-own"])
def test_a_build_that_withheld_something_is_not_freed_by_its_source(tmp_path: Path, source: str) -> None:
    built = checked(tmp_path, withholding(sample_source()))
    built.with_manifest(source=source)
    assert run(["publish", str(built.folder), "--to", str(tmp_path / "releases"), "--data", str(tmp_path)]) == 0
    stands = FolderStore(tmp_path / "releases").open(NAME).manifest
    assert (stands.withheld, stands.visibility) == (("pictures",), "private")


@pytest.mark.slow
@pytest.mark.usefixtures("quiet")
def test_a_release_that_stands_is_never_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stands = FolderStore(tmp_path / "releases").publish(checked(tmp_path, sample_source())).release
    before = (stands.folder / "manifest.json").read_bytes()
    monkeypatch.setattr(release_verbs, "load_source", lambda _name: withholding(sample_source()))
    run(["publish", str(stands.folder), "--to", str(tmp_path / "other"), "--data", str(tmp_path)])
    assert (stands.folder / "manifest.json").read_bytes() == before


# pages


@pytest.mark.slow
@pytest.mark.parametrize(
    ("withheld", "public", "mode"), [(True, None, 0o600), (False, None, 0o644), (True, True, 0o644)]
)
def test_the_pages_of_a_private_release_are_its_owner_s_alone(
    tmp_path: Path, *, withheld: bool, public: bool | None, mode: int
) -> None:
    source = withholding(sample_source()) if withheld else sample_source()
    audience = Audience(public=public, rights="The makers allowed it in a letter." if public else "")
    release = FolderStore(tmp_path / "releases").publish(checked(tmp_path, source), audience).release
    trained = tmp_path / "run"
    trained.mkdir()
    (trained / "config.json").write_text(json.dumps({"model": {"core": "lstm"}, "train": {"steps": 1}}))
    (trained / "log.jsonl").write_text("")
    root = data_root(tmp_path / "data")
    pages = [release_page(release, root, tmp_path / "pages" / "x.html"), run_page(release, trained, root)]
    assert [page.stat().st_mode & 0o777 for page in pages] == [mode, mode]


# building


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A source file of one's own, whose raw store holds a crawl that was made by the rules as they were then."""
    path = tmp_path / "mine.toml"
    state(path, licence="L-THEN")
    store = make_store(tmp_path / "raw" / "mine", creatures(8))
    remember(store, wiki_source(path))
    return path


def state(path: Path, *, licence: str, rights: str = FREE) -> None:
    """Write a source file that states these rights of texts and pictures."""
    text = SAMPLE.replace('name = "sample"', 'name = "mine"').replace(CC0, f'licence = "{licence}"')
    path.write_text(text.replace(FREE, rights), encoding="utf-8")


def remember(store: RawStore, source: Source) -> None:
    """Let the newest crawl say by which rules it was made."""
    manifest = store.root / "crawls" / f"{store.crawl_names()[-1]}.jsonl"
    rules = json.dumps(asdict(source_line(store, source)))
    manifest.write_text(manifest.read_text(encoding="utf-8") + rules + "\n", encoding="utf-8")


def built_from(mine: Path, *options: str) -> tuple[set[str], tuple[str, ...]]:
    """Build offline by the command; return the records' licences and what is withheld."""
    out = mine.parent / "out"
    assert run(["build", str(mine), "--offline", "--out", str(out), "--data", str(mine.parent), *options]) == 0
    release = Release.open(out)
    found = {row["licence"] for row in release.table("records", "train", ["licence"]).to_pylist()}
    assert set(release.manifest.licences) == found
    return found, release.manifest.withheld


def test_offline_the_newest_crawl_is_built_under_the_licence_of_today(mine: Path) -> None:
    state(mine, licence="L-TODAY")
    assert built_from(mine) == ({"L-TODAY"}, ())
    state(mine, licence="L-TODAY", rights=KEPT)
    assert built_from(mine) == ({"L-TODAY"}, ("texts", "pictures"))


def test_a_crawl_of_the_past_is_built_under_its_own_licence_and_never_freer_than_today(mine: Path) -> None:
    (then,) = RawStore(mine.parent / "raw" / "mine").crawl_names()
    state(mine, licence="L-TODAY")
    assert built_from(mine, "--crawl", then) == ({"L-THEN"}, ())
    state(mine, licence="L-TODAY", rights=KEPT)
    assert built_from(mine, "--crawl", then) == ({"L-THEN"}, ("texts", "pictures"))


def test_what_a_crawl_of_the_past_withheld_is_not_freed_by_today(mine: Path) -> None:
    state(mine, licence="L-THEN", rights=KEPT)
    store = RawStore(mine.parent / "raw" / "mine")
    remember(store, wiki_source(mine))
    state(mine, licence="L-TODAY")
    assert built_from(mine, "--crawl", store.crawl_names()[-1]) == ({"L-THEN"}, ("texts", "pictures"))
