"""What `pixelbytes lineage` does: follow a thing back to its site and on to what was made of it."""

from pathlib import Path

from rich.console import Console, RenderableType

from flows.console import err, out, say
from flows.errors import DONE, FAILED, UsageError, given_by_user
from flows.lineage.archive import Archive
from flows.lineage.subject import subject_of
from flows.lineage.text import mermaid, tree
from flows.lineage.walk import trace
from flows.settings import DataRoot
from pipeline.release import write_text

WIDEST = 2_000  # columns of a line in a pipe, where nobody folds it


def lineage(root: DataRoot, given: str, graph: Path | None, *, as_json: bool) -> int:
    """Show a thing's lineage; exit 1 when a link of it is broken."""
    if graph is not None and graph.suffix not in {".svg", ".mmd"}:
        raise UsageError(f"--graph {graph}: give a file that ends in .svg, or in .mmd for Mermaid.")
    archive = Archive(root)
    with given_by_user():
        subject = subject_of(given, archive)
    found = trace(subject, archive)
    if as_json:
        say(found.to_json(), "", as_json=True)
    else:
        print_whole(tree(found))
    for told in found.damaged:
        err.print(f"cannot be read: {told}", style="red", markup=False, soft_wrap=True)
    if graph is not None:
        from flows.lineage.svg import svg

        write_text(graph, svg(found) if graph.suffix == ".svg" else mermaid(found))
        err.print(f"the graph: {graph}", style="dim", markup=False, soft_wrap=True)
    for fault in found.faults:
        err.print(f"broken: {fault}", style="red", markup=False, soft_wrap=True)
    return FAILED if found.faults else DONE


def print_whole(shown: RenderableType) -> None:
    """Print something whose long lines a terminal folds, and a pipe gets whole."""
    if out.is_terminal:
        out.print(shown)
        return
    wide = Console(file=out.file, width=WIDEST, highlight=False, emoji=False, no_color=True)
    with wide.capture() as captured:
        wide.print(shown)
    out.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))
