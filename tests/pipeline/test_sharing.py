"""Items shared between workers and this process: order, what begins when, and how much waits."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import sharing
from pipeline.sharing import Shared

UP = Future[None]()
UP.set_result(None)


class Workers(Executor):
    """Workers whose hands we are: what they were given is done when the test says so."""

    def __init__(self) -> None:
        self.given = deque[tuple[Future[Any], Callable[[], Any]]]()
        self.broken = False

    def submit(self, function: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        if self.broken:
            raise BrokenExecutor("a worker is gone")
        asked = Future[Any]()
        self.given.append((asked, lambda: function(*args)))
        return asked

    def come_back(self) -> None:
        """Finish the item that was given first."""
        asked, work = self.given.popleft()
        try:
            asked.set_result(work())
        except ZeroDivisionError as error:
            asked.set_exception(error)


@contextmanager
def at_once(workers: int) -> Iterator[tuple[Executor, list[Future[None]]]]:
    with ThreadPoolExecutor(workers) as pool:
        yield pool, [UP] * workers


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 3)), st.integers(1, 3))
def test_results_come_in_the_order_of_their_items_however_long_each_takes(naps: list[int], workers: int) -> None:
    def work(item: tuple[int, int]) -> int:
        place, nap = item
        time.sleep(nap / 1000)
        return place

    with at_once(workers) as (pool, up):
        assert list(Shared(pool, up, work, enumerate(naps))) == list(range(len(naps)))


def test_workers_begin_before_a_result_is_asked_for_and_go_on_while_none_is() -> None:
    workers = Workers()
    shared = Shared(workers, [UP], str, range(100))
    assert len(workers.given) == 2  # one to do, and one that waits for it
    for _ in range(5):
        workers.come_back()
    assert len(workers.given) == 2
    assert [next(shared) for _ in range(5)] == ["0", "1", "2", "3", "4"]


def test_few_results_wait_to_be_asked_for() -> None:
    workers = Workers()
    shared = Shared(workers, [UP], str, range(100))
    done = 0
    while workers.given:
        workers.come_back()
        done += 1
    assert done == sharing.ROOM
    assert [next(shared) for _ in range(done)] == [str(place) for place in range(done)]
    assert workers.given  # and there is room again


def test_the_last_items_go_to_whoever_is_free() -> None:
    workers = Workers()
    results = Shared(workers, [UP], str, range(3))
    assert len(workers.given) == 2
    workers.come_back()
    assert len(workers.given) == 1, "the last item waits for no worker that is at work"
    assert next(results) == "0"
    threading.Timer(0.05, workers.come_back).start()
    assert list(results) == ["1", "2"]  # the last one was done here meanwhile
    assert not workers.given


def test_this_process_works_until_the_first_result_is_there() -> None:
    workers, here = Workers(), list[int]()

    def work(item: int) -> int:
        here.append(item)
        if item == 5:
            workers.come_back()  # item 0, at last: which is `here` too, for we are the workers' hands
        return item

    results = Shared(workers, [UP], work, range(100))
    assert next(results) == 0
    assert here == [2, 3, 4, 5, 0]


def test_a_worker_that_begins_late_is_given_its_part_at_once() -> None:
    workers, late = Workers(), Future[None]()
    Shared(workers, [late], str, range(100))
    assert not workers.given
    late.set_result(None)
    assert len(workers.given) == 2


def test_a_worker_that_never_begins_leaves_all_of_it_here() -> None:
    workers, gone = Workers(), Future[None]()
    gone.set_exception(BrokenExecutor("it ran out of memory"))
    assert list(Shared(workers, [gone], str, range(9))) == [str(place) for place in range(9)]
    assert not workers.given


def test_what_a_lost_worker_had_is_told_when_its_turn_comes() -> None:
    workers = Workers()
    results = Shared(workers, [UP], str, range(9))
    workers.come_back()
    workers.broken = True
    for asked, _ in workers.given:
        asked.set_exception(BrokenExecutor("it ran out of memory"))
    assert next(results) == "0"
    with pytest.raises(BrokenExecutor, match="out of memory"):
        next(results)


def test_after_an_error_nothing_more_is_begun() -> None:
    workers, begun = Workers(), list[int]()

    def work(item: int) -> int:
        begun.append(item)
        return 1 // (item - 2)

    results = Shared(workers, [UP], work, range(50))
    workers.come_back()
    assert next(results) == -1
    workers.come_back()
    assert next(results) == -1
    workers.come_back()  # its item is 2
    with pytest.raises(ZeroDivisionError):
        next(results)
    before = len(begun)
    assert list(results) == []
    while workers.given:
        asked, _ = workers.given.popleft()
        assert asked.cancelled()
    assert len(begun) == before


def test_where_the_first_result_stays_away_this_process_waits_for_it_in_the_end() -> None:
    workers, here = Workers(), list[int]()

    def work(item: int) -> int:
        here.append(item)
        if len(here) == sharing.ROOM - 2:  # all there is room for, but for the two that are away
            threading.Timer(0.05, workers.come_back).start()
        return item

    results = Shared(workers, [UP], work, range(500))
    assert next(results) == 0
    assert here == [*range(2, sharing.ROOM), 0]


def test_a_pool_that_tells_of_its_end_under_a_lock_of_its_own_is_not_kept_waiting() -> None:
    stuck = list[bool]()

    class Ending(Workers):
        """Breaks while it is given an item, and tells of that in a thread of its own before it answers."""

        def submit(self, function: Callable[..., Any], /, *args: Any, **given: Any) -> Future[Any]:
            for asked, _ in () if self.broken else self.given:
                self.broken = True
                telling = threading.Thread(target=asked.set_exception, args=(BrokenExecutor("gone"),), daemon=True)
                telling.start()
                telling.join(5)
                stuck.append(telling.is_alive())
            return super().submit(function, *args, **given)

    results = Shared(Ending(), [UP], str, range(9))
    with pytest.raises(BrokenExecutor, match="gone"):
        next(results)
    assert stuck == [False]
    assert list(results) == []
