"""Run the benchmarks: `make bench`, or `python -m tests.bench [WORD …]`.

A word is the name of a set (pipeline, build, model, scan, train, generate, crawl, flow, layouts), which alone is then
run, or part of the names of the rows shown. Without a word all is run: some minutes a set. The sets `large`, which
builds 100,000 records, `scan`, whose naive loop takes minutes, `dedupe`, which builds eight releases and asks what each
would upload, and `splits`, which trains six models, are run only when they are named.
"""

import argparse

from rich.console import Console
from rich.table import Table

from tests.bench import (
    build_rows,
    crawl_rows,
    dedupe_rows,
    flow_rows,
    generate_rows,
    layout_rows,
    model_rows,
    pipeline_rows,
    scan_rows,
    split_rows,
    train_rows,
)

SETS = {
    "pipeline": pipeline_rows.rows,
    "build": build_rows.rows,
    "model": model_rows.rows,
    "scan": scan_rows.rows,
    "train": train_rows.rows,
    "generate": generate_rows.rows,
    "crawl": crawl_rows.rows,
    "flow": flow_rows.rows,
    "large": build_rows.large_rows,
    "dedupe": dedupe_rows.rows,
    "splits": split_rows.rows,
}
ON_REQUEST = {"large", "dedupe", "scan", "splits"}


def main(words: list[str]) -> None:
    """Print each row as soon as it is measured, then the table."""
    console = Console()
    table = Table("work", "unit", "the usual way", "usual", "ours", "ratio", "to reach", "note", title="Side by side")
    if words == ["layouts"]:
        layout_rows.report(console)
        return
    parts = [word for word in words if word not in SETS]
    for name in [word for word in words if word in SETS] or [name for name in SETS if name not in ON_REQUEST]:
        for row in SETS[name]():
            if parts and not any(part in row.name for part in parts):
                continue
            reached = "[green]" if row.ratio >= row.target else "[red]"
            cells = (f"{row.usual:,.4g}", f"{row.ours:,.4g}", f"{reached}{row.ratio:,.3g} ×[/]", f"{row.target:g} ×")
            console.print(row.name, *cells, row.note, soft_wrap=True)
            table.add_row(row.name, row.unit, row.reference, *cells, row.note)
    console.print(table)
    if not words:
        layout_rows.report(console)


if __name__ == "__main__":
    asked = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.partition("\n\n")[2])
    asked.add_argument("words", nargs="*", metavar="WORD", help="a set, or part of a row's name")
    main(asked.parse_args().words)
