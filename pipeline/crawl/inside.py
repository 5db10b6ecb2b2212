"""Reading files of a folder that is not trusted: only plain files inside it, none too large, no link out of it."""

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

MISSING, NO_ANSWER = 404, 0  # statuses of a file that is not there, and of one that is not read
_LAST_SECOND = 253_402_300_799  # of the year 9999: a file's time may be anything


class UnreadableFileError(ValueError):
    """A file that is missing (status 404) or is not read (status 0); the message says why."""

    def __init__(self, message: str, status: int = NO_ANSWER) -> None:
        """Say why, with the status of its line."""
        super().__init__(message)
        self.status = status


def read_inside(folder: Path, path: str, limit: int) -> tuple[bytes, str]:
    """Return the bytes of a plain file inside `folder`, at most `limit` of them, and its time, ISO 8601 UTC.

    Links are followed where they stay inside. Raises UnreadableFileError for whatever else the path leads to: nothing,
    another place, a folder, a pipe, a device, a file that is too large or may not be read.
    """
    try:
        root = folder.resolve(strict=True)
        plain = not Path(path).is_absolute() and ".." not in Path(path).parts
        real = (root / path).resolve() if plain else Path()
        if not real.is_relative_to(root):  # even whether something is there is not said
            raise UnreadableFileError(f"the path {path!r} leads out of the folder: give one inside it")  # noqa: TRY301
        return _read(root, real.relative_to(root).parts, path, limit)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UnreadableFileError(f"the folder has no file {path!r}", MISSING) from error
    except UnreadableFileError:
        raise
    except (OSError, ValueError, RuntimeError) as error:  # no permission; NUL in the path; links in a ring
        why = error.strerror if isinstance(error, OSError) else "its path leads nowhere"  # and not where we stand
        raise UnreadableFileError(f"the file {path!r} cannot be read: {why}") from error


def _read(root: Path, parts: tuple[str, ...], path: str, limit: int) -> tuple[bytes, str]:
    """Read a file folder by folder from `root` and follow no link, so that none can be put in the way meanwhile."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    place = os.open(root, flags | os.O_DIRECTORY)
    try:
        for part in parts[:-1]:
            inner = os.open(part, flags | os.O_DIRECTORY, dir_fd=place)
            os.close(place)
            place = inner
        name = parts[-1] if parts else "."
        _require_plain(os.stat(name, dir_fd=place, follow_symlinks=False), path, limit)
        with os.fdopen(os.open(name, flags, dir_fd=place), "rb") as file:
            status = os.fstat(file.fileno())
            _require_plain(status, path, limit)
            body = file.read(limit + 1)
    finally:
        os.close(place)
    if len(body) > limit:
        raise UnreadableFileError(f"the file {path!r} has more than the {limit} bytes allowed")
    return body, _iso(status.st_mtime)


def _require_plain(status: os.stat_result, path: str, limit: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableFileError(f"{path!r} is no plain file but a {_kind(status.st_mode)}")
    if status.st_size > limit:
        raise UnreadableFileError(f"the file {path!r} has {status.st_size} bytes, more than the {limit} allowed")


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "folder", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket", stat.S_IFLNK: "link"}
    return kinds.get(stat.S_IFMT(mode), "device")


def _iso(seconds: float) -> str:
    moment = datetime.fromtimestamp(min(max(int(seconds), 0), _LAST_SECOND), UTC)
    return moment.isoformat().replace("+00:00", "Z")
