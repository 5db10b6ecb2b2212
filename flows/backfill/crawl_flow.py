"""The flow that publishes the version that one crawl of the past would have made."""

from prefect import flow

from flows import dataset_tasks as tasks
from flows.artifacts import show_release
from flows.backfill.journal import require_not_older
from flows.notices import notify

# The same lock and the same promise as a rebuild's: the two must never publish one dataset at the same time.
from flows.rebuild_dataset import publish_and_tell, the_only_rebuild
from flows.settings import data_root
from pipeline.crawl.source_files import load_source
from pipeline.publishing.audience import AS_THE_SOURCE_ALLOWS, visibility
from pipeline.publishing.folder_store import require_name
from pipeline.publishing.references import destination
from pipeline.publishing.staging import Published


@flow(
    name="backfill-crawl",
    log_prints=True,
    validate_parameters=False,
    on_failure=[notify],
    on_crashed=[notify],
    on_cancellation=[notify],
)
def backfill_crawl(
    source: str, repo_id: str, crawl: str, *, data: str | None = None, store: str | None = None
) -> Published:
    """Publish what a finished crawl makes, as `rebuild_dataset` does; nothing is published when nothing changed.

    What stands is looked at while nobody else of this data root can rebuild the dataset, and right before publishing.
    Raises ValueError when it was made from a later crawl, and what a rebuild raises.
    """
    root = data_root(data)
    to = destination(store, root.places)
    name = require_name(to.name or repo_id)
    visibility(load_source(source).withheld, AS_THE_SOURCE_ALLOWS)
    with the_only_rebuild(root, name, 0.0):
        seen = tasks.survey_crawl(source, root, crawl)
        release = tasks.build_release(source, name, root, crawl=crawl)
        last = tasks.last_release(name, to.store)
        require_not_older(crawl, last)
        published = publish_and_tell(tasks.check_release(release, last), to, AS_THE_SOURCE_ALLOWS, root)
    show_release(published, seen)
    return published
