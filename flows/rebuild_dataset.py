"""The flow that turns today's pages of a source into a release."""

from pathlib import Path
from typing import Any

from prefect import flow
from prefect.events import emit_event

from flows import dataset_tasks as tasks
from flows.recipe_options import RecipeOptions
from flows.settings import data_root
from pipeline.crawl.source_files import load_source
from pipeline.publish import Audience, Published, visibility
from pipeline.records import DatasetVersion
from pipeline.release import Release

RELEASED = "pixelbytes.dataset.released"


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

    With `offline`, the pages of the last crawl, or of the one named `crawl`. `public` and `rights` say who shall see
    the release (pipeline.publish.Audience): what cannot be published stops here before anything is asked of a site.
    `recipe` says what is made otherwise than the source says (flows.recipe_options), such as {"k": 5, "windows": [5]}.
    """
    if crawl and not offline:
        raise ValueError(f"crawl {crawl!r} is an older one, which is built without a new crawl: add --offline.")
    root = data_root(data)
    releases = Path(store) if store else root.releases
    audience = Audience(public=public, rights=rights)
    visibility(load_source(source).withheld, audience)
    if not offline:
        tasks.crawl_source(source, root, contact)
    tasks.survey_crawl(source, root, crawl, allow)  # stops here when the site changed under us
    release = tasks.build_release(source, repo_id, root, RecipeOptions(**recipe or {}), workers, crawl=crawl)
    checked = tasks.check_release(release, releases, allow, because)  # stops here when a gate says no
    return _published(tasks.publish_release(checked, releases, audience), releases)


@flow(name="publish-dataset", log_prints=True, validate_parameters=False)
def publish_dataset(release: str, store: str, *, public: bool | None = None, rights: str = "") -> Published:
    """Publish a release folder that was built and checked before, to those who may see it."""
    audience = Audience(public=public, rights=rights)
    return _published(tasks.publish_release(Release.open(Path(release)), Path(store), audience), Path(store))


def _published(published: Published, store: Path) -> Published:
    if published.new:
        announce(published.version, store)
    return published


def released_payload(version: DatasetVersion, store: Path) -> dict[str, str]:
    """Return what the event carries: exactly the parameters that training starts from."""
    return {"repo_id": version.repo_id, "tag": version.tag, "digest": version.digest, "store": str(store)}


def announce(version: DatasetVersion, store: Path) -> None:
    """Tell everybody who waits for a release that this one stands."""
    resource = {"prefect.resource.id": f"pixelbytes.dataset.{version.repo_id}", "prefect.resource.name": version.ref}
    emit_event(RELEASED, resource=resource, payload=released_payload(version, store))
