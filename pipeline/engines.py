"""Where the work of a build is done: in this process, in threads, in processes; elsewhere is the roof's business.

A build is told by a pool where its shards, its portions of a list and its pictures are worked on. A pool opens to a
`Run`, a function over items whose results come in the items' order, so every pool gives the same bytes.
"""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager

from pipeline.joining import Run
from pipeline.shard_build import ready

Pool = Callable[[], AbstractContextManager[Run]]
ORPHAN = 3  # exit status of a worker whose build went away


@contextmanager
def alone() -> Iterator[Run]:
    """Yield what runs a function over items in this process, one at a time."""
    yield map


def threads(workers: int) -> Pool:
    """Return a pool of threads of this process; ValueError when there are none."""
    _require_some(workers)

    @contextmanager
    def opened() -> Iterator[Run]:
        with ThreadPoolExecutor(workers) as pool:
            yield pool.map

    return opened


def processes(workers: int) -> Pool:
    """Return a pool of processes, begun by `spawn` because threads may be about; one is this process itself.

    A block that raises ends once the items that are under way are done, and processes whose parent is killed end with
    it: they would go on to write into the draft of the next build. ValueError when there are none.
    """
    _require_some(workers)
    if workers == 1:
        return alone

    @contextmanager
    def opened() -> Iterator[Run]:
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=spawn, initializer=_die_with_parent) as pool:
            for _ in range(workers):
                pool.submit(ready)  # a process takes half a second to begin: it does while this one reads the manifest
            try:
                yield pool.map
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    return opened


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(ORPHAN)  # at once: what it was writing stands in a draft, and is written anew


def _require_some(workers: int) -> None:
    if workers < 1:
        raise ValueError(f"{workers} workers can do no work: give 1 or more.")
