"""Dask and Ray as one kind of thing: a cluster that takes Prefect tasks. Only what differs between them is here.

Without an address a cluster of processes on loopback is begun, and ended with us; one that was named is left alone.
"""

import logging
import os
import secrets
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stdout
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext, TagsContext, TaskRunContext
from prefect.exceptions import CrashedRun
from prefect.server.api.server import SubprocessASGIServer
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.task_runners import TaskRunner

from flows.engines import host_and_port
from flows.server import start_guarded_server

WAIT = 60  # seconds that a cluster may take to have a worker
STORE = 512 * 2**20  # bytes that results may take which wait in a Ray cluster of our own
LOOPBACK = "127.0.0.1"
Work = Callable[[], list[Any]]


class Future(Protocol):
    """What will come of a Prefect task."""

    def result(self) -> list[Any]:
        """Wait for the result; raises what the task raised, or what became of its worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A cluster that is there."""

    slots: int  # tasks that it works on at once
    submit: Callable[[Work], Future]  # as a Prefect task
    cancel: Callable[[Any], None]
    everywhere: Callable[[Callable[[], str]], Mapping[str, str]]  # on every worker, by its name; no Prefect task
    lost: tuple[type[BaseException], ...]  # what a task ends with whose worker died


@task(name="build-part", cache_policy=NO_CACHE, persist_result=False, log_prints=False)
def build_part(work: Work) -> list[Any]:
    """Do a part of a build, about a shard's records."""
    return work()


def _submit(runner: TaskRunner[Any], apart: Context, work: Work) -> Future:
    """Give a part of a build to a cluster."""
    future: Future = apart.run(runner.submit, build_part, {"work": work})
    return future


def _apart() -> Context:
    """Return the context that tasks are given from: this one, without the flow and the task that we may be in.

    Prefect sends those along, with their functions and all that these refer to; no worker needs that, and what a flow
    was loaded from need not be there. A tag names the flow's run instead.
    """
    context = copy_context()
    run = FlowRunContext.get()
    if run is not None and run.flow_run is not None:
        named = TagsContext(current_tags={f"flow-run {run.flow_run.name}"})
        context.run(TagsContext.__var__.set, named)
    variables: tuple[ContextVar[Any], ...] = (FlowRunContext.__var__, TaskRunContext.__var__)
    for variable in variables:
        context.run(variable.set, None)
    return context


@contextmanager
def server_for_workers() -> Iterator[str]:
    """Let workers tell this process' Prefect server of their tasks, and yield its address.

    One that does not know a server would begin its own.
    """
    if given := PREFECT_API_URL.value():
        yield given
        return
    ours = SubprocessASGIServer()  # one for each process
    if ours.server_process is None:
        start_guarded_server()
    with temporary_settings({PREFECT_API_URL: ours.api_url}):
        yield ours.api_url


@contextmanager
def dask_cluster(workers: int, address: str | None) -> Iterator[Cluster]:
    """Yield the Dask cluster at an address, or one of our own; RuntimeError when it has no worker."""
    if address:
        _require_there(address)
    import distributed
    from prefect_dask.task_runners import DaskTaskRunner

    own = {
        "n_workers": workers,
        "threads_per_worker": 1,
        "host": LOOPBACK,
        "dashboard_address": f"{LOOPBACK}:0",
        "memory_limit": 0,  # nothing is written to disk when memory runs short
        "silence_logs": logging.ERROR,
    }
    logging.getLogger("distributed").setLevel(logging.ERROR)
    with DaskTaskRunner(address=address) if address else DaskTaskRunner(cluster_kwargs=own) as runner:
        try:
            client = runner.client
            client.wait_for_workers(1, timeout=WAIT)
        except OSError as error:  # a timeout is one, too
            raise RuntimeError(f"no Dask cluster with a worker is at {address or 'hand'}: {error}") from error
        yield Cluster(
            slots=sum(client.nthreads().values()),
            submit=partial(_submit, runner, _apart()),
            cancel=lambda future: future.wrapped_future.cancel(),
            everywhere=client.run,
            lost=(distributed.KilledWorker, distributed.CancelledError, CrashedRun),
        )


@contextmanager
def ray_cluster(workers: int, address: str | None) -> Iterator[Cluster]:
    """Yield the Ray cluster at an address, or one of our own; RuntimeError when there is none."""
    if address:
        _require_there(address)
    with _environment(_for_ray(address)), redirect_stdout(sys.stderr):  # Ray prints there what became of a worker
        import ray  # reads it now
        from prefect_ray import RayTaskRunner  # type: ignore[import-untyped]  # it ships none

        quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
        own = {"address": "local", "num_cpus": workers, "include_dashboard": False, "object_store_memory": STORE}
        stack = ExitStack()
        try:
            runner = stack.enter_context(RayTaskRunner(address=address, init_kwargs=quiet if address else quiet | own))
        except (OSError, RuntimeError, ValueError) as error:
            raise RuntimeError(
                f"no Ray cluster is at {address or 'hand'} ({error}): begin one, or name another; one that asks for a "
                "token wants RAY_AUTH_MODE=token and its token in RAY_AUTH_TOKEN here."
            ) from error
        lost = ray.exceptions
        with stack:
            yield Cluster(
                slots=max(1, int(ray.cluster_resources().get("CPU", 1))),  # type: ignore[no-untyped-call]
                submit=partial(_submit, runner, _apart()),
                cancel=lambda future: ray.cancel(future.wrapped_future),
                everywhere=_on_every_node,
                lost=(
                    lost.WorkerCrashedError,
                    lost.NodeDiedError,
                    lost.ObjectLostError,
                    lost.OutOfMemoryError,
                    CrashedRun,
                ),
            )


def _for_ray(address: str | None) -> dict[str, str]:
    """Return what Ray is told by its environment; what the user has set stays.

    A cluster of our own, and whoever speaks to one on this machine, listens on loopback alone, not on all interfaces:
    Ray knows that as a way for other systems than Linux. Ours has a token of its own, kept in no file.
    """
    told = {"RAY_USAGE_STATS_ENABLED": "0"}
    if not address or _is_loopback(address):
        told["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    if not address:
        told |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    return {name: value for name, value in told.items() if name not in os.environ}


@contextmanager
def _environment(added: Mapping[str, str]) -> Iterator[None]:
    """Let the environment say more while the block runs."""
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def _on_every_node(ask: Callable[[], str]) -> dict[str, str]:
    """Ask every machine of the Ray cluster that we are connected with."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    remote = ray.remote(num_cpus=0)(_asked)
    nodes = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    answers = [
        remote.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote(ask)
        for node in nodes
    ]
    names = [f"{node['NodeManagerAddress']} ({node['NodeID'][:8]})" for node in nodes]
    try:
        return dict(zip(names, ray.get(answers, timeout=WAIT), strict=True))
    except ray.exceptions.GetTimeoutError as error:
        raise RuntimeError(f"not every machine of the Ray cluster answered in {WAIT} s: {', '.join(names)}.") from error


def _asked(ask: Callable[[], str]) -> str:
    return ask()


def _require_there(address: str) -> None:
    """Speak at once where nobody listens: the libraries try for minutes."""
    host, port = host_and_port(address)
    try:
        socket.create_connection((host or "", port or 0), WAIT).close()
    except OSError as error:
        raise RuntimeError(f"no cluster answers at {address} ({error}): begin it, or name another.") from error


def _is_loopback(address: str) -> bool:
    host, _ = host_and_port(address)
    return host is not None and (host in {"localhost", "::1"} or host.startswith("127."))
