"""The flow that reproduces the paper's table."""

from pathlib import Path

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows import paper_verbs
from flows.notices import notify
from flows.settings import DataRoot, data_root
from flows.verbs import open_release
from model.presets import Preset
from model.reproduction import chosen_presets, require_splits
from pipeline.release import Release


@task(cache_policy=NO_CACHE)
def reproduce_table(release: Release, root: DataRoot, presets: tuple[Preset, ...]) -> Path:
    """Train and judge rows of the table, or go on with what a run before began; return the page."""
    return paper_verbs.reproduce_paper(release, root, presets)


@flow(
    name="reproduce-paper",
    log_prints=True,
    validate_parameters=False,
    on_failure=[notify],
    on_crashed=[notify],
    on_cancellation=[notify],
)
def reproduce_paper(
    reference: str,
    *,
    data: str | None = None,
    epochs: int = 200,
    only: tuple[str, ...] = (),
    seed: int = 0,
) -> Path:
    """Train the networks of the paper's table on one version of a dataset; return the page with table and figures.

    `only` names rows, such as `rnn`; all by default. What was interrupted goes on, and what is finished is not trained
    again. ValueError for a row that is not in the table, or a release that lacks a split.
    """
    presets = chosen_presets(only, epochs, seed)
    root = data_root(data)
    release = open_release(reference, root)
    require_splits(release)
    return reproduce_table(release, root, presets)
