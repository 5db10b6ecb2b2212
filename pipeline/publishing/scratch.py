"""Folders of one run among several at once: each has its own, and whoever is killed leaves nothing in the way."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path


@contextmanager
def own_folder(parent: Path, name: str) -> Iterator[Path]:
    """Give the path of a folder that nobody else uses meanwhile, and that is gone afterwards; it is not made yet.

    There are as many of them as runs at the same time: what a killed run left is taken away by the next one.
    """
    for number in count():
        path = parent / f".{name}.{number}"
        with _locked(parent, f"{path.name}.lock", wait=False) as mine:
            if not mine:
                continue
            shutil.rmtree(path, ignore_errors=True)
            try:
                yield path
            finally:
                shutil.rmtree(path, ignore_errors=True)
            return


@contextmanager
def in_turn(parent: Path, name: str) -> Iterator[None]:
    """Wait until no other run does what `name` says in a folder; the lock is freed by the system when one dies."""
    with _locked(parent, f".{name}.lock", wait=True):
        yield


@contextmanager
def _locked(parent: Path, name: str, *, wait: bool) -> Iterator[bool]:
    """Hold a lock and tell whether it was had; PermissionError when the folder is somebody else's."""
    try:
        parent.mkdir(parents=True, exist_ok=True)
        file = (parent / name).open("a")
    except PermissionError as error:
        raise PermissionError(
            f"{parent} belongs to somebody else, who lets nothing be kept there: name your own data root with --data."
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
