"""What a record costs, stage by stage, for docs/scaling.md: `python -m tests.bench.unit_costs build 20000`.

`build N` builds N records of the enlarged sample alone and prints processor time, memory and bytes; `tasks ENGINE N`
gives N empty tasks to two workers of a Dask or Ray cluster and prints what one costs.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType

from flows.app import root_for_flows
from pipeline import build as building
from pipeline import engines, joining
from pipeline.drafts import WORK
from pipeline.release import Release
from tests.augmented import augmented, make_large_store
from tests.raw_stores import sample_source

STAGES = {"read_crawl": joining, "sketch": building, "split_families": joining, "build_shard": building}
OWN_SHARE = {"_done_here": engines}  # of what is shared out, what a build's own process does
NAME = "pixelbytes/bench"


@contextmanager
def timed(spent: dict[str, float], places: Mapping[str, ModuleType]) -> Iterator[None]:
    """Add up the processor time that functions of modules take in this process."""

    def counted(name: str, function: Callable[..., object]) -> Callable[..., object]:
        def run(*given: object, **named: object) -> object:
            begun = time.process_time()
            try:
                return function(*given, **named)
            finally:
                spent[name] = spent.get(name, 0.0) + time.process_time() - begun

        return run

    kept = {name: getattr(place, name) for name, place in places.items()}
    for name, place in places.items():
        setattr(place, name, counted(name, kept[name]))
    try:
        yield
    finally:
        for name, place in places.items():
            setattr(place, name, kept[name])


def build_costs(count: int) -> None:
    """Build so many records and print what each costs."""
    with tempfile.TemporaryDirectory() as folder:
        store = make_large_store(Path(folder) / "raw", augmented(count))
        index: list[int] = []
        spent: dict[str, float] = {}

        def told(_done: int, _steps: int) -> None:
            index.append(sum(path.stat().st_size for path in (Path(folder) / ".out.part" / WORK).glob("index*")))

        begun, before = time.perf_counter(), time.process_time()
        with timed(spent, STAGES):
            release = building.build(sample_source(), store, Path(folder) / "out", name=NAME, progress=told)
        used = time.process_time() - before
        print(f"{count:,} records: {time.perf_counter() - begun:.1f} s by the clock, {used:.1f} s of one processor")
        for name in STAGES:
            print(f"  {name:16} {1e6 * spent[name] / count:8.0f} µs of processor a record")
        print(f"  {'everything':16} {1e6 * used / count:8.0f}")
        before = time.process_time()
        with timed(spent, OWN_SHARE):
            building.build(sample_source(), store, Path(folder) / "again", name=NAME, pool=engines.processes(2))
        alone = time.process_time() - before - spent["_done_here"]
        print(f"  with two processes, the first of all {1e6 * alone / count:.0f} µs a record beside its share")
        for name, size in {**_bytes(release), "index": max(index), "raw store": _size(store.root)}.items():
            print(f"  {name:16} {size / count:8.0f} bytes a record")
        print(f"  most memory {_peak():.0f} MB; {sum(release.manifest.tokens.values()) / count:.0f} tokens a record")


def _bytes(release: Release) -> dict[str, int]:
    return {
        config: sum(shard.bytes for shards in splits.values() for shard in shards)
        for config, splits in release.manifest.configs.items()
    }


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _peak() -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e6


def task_costs(engine: str, count: int) -> None:
    """Give a cluster of two workers so many empty tasks, and print what begins it and what each costs."""
    with tempfile.TemporaryDirectory() as folder:
        root_for_flows(Path(folder))
        from flows.clusters import dask_cluster, ray_cluster, server_for_workers

        opened = dask_cluster if engine == "dask" else ray_cluster
        with server_for_workers():
            begun = time.perf_counter()
            with opened(2, None) as cluster:
                nothing = partial(list, [0])
                for task in [cluster.submit(nothing) for _ in range(4)]:
                    task.result()
                first = time.perf_counter() - begun
                begun, before = time.perf_counter(), time.process_time()
                tasks = [cluster.submit(nothing) for _ in range(count)]
                given = time.process_time() - before
                for task in tasks:
                    task.result()
                each = (time.perf_counter() - begun) / count
        print(
            f"{engine}: cluster and first tasks {first:.1f} s; then {1e3 * each:.0f} ms a task by the clock "
            f"with two workers, of which {1e3 * given / count:.0f} ms of processor to give it away"
        )


if __name__ == "__main__":
    what, *given = sys.argv[1:]
    if what == "build":
        build_costs(int(given[0]))
    else:
        task_costs(given[0], int(given[1]))
