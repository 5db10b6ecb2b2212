"""Items shared between a pool's workers and this process: each takes the next one when it is free."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from typing import Any

ROOM = 64  # items that are begun and whose results were not asked for: more would take memory
SPARE = 4  # such items for each worker, where there are many workers


class Shared(Iterator[Any]):
    """What a function makes of items, in their order: by the workers of a pool that are up, and here meanwhile.

    Workers begin at once, and are given the next item when one comes back, whatever this process is at: it may do other
    things before it asks for a result. An item waits for each worker, so that it has none to wait for, unless it is
    among the last ones, which go to whoever is free. An error comes when its item would, and ends the whole.
    """

    def __init__(
        self, pool: Executor, up: Sequence[Future[Any]], function: Callable[[Any], Any], items: Iterable[Any]
    ) -> None:
        """Begin; each of the pool's workers has begun itself once its future among `up` is done."""
        self._pool, self._function = pool, function
        self._left = deque(items)
        self._begun = deque[Future[Any]]()  # in the items' order: those whose results were not taken yet
        self._up = self._away = 0  # workers, and items that they have
        self._lock = threading.RLock()  # results come in a thread of the pool, at once when they are there already
        for one in up:
            one.add_done_callback(self._came_up)

    def __next__(self) -> Any:  # noqa: ANN401 - whatever the function gives
        """Return the next result."""
        first = self._first()
        if first is None:
            raise StopIteration
        try:
            return first.result()
        except BaseException:
            self._end()
            raise

    def _first(self) -> Future[Any] | None:
        """Return the next result, which may be away still when nothing is to be done here; None after the last one."""
        while True:
            with self._lock:
                self._hand_out()
                if not self._left or self._is_full() or (self._begun and self._begun[0].done()):
                    return self._begun.popleft() if self._begun else None
                item, here = self._left.popleft(), Future[Any]()
                self._begun.append(here)
            try:
                here.set_result(self._function(item))
            except Exception as error:  # noqa: BLE001 - raised again by `result`
                here.set_exception(error)

    def _end(self) -> None:
        """Begin nothing more."""
        with self._lock:
            self._left.clear()
            begun, self._begun = self._begun, deque()
        for one in begun:
            one.cancel()

    def _hand_out(self) -> None:
        with suppress(RuntimeError):  # the pool is broken or closed: who asks for its results hears of it
            while self._left and self._away < self._waiting() and not self._is_full():
                begun = self._pool.submit(self._function, self._left[0])
                self._left.popleft()
                self._begun.append(begun)
                self._away += 1
                begun.add_done_callback(self._came_back)

    def _waiting(self) -> int:
        """Return how many items the workers should have now."""
        return self._up * (1 + (len(self._left) > self._up))

    def _is_full(self) -> bool:
        return len(self._begun) >= max(ROOM, SPARE * self._up)

    def _came_up(self, worker: Future[Any]) -> None:
        if _is_well(worker):
            with self._lock:
                self._up += 1
                self._hand_out()

    def _came_back(self, done: Future[Any]) -> None:
        if _is_well(done):  # nothing is needed after an error; and a pool may tell of its end under a lock of its own
            with self._lock:
                self._away -= 1
                self._hand_out()


def _is_well(done: Future[Any]) -> bool:
    return not done.cancelled() and done.exception() is None
