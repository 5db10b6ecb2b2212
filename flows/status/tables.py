"""A status as tables for a person: no part is cut, whatever a site or a server said is printed and not obeyed."""

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from flows.lineage.text import plain
from flows.status.report import Status

FIRST = (
    "nothing was made in {} yet. To begin: `pixelbytes demo` runs the bundled sample end to end; "
    "`pixelbytes rebuild SOURCE` makes a dataset of a site or a folder."
)
_STYLES = {"failed": "red", "running": "green", "unfinished": "yellow", "waiting": ""}
MOST_DISK = 12
UNFINISHED = 10  # trainings that are shown of those that were never finished


def tables(status: Status) -> Group:
    """Return all of a status that there is something to say of."""
    if status.empty:
        return Group(Text(FIRST.format(plain(status.data))))
    parts: list[RenderableType] = [Text(f"data root {plain(status.data)}", style="dim")]
    parts += [_crawls(status)] if status.crawls else []
    parts += [_repos(status)] if status.repos else []
    parts += _work(status)
    parts += [_reigns(status)] if status.reigns else []
    parts += [_disk(status)] if status.disk else []
    parts += [Text(f"damaged: {plain(told)}", style="bold red") for told in status.damaged]
    return Group(*parts)


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], styles: Iterable[str] = ()) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for name in columns:
        number = name in {"records", "versions", "asked for", "failed", "files", "MB", "bits per record"}
        table.add_column(name, overflow="fold", justify="right" if number else "left")
    every = list(styles)
    for place, row in enumerate(rows):
        cells = [Text(plain(f"{cell:,}" if isinstance(cell, int) else str(cell))) for cell in row]
        table.add_row(*cells, style=every[place] if every else "")
    return table


def _crawls(status: Status) -> Table:
    rows, styles = [], []
    for one in status.crawls:
        note = [f"limited to its {one.limited}"] if one.limited else []
        note += [f"{one.unfinished} is under way, or was cut off"] if one.unfinished else []
        rows.append((one.source, when(one.crawl) or "never", one.lines, one.failed, one.yields or "", "; ".join(note)))
        styles.append("yellow" if one.failed or note else "")
    return _table("Last crawls", ("source", "begun", "asked for", "failed", "yields", ""), rows, styles)


def _repos(status: Status) -> Table:
    rows = []
    for one in status.repos:
        note = ["on the Hub, as last read"] if one.place == "hub" else []
        note += [f"yanked: {', '.join(one.yanked)}"] if one.yanked else []
        note += [one.waiting] if one.waiting else []
        made = one.made.replace("+00:00", "Z")
        rows.append((one.repo, one.newest or "none", made, one.records, one.versions, one.visibility, "; ".join(note)))
    return _table("Releases", ("dataset", "newest", "made", "records", "versions", "seen by", ""), rows)


def _work(status: Status) -> list[RenderableType]:
    """Return what runs, and where that is known from."""
    unfinished = [one for one in status.work if one.state == "unfinished"]
    shown = [one for one in status.work if one.state != "unfinished"] + unfinished[:UNFINISHED]
    rows = [(one.state, one.what, one.about, one.since.replace("+00:00", "Z"), one.detail) for one in shown]
    parts: list[RenderableType] = []
    if rows:
        styles = [_STYLES[one.state] for one in shown]
        parts.append(_table("Runs", ("", "what", "about", "since", ""), rows, styles))
    told = f"runs: {plain(status.server)}; {status.finished_runs:,} finished trainings"
    told += f", {len(unfinished) - UNFINISHED:,} more unfinished" if len(unfinished) > UNFINISHED else ""
    return [*parts, Text(told if rows else f"nothing runs. {told}", style="dim")]


def _reigns(status: Status) -> Table:
    rows = []
    for one in status.reigns:
        bits = "" if one.bits is None else f"{one.bits:,.1f} on {one.on}"
        decision = f"{one.version}: {one.outcome}. {one.why}" if one.outcome else ""
        since = one.since.replace("+00:00", "Z")
        rows.append((one.repo, one.champion or "none", bits, since, decision))
    return _table("Champions", ("dataset", "champion", "bits per record", "since", "last decision"), rows)


def _disk(status: Status) -> Table:
    shown = status.disk[:MOST_DISK]
    rows = [(one.part, f"{'' if one.whole else 'over '}{one.bytes / 1e6:,.1f}", one.files) for one in shown]
    return _table("Disk", ("part", "MB", "files"), rows)


def when(crawl: str) -> str:
    """Return the time that a crawl is named by as ISO 8601.

    >>> when("20261121T214004Z")
    '2026-11-21T21:40:04Z'
    """
    if len(crawl) != len("20261121T214004Z"):
        return crawl
    return f"{crawl[:4]}-{crawl[4:6]}-{crawl[6:8]}T{crawl[9:11]}:{crawl[11:13]}:{crawl[13:15]}Z"
