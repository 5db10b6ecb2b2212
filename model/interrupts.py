"""Ending a training at the end of a step: SIGTERM and Ctrl-C ask for it, and nothing is lost."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class TrainingStopped(RuntimeError):  # noqa: N818 - no error: it was asked for
    """A training that was asked to end early, and kept its state."""


class StopRequest:
    """Whether somebody has asked for the end."""

    def __init__(self) -> None:
        """Start without a wish."""
        self.name = ""

    @property
    def wanted(self) -> bool:
        """Tell whether a signal came."""
        return bool(self.name)


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Note SIGTERM and Ctrl-C instead of dying of them; a second one does what it did before.

    Outside of the main thread nothing changes: Python lets no other one handle signals.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def give_back() -> None:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    def note(number: int, _: FrameType | None) -> None:
        request.name = signal.Signals(number).name
        give_back()

    try:
        for number in SIGNALS:
            signal.signal(number, note)
        yield request
    finally:
        give_back()
