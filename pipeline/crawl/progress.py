"""How far a crawl is, as one line on a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a crawl is."""

    done: int  # resources that have their line
    total: int  # resources that the list asks for; 0 until it was read
    failed: int


@contextmanager
def bar(title: str) -> Iterator[Callable[[Progress], None]]:
    """Yield what draws progress as one line on a terminal, and nothing where standard error is none."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console, disable=not console.is_terminal) as shown:
        task = shown.add_task(title, total=None)

        def draw(progress: Progress) -> None:
            failed = f" ({progress.failed} failed)" if progress.failed else ""
            shown.update(task, completed=progress.done, total=progress.total or None, description=title + failed)

        yield draw
