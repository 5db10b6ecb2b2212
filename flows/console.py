"""What a person sees on the terminal: bars on long work and tables. Results go to stdout, all else to stderr."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from pipeline.build import Progress as OnProgress
from pipeline.crawl.survey import Survey
from pipeline.release import Gate

out = Console(highlight=False, emoji=False)
err = Console(stderr=True, highlight=False, emoji=False)
WORST_SHOWN = 5  # records named of a failed gate; the manifest names more


def say(result: dict[str, object], text: str, *, as_json: bool) -> None:
    """Write a result to stdout: for a machine or for a person."""
    if as_json:
        out.print_json(json.dumps(result, default=str))
    else:
        out.print(text, soft_wrap=True, markup=False)


@contextmanager
def counting(title: str, unit: str) -> Iterator[OnProgress]:
    """Show a bar on stderr while the block runs; give what it yields to whoever counts."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=err) as bar:
        task = bar.add_task(title, total=None)

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield show


@contextmanager
def working(title: str) -> Iterator[None]:
    """Show on stderr that something is done whose end nobody can tell; only on a terminal."""
    with err.status(title, spinner="line"):
        yield


def gate_table(gates: Sequence[Gate]) -> Table:
    """Return the gates as a table: limit, value, verdict; the worst records and overrides where there are any.

    Names and verdicts are never cut; what else is long goes on in the next line.
    """
    table = Table(title="Gates")
    table.add_column("gate", no_wrap=True)
    table.add_column("limit", ratio=4, overflow="fold")
    table.add_column("found", ratio=5, overflow="fold")
    table.add_column("", no_wrap=True)
    has_worst, has_override = any(gate.worst for gate in gates), any(gate.override for gate in gates)
    if has_worst:
        table.add_column("worst", ratio=4, overflow="fold")
    if has_override:
        table.add_column("because", ratio=3, overflow="fold")
    for gate in gates:
        verdict = "passed" if gate.passed else ("let through" if gate.override else "FAILED")
        style = "" if gate.passed else ("yellow" if gate.override else "red")
        cells = [gate.name, gate.limit, gate.value, verdict]
        cells += [", ".join(gate.worst[:WORST_SHOWN])] if has_worst else []
        cells += [gate.override] if has_override else []
        table.add_row(*map(_as_is, cells), style=style)
    return table


def _as_is(text: str) -> Text:
    """Return a text that may quote a site: nothing in it is markup, nothing of it is obeyed by a terminal."""
    return Text("".join(sign if sign.isprintable() else " " for sign in text))


def yield_table(survey: Survey) -> Table:
    """Return the yields of a crawl, stage by stage."""
    limited = f", limited to its {survey.limited}" if survey.limited else ""
    table = Table("stage", "expected", "found", "", title=f"Crawl {survey.crawl} of {survey.source}{limited}")
    for stage in survey.yields:
        verdict, style = ("passed", "") if stage.passed else ("FAILED", "red")
        table.add_row(stage.stage, stage.limit, stage.value, verdict, style=style)
    return table
