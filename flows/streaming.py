"""A function over items on a cluster: in batches, few at a time, with results in order whatever becomes of a worker.

One Prefect task takes 0.1 to 0.3 s of Prefect's own, so it is given at least about a shard's records, and more where
there are many; what takes less than that is done here. Since few are under way at once, memory stays flat and the
server is not flooded.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from flows.clusters import Cluster, Future, Work, dask_cluster, ray_cluster, server_for_workers
from flows.console import err
from flows.engines import EngineOptions
from flows.shared_places import marked, require_same
from pipeline import build
from pipeline.joining import JOINED, Run, join_rows
from pipeline.looking import look_at
from pipeline.sketching import CHUNK, sketch

AHEAD = 3  # batches under way for each worker: one is worked on, the others wait for it
LARGEST = 8  # shards whose records one task may take
RETRIES = 5  # times that a batch is given away again after a worker was lost, beyond the cluster's own
_RECORDS = {sketch: CHUNK, join_rows: JOINED}  # of one item
_DONE_HERE = {look_at}  # a tenth of a second for megabytes that would have to travel


@contextmanager
def on_cluster(options: EngineOptions, places: tuple[Path, ...]) -> Iterator[Run]:
    """Yield what runs a function over items on a cluster whose workers share with us what they must."""
    opened = dask_cluster if options.name == "dask" else ray_cluster
    with (
        server_for_workers() as api,
        marked(places) as marks,
        opened(options.workers, options.address) as cluster,
    ):
        require_same(cluster.everywhere, marks, api)
        yield partial(streamed, cluster)


def streamed(cluster: Cluster, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
    """Yield what a function makes of items, in their order; raises what the function raises.

    RuntimeError when the cluster loses its workers over a batch again and again.
    """
    if function in _DONE_HERE:
        yield from map(function, items)
        return
    given = list(items)
    size = items_of_a_task(function, len(given), cluster.slots)
    under_way: deque[tuple[Work, Future]] = deque()
    try:
        for start in range(0, len(given), size):
            if len(under_way) >= AHEAD * cluster.slots:
                yield from _result(cluster, *under_way.popleft())
            work = partial(done, function, given[start : start + size])
            under_way.append((work, cluster.submit(work)))
        while under_way:
            yield from _result(cluster, *under_way.popleft())
    finally:
        for _, future in under_way:  # a cluster of others must not go on with what nobody waits for
            cluster.cancel(future)


def items_of_a_task(function: Callable[[Any], Any], count: int, slots: int) -> int:
    """Return how many of `count` items go into one task of a cluster that works on `slots` at once.

    At least about a shard's records; more where there is work for all, but never more than a few shards.

    >>> [items_of_a_task(partial(sketch, raw=Path("raw")), count, slots=2) for count in (3, 100, 10_000)]
    [8, 25, 64]
    """
    known = getattr(function, "func", function)  # under what was given to it beforehand
    shard = max(1, build.SHARD_ROWS // _RECORDS.get(known, build.SHARD_ROWS))
    return min(LARGEST * shard, max(shard, -(-count // (2 * slots))))


def done(function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    """Return what a function makes of a batch; runs on a worker."""
    return [function(item) for item in items]


def _result(cluster: Cluster, work: Work, future: Future) -> list[Any]:
    """Return the results of a batch, which is given away again when its worker was lost, and only then."""
    for _ in range(RETRIES):
        try:
            return future.result()
        except cluster.lost as error:
            err.print(f"    a worker was lost, another takes its part: {error}", markup=False, soft_wrap=True)
            future = cluster.submit(work)
    try:
        return future.result()
    except cluster.lost as error:
        raise RuntimeError(
            f"the cluster lost a worker {RETRIES + 1} times over the same part of the work ({error}): look into its "
            "logs, whether memory suffices. Run this again, and it goes on from the finished shards."
        ) from error
