"""What a run shows in Prefect's pages: tables, pictures and links, as artifacts. Never the reason why a run fails."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows import dataset_artifacts as datasets
from flows.champion.champions import Decision
from pipeline.crawl.survey import Survey
from pipeline.publishing.staging import Published
from pipeline.release import Release

if TYPE_CHECKING:
    from logging import Logger, LoggerAdapter

    RunLog = Logger | LoggerAdapter[Logger]

MAX_TEXT = 1 << 20  # characters of one artifact, its pictures included
_SLUG = re.compile(r"[^a-z0-9]+")
_LONGEST_KEY = 120


def show_release(published: Published, survey: Survey | None) -> None:
    """Show the version that a run ended with: its table, what it changes, its yields, its pictures, its links."""
    name = published.version.repo_id
    _show(f"release {name}", "the version that stands", lambda: datasets.release_text(published, survey))


def show_gates(release: Release) -> None:
    """Show what the gates of a release said."""
    name = release.manifest.name
    _show(f"gates {name}", "what the gates said", lambda: datasets.gates_text(release))


def show_yields(survey: Survey) -> None:
    """Show what a crawl yielded, and which pages fell short: for a run that stops there."""
    _show(f"yields {survey.source}", "what the crawl yielded", lambda: datasets.survey_text(survey))


def show_run(run: Path, release: Release) -> None:
    """Show a trained run: its curves, its models with their bits, the samples that it drew."""
    from flows import model_artifacts as models  # torch stands behind it, and a rebuild does without

    name = release.manifest.name
    _show(f"training {name}", "what was trained", lambda: models.run_text(run, release))


def show_decision(decision: Decision) -> None:
    """Show who reigns after a version, and why."""
    from flows import model_artifacts as models

    name = decision.dataset.repo_id
    _show(f"champion {name}", "who reigns, and why", lambda: models.decision_text(decision))


def run_log() -> "RunLog":
    """Return the log of the run that this is called in; outside of one, a log of our own."""
    from prefect.exceptions import MissingContextError
    from prefect.logging import get_logger, get_run_logger

    try:
        return get_run_logger()
    except MissingContextError:
        return get_logger("pixelbytes")


def _show(title: str, about: str, text: Callable[[], str]) -> None:
    """Keep a Markdown artifact under a key made of its title; whatever goes wrong is a line in the log.

    Runs that show the same thing share the key, so that Prefect's page of it is its history.
    """
    log = run_log()
    try:
        from prefect.artifacts import create_markdown_artifact
        from prefect.context import FlowRunContext, TaskRunContext

        if FlowRunContext.get() is None and TaskRunContext.get() is None:
            log.debug("%s is shown nowhere: this is no run of Prefect's", title)
            return
        written = text()
        if len(written) > MAX_TEXT:
            log.warning("%s is not shown: its text has %d characters", title, len(written))
            return
        key = _SLUG.sub("-", title.lower()).strip("-")[:_LONGEST_KEY]
        here: dict[str, Any] = {"_sync": True}  # whatever thread or loop this is called in
        create_markdown_artifact(written, key=key, description=about, **here)
    except Exception as error:  # noqa: BLE001 - a table that cannot be shown stops no run: see the module's first line
        log.warning("%s could not be shown (%s: %.200s)", title, type(error).__name__, error)
