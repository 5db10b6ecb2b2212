"""A manifest may come from a stranger: it is read strictly, and a published one carries a seal over all it says."""

import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import PIL
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.build import build
from pipeline.checks import check
from pipeline.crawl.raw import RawStore
from pipeline.diff import compare
from pipeline.diff_page import render_diff
from pipeline.publishing.folder_store import FolderStore
from pipeline.release import DamagedRelease, Manifest, Release, made_with, read_manifest, seal_of
from pipeline.reproduce import CannotReproduce, Past, require_bodies, require_same_code
from pipeline.verify import verify
from tests.raw_stores import creatures, make_store, sample_source

WRONG: tuple[object, ...] = (None, "x", -1, [], {}, 10**30, True, "a\nb")
UNREAD = ("documents", "gates", "configs")  # by the page of before and after
PLAUSIBLE: tuple[object, ...] = ("x", 7, [], "v1.2.3")
Place = tuple[str | int, ...]


@pytest.fixture(scope="module")
def stands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """A published release beside its raw store, without plots in its card."""
    root = tmp_path_factory.mktemp("stands")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.cards.card.plots", lambda *_: {"nothing.png": b"a picture"})
        beasts = creatures(12)
        beasts[3] = replace(beasts[3], text="short.")
        built = build(sample_source(), make_store(root / "raw", beasts), root / "built", name="a/b")
        yield FolderStore(root / "releases").publish(built.with_manifest(gates=check(built))).release


def places(value: object, here: Place = ()) -> Iterator[Place]:
    """Yield where everything in a manifest stands; of a list, its first item alone."""
    if here:
        yield here
    items: list[tuple[str | int, object]] = list(value.items()) if isinstance(value, dict) else []
    items += [(0, value[0])] if isinstance(value, list) and value else []
    for key, item in items:
        yield from places(item, (*here, key))


def changed(raw: dict[str, Any], place: Place, value: object) -> str:
    """Return the JSON of a manifest with another value at one place."""
    inside: Any = raw
    for key in place[:-1]:
        inside = inside[key]
    was, inside[place[-1]] = inside[place[-1]], value
    text = json.dumps(raw)
    inside[place[-1]] = was
    return text


def raw_of(release: Release) -> dict[str, Any]:
    return dict(json.loads((release.folder / "manifest.json").read_text(encoding="utf-8")))


def said_by(raw: dict[str, Any], place: Place, value: object) -> Manifest | None:
    """Return the manifest with one value changed; None when it is refused."""
    try:
        return read_manifest(changed(raw, place, value))
    except DamagedRelease:
        return None


def test_a_manifest_survives_its_own_file(stands: Release) -> None:
    text = (stands.folder / "manifest.json").read_text(encoding="utf-8")
    assert read_manifest(text).to_json() == text
    assert stands.manifest.seal == seal_of(stands.manifest)
    assert stands.manifest.config() == sample_source().build


def test_no_value_at_any_place_ends_in_a_traceback_wherever_it_is_read(stands: Release) -> None:
    store = RawStore(stands.folder.parents[3] / "raw")
    raw, seen = raw_of(stands), {"refused": 0, "read": 0}
    for place in places(raw):
        read = [manifest for value in WRONG if (manifest := said_by(raw, place, value))]
        seen = {"refused": seen["refused"] + len(WRONG) - len(read), "read": seen["read"] + len(read)}
        for manifest in read[: place[0] not in UNREAD]:
            bent = Release(folder=stands.folder, manifest=manifest)
            with suppress(ValueError, OSError):  # they say what is wrong
                render_diff(stands, bent, compare(stands, bent))
            with suppress(CannotReproduce):
                require_same_code(manifest)
                require_bodies(manifest, store)
            manifest.config()
    assert seen["refused"] > seen["read"] > 0, seen


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("twins",), None),
        (("transform", "version"), 1),
        (("configs", "records", "train", 0, "rows"), 3),
        (("k",), 5),
        (("gates", 0, "passed"), False),
        (("counts", "train"), 10**6),
        (("palette", "name"), "x"),
    ],
)
def test_verify_answers_a_changed_value_in_words(stands: Release, place: Place, value: object) -> None:
    manifest = said_by(raw_of(stands), place, value)
    assert manifest is None or verify(Release(folder=stands.folder, manifest=manifest))


def test_every_value_of_a_published_manifest_is_under_its_seal(stands: Release) -> None:
    raw = raw_of(stands)
    for place in places(raw):
        for value in PLAUSIBLE:
            manifest = said_by(raw, place, value)
            if manifest is not None and manifest != stands.manifest:
                assert seal_of(manifest) != manifest.seal, (place, value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.data())
def test_whatever_stands_at_a_place_is_refused_or_survives_being_written(stands: Release, data: st.DataObject) -> None:
    raw = raw_of(stands)
    place = data.draw(st.sampled_from(list(places(raw))))
    manifest = said_by(raw, place, data.draw(json_values))
    if manifest is not None:
        assert read_manifest(manifest.to_json()) == manifest


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "[" * 100_000, '{"k": NaN}', "\ud800", '{"k": 1' + "0" * 5000 + "}"]
)
def test_what_is_no_manifest_at_all_is_called_damaged(text: str) -> None:
    with pytest.raises(DamagedRelease, match=r"manifest\.json is damaged"):
        read_manifest(text)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("version",), "../../../../victim/sub", "its version is '../../../../victim/sub'"),
        (("version",), "v1", "its version is 'v1'"),
        (("previous",), "/etc", "the version before it is '/etc'"),
        (("name",), "../x", "not of the form org/name"),
        (("name",), "a/b..c", "not of the form org/name"),
        (("name",), "a/b/c", "not of the form org/name"),
        (("source",), "../other", "a source's name is letters"),
        (("crawl",), "a/b", "which is no name of a crawl"),
        (("palette", "name"), "../nes", "which cannot be a file in palettes/"),
        (("palette", "name"), ".nes", "which cannot be a file in palettes/"),
        (("palette", "name"), "a\\b", "which cannot be a file in palettes/"),
        (("configs", "records", "train", 0, "file"), "tokens/train-00000-of-00001.parquet", "no shard of it"),
        (("documents", 0, "file"), "../x", "no document of a release"),
        (("transform", "parameters", "pictures", "dither"), "lots", "dither is 'lots': choose one of"),
        (("transform", "parameters", "rules"), "../../x", "which is no digest"),
        (("made_with",), {"pillow": 12}, "made_with: pillow is 12"),
    ],
)
def test_names_that_lead_elsewhere_and_choices_there_are_not_are_refused(
    stands: Release, place: Place, value: object, message: str
) -> None:
    with pytest.raises(DamagedRelease) as caught:
        read_manifest(changed(raw_of(stands), place, value))
    assert message in str(caught.value)


def test_a_manifest_of_before_the_seal_and_the_documents_is_read(stands: Release, tmp_path: Path) -> None:
    raw = raw_of(stands)
    old = {name: value for name, value in raw.items() if name not in ("seal", "documents", "made_with", "twins")}
    parameters = old["transform"]["parameters"]
    flat = {**{name: value for name, value in parameters.items() if name != "pictures"}, "max_side": 25}
    old["transform"] = {"version": 2, "parameters": flat}
    shutil.copytree(stands.folder, tmp_path / "old")
    (tmp_path / "old" / "manifest.json").write_text(json.dumps(old), encoding="utf-8")
    release = Release.open(tmp_path / "old")
    assert (release.manifest.max_side, release.manifest.seal) == (25, "")
    assert verify(release) == ("the release's digest differs from the manifest's",)  # another transform: other meaning
    with pytest.raises(CannotReproduce, match="transform 2"):
        require_same_code(Past.open(release.folder).manifest)


def test_a_manifest_that_is_written_again_loses_its_seal(stands: Release, tmp_path: Path) -> None:
    shutil.copytree(stands.folder, tmp_path / "copy")
    again = Release.open(tmp_path / "copy").with_manifest(title="Another")
    assert again.manifest.seal == ""
    assert Release.open(again.folder).manifest.seal == ""


def test_the_seal_outlives_fields_that_are_added_later_and_empty(stands: Release) -> None:
    bare = replace(stands.manifest, twins={}, title="", made_with={})
    assert seal_of(bare) != seal_of(stands.manifest)
    assert seal_of(bare) == seal_of(replace(bare, seal="f" * 64))


def test_the_libraries_whose_bytes_stand_in_a_release_are_named() -> None:
    found = made_with()
    assert (found["pillow"], found["pyarrow"]) == (PIL.__version__, pa.__version__)
