"""What `pixelbytes diff` does: compare two releases, as a table, for a machine, or as a page of before and after."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Group
from rich.table import Table
from rich.text import Text

from flows.console import err, out, say
from flows.errors import DONE
from flows.settings import DataRoot
from flows.verbs import open_release
from pipeline.diff import ASPECTS, KINDS, Comparison, compare
from pipeline.diff_page import render_diff
from pipeline.release import Release, mode_of, write_text

SHOWN = 20  # records of one kind on the terminal


def diff(root: DataRoot, old: str, new: str, page: Path | None, *, as_json: bool) -> int:
    """Compare two releases; whether they differ is an answer, not a failure."""
    before, after = open_release(old, root), open_release(new, root)
    found = compare(before, after)
    if page:
        write_text(page, render_diff(before, after, found), mode_of(before, after))
        err.print(f"before and after: {page}", style="dim", markup=False, soft_wrap=True)
    if as_json:
        say(_as_json(before, after, found), "", as_json=True)
    else:
        out.print(_told(before, after, found))
    return DONE


def _as_json(old: Release, new: Release, found: Comparison) -> dict[str, object]:
    return {
        "old": asdict(old.version),
        "new": asdict(new.version),
        "version": found.version,
        "meaning": list(found.meaning),
        **{kind: list(getattr(found.changes, kind)) for kind in KINDS},
        "aspects": {key: list(aspects) for key, aspects in found.aspects.items()},
        "reasons": dict(found.reasons),
        "splits": {split: dict(counts) for split, counts in found.splits.items()},
    }


def _told(old: Release, new: Release, found: Comparison) -> Group | Text:
    """Return what a person reads: counts by split, what of the changed records changed, and the first of each kind."""
    title = f"{old.version.ref} → {new.version.ref}"
    if not found.changes and not found.meaning:
        return Text(f"no difference: {title}")
    return Group(_counts(title, found), *_summary(found), *_named(found))


def _counts(title: str, found: Comparison) -> Table:
    table = Table("split", title=Text(title), title_style="bold", show_footer=True)
    table.columns[0].footer = "all"
    for kind in KINDS:
        table.add_column(kind, justify="right", footer=f"{len(getattr(found.changes, kind)):,}")
    for split, counts in found.splits.items():
        table.add_row(split, *(f"{counts[kind]:,}" for kind in KINDS))
    return table


def _summary(found: Comparison) -> list[Text]:
    lines = []
    if counted := Counter(aspect for aspects in found.aspects.values() for aspect in aspects):
        parts = [f"{aspect} of {counted[aspect]:,}" for aspect in ASPECTS if counted[aspect]]
        lines.append(Text(f"what changed: {', '.join(parts)}"))
    if found.meaning:
        lines.append(Text(f"what gives ids their meaning changed: {', '.join(found.meaning)}"))
    if found.version:
        lines.append(Text(f"calls for {found.version}"))
    return lines


def _named(found: Comparison) -> list[Text]:
    changes = found.changes
    return [
        *_first("added", [(key, "") for key in changes.added]),
        *_first("changed", [(key, ", ".join(found.aspects[key]) or "only its digest") for key in changes.changed]),
        *_first("removed", [(key, found.reasons[key]) for key in changes.removed]),
    ]


def _first(kind: str, rows: Sequence[tuple[str, str]]) -> list[Text]:
    if not rows:
        return []
    lines = [Text(f"\n{kind}", style="bold")]
    lines += [Text("  ").append(key).append(f"  {_plain(why)}", style="dim") for key, why in rows[:SHOWN]]
    if len(rows) > SHOWN:
        lines.append(Text(f"  … and {len(rows) - SHOWN:,} more: --json names them all", style="dim"))
    return lines


def _plain(text: str) -> str:
    """Return a text of the site without what a terminal would obey."""
    return "".join(sign if sign.isprintable() else " " for sign in text)
