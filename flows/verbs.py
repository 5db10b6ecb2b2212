"""What each command does with what it was given: resolve it, call the floor below, say what came of it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from flows.console import counting, err, gate_table, out, say
from flows.crawl_verbs import finished_crawl, known_source, warn_of_yields
from flows.engines import EngineOptions, pool_of
from flows.errors import DONE, FAILED, GATE_SAID_NO, UsageError, given_by_user
from flows.reach import reached
from flows.recipe_options import RecipeOptions
from flows.server import start_guarded_server
from flows.settings import DataRoot
from pipeline import checks
from pipeline.build import build as build_release
from pipeline.crawl.collect import check_collect, collect, rules_for
from pipeline.crawl.raw import RawStore
from pipeline.crawl.sources import Source
from pipeline.drafts import require_replaceable
from pipeline.publishing.audience import Audience, visibility
from pipeline.publishing.folder_store import require_name
from pipeline.publishing.hub_store import HubStore
from pipeline.publishing.references import HUB, destination, resolve
from pipeline.publishing.staging import Published
from pipeline.release import DamagedRelease, Release, blocking
from pipeline.verify import verify as verify_release


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """How `build` builds."""

    out: Path | None
    recipe: RecipeOptions
    engine: EngineOptions
    offline: bool
    crawl: str | None
    contact: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildOptions:
    """How `rebuild` rebuilds."""

    to: str | None
    name: str | None
    recipe: RecipeOptions
    engine: EngineOptions
    offline: bool
    crawl: str | None
    contact: str | None
    override: "Override"
    audience: Audience


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """Gates that are let through, and why."""

    gates: tuple[str, ...]
    because: str


def open_release(reference: str, root: DataRoot) -> Release:
    """Return the release that a reference names, and say on stderr what it resolved to."""
    with given_by_user():
        release = resolve(reference, root.places)
    if reference == release.version.ref:
        return release
    commit = f"commit {release.revision[:12]}, " if release.revision else ""
    told = f"{reference} is {release.version.ref}, {commit}digest {release.manifest.digest[:12]}"
    err.print(told, style="dim", markup=False, soft_wrap=True)
    return release


def _dataset_name(source: Source, given: str | None = None) -> str:
    return given or f"pixelbytes/{source.name}"


def check_named_crawl(crawl: str | None, *, offline: bool) -> None:
    """Raise ValueError when a crawl of the past is named and a new one asked for."""
    if crawl and not offline:
        raise ValueError(f"crawl {crawl!r} is one of the past, and nothing is asked of the site for it: add --offline.")


def build(root: DataRoot, source: str, how: BuildOptions, *, as_json: bool) -> int:
    """Build a release folder."""
    known = known_source(source)
    with given_by_user():
        how.recipe.over(known.build)
        if how.out:
            require_replaceable(how.out)
        check_named_crawl(how.crawl, offline=how.offline)
        if not how.offline:
            check_collect(known, contact=how.contact)
    store = RawStore(root.raw(known.name))
    if not how.offline:
        with reached(known) as proxy:
            collect(known, store, proxy=proxy, contact=how.contact)
    crawled = finished_crawl(known, store, how.crawl)
    known = rules_for(known, store, how.crawl)
    warn_of_yields(known, store, crawled)
    config = how.recipe.over(known.build)
    name = _dataset_name(known)
    target = how.out or root.built(name)
    pool = pool_of(how.engine, root.root, target.parent)
    with counting(f"building {name}", "pictures and records") as progress:
        release = build_release(
            known, store, target, name=name, config=config, crawl=how.crawl, pool=pool, progress=progress
        )
    manifest = release.manifest
    text = f"{sum(manifest.counts.values()):,} records at {release.folder} (digest {manifest.digest[:12]})"
    if manifest.quarantine:
        text += f"; dropped: {', '.join(f'{n} at {stage}' for stage, n in manifest.quarantine.items())}"
    say({"folder": str(release.folder), "digest": manifest.digest, "counts": manifest.counts}, text, as_json=as_json)
    return DONE


def check(root: DataRoot, release: str, against: str | None, allowed: Override, *, as_json: bool) -> int:
    """Ask every gate; a published release is never written to."""
    found = open_release(release, root)
    gates = checks.check(found, open_release(against, root) if against else None)
    with given_by_user():
        for name in allowed.gates:
            gates = checks.override(gates, name, allowed.because)
    if found.manifest.version == "unreleased":
        found.with_manifest(gates=gates)
    if as_json:
        out.print_json(json.dumps([asdict(gate) for gate in gates]))
    else:
        out.print(gate_table(gates))
    return GATE_SAID_NO if blocking(gates) else DONE


def verify(root: DataRoot, release: str, *, as_json: bool) -> int:
    """Recompute every digest."""
    with TemporaryDirectory() as folder:
        try:
            found = _as_it_is(release, root, Path(folder) / "release")
        except DamagedRelease as error:
            ref, faults = release, [str(error)]
        else:
            ref = found.version.ref
            with counting(f"verifying {ref}", "steps") as progress:
                faults = list(verify_release(found, progress))
    text = "\n".join(faults) if faults else f"every digest of {ref} holds"
    say({"release": ref, "faults": faults}, text, as_json=as_json)
    return FAILED if faults else DONE


def _as_it_is(reference: str, root: DataRoot, folder: Path) -> Release:
    """Return a release as it lies there now: one on the Hub is downloaded, whatever was read of it before."""
    if not reference.startswith(HUB):
        return open_release(reference, root)
    name, _, version = reference.removeprefix(HUB).partition("@")
    with given_by_user():
        return HubStore(root.places.cache).fetched(require_name(name), version or None, folder)


def inspect(root: DataRoot, release: str, record: str | None) -> int:
    """Show one record: sprite, text, tokens and one window."""
    from flows.anatomy import anatomy

    found = open_release(release, root)
    with given_by_user():
        shown = anatomy(found, record)
    out.print(shown)
    return DONE


def rebuild(root: DataRoot, source: str, how: RebuildOptions, *, as_json: bool) -> int:
    """Run the flow that rebuilds a dataset."""
    known = known_source(source)
    with given_by_user():
        how.recipe.over(known.build)
        check_named_crawl(how.crawl, offline=how.offline)
        if not how.offline:
            check_collect(known, contact=how.contact)
        if how.override.gates and not how.override.because.strip():
            raise UsageError("a gate is only let through with a reason: add --because TEXT.")
        if unknown := sorted(set(how.override.gates) - set(checks.GATE_NAMES)):
            raise UsageError(f"gate {unknown[0]!r} is not known: choose one of {', '.join(checks.GATE_NAMES)}.")
        to = destination(how.to, root.places)
        name = to.name or require_name(_dataset_name(known, how.name))
    if how.offline:
        finished_crawl(known, RawStore(root.raw(known.name)), how.crawl)
    visibility(known.withheld, how.audience)  # a right that is lacking stops here, before anything is asked of a site
    from flows.rebuild_dataset import rebuild_dataset

    start_guarded_server()
    published = rebuild_dataset(
        source,
        name,
        asdict(how.recipe),
        data=str(root.root),
        store=how.to,
        workers=how.engine.workers,
        engine=how.engine.name,
        address=how.engine.address,
        offline=how.offline,
        crawl=how.crawl,
        contact=how.contact,
        allow=how.override.gates,
        because=how.override.because,
        public=how.audience.public,
        rights=how.audience.rights,
    )
    say_published(published, as_json=as_json)
    return DONE


def say_published(published: Published, *, as_json: bool) -> None:
    """Say which version stands, whether it is new, and what it changed."""
    changes = published.release.manifest.diff
    text = (
        f"{_where(published)}: "
        f"{len(changes.added)} added, "
        f"{len(changes.changed)} changed, {len(changes.removed)} removed"
        if published.new
        else f"nothing changed since {published.version.ref}: no new version"
    )
    result: dict[str, object] = {**asdict(published.version), "new": published.new, "folder": published.release.folder}
    result["proposed"] = published.proposed
    result["visibility"] = published.release.manifest.visibility
    say(result, text, as_json=as_json)


def _where(published: Published) -> str:
    release, ref = published.release, published.version.ref
    if published.proposed:
        return f"proposed {ref}: once {published.proposed} is merged, run this again, and it gets its tag"
    place = f"commit {release.revision}" if release.revision else str(release.folder)
    return f"published {ref} ({release.manifest.visibility}) at {place}"
