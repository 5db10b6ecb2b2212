"""What orchestration costs: a rebuild of 1,000 records as a flow on a real server, and its stages' own share of that.

The time within the stages is taken in the same run, since a crawl's own time varies by more than orchestration costs;
the stages as plain calls are run in turn all the same. Server and wiki run beside.
"""

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from flows.settings import DataRoot, quiet_prefect
from pipeline.publishing.folder_store import FolderStore
from pipeline.sample.wiki import serve_wiki
from tests.bench.rows import Row
from tests.own_wiki import large_wiki, source_file

RECORDS = 1000
RUNS = 3
NAME = "pixelbytes/bench"
TARGET = 0.95  # at most 5 % of a rebuild's time
Rebuild = Callable[[Path, str], None]


def rows() -> Iterator[Row]:
    """Yield a first rebuild, which fetches everything, and a second one, which finds nothing changed."""
    with tempfile.TemporaryDirectory() as folder, serve_wiki(large_wiki(RECORDS)) as served:
        place = Path(folder)
        quiet_prefect(DataRoot(place))
        from flows.server import start_guarded_server

        source = str(source_file(place, served.port))
        begun = time.perf_counter()
        start_guarded_server()
        flow(place / "warm", source)
        started = time.perf_counter() - begun
        plain(place / "warm-plain", source)
        inside = _stage_times()
        times: dict[str, list[tuple[float, float, float]]] = {"first": [], "nothing changed": []}
        for _ in range(RUNS):
            for found in times.values():
                alone = _timed(plain, place / "plain", source)
                inside.clear()
                found.append((alone, _timed(flow, place / "flow", source), sum(inside)))
            shutil.rmtree(place / "plain")
            shutil.rmtree(place / "flow")
        for state, found in times.items():
            yield _row(state, *map(statistics.median, zip(*found, strict=True)), started)


def _stage_times() -> list[float]:
    """Return a list that grows by the seconds of each stage that a flow runs."""
    from flows import dataset_tasks as tasks

    seconds: list[float] = []
    stages = (tasks.crawl_source, tasks.survey_crawl, tasks.build_release, tasks.last_release, tasks.check_release)
    for stage in (*stages, tasks.publish_release):
        stage.fn = _counted(stage.fn, seconds)
    return seconds


def _counted(stage: Callable[..., Any], seconds: list[float]) -> Callable[..., Any]:
    def run(*given: Any, **named: Any) -> Any:
        begun = time.perf_counter()
        try:
            return stage(*given, **named)
        finally:
            seconds.append(time.perf_counter() - begun)

    return run


def plain(root: Path, source: str) -> None:
    """Rebuild by calling the stages one after another, as the functions that they are."""
    from flows import dataset_tasks as tasks

    data = DataRoot(root)
    store = FolderStore(data.releases)
    tasks.crawl_source.fn(source, data)
    tasks.survey_crawl.fn(source, data)
    release = tasks.build_release.fn(source, NAME, data)
    store.publish(tasks.check_release.fn(release, store.last(NAME)))


def flow(root: Path, source: str) -> None:
    """Rebuild by the flow, whose runs and tasks a server keeps."""
    from flows.rebuild_dataset import rebuild_dataset

    rebuild_dataset(source, NAME, data=str(root))


def _timed(way: Rebuild, root: Path, source: str) -> float:
    begun = time.perf_counter()
    way(root, source)
    return time.perf_counter() - begun


def _row(state: str, alone: float, flow_seconds: float, stages: float, started: float) -> Row:
    more = flow_seconds - stages
    return Row(
        name=f"orchestration, a rebuild of {RECORDS:,} records ({state})",
        unit="records/s",
        reference="the time within its stages, in the same run",
        usual=RECORDS / stages,
        ours=RECORDS / flow_seconds,
        target=TARGET,
        note=f"{flow_seconds:.2f} s, {more:.2f} of them orchestration ({more / flow_seconds:.1%}); as plain calls "
        f"{alone:.2f} s; the first flow of a process, its server included, took {started:.1f} s",
    )
