"""Who may see a release and why, what it says of itself, and why records left it."""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.build import build
from pipeline.cards.card import write_card
from pipeline.checks import check
from pipeline.diff import NOT_LISTED, diff, reasons_of
from pipeline.publishing.audience import Audience, GateError, visibility
from pipeline.publishing.folder_store import FolderStore
from pipeline.release import Changes, DamagedRelease, Gate, Release
from pipeline.schema import QUARANTINE_SPLIT, quarantine_layout
from pipeline.shards import ShardFile, file_sha256
from tests.raw_stores import creatures, make_store, sample_source

RIGHT = "The makers allowed it in a letter of 3 May."


@pytest.fixture(scope="module")
def gates(release: Release) -> tuple[Gate, ...]:
    return check(release)


@pytest.fixture
def copy(release: Release, gates: tuple[Gate, ...], tmp_path: Path) -> Release:
    """A release that passed its gates, and of which nothing is withheld."""
    shutil.copytree(release.folder, tmp_path / "copy")
    return Release.open(tmp_path / "copy").with_manifest(gates=gates, withheld=())


@pytest.fixture
def umask() -> Iterator[int]:
    """The umask that most systems have."""
    before = os.umask(0o022)
    yield 0o022
    os.umask(before)


def store(root: Path) -> FolderStore:
    return FolderStore(root / "releases")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def told(release: Release) -> str:
    return " ".join((release.folder / "README.md").read_text(encoding="utf-8").split())


# who may see it


def test_what_is_not_withheld_is_public_and_readable_by_all_that_the_umask_lets(
    copy: Release, tmp_path: Path, umask: int
) -> None:
    (copy.folder / "manifest.json").chmod(0o600)  # the build's own modes stay behind
    copy.folder.chmod(0o700)
    done = store(tmp_path).publish(copy).release
    assert done.manifest.visibility == "public"
    assert mode(done.folder) == mode(done.folder / "records") == 0o777 & ~umask
    files = [path for path in done.folder.rglob("*") if path.is_file()]
    assert {mode(path) for path in files} == {0o666 & ~umask}
    assert "This version is public. " in told(done)


@pytest.mark.parametrize("withheld", [("pictures",), ("texts",), ("texts", "pictures")])
def test_what_is_withheld_is_private_by_default_and_its_owners_alone(
    copy: Release, tmp_path: Path, umask: int, withheld: tuple[str, ...]
) -> None:
    assert umask == 0o022
    done = store(tmp_path).publish(copy.with_manifest(withheld=withheld)).release
    assert (done.manifest.visibility, mode(done.folder)) == ("private", 0o700)
    assert f"its {' and '.join(withheld)} may not be redistributed. This version is private" in told(done)


def test_the_draft_of_a_private_version_is_never_readable_by_others(
    copy: Release, tmp_path: Path, umask: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert umask == 0o022
    seen: list[int] = []
    real = shutil.copyfile

    def watched(source: Path, target: Path) -> Path:
        root = next(path for path in target.parents if path.name.endswith(".part"))
        seen.append(mode(root))
        return real(source, target)

    monkeypatch.setattr(shutil, "copyfile", watched)
    store(tmp_path).publish(copy, Audience(public=False))
    assert set(seen) == {0o700}


@pytest.mark.parametrize("rights", ["", "yes", "I may", "  "])
def test_making_public_what_is_withheld_needs_a_stated_right(copy: Release, tmp_path: Path, rights: str) -> None:
    with pytest.raises(GateError, match=r"its pictures may not be redistributed.*publish privately.*--rights TEXT"):
        store(tmp_path).publish(copy.with_manifest(withheld=("pictures",)), Audience(public=True, rights=rights))
    assert store(tmp_path).versions(copy.manifest.name) == ()


@pytest.mark.parametrize("audience", [Audience(public=True, rights=RIGHT), Audience(rights=f" {RIGHT} ")])
def test_a_stated_right_makes_public_and_is_written_down(copy: Release, tmp_path: Path, audience: Audience) -> None:
    done = store(tmp_path).publish(copy.with_manifest(withheld=("pictures",)), audience).release
    assert (done.manifest.visibility, done.manifest.rights) == ("public", RIGHT)
    assert mode(done.folder) & 0o055
    assert f"public all the same, because its publisher states the right to redistribute them: “{RIGHT}”" in told(done)
    assert Release.open(done.folder).manifest == done.manifest


@pytest.mark.parametrize("withheld", [(), ("texts",)])
@pytest.mark.parametrize("rights", ["", RIGHT])
def test_asking_for_private_always_works(copy: Release, tmp_path: Path, withheld: tuple[str, ...], rights: str) -> None:
    built = copy.with_manifest(withheld=withheld)
    done = store(tmp_path).publish(built, Audience(public=False, rights=rights)).release
    assert (done.manifest.visibility, mode(done.folder)) == ("private", 0o700)
    assert "This version is private" in told(done)


@pytest.mark.parametrize("rights", ["two\nlines", "x" * 501, "a \u202e b c", "a\x1b[31mred one", "a\u2028b c d"])
def test_a_statement_is_one_printable_line_that_is_not_too_long(rights: str) -> None:
    with pytest.raises(ValueError, match="one plain line of at most 500"):
        Audience(public=True, rights=rights)


@given(
    st.sampled_from([(), ("texts",), ("pictures",), ("texts", "pictures")]),
    st.builds(Audience, public=st.sampled_from([None, True, False]), rights=st.sampled_from(["", "yes", RIGHT])),
)
def test_nothing_withheld_is_ever_public_without_a_stated_right(withheld: tuple[str, ...], audience: Audience) -> None:
    try:
        found = visibility(withheld, audience)
    except GateError:
        assert withheld
        assert audience.rights != RIGHT
        assert audience.public is not False
        return
    assert found == "private" or not withheld or audience.rights == RIGHT
    assert found == "public" or audience.public is not True


def test_a_version_that_stands_never_changes_who_sees_it(copy: Release, tmp_path: Path) -> None:
    releases = store(tmp_path)
    built = copy.with_manifest(withheld=("pictures",))
    first = releases.publish(built)
    assert not releases.publish(built).new
    assert not releases.publish(built, Audience(public=False)).new
    with pytest.raises(GateError, match=r"@v1\.0\.0, which is private, and a released version never changes"):
        releases.publish(built, Audience(rights=RIGHT))
    assert mode(first.release.folder) == 0o700
    assert releases.open(built.manifest.name).manifest == first.release.manifest


def test_what_stands_public_is_not_called_unchanged_when_it_may_not_go_out_any_more(
    copy: Release, tmp_path: Path
) -> None:
    releases = store(tmp_path)
    first = releases.publish(copy)
    withheld = copy.with_manifest(withheld=("pictures",))
    for audience in (Audience(), Audience(public=False)):
        with pytest.raises(GateError, match=r"@v1\.0\.0, which is public, but the source now withholds.*--rights TEXT"):
            releases.publish(withheld, audience)
    assert releases.open(copy.manifest.name).manifest == first.release.manifest
    assert not releases.publish(withheld, Audience(rights=RIGHT)).new


@pytest.mark.parametrize(("free", "others"), [(True, 0o755), (False, 0o700)])
def test_a_build_of_what_is_withheld_is_its_owner_s_alone_from_its_first_file_on(
    tmp_path: Path, umask: int, *, free: bool, others: int
) -> None:
    assert umask == 0o022
    source = sample_source()
    source = replace(source, pictures=replace(source.pictures, redistribution=free))
    seen: set[int] = set()
    built = build(
        source,
        make_store(tmp_path / "raw", creatures(12)),
        tmp_path / "built",
        name="pixelbytes/small",
        progress=lambda _done, _all: seen.add(mode(tmp_path / ".built.part")),
    )
    assert (mode(built.folder), seen) == (others, {others})


def test_a_private_version_of_somebody_else_is_named_as_such(copy: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda _path, _how: False)  # whoever runs this test may be allowed everything
    with pytest.raises(PermissionError, match=r"is private: only its owner can read it\. Ask them"):
        Release.open(copy.folder)


def test_a_manifest_of_before_is_read_as_if_all_were_withheld(copy: Release) -> None:
    path = copy.folder / "manifest.json"
    older = {key: value for key, value in json.loads(path.read_text()).items() if key not in _NEW}
    path.write_text(json.dumps(older))
    manifest = Release.open(copy.folder).manifest
    assert (manifest.withheld, manifest.visibility, manifest.rights) == (("texts", "pictures"), "private", "")


_NEW = ("withheld", "visibility", "rights")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("withheld", ["music"]),
        ("withheld", "texts"),
        ("withheld", [["texts"]]),
        ("visibility", "everybody"),
        ("visibility", None),
        ("visibility", ["public"]),
        ("rights", "a\n---\nlicense: mit"),
        ("rights", 3),
    ],
)
def test_a_manifest_that_says_nonsense_of_its_rights_is_refused(copy: Release, key: str, value: object) -> None:
    path = copy.folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    with pytest.raises(DamagedRelease, match=r"manifest\.json"):
        Release.open(copy.folder)


# why records left


def drop(release: Release, rows: Sequence[tuple[str, str, str]]) -> None:
    """Let the quarantine of a release say this of (id, stage, reason)."""
    table = [{"id": key, "name": key, "stage": stage, "reason": why, "source_url": ""} for key, stage, why in rows]
    (shard,) = release.shards("quarantine", QUARANTINE_SPLIT)
    pq.write_table(pa.Table.from_pylist(table, schema=quarantine_layout().schema), release.folder / shard.file)


def without(release: Release, count: int) -> tuple[str, ...]:
    """Take the first records out of a release's training split, and return their ids."""
    path = release.folder / release.shards("records", "train")[0].file
    rows = pq.read_table(path)
    pq.write_table(rows.slice(count), path)
    return tuple(rows["id"].to_pylist()[:count])


def vouched(release: Release) -> Release:
    """Let the manifest name the shards as they are now."""

    def named(shard: ShardFile) -> ShardFile:
        path = release.folder / shard.file
        return replace(shard, bytes=path.stat().st_size, sha256=file_sha256(path), rows=pq.read_metadata(path).num_rows)

    configs = release.manifest.configs.items()
    return release.with_manifest(
        configs={name: {split: tuple(map(named, part)) for split, part in splits.items()} for name, splits in configs}
    )


def test_a_record_that_left_tells_its_reason(release: Release, copy: Release) -> None:
    first, second, third = without(copy, 3)
    drop(
        copy,
        [
            (first, "list", "the list names this record twice"),
            (first, "description", "the wiki has\nno page 'X'"),
            ("9999-never", "text", "too short"),
            (third, "list", "the list names this record twice"),
        ],
    )
    assert reasons_of(copy, diff(release, copy).removed) == {
        first: "description: the wiki has no page 'X'",
        second: NOT_LISTED,
        third: "list: the list names this record twice",
    }
    assert reasons_of(copy, ()) == reasons_of(copy, diff(copy, copy).removed) == {}


def test_the_changelog_gives_the_reason_of_each_of_the_first_fifty(copy: Release) -> None:
    gone = tuple(f"{number:04d}-x" for number in range(53))
    drop(copy, [(gone[1], "description", "the wiki has no page 'X|`<b>'")])
    stamped = copy.with_manifest(version="v1.1.0", diff=Changes(added=gone, removed=gone))
    write_card(stamped)
    lines = (stamped.folder / "CHANGELOG.md").read_text().splitlines()
    removed = lines[lines.index("* Removed 53:") :]
    assert removed[1] == "  * `0000-x`: no longer in the list"
    assert removed[2] == "  * `0001-x`: description: the wiki has no page 'X&#124;&#96;&#60;b&#62;'"
    assert removed[50:] == ["  * `0049-x`: no longer in the list", "  * and 3 more"]
    assert next(line for line in lines if line.startswith("* Added 53: ")).endswith(" and 3 more")


def test_publishing_writes_the_reasons(copy: Release, tmp_path: Path) -> None:
    releases = store(tmp_path)
    releases.publish(copy)
    (gone,) = without(copy, 1)
    drop(copy, [(gone, "description", "the wiki has no page 'X'")])
    done = releases.publish(vouched(copy)).release
    assert done.manifest.diff.removed == (gone,)
    assert f"* `{gone}`: description: the wiki has no page 'X'" in (done.folder / "CHANGELOG.md").read_text()
