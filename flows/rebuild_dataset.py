"""The flow that turns today's pages of a source into a release."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from prefect import flow

from flows import dataset_tasks as tasks
from flows.recipe_options import RecipeOptions
from flows.releasing import Promise
from flows.settings import DataRoot, data_root
from pipeline.crawl.source_files import load_source
from pipeline.publishing.audience import Audience, visibility
from pipeline.publishing.hub_store import Gated
from pipeline.publishing.references import Destination, destination
from pipeline.publishing.staging import Published
from pipeline.records import DatasetVersion
from pipeline.release import Release


@flow(name="rebuild-dataset", log_prints=True, validate_parameters=False)
def rebuild_dataset(  # noqa: PLR0913 - a deployment's parameters
    source: str,
    repo_id: str,
    recipe: dict[str, Any] | None = None,
    *,
    data: str | None = None,
    store: str | None = None,
    workers: int = 1,
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
    (flows.recipe_options), such as {"k": 5, "windows": [5]}.
    """
    if crawl and not offline:
        raise ValueError(f"crawl {crawl!r} is an older one, which is built without a new crawl: add --offline.")
    root = data_root(data)
    to = destination(store, root.places)
    audience = Audience(public=public, rights=rights)
    visibility(load_source(source).withheld, audience)
    if not offline:
        tasks.crawl_source(source, root, contact)
    tasks.survey_crawl(source, root, crawl, allow)  # stops here when the site changed under us
    recipe_given = RecipeOptions(**recipe or {})
    release = tasks.build_release(source, to.name or repo_id, root, recipe_given, workers, crawl=crawl)
    checked = tasks.check_release(release, to.store, allow, because)  # stops here when a gate says no
    return _published(checked, to, audience, root)


@flow(name="publish-dataset", log_prints=True, validate_parameters=False)
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
    return _published(Release.open(Path(release)), to, Audience(public=public, rights=rights), root)


def _published(release: Release, to: Destination, audience: Audience, root: DataRoot) -> Published:
    """Publish a release under the name that it has there, and tell of it."""
    named = release.named(to.name or release.manifest.name)
    return _told(root, to, named.version, lambda: tasks.publish_release(named, to.store, audience))


@flow(name="rollback-dataset", log_prints=True, validate_parameters=False)
def rollback_dataset(name: str, version: str, why: str, store: str, *, data: str | None = None) -> Published:
    """Make a new version of an old one's content; those since are yanked, and `why` stands in the release."""
    root = data_root(data)
    to = destination(store, root.places)
    old = to.store.open(name, version).version
    return _told(root, to, old, lambda: tasks.rollback_release(name, version, why, to.store))


def _told(root: DataRoot, to: Destination, content: DatasetVersion, publish: Callable[[], Published]) -> Published:
    """Publish this content, and tell everybody who waits for it: once it stands, even if we are killed in between."""
    promise = Promise(root.root / "announcing", to.address, content)
    owed = promise.give()
    published = publish()
    if not published.proposed:
        promise.keep(published, owed=owed)
    return published
