from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.build import build
from pipeline.cards.card import write_card
from pipeline.checks import check
from pipeline.crawl.raw import RawStore
from pipeline.recipe import BuildConfig
from pipeline.release import Release
from pipeline.sample.wiki import Served, serve_wiki
from pipeline.withhold import without
from tests.altered import copied
from tests.bared import EACH, Bares
from tests.hostile_server import Hostile, serve_three
from tests.on_hub import World, world
from tests.raw_stores import creatures, make_store, sample_source
from tests.wikis import small_wiki


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """A small release, built once; tests that change it copy it first."""
    root: Path = tmp_path_factory.mktemp("small")
    stub = replace(creatures(61)[60], page=b"<html><h2><span id='Habitat'>Habitat</span></h2></html>")
    store = make_store(root / "raw", [*creatures(60), stub])
    return build(sample_source(), store, root / "built", name="pixelbytes/small", config=BuildConfig(windows=(3,)))


@pytest.fixture(scope="session")
def whole(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Release:
    """A whole build that passed its gates."""
    copy = copied(release, tmp_path_factory.mktemp("whole") / "build")
    return copy.with_manifest(gates=check(copy), withheld=("texts", "pictures"))


@pytest.fixture(scope="session")
def bares(whole: Release, tmp_path_factory: pytest.TempPathFactory) -> Bares:
    """The same without its texts, its pictures, and both."""
    root = tmp_path_factory.mktemp("bare")
    return {what: without(whole, what, root / "-".join(what)) for what in EACH}


@pytest.fixture(scope="session")
def carded(release: Release, tmp_path_factory: pytest.TempPathFactory) -> tuple[Release, tuple[str, ...]]:
    """A release with its documents, plots included, and the names that writing them gave."""
    named = copied(release, tmp_path_factory.mktemp("card") / "release")
    named = named.with_manifest(version="v1.2.3", previous="v1.2.2", title="A small bestiary")
    return named, write_card(named, "# Changelog\n\n## v1.2.2\n\n* Added 1: `x`\n")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no plots, which takes a second, where they are no part of the question."""
    monkeypatch.setattr("pipeline.cards.card.plots", lambda *_: {})


@pytest.fixture
def served() -> Iterator[Served]:
    """A small wiki on loopback."""
    with serve_wiki(small_wiki()) as served:
        yield served


@pytest.fixture
def store(tmp_path: Path) -> RawStore:
    """An empty raw store."""
    return RawStore(tmp_path / "raw" / "sample")


@pytest.fixture
def site() -> Iterator[Hostile]:
    """Three hosts that misbehave as they are told."""
    with serve_three() as server:
        yield server


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A Hub for all tests of a file."""
    with world(tmp_path_factory.mktemp("hub")) as made:
        yield made


@pytest.fixture
def hub(lasting: World) -> World:
    """The same, put back to how it was."""
    lasting.reset()
    return lasting
