"""A release of the past is built again from the raw store, byte for byte, or it is said what differs."""

import filecmp
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from pipeline.build import build
from pipeline.cards.plots import plots
from pipeline.checks import check
from pipeline.crawl.ledger import source_line
from pipeline.crawl.raw import RawStore
from pipeline.crawl.sources import Source
from pipeline.engines import processes
from pipeline.publishing.audience import Audience
from pipeline.publishing.folder_store import FolderStore
from pipeline.recipe import BuildConfig
from pipeline.release import UNRELEASED, Release, made_with, seal_of
from pipeline.reproduce import CannotReproduce, Past, Reproduced, reproduce
from pipeline.verify import verify
from tests.raw_stores import Creature, creatures, make_store, png, sample_source

NAME = "pixelbytes/small"
RIGHT = "The makers allowed it in a letter."


def crawled(root: Path, beasts: list[Creature], rules: Source | None = None) -> RawStore:
    """Add a crawl of these creatures to the raw store, with the rules it was made by."""
    store = make_store(root / "raw", beasts)
    manifest = store.root / "crawls" / f"{store.crawl_names()[-1]}.jsonl"
    line = json.dumps(asdict(source_line(store, rules or sample_source())))
    manifest.write_text(manifest.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    return store


def published(
    root: Path,
    beasts: list[Creature],
    config: BuildConfig = BuildConfig(),  # noqa: B008 - frozen
    audience: Audience = Audience(),  # noqa: B008 - frozen
    source: Source | None = None,
) -> Release:
    """Crawl, build, check and publish."""
    source = source or sample_source()
    release = build(source, crawled(root, beasts, source), root / "built", name=NAME, config=config)
    store = FolderStore(root / "releases")
    last = store.open(NAME) if store.versions(NAME) else None
    return store.publish(release.with_manifest(gates=check(release, last)), audience).release


def again(release: Release, root: Path, workers: int = 1, today: Source | None = None) -> Reproduced:
    store, pool = RawStore(root / "raw"), processes(workers)
    return reproduce(Past.open(release.folder), store, root / "copy", pool=pool, today=today)


def tree(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def require_same(release: Release, done: Reproduced) -> None:
    """Compare two folders file by file."""
    copy = done.release.folder
    assert done.faults == ()
    names = tree(release.folder)
    assert tree(copy) == names
    assert filecmp.cmpfiles(release.folder, copy, names, shallow=False)[1:] == ([], [])
    assert done.files == len(names)
    assert verify(done.release) == ()
    assert [path.name for path in copy.parent.iterdir() if "reproducing" in path.name] == []


@pytest.fixture(scope="module", autouse=True)
def plain_card() -> Iterator[None]:
    """Cards without plots, which take seconds to draw; a slow test draws them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.cards.card.plots", lambda *_: {"nothing.png": b"a picture"})
        yield


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, plain_card: None) -> Path:  # noqa: ARG001 - comes first
    """A root with v1.0.0, and v1.1.0 of a raw store that changed."""
    root = tmp_path_factory.mktemp("two")
    beasts = creatures(24)
    published(root, beasts)
    beasts[3] = replace(beasts[3], picture=png(999))
    assert published(root, [*beasts[:1], *beasts[2:], *creatures(26)[24:]]).manifest.version == "v1.1.0"
    return root


@pytest.fixture
def one(two: Path, tmp_path: Path) -> Path:
    """The same root, to be damaged."""
    shutil.copytree(two, tmp_path / "own", symlinks=True)
    return tmp_path / "own"


@pytest.mark.parametrize(
    ("version", "workers"), [("v1.0.0", 1), ("v1.1.0", 1), pytest.param("v1.1.0", 2, marks=pytest.mark.slow)]
)
def test_every_version_comes_out_byte_for_byte(one: Path, version: str, workers: int) -> None:
    release = FolderStore(one / "releases").open(NAME, version)
    require_same(release, again(release, one, workers))
    assert FolderStore(one / "releases").versions(NAME) == ("v1.0.0", "v1.1.0")


@pytest.mark.slow
def test_the_whole_card_with_its_plots_comes_out_too(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.cards.card.plots", plots)
        release = published(tmp_path, creatures(12))
        assert {name for name in tree(release.folder) if name.startswith("assets/")} > {"assets/contact-sheet.png"}
        require_same(release, again(release, tmp_path))


def test_windows_another_palette_and_a_config_of_one_s_own_come_out_too(tmp_path: Path) -> None:
    palette = tmp_path / "mine.hex"
    palette.write_text("000000\nffffff\nff0000\n00ff00\n0000ff\n808080\n", encoding="utf-8")
    config = BuildConfig(palette=str(palette), windows=(3, 5), text_share=0.7)
    release = published(tmp_path, creatures(12), config)
    require_same(release, again(release, tmp_path))
    palette.write_text("000000\nffffff\n", encoding="utf-8")  # another palette lies there now
    shutil.rmtree(tmp_path / "copy")
    require_same(release, again(release, tmp_path))
    palette.unlink()
    shutil.rmtree(tmp_path / "copy")
    require_same(release, again(release, tmp_path))
    (release.folder / "palettes" / "mine.gpl").unlink()
    with pytest.raises(CannotReproduce, match=r"palettes/mine\.gpl is not there as it was on that day"):
        again(release, tmp_path)


def test_the_rules_are_those_of_the_crawl_not_of_today(one: Path) -> None:
    release = FolderStore(one / "releases").open(NAME, "v1.0.0")
    source = sample_source()
    other = replace(source, title="Another", texts=tuple(replace(text, licence="X") for text in source.texts))
    require_same(release, again(release, one, today=other))


def test_a_build_by_younger_rules_than_its_crawl_s_comes_out_by_them(tmp_path: Path) -> None:
    source = sample_source()
    crawled(tmp_path, creatures(8), source)
    younger = replace(source, pictures=replace(source.pictures, licence="CC BY-SA 4.0"))
    built = build(younger, RawStore(tmp_path / "raw"), tmp_path / "built", name=NAME)
    release = FolderStore(tmp_path / "releases").publish(built.with_manifest(gates=check(built))).release
    require_same(release, again(release, tmp_path, today=younger))
    shutil.rmtree(tmp_path / "copy")
    require_same(release, again(release, tmp_path, today=None))  # the raw store keeps the rules of each build


def test_a_private_release_s_copy_stays_private_and_so_does_what_is_withheld_today(tmp_path: Path) -> None:
    source = sample_source()
    kept = replace(source, pictures=replace(source.pictures, redistribution=False))
    release = published(tmp_path / "a", creatures(8), source=kept)
    done = again(release, tmp_path / "a")
    require_same(release, done)
    assert done.release.folder.stat().st_mode & 0o777 == 0o700
    free = published(tmp_path / "b", creatures(8))
    assert again(free, tmp_path / "b").release.folder.stat().st_mode & 0o005
    shutil.rmtree(tmp_path / "b" / "copy")
    done = again(free, tmp_path / "b", today=kept)
    require_same(free, done)
    assert done.release.folder.stat().st_mode & 0o777 == 0o700
    stated = published(tmp_path / "c", creatures(8), audience=Audience(rights=RIGHT), source=kept)
    require_same(stated, again(stated, tmp_path / "c"))


def test_a_manifest_alone_is_enough_when_the_store_has_the_version_before(one: Path, tmp_path: Path) -> None:
    store = FolderStore(one / "releases")
    for version in store.versions(NAME):
        (tmp_path / version).mkdir()
        shutil.copy(store.open(NAME, version).folder / "manifest.json", tmp_path / version)
        past = Past.open(tmp_path / version / "manifest.json", one / "releases")
        require_same(store.open(NAME, version), reproduce(past, RawStore(one / "raw"), tmp_path / "copy"))
        shutil.rmtree(tmp_path / "copy")
    past = Past.open(tmp_path / "v1.1.0")
    assert reproduce(past, RawStore(one / "raw"), tmp_path / "copy").faults == (
        "CHANGELOG.md has other bytes than it had",
    )


def test_what_is_lacking_is_named_before_anything_is_built(one: Path) -> None:
    release = FolderStore(one / "releases").open(NAME, "v1.0.0")
    store = RawStore(one / "raw")
    crawl = store.crawl(release.manifest.crawl)
    picture = next(line for line in crawl.resources if line.kind == "miniature")
    store.blob_path(picture.sha256).unlink()
    with pytest.raises(CannotReproduce, match=f"lacks 1 of the bodies .* such as {picture.sha256}"):
        again(release, one)
    (store.root / "crawls" / f"{crawl.name}.jsonl").unlink()
    with pytest.raises(CannotReproduce, match=f"lacks the crawl {crawl.name} .* restore crawls/{crawl.name}.jsonl"):
        again(release, one)
    assert not (one / "copy").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"transform": {"version": 2, "parameters": {}}},
            r"transform 2; this is .*, transform \d+: check out its code",
        ),
        ({"code_version": "0.0.1"}, r"made by PixelBytes 0\.0\.1.*pip install 'pixelbytes==0\.0\.1'"),
    ],
)
def test_what_other_code_made_is_refused_with_what_to_install(
    one: Path, changes: dict[str, object], message: str
) -> None:
    past = Past.open(FolderStore(one / "releases").open(NAME).folder)
    other = replace(past, manifest=replace(past.manifest, **changes))  # type: ignore[arg-type]
    with pytest.raises(CannotReproduce, match=message):
        reproduce(other, RawStore(one / "raw"), one / "copy")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"digest": "0" * 64}, "digest was 0000"),
        ({"counts": {"train": 1, "validation": 1, "test": 1}}, "counts was"),
        ({"text_ratio": 0.66}, "text_ratio was 0.66"),
        ({"rights": "Everybody may have it."}, "README.md has other bytes"),
        ({"version": "v9.0.0"}, "README.md has other bytes"),
    ],
)
def test_a_manifest_that_was_tampered_with_is_found_out(one: Path, changes: dict[str, object], fault: str) -> None:
    release = FolderStore(one / "releases").open(NAME, "v1.0.0")
    done = again(release.with_manifest(**changes), one)
    assert any(found.startswith(fault) for found in done.faults), done.faults


def with_other_bytes(release: Release, config: str, **changes: object) -> Release:
    """Let the manifest of a release say something else of a shard than the shard is."""
    configs = dict(release.manifest.configs)
    (shard,) = configs[config]["test"]
    configs[config] = {**configs[config], "test": (replace(shard, **changes),)}  # type: ignore[arg-type]
    return release.with_manifest(configs=configs)


@pytest.mark.parametrize(
    ("wrote", "told"),
    [
        (
            {"pyarrow": "1.0.0"},
            f"same rows, other bytes: pyarrow 1.0.0 wrote them, here it is {made_with()['pyarrow']}",
        ),
        (made_with(), "same rows, but other bytes than the manifest says"),
        ({}, "same rows, but other bytes than the manifest says"),
    ],
)
def test_another_arrow_is_named_only_where_it_is_another(one: Path, wrote: dict[str, str], told: str) -> None:
    release = FolderStore(one / "releases").open(NAME, "v1.0.0").with_manifest(made_with=wrote)
    (shard,) = release.shards("tokens", "test")
    done = again(with_other_bytes(release, "tokens", sha256="0" * 64), one)
    assert [fault for fault in done.faults if "in the folder" not in fault][1:] == [f"{shard.file}: {told}"]
    assert done.release.manifest.version == ("v1.0.0" if "wrote" in told else UNRELEASED)


@pytest.mark.parametrize("wrote", [{"pillow": "1.0.0"}, made_with()])
def test_another_pillow_is_named_only_where_it_is_another_and_rows_are_others_all_the_same(
    one: Path, wrote: dict[str, str]
) -> None:
    release = FolderStore(one / "releases").open(NAME, "v1.0.0").with_manifest(made_with=wrote)
    done = again(with_other_bytes(release, "records", content_digest="0" * 64), one)
    (told,) = [fault for fault in done.faults if ": other rows: " in fault]
    assert ("it may be the pictures' bytes alone: pillow 1.0.0 wrote them" in told) == (wrote["pillow"] == "1.0.0")
    assert done.release.manifest.version == UNRELEASED


def test_versions_of_libraries_that_changed_no_byte_are_no_difference(one: Path) -> None:
    release = FolderStore(one / "releases").open(NAME, "v1.0.0")
    manifest = replace(release.manifest, made_with={"pyarrow": "1.0.0", "pillow": "1.0.0"})
    require_same(release, again(release.with_manifest(made_with=manifest.made_with, seal=seal_of(manifest)), one))


def test_whitespace_in_the_manifest_is_a_difference_too(one: Path) -> None:
    release = FolderStore(one / "releases").open(NAME, "v1.0.0")
    path = release.folder / "manifest.json"
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert again(release, one).faults == ("manifest.json has other bytes than it had: somebody wrote to it since",)


def test_files_that_were_tampered_with_are_named_though_the_manifest_is_true(one: Path) -> None:
    release = FolderStore(one / "releases").open(NAME, "v1.0.0")
    (release.folder / "README.md").write_text("lies", encoding="utf-8")
    (release.folder / "more.txt").write_text("x", encoding="utf-8")
    gone = release.shards("records", "train")[0].file
    (release.folder / gone).unlink()
    done = again(release, one)
    assert done.whole
    assert set(done.faults) == {
        "README.md has other bytes than the manifest says: fetch or build the release again",
        "more.txt is in the folder, but not in the manifest",
        f"{gone} is in the manifest, but not in the folder",
    }
    assert verify(done.release) == ()
    assert done.release.manifest.seal == release.manifest.seal


def test_an_older_copy_goes_once_the_new_one_is_there_and_nothing_else_does(one: Path) -> None:
    store = FolderStore(one / "releases")
    release = store.open(NAME, "v1.0.0")
    require_same(release, again(release, one))
    (one / "copy" / "README.md").write_text("scribbled over", encoding="utf-8")
    require_same(release, again(release, one))
    with pytest.raises(ValueError, match="something else than an unpublished build"):
        again(store.open(NAME, "v1.1.0"), one)  # another release's copy
    shutil.rmtree(one / "copy")
    (one / "copy").mkdir()
    (one / "copy" / "diary.txt").write_text("dear diary", encoding="utf-8")
    with pytest.raises(ValueError, match="something else than an unpublished build"):
        again(release, one)
    assert (one / "copy" / "diary.txt").is_file()
    for blob in (one / "raw" / "blobs").rglob("*"):
        if blob.is_file():
            blob.unlink()
    shutil.copytree(store.open(NAME, "v1.0.0").folder, one / "other")
    with pytest.raises(CannotReproduce, match="lacks"):
        reproduce(Past.open(release.folder), RawStore(one / "raw"), one / "other")
    assert verify(Release.open(one / "other")) == ()  # what failed took nothing away


def test_a_release_is_no_copy_of_itself_wherever_it_lies(one: Path, tmp_path: Path) -> None:
    shutil.copytree(FolderStore(one / "releases").open(NAME, "v1.0.0").folder, tmp_path / "got")
    with pytest.raises(ValueError, match="something else than an unpublished build"):
        reproduce(Past.open(tmp_path / "got"), RawStore(one / "raw"), tmp_path / "got")
    with pytest.raises(ValueError, match="something else than an unpublished build"):
        reproduce(Past.open(tmp_path / "got"), RawStore(one / "raw"), one / "releases" / NAME / "v1.0.0")


def test_a_copy_never_takes_the_place_of_a_release_and_a_build_is_not_reproduced(one: Path) -> None:
    release = FolderStore(one / "releases").open(NAME, "v1.0.0")
    with pytest.raises(ValueError, match="give the path of a new folder"):
        reproduce(Past.open(release.folder), RawStore(one / "raw"), release.folder)
    with pytest.raises(ValueError, match="was never published"):
        Past.open(one / "built")


def test_a_run_that_was_killed_is_begun_again(one: Path) -> None:
    release = FolderStore(one / "releases").open(NAME, "v1.0.0")
    shutil.copytree(release.folder, one / ".copy.reproducing" / "copy")
    require_same(release, again(release, one))
