"""Run the benchmarks: `make bench`, or `python -m tests.bench [WORD …]` for the rows whose names hold a word."""

import sys

from rich.console import Console
from rich.table import Table

from tests.bench import model_rows, pipeline_rows


def main(words: list[str]) -> None:
    """Print each row as soon as it is measured, then the table."""
    console = Console()
    table = Table("work", "unit", "the usual way", "usual", "ours", "ratio", "to reach", "note", title="Side by side")
    for module in (pipeline_rows, model_rows):
        for row in module.rows():
            if words and not any(word in row.name for word in words):
                continue
            reached = "[green]" if row.ratio >= row.target else "[red]"
            cells = (f"{row.usual:,.4g}", f"{row.ours:,.4g}", f"{reached}{row.ratio:,.3g} ×[/]", f"{row.target:g} ×")
            console.print(row.name, *cells)
            table.add_row(row.name, row.unit, row.reference, *cells, row.note)
    console.print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
