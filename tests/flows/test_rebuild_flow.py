"""What the flow of a rebuild does in which order, and where it stops; without Prefect's server."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from flows import dataset_tasks as tasks
from flows import rebuild_dataset as flows
from flows import releasing
from flows.settings import data_root
from pipeline.build import build
from pipeline.checks import check
from pipeline.publishing.audience import Audience, GateError
from pipeline.publishing.folder_store import FolderStore
from pipeline.publishing.staging import Published
from tests.raw_stores import creatures, make_store, sample_source

NAME = "pixelbytes/sample"
STAGES = ("crawl_source", "survey_crawl", "build_release", "last_release", "check_release", "publish_release")
RIGHT = "The makers allowed it in a letter."


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, tuple[object, ...]]:
    """Each stage that ran, in order, with what it was given; none of them works."""
    seen: dict[str, tuple[object, ...]] = {}

    def stage(name: str) -> Callable[..., object]:
        def run(*given: object, **named: object) -> object:
            seen[name] = (*given, *named.values())
            return "its result"

        return run

    for name in STAGES:
        monkeypatch.setattr(tasks, name, stage(name))
    monkeypatch.setattr(
        flows, "publish_and_tell", lambda made, to, whom, *_: tasks.publish_release(made, to.store, whom)
    )
    monkeypatch.setattr(flows, "show_release", lambda *_: None)
    monkeypatch.setenv("PIXELBYTES_DATA", str(tmp_path))
    return seen


def test_a_rebuild_surveys_between_crawl_and_build_and_hands_the_audience_down(
    calls: dict[str, tuple[object, ...]],
) -> None:
    flows.rebuild_dataset.fn("sample", NAME, rights=RIGHT, public=True)
    assert tuple(calls) == STAGES
    assert calls["publish_release"][-1] == Audience(public=True, rights=RIGHT)


def test_offline_builds_and_surveys_the_crawl_that_is_named(calls: dict[str, tuple[object, ...]]) -> None:
    flows.rebuild_dataset.fn("sample", NAME, offline=True, crawl="20260101T000000Z", allow=("yield",))
    assert tuple(calls) == STAGES[1:]
    assert calls["survey_crawl"][-2:] == ("20260101T000000Z", ("yield",))
    assert calls["build_release"][-1] == "20260101T000000Z"


def test_what_may_not_be_published_is_refused_before_anything_is_asked_of_the_site(
    calls: dict[str, tuple[object, ...]],
) -> None:
    with pytest.raises(GateError, match="may not be redistributed"):
        flows.rebuild_dataset.fn("pokepedia", "a/b", public=True, contact="me@example.org")
    with pytest.raises(ValueError, match="one plain line"):
        flows.rebuild_dataset.fn("sample", NAME, rights="two\nlines")
    with pytest.raises(ValueError, match="add --offline"):
        flows.rebuild_dataset.fn("sample", NAME, crawl="20260101T000000Z")
    assert not calls


def test_publishing_alone_hands_the_audience_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = build(sample_source(), make_store(tmp_path / "raw", creatures(20)), tmp_path / "built", name=NAME)
    built.with_manifest(gates=check(built))
    monkeypatch.setattr(tasks, "publish_release", tasks.publish_release.fn)
    monkeypatch.setattr(releasing, "announce", lambda *_: None)
    done: Published = flows.publish_dataset.fn(
        str(built.folder), str(tmp_path / "releases"), data=str(tmp_path), public=False
    )
    assert FolderStore(tmp_path / "releases").open(NAME).manifest.visibility == "private"
    assert done.new


def test_a_crawl_that_fell_short_stops_and_names_the_pages_unless_its_gate_is_let_through(tmp_path: Path) -> None:
    root = data_root(str(tmp_path))
    beasts = creatures(20)
    empty = b"<html><h2><span id='Habitat'>Habitat</span></h2></html>"
    make_store(root.raw("sample"), [replace(beast, page=empty) for beast in beasts])
    with pytest.raises(GateError, match=r"(?s)descriptions \(en\): 0 of 20.*Beastb1 <http"):
        tasks.survey_crawl.fn("sample", root)
    assert tasks.survey_crawl.fn("sample", root, allow=("yield",)).failed
