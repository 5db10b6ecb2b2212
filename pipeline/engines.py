"""Where the work of a build is done: in this process, in threads, in processes; elsewhere is the roof's business.

A build is told by a pool where its shards, its portions of a list and its pictures are worked on. A pool opens to a
`Run`, a function over items whose results come in the items' order, so every pool gives the same bytes.
"""

import atexit
import gc
import logging
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from pipeline.joining import Run
from pipeline.shard_build import ready
from pipeline.sharing import Shared

Pool = Callable[[], AbstractContextManager[Run]]
ORPHAN = 3  # exit status of a worker whose build went away
GARBAGE = 50_000, 20, 100  # of a worker, as gc.set_threshold takes them
_STARTING = threading.Lock()


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
    """Return a pool of processes, this one among them; the others begin by `spawn`, because threads may be about.

    They know nothing of the program's main module: functions and items must come from modules that have a name.
    A block that raises ends once the items that are under way are done, and processes whose parent is killed end with
    it: they would go on to write into the draft of the next build. ValueError when there are none.
    """
    _require_some(workers)
    if workers == 1:
        return alone
    helpers = workers - 1

    @contextmanager
    def opened() -> Iterator[Run]:
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(helpers, mp_context=spawn, initializer=_begin) as pool:
            with _without_main():
                up = [pool.submit(ready) for _ in range(helpers)]  # half a second each, while this one works already
            try:
                yield lambda function, items: Shared(pool, up, function, items)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    return opened


@contextmanager
def _without_main() -> Iterator[None]:
    """Let processes begin without the program's main module: they need nothing of it, and Prefect's takes a second.

    multiprocessing leaves it out when it cannot tell where it came from, and has no other word for that. For these few
    milliseconds no other thread should begin processes of its own that need the main module.
    """
    main = vars(sys.modules["__main__"])
    with _STARTING:
        known: dict[str, Any] = {name: main.pop(name) for name in ("__spec__", "__file__") if name in main}
        main["__spec__"] = None
        try:
            yield
        finally:
            main.update(known)


def _begin() -> None:
    """Make a new worker end with its parent, and soon: to take apart what it holds costs a tenth of a second.

    It looks for garbage less often than Python would, for what a build makes hangs in no cycles: 4 % of its time.
    """
    atexit.register(_leave)
    gc.set_threshold(*GARBAGE)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()


def _leave() -> None:
    logging.shutdown()  # what it wrote is not lost
    os._exit(0)


def _end_after(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(ORPHAN)  # at once: what it was writing stands in a draft, and is written anew


def _require_some(workers: int) -> None:
    if workers < 1:
        raise ValueError(f"{workers} workers can do no work: give 1 or more.")
