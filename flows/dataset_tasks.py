"""Prefect tasks of the dataset: each wraps one function, and holds no logic of its own.

Those that ask a site or a Hub are tried again when that failed (flows.retrying); the others would only fail the same
way once more. Nothing is kept in Prefect's cache: what was built before is known by its folder (pipeline.built_before).
"""

from prefect import task
from prefect.cache_policies import NO_CACHE

from flows.artifacts import show_gates, show_yields
from flows.console import counting, err
from flows.engines import EngineOptions, pool_of
from flows.reach import reached
from flows.recipe_options import AS_THE_SOURCE_SAYS, RecipeOptions
from flows.retrying import BUILD, CHECK, CRAWL, PUBLISH, SURVEY, network_task
from flows.settings import DataRoot
from pipeline.build import build
from pipeline.built_before import asked_of, built_before, remember
from pipeline.checks import check, override
from pipeline.crawl.collect import collect, rules_for
from pipeline.crawl.raw import Crawl, RawStore
from pipeline.crawl.source_files import load_source
from pipeline.crawl.survey import Survey, survey
from pipeline.publishing.audience import AS_THE_SOURCE_ALLOWS, Audience, GateError
from pipeline.publishing.staging import Published, Store
from pipeline.release import Gate, Release, blocking

YIELD_GATES = {"listings", "yield"}  # letting one through lets the survey's no through: it asks the same of a crawl
ALONE = EngineOptions()  # in this process


@network_task(CRAWL)
def crawl_source(source: str, root: DataRoot, contact: str | None = None, limit: int | None = None) -> Crawl:
    """Bring the raw store of a source up to date: crawl a wiki, gather a folder."""
    known = load_source(source)
    with reached(known) as proxy:
        done = collect(known, RawStore(root.raw(known.name)), limit=limit, proxy=proxy, contact=contact)
    report = done.report
    if report is not None:
        err.print(
            f"    crawled {known.name}: {report.requests} requests, {report.fetched} fetched, "
            f"{report.carried + report.not_modified} unchanged, {report.failed} failed",
            soft_wrap=True,
        )
    return done


@task(cache_policy=NO_CACHE, timeout_seconds=SURVEY)
def survey_crawl(source: str, root: DataRoot, crawl: str | None = None, allow: tuple[str, ...] = ()) -> Survey:
    """Hold a crawl, the newest unless one is named, against what its source asserts; GateError when it fell short."""
    known = load_source(source)
    store = RawStore(root.raw(known.name))
    seen = survey(rules_for(known, store, crawl), store, store.crawl(crawl) if crawl else None)
    if seen.limited and not YIELD_GATES & set(allow):
        raise GateError(f"crawl {seen.crawl} was limited to its {seen.limited}: crawl again, without --limit.")
    if seen.failed:
        if not YIELD_GATES & set(allow):
            show_yields(seen)
            raise GateError(f"{seen.problem()} Or let it through: --allow yield --because TEXT.")
        err.print(f"    let through: {seen.problem()}", markup=False, soft_wrap=True)
    return seen


@task(cache_policy=NO_CACHE, timeout_seconds=BUILD)
def build_release(
    source: str,
    name: str,
    root: DataRoot,
    recipe: RecipeOptions = AS_THE_SOURCE_SAYS,
    engine: EngineOptions = ALONE,
    *,
    crawl: str | None = None,
) -> Release:
    """Return the release folder of a finished crawl, the newest unless one is named; built unless it stands there."""
    known = load_source(source)
    store = RawStore(root.raw(known.name))
    rules = rules_for(known, store, crawl)
    config, out = recipe.over(rules.build), root.built(name)
    asked = asked_of(rules, store, name=name, config=config, crawl=crawl)
    if standing := built_before(out, asked):
        err.print(f"    built before from the same pages: {out}", markup=False, soft_wrap=True)
        return standing
    pool = pool_of(engine, root.root)
    with counting(f"building {name}", "pictures and records") as progress:
        release = build(rules, store, out, name=name, config=config, crawl=crawl, pool=pool, progress=progress)
    remember(release, asked)
    if dropped := release.manifest.quarantine:
        told = ", ".join(f"{count} at {stage}" for stage, count in dropped.items())
        err.print(f"    dropped: {told} (why stands in {release.folder}/quarantine)", markup=False, soft_wrap=True)
    return release


@network_task(PUBLISH)
def last_release(name: str, store: Store) -> Release | None:
    """Return the newest version of a dataset, if there is any."""
    return store.last(name)


@task(cache_policy=NO_CACHE, timeout_seconds=CHECK)
def check_release(release: Release, last: Release | None, allow: tuple[str, ...] = (), because: str = "") -> Release:
    """Ask every gate and keep the answers in the manifest; GateError when one says no that is not let through."""
    gates = check(release, last)
    for name in allow:
        gates = override(gates, name, because)
    checked = release.with_manifest(gates=gates)
    show_gates(checked)
    if failed := blocking(checked.manifest.gates):
        told = "; ".join(_told(gate) for gate in failed)
        raise GateError(
            f"{told}. Nothing was published; look at {release.folder}, or let it through: "
            f"{' '.join(f'--allow {gate.name}' for gate in failed)} --because TEXT."
        )
    return checked


@network_task(PUBLISH)
def publish_release(release: Release, store: Store, audience: Audience = AS_THE_SOURCE_ALLOWS) -> Published:
    """Publish under the version that the changes call for, or find that nothing changed."""
    return store.publish(release, audience)


@network_task(PUBLISH)
def rollback_release(name: str, version: str, why: str, store: Store) -> Published:
    """Publish the content of an old version as a new one."""
    return store.rollback(name, version, why)


def _told(gate: Gate) -> str:
    """Return a failed gate in words, with the records that failed it."""
    named = f" ({', '.join(gate.worst)})" if gate.worst else ""
    return f"{gate.name}: {gate.limit}, but {gate.value}{named}"
