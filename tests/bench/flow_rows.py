"""What orchestration costs: a rebuild of 1,000 records as plain calls of its stages, and as a flow on a real server.

The wiki is served and the server runs beside this process; both ways crawl, build, check and publish into new folders.
"""

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from flows.settings import DataRoot, quiet_prefect
from pipeline.publishing.folder_store import FolderStore
from pipeline.sample.wiki import serve_wiki
from tests.bench.rows import Row
from tests.own_wiki import large_wiki, source_file

RECORDS = 1000
RUNS = 3
NAME = "pixelbytes/bench"
TARGET = 1 / 1.05  # at most 5 % of a rebuild's time
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
        times: dict[tuple[str, Rebuild], list[float]] = {}
        for _ in range(RUNS):
            for way in (plain, flow):
                root = place / way.__name__
                for state in ("first", "nothing changed"):
                    times.setdefault((state, way), []).append(_timed(way, root, source))
                shutil.rmtree(root)
        for state in ("first", "nothing changed"):
            yield _row(state, times[state, plain], times[state, flow], started)


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


def _row(state: str, usual: list[float], ours: list[float], started: float) -> Row:
    alone, orchestrated = statistics.median(usual), statistics.median(ours)
    more = orchestrated - alone
    return Row(
        name=f"orchestration, a rebuild of {RECORDS:,} records ({state})",
        unit="records/s",
        reference="the same stages, called one after another",
        usual=RECORDS / alone,
        ours=RECORDS / orchestrated,
        target=TARGET,
        note=f"{alone:.2f} and {orchestrated:.2f} s: {more:+.2f} s, {more / alone:+.1%}; "
        f"the first flow of a process, its server included, took {started:.1f} s",
    )
