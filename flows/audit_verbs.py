"""What `audit` does: read a release, and its raw pictures where they lie here; measure; show a table."""

import json
from dataclasses import asdict

from rich.console import Group
from rich.table import Table
from rich.text import Text

from flows.console import counting, out
from flows.errors import DONE, given_by_user
from flows.settings import DataRoot
from flows.verbs import open_release
from model.audit import Audit
from model.audit import audit as audit_release
from model.distortion import Distortion, Originals, read_originals
from model.part_costs import PartAudit
from pipeline.crawl.raw import RawStore
from pipeline.records import Split
from pipeline.release import Release


def audit(root: DataRoot, reference: str, split: Split, *, as_json: bool) -> int:
    """Audit one split of a release."""
    release = open_release(reference, root)
    with counting(f"auditing {release.version.ref}", "steps") as progress, given_by_user():
        found = audit_release(release, split, originals=_originals(release, split, root), progress=progress)
    if as_json:
        out.print_json(json.dumps(asdict(found)))
    else:
        out.print(audit_report(found))
    return DONE


def _originals(release: Release, split: Split, root: DataRoot) -> Originals:
    """Return the pictures before quantization, from the raw store of the release's source."""
    store = RawStore(root.raw(release.manifest.source))
    if not store.crawl_names():
        return Originals(lacking=f"no raw store of {release.manifest.source} at {store.root}")
    return read_originals(release, split, lambda sha256: store.get(sha256) if store.has(sha256) else None)


def audit_report(found: Audit) -> Group:
    """Return what a terminal shows: the table, and the lines that say how to read it."""
    return Group(_table(found), Text("\n".join(_lines(found))))


def _table(found: Audit) -> Table:
    on = found.dataset
    title = f"{on.ref}, {on.split}: {found.records:,} records, in means per record"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    for heading in ("tokens", "V", "capacity", "bits", "used", "/token", "/unit"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("by", no_wrap=True)
    table.add_column("loss", no_wrap=True)
    for one in found.tokenisations:
        loss = "lossless" if one.lossless else f"ΔE {one.against_sprite.mean:.2f}"
        table.add_row(f"{one.name}:", style="bold")
        table.add_row("picture", *_cells(one.picture, "/px"), one.picture.model, loss)
        table.add_row("caption", *_cells(one.caption, "/ch"), one.caption.model)
        table.add_row("record", *_cells(one.record, ""), style="bold", end_section=True)
    for reference in found.references:
        table.add_row(reference.name, "", "", "", f"{reference.bits:,.0f}", style="dim")
    return table


def _cells(part: PartAudit, unit: str) -> tuple[str, ...]:
    return (
        f"{part.tokens:,.1f}",
        "" if part.vocabulary is None else f"{part.vocabulary:,}",
        f"{part.capacity_bits:,.0f}",
        f"{part.exact_bits:,.0f}",
        f"{part.used:.1%}",
        f"{part.bits_per_token:.2f}",
        "" if part.bits_per_unit is None else f"{part.bits_per_unit:.2f}{unit}",
    )


def _lines(found: Audit) -> list[str]:
    chosen = f"learned on {found.learned_on:,} training records, chosen on {found.chosen_on}"
    lines = [
        "",
        "capacity: tokens × log2 V bits; used: the share of it that the bits are; /unit: bits a pixel or character",
        f"bits: exact, -log2 p by the best count model of each part, {chosen}",
        "loss: decoded again, against the release's own sprite (CIELAB ΔE76, mean over pixels)",
    ]
    lossy = (one for one in found.tokenisations if not one.lossless)
    lines += [f"{one.name} against the sprites: {_told(one.against_sprite)}" for one in lossy]
    lines += [f"{reference.name}: {reference.meaning}" for reference in found.references]
    if found.palette_loss:
        lines.append(f"the palette, against the pictures before quantization: {_told(found.palette_loss)}")
    if found.not_measured:
        scope = "not measured on all" if found.palette_loss else "what the palette lost is not measured"
        lines.append(f"{scope}: {found.not_measured}")
    return lines


def _told(loss: Distortion) -> str:
    worst = f", worst {loss.worst:.2f} in {loss.worst_record}" if loss.worst_record else ""
    return f"ΔE {loss.mean:.2f}{worst} ({loss.records:,} records)"
