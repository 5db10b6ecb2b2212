"""What the commands that move releases do: publish, list, pull, roll back."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

from flows.console import out, say
from flows.errors import DONE, given_by_user
from flows.server import start_guarded_server
from flows.settings import DataRoot
from flows.verbs import open_release, say_published
from pipeline.crawl.source_files import known_sources, load_source
from pipeline.publishing.audience import Audience
from pipeline.publishing.folder_store import FolderStore
from pipeline.publishing.hub_store import Gated
from pipeline.publishing.references import HUB, Destination, destination
from pipeline.publishing.staging import Plan
from pipeline.release import UNRELEASED, Release
from pipeline.withhold import without

MEGA = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishOptions:
    """How `publish` publishes."""

    to: str | None
    audience: Audience
    bare: bool = False  # without what the source withholds
    gated: Gated | None = None
    propose: bool = False
    dry_run: bool = False


def publish(root: DataRoot, release: str, how: PublishOptions, *, as_json: bool) -> int:
    """Publish a checked build; its release event goes out as after a rebuild."""
    found = _withheld_today(open_release(release, root))
    with given_by_user():
        to = destination(how.to, root.places, gated=how.gated, propose=how.propose)
        if how.bare:
            found = _bare(found, root)
    if how.dry_run:
        _say_plan(to.store.plan(found.named(to.name or found.manifest.name), how.audience), as_json=as_json)
        return DONE
    from flows.rebuild_dataset import publish_dataset

    start_guarded_server()
    published = publish_dataset(
        str(found.folder),
        how.to,
        data=str(root.root),
        public=how.audience.public,
        rights=how.audience.rights,
        gated=how.gated,
        propose=how.propose,
    )
    say_published(published, as_json=as_json)
    return DONE


def releases(root: DataRoot, store: str, *, as_json: bool) -> int:
    """List the versions of a dataset, oldest first."""
    with given_by_user():
        to, name = _dataset(store, root)
        found = to.store.history(name)
    yanked = found[-1].manifest.yanked if found else {}
    rows = [
        {
            "version": one.manifest.version,
            "revision": one.version.revision,
            "created_at": one.manifest.created_at,
            "records": sum(one.manifest.counts.values()),
            "added": len(one.manifest.diff.added),
            "changed": len(one.manifest.diff.changed),
            "removed": len(one.manifest.diff.removed),
            "visibility": one.manifest.visibility,
            "digest": one.manifest.digest,
            "yanked": yanked.get(one.manifest.version, {}).get("why", ""),
        }
        for one in found
    ]
    if as_json:
        out.print_json(json.dumps(rows))
    elif not rows:
        out.print(f"{store} has no release yet", markup=False, soft_wrap=True)
    else:
        out.print(_listed(rows, store))
    return DONE


def pull(root: DataRoot, reference: str, to: Path | None, *, as_json: bool) -> int:
    """Put a release into a folder of releases, where it is found without a network."""
    release = open_release(reference, root)
    store = FolderStore(to or root.releases)
    with given_by_user():
        done = store.adopt(release)
    text = f"{done.version.ref} lies at {done.folder}"
    said: dict[str, object] = {**asdict(done.version), "revision": release.version.revision, "folder": done.folder}
    say(said, text, as_json=as_json)
    return DONE


def rollback(root: DataRoot, store: str, version: str, why: str, *, as_json: bool) -> int:
    """Bring the content of an old version back, as a new one."""
    with given_by_user():
        to, name = _dataset(store, root)
        to.store.open(name, version)  # speaks of what is not there before the engine starts
    from flows.rebuild_dataset import rollback_dataset

    start_guarded_server()
    with given_by_user():
        published = rollback_dataset(name, version, why, to.address, data=str(root.root))
    say_published(published, as_json=as_json)
    return DONE


def _dataset(store: str, root: DataRoot) -> tuple[Destination, str]:
    """Return the store and the name of what `hub:org/name`, `org/name` or FOLDER/org/name is."""
    if store.startswith(HUB):
        to = destination(store, root.places)
        return to, to.name
    path = Path(store)
    if path.is_dir():
        whole = path.resolve()
        return destination(str(whole.parent.parent), root.places), f"{whole.parent.name}/{whole.name}"
    return destination(None, root.places), store


def _bare(release: Release, root: DataRoot) -> Release:
    """Return a build beside this one that holds nothing of what the source withholds."""
    withheld = release.manifest.withheld
    if not withheld:
        raise ValueError(f"{release.folder} withholds nothing: leave --without-withheld out.")
    return without(release, withheld, root.built(f"{release.manifest.name}.bare"))


def _withheld_today(release: Release) -> Release:
    """Return a build that withholds what it did when it was built, and what its source, if it is known, does today."""
    manifest = release.manifest
    if manifest.source not in known_sources() or manifest.version != UNRELEASED:
        return release
    withheld = tuple(sorted({*manifest.withheld, *load_source(manifest.source).withheld}, reverse=True))
    return release if withheld == manifest.withheld else release.with_manifest(withheld=withheld)


def _say_plan(plan: Plan, *, as_json: bool) -> None:
    """Say what would be published: a table of files for a person, all of it for a machine."""
    if as_json:
        out.print_json(json.dumps({**asdict(plan), "sent": plan.sent}))
        return
    if not plan.new:
        out.print(f"nothing changed since {plan.name}@{plan.version}: nothing would be published", soft_wrap=True)
        return
    table = Table("what", "file", "MB", title=f"{plan.name}@{plan.version}, {plan.visibility}")
    kept = 0
    for file in plan.files:
        if file.what == "keep":
            kept += 1
        else:
            table.add_row(file.what, file.path, f"{file.bytes / MEGA:,.3f}")
    out.print(table)
    changes = plan.changes
    out.print(
        f"{len(changes.added):,} records added, {len(changes.changed):,} changed, {len(changes.removed):,} removed "
        f"since {plan.previous or 'nothing'}; {plan.sent / MEGA:,.1f} MB to send, {kept} files stay as they are. "
        "This was a dry run: nothing was changed.",
        soft_wrap=True,
    )


def _listed(rows: list[dict[str, object]], store: str) -> Table:
    table = Table("version", "made on", "records", "changes", "seen by", "", title=f"Releases of {store}")
    for row in rows:
        changes = f"+{row['added']} ~{row['changed']} -{row['removed']}"
        note = f"yanked: {row['yanked']}" if row["yanked"] else ""
        cells = [row["version"], str(row["created_at"])[:10], f"{row['records']:,}", changes, row["visibility"], note]
        table.add_row(*map(str, cells), style="dim" if note else "")
    return table
