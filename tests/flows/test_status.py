"""`pixelbytes status`: everything at one look, also when half of it is missing or damaged; and plots over versions."""

import io
import json
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from flows.errors import DONE, FAILED, UsageError
from flows.lineage.archive import Archive
from flows.settings import DataRoot
from flows.status import verbs as status_verbs
from flows.status import work as status_work
from flows.status.figures import Figure, Series, figure_svg
from flows.status.metrics import metrics_of
from flows.status.page import figures_of, metrics_page
from flows.status.report import Status
from flows.status.tables import tables
from pipeline.locks import only_one
from tests.traced import REPO, copy_of, decide, fake_run, releases_of, traced_root, write


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    """A data root with two versions, a run on each, and a champion."""
    data = traced_root(tmp_path_factory.mktemp("made") / "data")
    decide(data, releases_of(data)[0], "run-v1.0.0")
    decide(data, releases_of(data)[1], "run-v1.1.0", promoted=False)
    return data


@pytest.fixture
def data(made: DataRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataRoot:
    """The same, to be damaged; no server is named."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    return copy_of(made, tmp_path / "data")


def status_of(data: DataRoot, repo: str | None = None) -> Status:
    return status_verbs.look(data, Archive(data), repo)


def shown(status: Status) -> str:
    body = io.StringIO()
    Console(file=body, width=400, force_terminal=True).print(tables(status))
    return body.getvalue()


def test_a_whole_data_root_is_told_part_by_part(data: DataRoot) -> None:
    status = status_of(data)
    (crawl,), (repo,), (reign,) = status.crawls, status.repos, status.reigns
    assert (crawl.source, crawl.crawls, crawl.failed, crawl.lines) == ("sample", 2, 0, 25)
    assert crawl.yields == "12 listed, 12 joined, 12 built"
    assert (repo.repo, repo.newest, repo.versions, repo.records, repo.waiting) == (REPO, "v1.1.0", 2, 12, "")
    assert (reign.champion, reign.bits, reign.on, reign.outcome) == (
        "tests/beasts-lstm@v1.0.0",
        101.5,
        "v1.0.0",
        "kept",
    )
    assert (status.work, status.finished_runs, status.damaged) == ((), 2, ())
    assert {disk.part for disk in status.disk} >= {"raw", "releases", "builds", "runs", "champions"}


def test_an_empty_data_root_says_what_to_do_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_verbs.status(DataRoot(tmp_path / "none"), None, None, as_json=False) == DONE
    assert "pixelbytes demo" in capsys.readouterr().out
    assert not (tmp_path / "none").exists()


def test_the_command_ends_with_1_when_something_is_damaged(data: DataRoot, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_verbs.status(data, None, None, as_json=True) == DONE
    told = json.loads(capsys.readouterr().out)
    assert told["repos"][0]["newest"] == "v1.1.0"
    assert told["metrics"][0]["versions"][1]["records"] == 12
    (releases_of(data)[1].folder / "manifest.json").write_text("{")
    assert status_verbs.status(data, None, None, as_json=True) == FAILED
    told = json.loads(capsys.readouterr().out)
    assert told["repos"][0]["newest"] == "v1.0.0"


DAMAGES = {
    "a manifest": f"releases/{REPO}/v1.1.0/manifest.json",
    "a build": f"builds/{REPO}/manifest.json",
    "a run": "runs/run-v1.0.0/config.json",
    "decisions": f"champions/{REPO}/decisions.jsonl",
    "a champion": f"champions/{REPO}/champion.json",
    "a crawl": "raw/sample/crawls/*.jsonl",
}


@pytest.mark.parametrize("what", DAMAGES)
@pytest.mark.parametrize("body", [b"{\n", b"\xff\xfe\n", b"[1]\n", b'{"time": 1}\n'])
def test_what_is_damaged_is_a_line_and_hides_nothing_else(data: DataRoot, what: str, body: bytes) -> None:
    for path in data.root.glob(DAMAGES[what]):
        path.write_bytes(body)
    status = status_of(data)
    assert status.damaged
    assert "damaged: " in shown(status)
    assert bool(status.crawls) + bool(status.repos) + bool(status.reigns) + bool(status.disk) >= 3


def test_one_dataset_alone_is_told_alone(data: DataRoot) -> None:
    write(data.root / "champions/other/beasts/champion.json", {})
    (data.root / "raw/other/crawls").mkdir(parents=True)
    status = status_of(data, REPO)
    assert [one.repo for one in (*status.repos, *status.reigns)] == [REPO, REPO]
    assert [one.source for one in status.crawls] == ["sample"]
    with pytest.raises(UsageError, match="org/name"):
        status_verbs.status(data, "../..", None, as_json=True)


def test_a_dataset_of_the_hub_is_told_as_it_was_last_read(data: DataRoot) -> None:
    release = releases_of(data)[1]
    place = data.places.cache / REPO / ("c" * 40)
    place.parent.mkdir(parents=True)
    release.folder.rename(place)
    shutil.rmtree(data.releases)
    (repo,) = status_of(data).repos
    assert (repo.newest, repo.versions, repo.place, repo.waiting) == ("v1.1.0", 1, "hub", "")
    assert "on the Hub, as last read" in shown(status_of(data))


def test_a_build_that_a_gate_stopped_waits(data: DataRoot) -> None:
    (build,) = (one for one in Archive(data).builds if one.manifest.name == REPO)
    gates = tuple(gate for gate in build.manifest.gates)
    failed = type(gates[0])(name="yield", limit="at least 9", value="1", passed=False)
    build.with_manifest(digest="0" * 64, gates=(*gates, failed))
    assert "stopped by yield" in status_of(data).repos[0].waiting


def test_what_holds_a_lock_runs_and_what_was_never_finished_waits_for_us(data: DataRoot) -> None:
    fake_run(data, releases_of(data)[0].version, "cut-off", epoch=1)
    held = fake_run(data, releases_of(data)[0].version, "going", epoch=1)
    org, _, name = REPO.partition("/")
    with only_one(data.root / "locks" / org, "rebuilding", f"{name}.lock"), only_one(held, "training in"):
        found = {one.about: (one.what, one.state) for one in status_of(data).work}
    assert found == {
        REPO: ("rebuilding", "running"),
        "going": ("training", "running"),
        "cut-off": ("training", "unfinished"),
    }
    assert {one.state for one in status_of(data).work} == {"unfinished"}  # nobody holds a lock any more


def test_a_server_that_does_not_answer_is_said_and_the_rest_is_told(
    data: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent() -> list[status_work.Work]:
        raise ConnectionError("with a secret in it")

    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    monkeypatch.setenv("PREFECT_HOME", str(data.root / "prefect"))
    monkeypatch.setattr(status_work, "_asked", silent)
    status = status_of(data)
    assert "gave no runs (ConnectionError)" in status.server
    assert "secret" not in shown(status)
    assert status.repos


def test_an_unfinished_crawl_is_told(data: DataRoot) -> None:
    (data.raw("sample") / "crawls" / "20990101T000000Z.jsonl.part").write_text("")
    assert status_of(data).crawls[0].unfinished == "20990101T000000Z"


hostile = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@given(hostile)
def test_a_terminal_obeys_nothing_that_a_status_says(text: str) -> None:
    work = status_work.Work(what=text, about=text, state="failed", since=text, detail=text)
    told = shown(Status(data=text, work=(work,), server=text, damaged=(text,)))
    plain_text = re.sub(r"\x1b\[[0-9;]*m", "", told)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", plain_text)


def test_metrics_follow_every_version_with_its_models(data: DataRoot) -> None:
    (history,) = metrics_of(Archive(data), REPO)
    first, second = history.versions
    assert (first.version, first.added, first.records) == ("v1.0.0", 10, 10)
    assert (second.version, second.added, second.records, second.outcome) == ("v1.1.0", 2, 12, "kept")
    champion = first.best("champion")
    assert champion is not None
    assert champion.bits == 101.5
    assert second.bytes["tokens"] > 0
    assert set(second.tokens) == {"text", "pixel", "separator"}
    assert metrics_of(Archive(data), "no/such") == ()


def test_the_page_of_plots_is_whole_and_fetches_nothing(data: DataRoot, tmp_path: Path) -> None:
    page = tmp_path / "metrics.html"
    assert status_verbs.status(data, None, page, as_json=False) == DONE
    text = page.read_text(encoding="utf-8")
    assert text.count('<svg class="plot"') == 8
    assert not re.search(r"<script|<link|src=|url\(|@import|https?:", text)
    hostile_page = metrics_page(metrics_of(Archive(data)), "<script>x</script>")
    assert "<script" not in hostile_page
    assert "No dataset" in metrics_page((), "nowhere")


def test_the_first_version_hides_no_later_change(data: DataRoot) -> None:
    (history,) = metrics_of(Archive(data))
    (changes,) = (one for one in figures_of(history.versions) if one.title == "Changes")
    assert [series.values for series in changes.series] == [(None, 2.0), (None, 0.0), (None, 0.0)]


values = st.lists(st.none() | st.floats(-1e12, 1e12) | st.sampled_from([0.0, 1.0]), min_size=1, max_size=40)


@given(values, st.booleans())
def test_any_numbers_stand_inside_their_plot(given_values: list[float | None], stacked: bool) -> None:
    found = [abs(one) if stacked and one is not None else one for one in given_values]
    versions = tuple(f"v1.{place}.0" for place in range(len(found)))
    series = Series(name="one", values=tuple(found))
    svg = str(figure_svg(Figure(title="t", unit="u", versions=versions, series=(series,), stacked=stacked)))
    assert bool(svg) == (stacked or any(one is not None for one in found))
    heights = [float(y) for y in re.findall(r' c?y1?="(-?[0-9.]+)"', svg)]
    assert all(0 <= y <= 300 for y in heights)
    assert len(re.findall(r'text-anchor="middle"', svg)) <= 12
