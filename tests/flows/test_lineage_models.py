"""`pixelbytes lineage` of models: their weights say which run they are, whatever folder they lie in."""

from pathlib import Path

import pytest

from flows.champion.champions import Champions
from flows.errors import DONE
from flows.lineage.archive import Archive
from flows.lineage.graph import Graph
from flows.lineage.subject import subject_of
from flows.lineage.verbs import lineage
from flows.lineage.walk import trace
from flows.settings import DataRoot
from model.model_card import export_model
from pipeline.release import Release
from tests.exported import finished_run, published_release
from tests.traced import change, copy_of, decide

pytestmark = pytest.mark.slow
MODEL = "tests/beasts-lstm@v1.0.0"
FOLDER = "champions/tests/beasts/models/v1.0.0"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    """A data root with a release, a real run on it, and the champion that it became."""
    data = DataRoot(tmp_path_factory.mktemp("made") / "data")
    release: Release = published_release(data.root)
    run = finished_run(release, data.runs)
    (data.root / FOLDER).parent.mkdir(parents=True)
    export_model(run, data.root / FOLDER, "tests/beasts-lstm", release)
    decide(data, release, run.name)
    return data


@pytest.fixture
def data(made: DataRoot, tmp_path: Path) -> DataRoot:
    """The same, to be damaged."""
    return copy_of(made, tmp_path / "data")


def graph_of(data: DataRoot, given: str) -> Graph:
    archive = Archive(data)
    return trace(subject_of(given, archive), archive)


def run_of(data: DataRoot) -> Path:
    (run,) = data.runs.iterdir()
    return run


@pytest.mark.parametrize("given", ["champion:tests/beasts", MODEL, FOLDER, "champions/tests/beasts"])
def test_a_champion_leads_back_over_its_decision_and_its_run(
    data: DataRoot, given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data.root)
    graph = graph_of(data, given)
    assert graph.subject == f"model {MODEL}"
    found = {(link.newer.split()[0], link.older.split()[0]): link.state for link in graph.links}
    assert found["model", "run"] == found["decision", "run"] == found["release", "crawl"] == "verified"
    assert found["model", "release"] == "verified"
    assert ("reigns over", "tests/beasts") in graph.things[graph.subject].facts
    assert not graph.faults


def test_a_run_leads_on_to_the_title_that_it_won(data: DataRoot) -> None:
    graph = graph_of(data, run_of(data).name)
    assert f"model {MODEL}" in graph.things
    assert any(link.how == "promoted by" for link in graph.links)
    assert lineage(data, "sample", None, as_json=True) == DONE


def test_a_model_whose_run_is_gone_is_no_fault(data: DataRoot) -> None:
    run_of(data).rename(data.root / "away")
    graph = graph_of(data, "champion:tests/beasts")
    assert graph.missing == 2  # from the decision and from the model
    assert not graph.faults


def test_a_run_that_was_trained_on_is_not_the_champion_any_more(data: DataRoot) -> None:
    last = run_of(data) / "checkpoints" / "best" / "model.safetensors"
    body = bytearray(last.read_bytes())
    body[-1] ^= 1
    last.write_bytes(body)
    graph = graph_of(data, "champion:tests/beasts")
    assert any("are not those of" in fault for fault in graph.faults)
    assert any("other weights" in link.why and link.state == "missing" for link in graph.links)


def test_a_model_that_was_altered_is_named(data: DataRoot) -> None:
    (data.root / FOLDER / "README.md").write_text("another")
    graph = graph_of(data, f"{data.root / FOLDER}")
    assert any("README.md has other bytes" in fault for fault in graph.faults)


def test_a_damaged_lineage_is_named_and_the_run_is_told(data: DataRoot) -> None:
    change(data.root / FOLDER / "lineage.json", lambda told: told.update(format=9))
    graph = graph_of(data, run_of(data).name)
    assert not any(thing.kind == "model" for thing in graph.things.values())
    assert any("lineage.json" in told for told in graph.damaged)
    (data.root / "champions/tests/beasts/champion.json").write_text("{")
    with pytest.raises(ValueError, match=r"champion\.json"):
        Champions(data.root / "champions").champion("tests/beasts")
