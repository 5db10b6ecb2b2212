"""One process at a time for each folder, by a lock that the system frees when its holder dies, however it dies."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, cast

POLL = 0.2  # seconds between two looks at a lock that is waited for
_SHOWN = 120  # bytes of what a holder says of itself


@contextmanager
def only_one(
    folder: Path, doing: str, name: str = ".lock", *, patience: float = 0.0, signed: bool = False
) -> Iterator[None]:
    """Hold a folder's lock `name` while the context lasts; RuntimeError when another process has it.

    That one is waited for up to `patience` seconds. Nobody stands in line: who looks first when it ends is next.
    With `signed`, the file says who holds it, for whoever has to wait. ValueError for a patience that is no time.
    """
    if not patience >= 0:
        raise ValueError(f"patience is {patience}: give the seconds to wait, 0 for not at all.")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("a+b", buffering=0) as file:
        lock = cast("BinaryIO", file)
        until = time.monotonic() + patience
        while not _taken(lock):
            left = until - time.monotonic()
            if left <= 0:
                raise RuntimeError(
                    f"another process is {doing} {folder}{_holder(lock)}: let it finish, then run again."
                )
            time.sleep(min(POLL, left))
        if signed:
            with suppress(OSError):  # such as a full disk: the lock holds all the same
                _sign(lock)
        yield


def _taken(lock: BinaryIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sign(lock: BinaryIO) -> None:
    """Leave in the file who holds it, to be told to whoever waits; it outlives us, so nothing relies on it."""
    lock.truncate(0)
    lock.write(f"process {os.getpid()} since {datetime.now(UTC).isoformat(timespec='seconds')}\n".encode())


def _holder(lock: BinaryIO) -> str:
    """Return what the holder said of itself, in brackets; empty when it has said nothing yet."""
    lock.seek(0)
    said = lock.read(_SHOWN).partition(b"\n")[0].decode("ascii", "replace")
    told = "".join(sign for sign in said if sign.isprintable())
    return f" ({told})" if told else ""
