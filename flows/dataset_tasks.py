"""Prefect tasks of the dataset: each wraps one function, and holds no logic of its own."""

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from flows.console import counting, err
from flows.reach import reached
from flows.settings import DataRoot
from pipeline.build import build
from pipeline.checks import check, override
from pipeline.crawl.raw import Crawl, RawStore
from pipeline.crawl.run import crawl
from pipeline.crawl.sources import load_source
from pipeline.publish import FolderStore, GateError, Published
from pipeline.release import Release, blocking
from pipeline.shard_build import BuildConfig


@task(cache_policy=NO_CACHE)
def crawl_source(source: str, root: DataRoot, contact: str | None = None, limit: int | None = None) -> Crawl:
    """Bring the raw store of a source up to date."""
    known = load_source(source)
    with reached(known) as proxy:
        done = crawl(known, RawStore(root.raw(known.name)), limit=limit, proxy=proxy, contact=contact)
    report = done.report
    if report is not None:
        err.print(
            f"    crawled {known.name}: {report.requests} requests, {report.fetched} fetched, "
            f"{report.carried + report.not_modified} unchanged, {report.failed} failed",
            soft_wrap=True,
        )
    return done


@task(cache_policy=NO_CACHE)
def build_release(source: str, name: str, root: DataRoot, k: int = 3, workers: int = 1) -> Release:
    """Build the release folder from the newest finished crawl."""
    known = load_source(source)
    with counting(f"building {name}", "records") as progress:
        return build(
            known,
            RawStore(root.raw(known.name)),
            root.built(name),
            name=name,
            config=BuildConfig(k=k),
            workers=workers,
            progress=progress,
        )


@task(cache_policy=NO_CACHE)
def check_release(release: Release, releases: Path, allow: tuple[str, ...] = (), because: str = "") -> Release:
    """Ask every gate and keep the answers in the manifest; GateError when one says no that is not let through."""
    store = FolderStore(releases)
    known = store.versions(release.manifest.name)
    gates = check(release, store.open(release.manifest.name) if known else None)
    for name in allow:
        gates = override(gates, name, because)
    checked = release.with_manifest(gates=gates)
    if failed := blocking(checked.manifest.gates):
        told = "; ".join(f"{gate.name} is {gate.value}, but the limit is {gate.limit}" for gate in failed)
        raise GateError(f"{told}. The last release stays; look at {release.folder}.")
    return checked


@task(cache_policy=NO_CACHE)
def publish_release(release: Release, title: str, releases: Path) -> Published:
    """Publish under the version that the changes call for, or find that nothing changed."""
    return FolderStore(releases).publish(release, title)
