"""What `pixelbytes inspect REF --dropped` does: show what a release's quarantine holds, by stage and reason."""

from dataclasses import asdict

from rich.table import Table
from rich.text import Text

from flows.console import out, say
from flows.errors import DONE
from flows.settings import DataRoot
from flows.verbs import open_release
from pipeline.gates.yields import DropGroup, drop_groups
from pipeline.release import Release

SHOWN = 6  # ids of a group on the terminal


def dropped(root: DataRoot, release: str, *, as_json: bool) -> int:
    """Show what did not become a record, and why."""
    found = open_release(release, root)
    groups = drop_groups(found, None if as_json else SHOWN)
    if as_json:
        say({"release": found.version.ref, "dropped": [asdict(group) for group in groups]}, "", as_json=True)
    elif groups:
        out.print(dropped_table(found, groups))
    else:
        out.print(f"{found.version.ref} dropped nothing", markup=False, soft_wrap=True)
    return DONE


def dropped_table(release: Release, groups: tuple[DropGroup, ...]) -> Table:
    """Return the groups as a table: stage, count, reason, the first ids."""
    total = sum(group.count for group in groups)
    share = total / max(1, total + sum(release.manifest.counts.values()))
    table = Table(title=Text(f"Dropped from {release.version.ref}: {total:,} ({share:.1%})"), title_style="bold")
    table.add_column("stage", no_wrap=True)
    table.add_column("count", justify="right", no_wrap=True)
    table.add_column("reason", ratio=3, overflow="fold")
    table.add_column("records", ratio=2, overflow="fold")
    for group in groups:
        more = f" … {group.count - len(group.ids):,} more" if group.count > len(group.ids) else ""
        told = (group.stage, f"{group.count:,}", group.reason, ", ".join(group.ids) + more)
        table.add_row(*map(Text, told))
    return table
