"""What every worker of a cluster must share with us: the same folders, the same code, and a way to Prefect's server.

Checked on every worker before work begins, for a build cannot go on where pages, index and draft are not seen, and
other versions of the libraries write other bytes.
"""

import os
import secrets
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.recipe import TRANSFORM_VERSION
from pipeline.release import code_version, made_with

ANSWER = 10  # seconds that Prefect's server may take to answer a worker
TOKEN = 16  # bytes of a mark
Everywhere = Callable[[Callable[[], str]], Mapping[str, str]]


@contextmanager
def marked(places: tuple[Path, ...]) -> Iterator[dict[Path, str]]:
    """Put a file into each folder while the block runs, and yield what each of them says."""
    marks: dict[Path, str] = {}
    try:
        for place in places:
            place.mkdir(parents=True, exist_ok=True)
            said = secrets.token_hex(TOKEN)
            mark = place.resolve() / f".shared-{said[:8]}"
            marks[mark] = said
            mark.write_text(said, encoding="ascii")
        yield marks
    finally:
        for mark in marks:
            mark.unlink(missing_ok=True)


def require_same(everywhere: Everywhere, marks: Mapping[Path, str], api: str) -> None:
    """Ask every worker whether it shares what it must; RuntimeError names the first that does not, and what."""
    try:
        told = everywhere(partial(fault, dict(marks), versions(), api))
    except ModuleNotFoundError as error:
        raise RuntimeError(
            f"a worker of the cluster lacks {error.name}: install pixelbytes[scale] there as here, by constraints.txt."
        ) from error
    if bad := {worker: said for worker, said in told.items() if said}:
        worker, said = next(iter(sorted(bad.items())))
        more = f" ({len(bad)} of {len(told)} workers say such a thing)" if len(bad) > 1 else ""
        raise RuntimeError(f"worker {worker} {said}{more}")


def versions() -> dict[str, str]:
    """Return what shapes the bytes of a shard beside its input: this code and the libraries that it writes with."""
    return {"pixelbytes": code_version(), "transform": str(TRANSFORM_VERSION), **made_with()}


def fault(marks: Mapping[Path, str], expected: Mapping[str, str], api: str) -> str:
    """Say what a worker does not share; empty when it shares all. Runs on the worker."""
    for mark, said in marks.items():
        if not _says(mark, said):
            return (
                f"does not see {mark.parent} as this process does, or may not write there: every worker must see the "
                "same data root, at the same path, on a file system that they share."
            )
    here = versions()
    if other := sorted(name for name, version in expected.items() if here.get(name) != version):
        told = ", ".join(f"{name} {here.get(name) or 'none'} instead of {expected[name]}" for name in other)
        return f"has {told}, and would write other bytes: install the same there, by constraints.txt."
    address = urlsplit(api)
    try:
        socket.create_connection((address.hostname or "", address.port or 443), ANSWER).close()
    except OSError as error:
        return (
            f"cannot reach Prefect's server at {api} ({error}): start one that it can reach, and name it in "
            "PREFECT_API_URL."
        )
    return ""


def _says(mark: Path, said: str) -> bool:
    """Tell whether a mark is seen, and its folder may be written to."""
    try:
        return mark.read_text(encoding="ascii") == said and os.access(mark.parent, os.W_OK)
    except (OSError, UnicodeDecodeError):
        return False
