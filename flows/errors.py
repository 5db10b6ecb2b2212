"""What the command tells apart."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.release import DamagedRelease


class UsageError(Exception):
    """Something the user gave that cannot be: an unknown source, version, palette or file."""


@contextmanager
def given_by_user() -> Iterator[None]:
    """Turn a ValueError about what the user gave into a UsageError (exit code 2)."""
    try:
        yield
    except DamagedRelease:
        raise  # not what was asked for is wrong, but what lies there
    except ValueError as error:
        raise UsageError(str(error)) from error
