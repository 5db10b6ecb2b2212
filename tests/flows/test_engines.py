"""Which engines can be asked for, and what a cluster is given when; real clusters are in test_clusters_*."""

import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows import engines, streaming
from flows.app import engine_of
from flows.cli import run as command
from flows.clusters import Cluster, Work, dask_cluster, ray_cluster
from flows.engines import EngineName, EngineOptions, pool_of
from flows.errors import BAD_USAGE, UsageError
from flows.shared_places import fault, marked, require_same, versions
from flows.streaming import AHEAD, RETRIES, streamed
from pipeline.engines import alone


@pytest.fixture
def api() -> Iterator[str]:
    """The address of something that listens, as a worker tries to reach Prefect's server."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/api"


class WorkerDied(Exception):  # noqa: N818 - what a cluster says
    pass


@dataclass
class Later:
    """A task that is done when its result is asked for."""

    work: Work
    failing: list[BaseException]
    cluster: "OneByOne"

    def result(self) -> list[Any]:
        self.cluster.waiting.discard(id(self))
        if self.failing:
            raise self.failing.pop(0)
        return self.work()


@dataclass
class OneByOne:
    """A cluster in this thread, whose tasks fail as told."""

    slots: int = 2
    failing: list[BaseException] = field(default_factory=list)  # of the tasks that are given next, one after another
    waiting: set[int] = field(default_factory=set)
    most: int = 0
    cancelled: int = 0

    def submit(self, work: Work) -> Later:
        task = Later(work, [self.failing.pop(0)] if self.failing else [], self)
        self.waiting.add(id(task))
        self.most = max(self.most, len(self.waiting))
        return task

    def cancel(self, _: Later) -> None:
        self.cancelled += 1

    @property
    def cluster(self) -> Cluster:
        return Cluster(
            slots=self.slots, submit=self.submit, cancel=self.cancel, everywhere=lambda ask: {"one": ask()},
            lost=(WorkerDied,),
        )  # fmt: skip


@given(st.lists(st.integers(), max_size=200), st.integers(1, 5))
def test_results_come_in_order_while_few_tasks_are_under_way(items: list[int], slots: int) -> None:
    cluster = OneByOne(slots=slots)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streaming, "LARGEST", 2)
        assert list(streamed(cluster.cluster, str, items)) == [str(item) for item in items]
    assert cluster.most <= AHEAD * slots
    assert not cluster.waiting


def test_what_takes_less_than_its_way_to_a_cluster_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "_DONE_HERE", {str})
    cluster = OneByOne()
    assert list(streamed(cluster.cluster, str, range(40))) == [str(item) for item in range(40)]
    assert not cluster.most


def test_a_task_whose_worker_died_is_given_away_again_and_the_others_are_not() -> None:
    cluster = OneByOne(failing=[WorkerDied(), WorkerDied(), WorkerDied()])
    seen: list[int] = []
    assert list(streamed(cluster.cluster, seen.append, range(40))) == [None] * 40
    assert seen == list(range(40))


def test_a_worker_that_dies_of_every_task_ends_the_build_with_advice() -> None:
    cluster = OneByOne(failing=[WorkerDied("out of memory")] * (RETRIES + 5))
    with pytest.raises(RuntimeError, match=r"lost a worker 6 times.*out of memory.*Run this again"):
        list(streamed(cluster.cluster, str, [1]))


def test_an_error_of_ours_is_not_tried_again_and_what_waits_is_cancelled() -> None:
    def spoilt(item: int) -> int:
        calls.append(item)
        raise ValueError("an altered blob")

    calls: list[int] = []
    cluster = OneByOne()
    with pytest.raises(ValueError, match="an altered blob"):
        list(streamed(cluster.cluster, spoilt, range(100)))
    assert calls == [0]
    assert cluster.cancelled == len(cluster.waiting) > 0


@pytest.mark.parametrize(
    ("given_options", "told"),
    [
        ({"name": "spark"}, "engine 'spark' is not known: choose one of threads, processes, dask, ray"),
        ({"name": "dask", "workers": 0}, "0 workers can do no work"),
        ({"name": "processes", "address": "tcp://10.0.0.1:8786"}, "works on this machine"),
        ({"name": "ray", "address": " "}, "names no host and port"),
        ({"name": "ray", "address": "auto"}, "names no host and port"),
        ({"name": "dask", "address": "tcp://10.0.0.1:many"}, "names no host and port"),
        ({"name": "dask", "workers": 4, "address": "tcp://10.0.0.1:8786"}, "leave workers out"),
    ],
)
def test_what_does_not_go_together_is_bad_usage(given_options: dict[str, Any], told: str) -> None:
    options = {"workers": 1, "address": None, **given_options}
    with pytest.raises(UsageError, match=told):
        engine_of(**options)


@pytest.mark.parametrize("verb", ["build", "rebuild"])
def test_a_command_refuses_them_before_it_looks_for_anything(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [verb, "sample", "--address", "tcp://127.0.0.1:1", "--data", str(tmp_path)]
    assert command(asked) == BAD_USAGE
    assert "engine processes works on this machine" in " ".join(capsys.readouterr().err.split())
    assert not list(tmp_path.iterdir())


def test_a_missing_package_names_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"prefect_ray and ray: pip install .* 'pixelbytes\[scale\]'"):
        pool_of(EngineOptions(name="ray"))
    assert pool_of(EngineOptions()) is alone


@pytest.mark.parametrize("name", ["dask", "ray"])
def test_a_cluster_that_does_not_answer_is_told_at_once(name: EngineName) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    opened = {"dask": dask_cluster, "ray": ray_cluster}[name]
    address = f"tcp://127.0.0.1:{free}"
    with pytest.raises(RuntimeError, match=f"no cluster answers at {address}"), opened(1, address):
        pass


def test_a_worker_that_shares_all_has_no_fault(tmp_path: Path, api: str) -> None:
    with marked((tmp_path / "data", tmp_path / "else")) as marks:
        require_same(lambda ask: {"one": ask(), "two": ask()}, marks, api)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_worker_that_sees_another_folder_of_the_same_name_is_named(tmp_path: Path, api: str) -> None:
    with marked((tmp_path,)) as marks:
        others = dict.fromkeys(marks, "what stands there")
        missing = {tmp_path / "elsewhere": "x"}
        for seen in (others, missing):
            told = {"one": fault(marks, versions(), api), "two": fault(seen, versions(), api)}
            with pytest.raises(RuntimeError, match=r"worker two does not see .* same data root, at the same path"):
                require_same(lambda _, told=told: told, marks, api)


def test_a_worker_with_other_libraries_is_refused_for_it_would_write_other_bytes(api: str) -> None:
    told = fault({}, {**versions(), "pyarrow": "1.0.0"}, api)
    assert "instead of 1.0.0" in told
    assert "pyarrow" in told


def test_a_worker_that_does_not_reach_the_server_says_so() -> None:
    assert "cannot reach Prefect's server at http://127.0.0.1:9/api" in fault({}, versions(), "http://127.0.0.1:9/api")


def test_a_worker_without_this_code_is_told_what_to_install(api: str) -> None:
    def everywhere(_: Callable[[], str]) -> Mapping[str, str]:
        raise ModuleNotFoundError("No module named 'flows'", name="flows")

    with pytest.raises(RuntimeError, match=r"lacks flows: install pixelbytes\[scale\] there"):
        require_same(everywhere, {}, api)


def test_an_address_with_a_password_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValueError, match="name or password") as told:
        EngineOptions(name="dask", address="tcp://me:s3cr3t@127.0.0.1:8786")
    assert "s3cr3t" not in str(told.value)
