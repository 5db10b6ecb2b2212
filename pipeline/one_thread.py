"""Matrix products on one thread: work is shared out in portions, and a library's own threads would fight for cores.

Left to itself a product of one portion wakes as many threads as there are cores, which spin while they wait for one
another: on two cores it took four fifths of the time and one and a half times the processor.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock

from threadpoolctl import ThreadpoolController

_LOCK = Lock()  # the limit is the whole process': a second thread would take it for what was set before, and keep it


@contextmanager
def on_one_thread() -> Iterator[None]:
    """Keep matrix products on one thread while this is entered, by one thread at a time; it takes microseconds."""
    with _LOCK, _libraries().limit(limits=1, user_api="blas"):
        yield


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()
