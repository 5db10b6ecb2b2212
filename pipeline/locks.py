"""One process at a time for each folder, by a lock that the system frees when its holder dies, however it dies."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def only_one(folder: Path, doing: str, name: str = ".lock") -> Iterator[None]:
    """Hold a folder's lock `name` while the context lasts; RuntimeError when another process has it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RuntimeError(f"another process is {doing} {folder}: let it finish, then run again.") from error
        yield
