"""Files that are there whole or not at all: written beside their place, then moved into it."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def put_bytes(path: Path, data: bytes, scratch: Path) -> None:
    """Write a file, or replace it, in one step; `scratch` is a folder on the same disk."""
    handle, name = tempfile.mkstemp(dir=scratch)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        put_file(Path(name), path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name)  # noqa: PTH108 - a name, not a path


def put_file(made: Path, path: Path) -> None:
    """Move a finished file into its place, over whatever is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made.replace(path)


def put_once(path: Path, data: bytes, scratch: Path) -> None:
    """Write a file that is named by its content, unless it is there already."""
    if not path.exists():
        put_bytes(path, data, scratch)
