"""Pools of threads and processes: results in order, and the same bytes as alone."""

import operator
import os
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import build as building
from pipeline.build import build
from pipeline.engines import Pool, alone, processes, threads
from pipeline.release import Release
from tests.raw_stores import creatures, make_store, sample_source
from tests.whereabouts import process_of

NAME = "pixelbytes/small"


@given(st.lists(st.integers()), st.integers(1, 4))
def test_threads_give_results_in_the_order_of_their_items(items: list[int], workers: int) -> None:
    with threads(workers)() as run:
        assert list(run(str, items)) == [str(item) for item in items]


def test_threads_work_at_the_same_time() -> None:
    met = threading.Barrier(3)
    with threads(3)() as run:
        assert sorted(run(lambda _: met.wait(60), range(3))) == [0, 1, 2]


def test_one_process_is_this_one() -> None:
    here = threading.get_ident()
    with processes(1)() as run:
        assert list(run(lambda _: threading.get_ident(), [1])) == [here]


def test_processes_give_results_in_the_order_of_their_items() -> None:
    with processes(3)() as run:
        assert list(run(str, range(50))) == [str(item) for item in range(50)]
        assert list(run(str, [])) == []


def test_of_two_processes_this_is_one() -> None:
    found, until = set[int](), time.monotonic() + 60
    with processes(2)() as run:
        while len(found) < 2 and time.monotonic() < until:  # the other one takes its time to begin
            found.update(run(process_of, range(8)))
    assert len(found) == 2
    assert os.getpid() in found


def test_an_error_comes_when_its_item_would_wherever_it_was_made() -> None:
    with processes(2)() as run:
        for failing in range(12):
            items = [1] * 12
            items[failing] = 0
            got: list[int] = []
            with pytest.raises(ZeroDivisionError):
                got.extend(run(partial(operator.floordiv, 1), items))
            assert got == [1] * failing


PROGRAM = """
import __main__, os, threading
from pipeline.engines import processes
from tests.whereabouts import process_of

os.write(1, b"begun ")
if __name__ == "__main__":
    before = dict(vars(__main__))

    def both():
        with processes(2)() as run:
            found = set()
            while len(found) < 2:
                found.update(run(process_of, range(8)))

    builds = [threading.Thread(target=both) for _ in range(3)]
    for build in builds:
        build.start()
    for build in builds:
        build.join()
    os.write(1, b"same" if (__spec__, __file__) == (before["__spec__"], before["__file__"]) else b"lost")
"""


@pytest.mark.parametrize("way", [["program.py"], ["-m", "program"]], ids=["file", "module"])
def test_processes_begin_without_the_program_s_main_module_which_keeps_its_name(tmp_path: Path, way: list[str]) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    done = subprocess.run(
        [sys.executable, *way],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        check=True,
        timeout=120,
    )
    assert done.stdout == b"begun same"


@pytest.mark.parametrize("pool", [threads, processes])
def test_no_workers_are_refused(pool: "type[Pool]") -> None:
    with pytest.raises(ValueError, match="0 workers can do no work"):
        pool(0)


@pytest.mark.parametrize("pool", [threads(3), processes(2)], ids=["threads", "processes"])
def test_every_pool_gives_the_bytes_of_working_alone(
    tmp_path: Path, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "SHARD_ROWS", 4)
    store = make_store(tmp_path / "raw", creatures(30))
    one = build(sample_source(), store, tmp_path / "one", name=NAME, pool=alone)
    more = build(sample_source(), store, tmp_path / "more", name=NAME, pool=pool)
    assert len(one.shards("records", "train")) > 2
    assert _bytes(one) == _bytes(more)


def _bytes(release: Release) -> dict[str, bytes]:
    return {str(path.relative_to(release.folder)): path.read_bytes() for path in release.folder.rglob("*.parquet")}
