"""What the command tells apart, and how it ends: 0 done, 1 failed, 2 bad usage, 3 a gate said no."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.release import DamagedRelease

LAST_PORT = 65_535
DONE, FAILED, BAD_USAGE, GATE_SAID_NO, INTERRUPTED = 0, 1, 2, 3, 130


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


def require_port(port: int) -> None:
    """Raise UsageError for what is no port."""
    if not 0 <= port <= LAST_PORT:
        raise UsageError(f"--port is {port}: give 0 (a free one) to {LAST_PORT}.")


def explain(error: BaseException) -> int:
    """Say on stderr why a command ended, and return its exit code; what nobody foresaw shows its traceback."""
    from flows.console import err
    from pipeline.publishing.audience import GateError

    if isinstance(error, KeyboardInterrupt):
        told, code = "interrupted: run the same command again and it goes on from here.", INTERRUPTED
    elif isinstance(error, UsageError):
        told, code = str(error), BAD_USAGE
    elif isinstance(error, GateError):
        told, code = f"a gate said no: {error}", GATE_SAID_NO
    elif isinstance(error, ModuleNotFoundError):
        told = f"{error.name} is not installed: pip install -c constraints.txt 'pixelbytes[train]' brings it."
        code = FAILED
    elif isinstance(error, ValueError | RuntimeError | OSError):
        told, code = f"failed: {error}", FAILED
    else:
        err.print_exception()
        return FAILED
    err.print(told, markup=False, soft_wrap=True)
    return code
