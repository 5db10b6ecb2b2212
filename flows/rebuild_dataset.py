"""The flow that turns today's pages of a source into a release."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prefect import flow

from flows import dataset_tasks as tasks
from flows.artifacts import show_release
from flows.engines import EngineName, EngineOptions
from flows.notices import notify
from flows.recipe_options import RecipeOptions
from flows.releasing import Promise
from flows.retrying import limits, within
from flows.settings import DataRoot, data_root
from pipeline.crawl.source_files import load_source
from pipeline.locks import only_one
from pipeline.publishing.audience import Audience, visibility
from pipeline.publishing.folder_store import require_name
from pipeline.publishing.hub_store import Gated
from pipeline.publishing.references import Destination, destination
from pipeline.publishing.staging import Published
from pipeline.records import DatasetVersion
from pipeline.release import Release


@flow(
    name="rebuild-dataset",
    log_prints=True,
    validate_parameters=False,
    on_failure=[notify],
    on_crashed=[notify],
    on_cancellation=[notify],
)
def rebuild_dataset(  # noqa: PLR0913 - a deployment's parameters
    source: str,
    repo_id: str,
    recipe: dict[str, Any] | None = None,
    *,
    data: str | None = None,
    store: str | None = None,
    workers: int = 1,
    engine: EngineName = "processes",
    address: str | None = None,
    patience: float = 0.0,
    time_limits: dict[str, float] | None = None,
    offline: bool = False,
    crawl: str | None = None,
    contact: str | None = None,
    allow: tuple[str, ...] = (),
    because: str = "",
    public: bool | None = None,
    rights: str = "",
) -> Published:
    """Turn today's pages of `source` into a tagged release; nothing is published when nothing changed.

    With `offline`, the pages of the last crawl, or of the one named `crawl`. `store` is a folder of releases or
    `hub:org/name`. `public` and `rights` say who shall see the release (pipeline.publishing.audience): what cannot be
    published stops here before anything is asked of a site. `recipe` says what is made otherwise than the source says
    (flows.recipe_options), such as {"k": 5, "windows": [5]}. `engine`, `workers` and `address` say where it is built
    (flows.engines). One rebuild of a dataset runs at a time: another one is waited for `patience` seconds, then this
    one fails. `time_limits` are seconds by stage (flows.retrying.Limits).
    """
    if crawl and not offline:
        raise ValueError(f"crawl {crawl!r} is an older one, which is built without a new crawl: add --offline.")
    root = data_root(data)
    to = destination(store, root.places)
    name = require_name(to.name or repo_id)
    audience = Audience(public=public, rights=rights)
    visibility(load_source(source).withheld, audience)
    recipe_given = RecipeOptions(**recipe or {})
    where = EngineOptions(name=engine, workers=workers, address=address)
    most = limits(time_limits)
    with the_only_rebuild(root, name, patience):
        if not offline:
            within(tasks.crawl_source, most.crawl)(source, root, contact)
        seen = within(tasks.survey_crawl, most.survey)(source, root, crawl, allow)  # stops when the site changed
        release = within(tasks.build_release, most.build)(source, name, root, recipe_given, where, crawl=crawl)
        last = within(tasks.last_release, most.publish)(name, to.store)
        checked = within(tasks.check_release, most.check)(release, last, allow, because)  # stops when a gate says no
        published = publish_and_tell(checked, to, audience, root, most.publish)
    show_release(published, seen)
    return published


@flow(
    name="publish-dataset",
    log_prints=True,
    validate_parameters=False,
    on_failure=[notify],
    on_crashed=[notify],
    on_cancellation=[notify],
)
def publish_dataset(  # noqa: PLR0913 - a deployment's parameters
    release: str,
    store: str | None,
    *,
    data: str | None = None,
    public: bool | None = None,
    rights: str = "",
    gated: Gated | None = None,
    propose: bool = False,
) -> Published:
    """Publish a release folder that was built and checked before, to those who may see it."""
    root = data_root(data)
    to = destination(store, root.places, gated=gated, propose=propose)
    published = publish_and_tell(Release.open(Path(release)), to, Audience(public=public, rights=rights), root)
    show_release(published, None)
    return published


@flow(
    name="rollback-dataset",
    log_prints=True,
    validate_parameters=False,
    on_failure=[notify],
    on_crashed=[notify],
    on_cancellation=[notify],
)
def rollback_dataset(name: str, version: str, why: str, store: str, *, data: str | None = None) -> Published:
    """Make a new version of an old one's content; those since are yanked, and `why` stands in the release."""
    root = data_root(data)
    to = destination(store, root.places)
    old = to.store.open(name, version).version
    published = _told(root, to, old, lambda: tasks.rollback_release(name, version, why, to.store))
    show_release(published, None)
    return published


@contextmanager
def the_only_rebuild(root: DataRoot, name: str, patience: float) -> Iterator[None]:
    """Hold the one place there is in this data root to rebuild a dataset, whoever asked for it; see `only_one`.

    It is free again when its holder ends, however it ends. Two datasets of one source share its raw store, which has a
    lock of its own.
    """
    org, _, dataset = name.partition("/")
    folder = root.root / "locks" / org
    with only_one(
        folder, f"rebuilding {name}, by its lock in", f"{dataset}.lock", patience=float(patience), signed=True
    ):
        yield


def publish_and_tell(
    release: Release, to: Destination, audience: Audience, root: DataRoot, most: float | None = None
) -> Published:
    """Publish a release under the name that it has there, and tell of it."""
    named = release.named(to.name or release.manifest.name)
    publish = within(tasks.publish_release, most)
    return _told(root, to, named.version, lambda: publish(named, to.store, audience))


def _told(root: DataRoot, to: Destination, content: DatasetVersion, publish: Callable[[], Published]) -> Published:
    """Publish this content, and tell everybody who waits for it: once it stands, even if we are killed in between."""
    promise = Promise(root.root / "announcing", to.address, content)
    owed = promise.give()
    published = publish()
    if not published.proposed:
        promise.keep(published, owed=owed)
    return published
