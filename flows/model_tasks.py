"""Prefect tasks of the models: each wraps one function, and holds no logic of its own."""

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from flows.console import err, working
from flows.pages import run_page
from flows.retrying import PUBLISH, network_task
from flows.settings import DataRoot
from model import runs
from model.judging import usual_extras
from model.presets import Preset
from model.progress import progress_bar
from model.train import resume_run
from pipeline.publishing.references import destination, resolve
from pipeline.release import MANIFEST, Release


@network_task(PUBLISH)
def open_release(repo_id: str, tag: str, digest: str, store: str | None, root: DataRoot) -> Release:
    """Open exactly the version that is named; ValueError when its content is not the one announced.

    `store` is a release folder, wherever it lies, a folder of releases, or `hub:org/name`.
    """
    releases = store or str(root.releases)
    itself = (Path(releases) / MANIFEST).is_file()
    release = resolve(releases, root.places) if itself else destination(store, root.places).store.open(repo_id, tag)
    if (release.version.repo_id, release.version.tag) != (repo_id, tag):
        raise ValueError(f"{releases} is {release.version.ref}, not {repo_id}@{tag}: give the folder of that release.")
    if digest and release.manifest.digest != digest:
        raise ValueError(
            f"{repo_id}@{tag} in {releases} has digest {release.manifest.digest}, but {digest} was announced: "
            "it is another dataset of that name."
        )
    return release


@task(cache_policy=NO_CACHE)
def train_network(release: Release, root: DataRoot, preset: Preset) -> Path:
    """Train, or go on with, the run of this release, preset and seed."""
    with progress_bar(err) as on_progress:
        return runs.train_run(release, root.runs, preset, on_progress)


@task(cache_policy=NO_CACHE)
def resume_network(release: Release, run: Path) -> Path:
    """Go on with a run, by what stands in its folder."""
    with progress_bar(err) as on_progress:
        resume_run(run, release, on_progress)
    return run


@task(cache_policy=NO_CACHE)
def evaluate_run(release: Release, run: Path) -> None:
    """Write the run's evaluation.json: network and baselines on the test split, and what the network draws."""
    with working("judging the run on the test split"):
        runs.evaluate_run(release, run, usual_extras(release))


@task(cache_policy=NO_CACHE)
def draw_samples(release: Release, run: Path) -> None:
    """Draw what the page shows: from nothing, from captions, from pictures."""
    with working("drawing samples"):
        runs.sample_run(release, run)


@task(cache_policy=NO_CACHE)
def write_page(release: Release, run: Path, root: DataRoot) -> Path:
    """Write the run's report.html."""
    return run_page(release, run, root)
