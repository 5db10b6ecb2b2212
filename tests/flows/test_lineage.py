"""`pixelbytes lineage`: from anything back to its site and on to what was made of it; digests prove it, or disprove."""

import contextlib
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from flows.cli import run
from flows.errors import DONE, FAILED, UsageError
from flows.lineage import verbs as lineage_verbs
from flows.lineage.archive import Archive
from flows.lineage.graph import Graph, Link, State, Thing
from flows.lineage.subject import subject_of
from flows.lineage.svg import svg
from flows.lineage.text import mermaid, tree
from flows.lineage.walk import trace
from flows.settings import DataRoot
from pipeline.release import Release
from tests.traced import REPO, change, copy_of, decide, fake_run, releases_of, traced_root


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    """A data root with two versions, a run on each, and a champion whose model was moved away."""
    data = traced_root(tmp_path_factory.mktemp("made") / "data")
    decide(data, releases_of(data)[1], "run-v1.1.0", promoted=False)
    return data


@pytest.fixture
def data(made: DataRoot, tmp_path: Path) -> DataRoot:
    """The same, to be damaged."""
    return copy_of(made, tmp_path / "data")


def graph_of(data: DataRoot, given: str) -> Graph:
    archive = Archive(data)
    return trace(subject_of(given, archive), archive)


def states(graph: Graph) -> dict[tuple[str, str], State]:
    """Return the state of each link by the kinds at its ends, of the newest version."""
    return {(link.newer.partition(" ")[0], link.older.partition(" ")[0]): link.state for link in graph.links}


def text_of(graph: Graph) -> str:
    body = io.StringIO()
    Console(file=body, width=1000).print(tree(graph))
    return body.getvalue()


def crawl_of(data: DataRoot, place: int = -1) -> Path:
    return sorted((data.raw("sample") / "crawls").glob("*.jsonl"))[place]


def test_a_checkpoint_leads_back_to_its_site_and_every_digest_is_compared(made: DataRoot) -> None:
    graph = graph_of(made, str(made.runs / "run-v1.1.0" / "checkpoints" / "best"))
    found = states(graph)
    assert found["checkpoint", "run"] == found["run", "release"] == found["release", "crawl"] == "verified"
    assert found["release", "source"] == "verified"
    assert not graph.faults
    assert f"crawl sample/{crawl_of(made).stem}" in text_of(graph)


def test_a_crawl_leads_on_to_what_was_made_of_it_and_of_nothing_else(made: DataRoot) -> None:
    graph = graph_of(made, crawl_of(made, 0).stem)
    assert f"release {REPO}@v1.0.0" in graph.things
    assert "run run-v1.0.0" in graph.things
    assert f"release {REPO}@v1.1.0" not in graph.things
    assert graph_of(made, str(crawl_of(made, 0))).to_json() == graph.to_json()


def test_a_source_leads_on_to_everything(made: DataRoot) -> None:
    kinds = [thing.kind for thing in graph_of(made, "sample").things.values()]
    assert (kinds.count("crawl"), kinds.count("release"), kinds.count("run"), kinds.count("decision")) == (2, 2, 2, 1)


@pytest.mark.parametrize("name", ["ref", "folder", "manifest", "newest"])
def test_a_release_is_found_by_each_of_its_names(made: DataRoot, name: str) -> None:
    release = releases_of(made)[1]
    given = {
        "ref": f"{REPO}@v1.1.0",
        "folder": str(release.folder),
        "manifest": str(release.folder / "manifest.json"),
        "newest": REPO,
    }[name]
    graph = graph_of(made, given)
    assert graph.subject == f"release {REPO}@v1.1.0"
    assert any(link.how == "follows" and link.older == f"release {REPO}@v1.0.0" for link in graph.links)


def test_a_build_of_the_same_content_is_told_by_its_release(made: DataRoot) -> None:
    assert graph_of(made, str(made.built(REPO))).subject == f"build {REPO}"
    assert not any(thing.kind == "build" for thing in graph_of(made, "sample").things.values())


def test_a_crawl_that_was_altered_breaks_the_link(data: DataRoot) -> None:
    with crawl_of(data).open("a", encoding="utf-8") as file:
        file.write('{"url": "http://x", "kind": "api"}\n')
    graph = graph_of(data, f"{REPO}@v1.1.0")
    assert states(graph)["release", "crawl"] == "broken"
    assert "its SHA-256 was" in graph.faults[0]


def test_a_crawl_that_is_gone_is_missing_and_no_fault(data: DataRoot) -> None:
    crawl_of(data).unlink()
    graph = graph_of(data, f"{REPO}@v1.1.0")
    assert states(graph)["release", "crawl"] == "missing"
    assert (graph.missing, graph.faults) == (1, [])


def test_a_release_of_older_code_says_that_it_does_not_keep_its_crawls_digest(data: DataRoot) -> None:
    releases_of(data)[1].with_manifest(crawl_sha256="")
    graph = graph_of(data, f"{REPO}@v1.1.0")
    assert states(graph)["release", "crawl"] == "stated"
    assert not graph.faults


def test_rules_that_were_altered_break_the_link(data: DataRoot) -> None:
    rules = releases_of(data)[1].manifest.transform["parameters"]["rules"]
    (data.raw("sample") / "blobs" / rules[:2] / rules).write_text("{}")
    assert states(graph_of(data, f"{REPO}@v1.1.0"))["release", "source"] == "broken"


def test_a_manifest_that_somebody_wrote_to_is_named(data: DataRoot) -> None:
    change(releases_of(data)[1].folder / "manifest.json", lambda told: told.update(title="another"))
    assert any("seal" in fault for fault in graph_of(data, f"{REPO}@v1.1.0").faults)


def test_a_shard_that_is_gone_is_named(data: DataRoot) -> None:
    (releases_of(data)[1].folder / "records" / "test-00000-of-00001.parquet").unlink()
    assert any("is gone" in fault for fault in graph_of(data, f"{REPO}@v1.1.0").faults)


def test_a_run_of_another_dataset_of_that_name_is_broken(data: DataRoot) -> None:
    other = {"digest": "0" * 64, "revision": "0" * 64}
    change(data.runs / "run-v1.1.0" / "config.json", lambda told: told["dataset"].update(other))
    graph = graph_of(data, "run-v1.1.0")
    assert states(graph)["run", "release"] == "broken"


def test_a_run_on_a_version_of_the_hub_that_was_never_read_here_is_missing(data: DataRoot) -> None:
    pinned = replace(releases_of(data)[1].version, digest="0" * 64, revision="0" * 40)
    fake_run(data, pinned, "elsewhere")
    graph = graph_of(data, "elsewhere")
    assert states(graph)["run", "release"] == "missing"
    assert (graph.faults, graph.things[f"release {REPO}@v1.1.0 (000000000000)"].place) == ([], "")


def test_a_checkpoint_of_another_recipe_than_its_run_is_broken(data: DataRoot) -> None:
    best = data.runs / "run-v1.1.0" / "checkpoints" / "best"
    change(best / "config.json", lambda told: told.update(training_digest="0" * 64))
    assert states(graph_of(data, str(best)))["checkpoint", "run"] == "broken"


def test_what_cannot_be_read_is_named_and_the_others_stay(data: DataRoot) -> None:
    (data.runs / "run-v1.0.0" / "config.json").write_text("{")
    graph = graph_of(data, "sample")
    assert "run run-v1.1.0" in graph.things
    assert any("run-v1.0.0" in told for told in graph.damaged)


@pytest.mark.parametrize(
    "given", ["nothing", "20200101T000000Z", f"{REPO}@v9.0.0", "champion:tests/beasts", "a/b/c", "."]
)
def test_what_names_nothing_is_refused_in_words(made: DataRoot, given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made.root)
    with pytest.raises((UsageError, ValueError), match=r"."):
        graph_of(made, given)


@pytest.mark.parametrize(
    "told",
    [
        {"dataset": {"repo_id": "../..", "tag": "v1.0.0", "revision": "0" * 64, "digest": "0" * 64}},
        {"dataset": {"repo_id": "a/b", "tag": "../x", "revision": "0" * 64, "digest": "0" * 64}},
        {"dataset": [1]},
        {},
    ],
)
def test_a_hostile_run_is_damaged_and_leads_nowhere(data: DataRoot, told: dict[str, object]) -> None:
    run = data.runs / "run-v1.0.0"
    (run / "config.json").write_text(json.dumps(told))
    archive = Archive(data)
    assert [one.folder.name for one in archive.runs] == ["run-v1.1.0"]
    assert len(archive.damaged) == 1
    with pytest.raises(ValueError, match="run-v1"):
        subject_of("run-v1.0.0", Archive(data))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("validation_bits", 10**400),
        ("validation_bits", float("nan")),
        ("step", 10**4000),
        ("step", True),
        ("step", None),
    ],
)
def test_odd_numbers_of_a_checkpoint_end_in_no_traceback(data: DataRoot, field: str, value: float | None) -> None:
    best = data.runs / "run-v1.1.0" / "checkpoints" / "best"
    change(best / "config.json", lambda told: told.update({field: value}))
    assert graph_of(data, "run-v1.1.0").subject == "run run-v1.1.0"
    with contextlib.suppress(ValueError):
        text_of(graph_of(data, str(best)))


@pytest.mark.parametrize(
    "words",
    [
        ["lineage", f"{REPO}@v1.0.0"],
        ["status", REPO],
        ["backfill", "rebuild", REPO, "v1.0.0", "--dry-run"],
        ["backfill", "rebuild", REPO, "--from", "v1.0.0", "--until", "v1.0.0", "--dry-run", "--again"],
        ["backfill", "train", REPO, "--presets", "tiny", "small", "--dry-run"],
        ["backfill", "crawls", "sample", "--name", "tests/history", "--dry-run"],
    ],
)
def test_the_commands_take_what_their_help_says(
    made: DataRoot, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(made.root / "prefect"))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    assert run([*words, "--data", str(made.root), "--json"]) == DONE


def test_the_command_ends_with_1_for_a_broken_link_and_0_for_a_missing_one(
    data: DataRoot, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    drawn = tmp_path / "graph.svg"
    assert lineage_verbs.lineage(data, f"{REPO}@v1.1.0", drawn, as_json=True) == DONE
    told = json.loads(capsys.readouterr().out)
    assert told["subject"] == f"release {REPO}@v1.1.0"
    assert {link["state"] for link in told["links"]} == {"verified", "stated"}
    assert ET.fromstring(drawn.read_text()).tag.endswith("svg")  # noqa: S314 - ours
    crawl_of(data).write_text("")
    assert lineage_verbs.lineage(data, f"{REPO}@v1.1.0", None, as_json=False) == FAILED
    with pytest.raises(UsageError, match="svg"):
        lineage_verbs.lineage(data, REPO, tmp_path / "graph.png", as_json=False)


def test_no_line_is_cut_in_a_pipe(made: DataRoot, capsys: pytest.CaptureFixture[str]) -> None:
    lineage_verbs.lineage(made, "sample", None, as_json=False)
    shown = capsys.readouterr().out
    assert str(made.runs / "run-v1.1.0") in shown
    assert "\x1b" not in shown
    assert max(map(len, shown.splitlines())) < 1000


def test_thousands_of_runs_are_followed_and_some_are_shown(data: DataRoot) -> None:
    version = releases_of(data)[0].version
    for number in range(2100):
        folder = data.runs / f"many-{number}"
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({"dataset": {"ref": version.ref, **_fields(version)}}))
    graph = graph_of(data, f"{REPO}@v1.0.0")
    assert len(graph.on(f"release {REPO}@v1.0.0")) == 2000
    assert graph.left_out == {f"release {REPO}@v1.0.0": 101}
    assert "… and 2,081 more" in text_of(graph)
    assert svg(graph).count("<g>") <= 61


def _fields(version: object) -> dict[str, object]:
    return {name: getattr(version, name) for name in ("repo_id", "tag", "revision", "digest")}


def test_a_champion_whose_model_is_gone_is_its_run(data: DataRoot) -> None:
    decide(data, releases_of(data)[0], "run-v1.0.0")
    graph = graph_of(data, "champion:tests/beasts")
    assert graph.subject == "run run-v1.0.0"
    assert any(link.how == "about" and link.older == graph.subject for link in graph.links)


def test_a_release_that_lies_elsewhere_is_followed_too(data: DataRoot, tmp_path: Path) -> None:
    away = releases_of(data)[1].folder.rename(tmp_path / "away")
    graph = graph_of(data, str(away))
    assert states(graph)["release", "crawl"] == "verified"
    assert "run run-v1.1.0" in graph.things


def test_two_contents_of_one_name_stay_apart(data: DataRoot, tmp_path: Path) -> None:
    release: Release = releases_of(data)[1]
    other = copy_of(data, tmp_path / "other")
    changed = releases_of(other)[1].with_manifest(digest="0" * 64)
    commit = data.places.cache / REPO / ("c" * 40)
    commit.parent.mkdir(parents=True)
    changed.folder.rename(commit)
    names = {thing.name for thing in graph_of(data, "sample").things.values() if thing.kind == "release"}
    assert names == {f"{REPO}@v1.0.0", release.version.ref, f"{release.version.ref} (000000000000)"}
    fake_run(data, release.version, "again")
    assert states(graph_of(data, "again"))["run", "release"] == "verified"


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80)
kinds = st.sampled_from(["source", "crawl", "release", "run", "model", "decision", "checkpoint", "build"])
things = st.builds(
    Thing,
    kind=kinds,
    name=names,
    place=names,
    facts=st.lists(st.tuples(names, names), max_size=2).map(tuple),
    fault=names,
)


@given(st.lists(things, min_size=1, max_size=8, unique_by=lambda one: one.key), st.data())
def test_whatever_things_are_called_pictures_are_whole_and_terminals_obey_nothing(
    found: list[Thing], data: st.DataObject
) -> None:
    graph = Graph(subject=found[0].key)
    for thing in found:
        graph.add(thing)
    for place in range(1, len(found)):
        older = data.draw(st.integers(0, place - 1))
        state = data.draw(st.sampled_from(["verified", "stated", "missing", "broken"]))
        graph.link(Link(older=found[older].key, newer=found[place].key, how="of", state=state, why=found[0].name))
    drawn = ET.fromstring(svg(graph))  # noqa: S314 - ours
    assert len(drawn.findall(".//{http://www.w3.org/2000/svg}g")) == len(found)
    assert mermaid(graph).count("<br/>") == len(found)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text_of(graph) + mermaid(graph))
