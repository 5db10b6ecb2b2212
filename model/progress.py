"""A progress bar for training: loss, validation, pace and the time that is left."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from model.train import OnProgress, Progress

MANY_SECONDS, MANY_MINUTES = 100, 100  # from here on minutes, and hours, say more


def describe(at: Progress) -> str:
    """Return one line about where a run stands: what matters most comes first, so that nothing of it is cut off.

    >>> describe(Progress(step=1, steps=9, epoch=0, epochs=3, seconds=2.0, train_bits=4.5, tokens_per_second=9e4,
    ...                   validation_bits=None, best_bits=None))
    'epoch 1/3 · 4.500 bits/token · 90k tokens/s · 16 s left'
    """
    parts = [f"epoch {min(at.epoch + 1, at.epochs)}/{at.epochs}", f"{at.train_bits:.3f} bits/token"]
    parts += [f"{at.tokens_per_second / 1000:.0f}k tokens/s", f"{told_time(at.remaining)} left"]
    if at.best_bits is not None:
        parts.append(f"best {at.best_bits:,.0f}")  # of validation, bits per record
    return " · ".join(parts)


def told_time(seconds: float) -> str:
    """Return a time in the unit that says most.

    >>> told_time(16.2), told_time(600.0), told_time(36_000.0)
    ('16 s', '10 min', '10 h')
    """
    if seconds < MANY_SECONDS:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 60 * MANY_MINUTES else f"{seconds / 3600:.0f} h"


@contextmanager
def progress_bar(console: Console | None = None) -> Iterator[OnProgress]:
    """Show a bar while the block runs; give what it yields to `train` as `on_progress`."""
    columns = (BarColumn(bar_width=7), TextColumn("{task.description}"))  # fits 80 characters
    with Bar(*columns, console=console) as bar:
        task = bar.add_task("starting")

        def show(at: Progress) -> None:
            bar.update(task, total=at.steps, completed=at.step, description=describe(at))

        yield show
