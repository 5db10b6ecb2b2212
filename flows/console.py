"""What a person sees on the terminal: bars on long work and tables. Results go to stdout, all else to stderr."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from pipeline.build import Progress as OnProgress
from pipeline.crawl.survey import Survey
from pipeline.release import Gate

out = Console(highlight=False, emoji=False)
err = Console(stderr=True, highlight=False, emoji=False)


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


def gate_table(gates: Sequence[Gate]) -> Table:
    """Return the gates as a table: limit, value, and the worst records of a failure."""
    table = Table("gate", "limit", "found", "", "worst records", title="Gates")
    for gate in gates:
        verdict = "passed" if gate.passed else (f"let through: {gate.override}" if gate.override else "FAILED")
        style = "" if gate.passed else ("yellow" if gate.override else "red")
        table.add_row(gate.name, gate.limit, gate.value, verdict, ", ".join(gate.worst[:5]), style=style)
    return table


def yield_table(survey: Survey) -> Table:
    """Return the yields of a crawl, stage by stage."""
    limited = f", limited to its {survey.limited}" if survey.limited else ""
    table = Table("stage", "expected", "found", "", title=f"Crawl {survey.crawl} of {survey.source}{limited}")
    for stage in survey.yields:
        verdict, style = ("passed", "") if stage.passed else ("FAILED", "red")
        table.add_row(stage.stage, stage.limit, stage.value, verdict, style=style)
    return table
